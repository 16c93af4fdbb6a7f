//go:build !novimage

package tester

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestPercentNeverRoundsLossAway(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string
	}{{100, 100, "100.0 %"}, {99999, 100000, "99.9 %"}, {0, 100, "0.0 %"}, {0, 0, "0.0 %"}} {
		if got := Percent(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.part, c.whole, got, c.want)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var ns []int64
	for i := range int64(1001) {
		ns = append(ns, (1000-i)*1e6)
	}
	if d := Percentiles(ns); d != (Delays{1001, 500, 900, 990, 1000}) {
		t.Errorf("%+v", d)
	}
	if d := Percentiles(nil); d != (Delays{}) || d.String() != "-" {
		t.Errorf("%+v", d)
	}
}

// TestHistogramAgainstPercentiles: no percentile is off by more than 1/32, and the
// maximum by nothing.
func TestHistogramAgainstPercentiles(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var h Histogram
		var ns []int64
		for range 2000 {
			d := int64(1) << rng.IntN(50)
			d += rng.Int64N(d)
			ns = append(ns, d)
			h.Add(time.Duration(d))
		}
		exact, got := Percentiles(ns), h.Delays()
		for _, p := range [][2]float64{{exact.P50, got.P50}, {exact.P90, got.P90}, {exact.P99, got.P99}} {
			if p[1] < p[0] || p[1] > p[0]*(1+1.0/32) {
				t.Errorf("seed %d: %v, but exactly %v", seed, p[1], p[0])
			}
		}
		if got.Max != exact.Max || got.Count != exact.Count {
			t.Errorf("seed %d: %+v, but %+v", seed, got, exact)
		}
	}
	var h Histogram
	h.Add(-5)
	h.Add(1<<63 - 1)
	if d := h.Delays(); d.P50 != 0 || d.Max != float64(1<<63-1)/1e6 {
		t.Errorf("%+v", d)
	}
}
