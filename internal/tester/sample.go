package tester

import (
	"fmt"
	"slices"
	"time"
)

// Delays are percentiles in milliseconds.
type Delays struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// Percentiles returns those of nanoseconds, which it sorts: the value below or at
// which so many lie, of which there may be none.
func Percentiles(ns []int64) Delays {
	if len(ns) == 0 {
		return Delays{}
	}
	slices.Sort(ns)
	at := func(p float64) float64 { return float64(ns[int(p*float64(len(ns)-1))]) / 1e6 }
	return Delays{Count: len(ns), P50: at(0.50), P90: at(0.90), P99: at(0.99), Max: at(1)}
}

// longest returns the maximum.
func (d Delays) longest() time.Duration { return time.Duration(d.Max * 1e6) }

// String returns the percentiles in words.
func (d Delays) String() string {
	if d.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, max %.3f ms", d.P50, d.P90, d.P99, d.Max)
}

// Percent never rounds a loss up to 100 %.
func Percent(part, whole uint64) string {
	if whole == 0 {
		return "0.0 %"
	}
	if part == whole {
		return "100.0 %"
	}
	return fmt.Sprintf("%.1f %%", min(float64(part)/float64(whole)*100, 99.9))
}

// buckets of a histogram: 32 for each power of two.
const (
	bucketBits = 5
	numBuckets = (64 - bucketBits + 1) << bucketBits
)

// Histogram counts durations to within 1/32 of each.
type Histogram struct {
	counts  [numBuckets]uint64
	n       uint64
	highest uint64
}

func bucketOf(v uint64) int {
	shift := 0
	for v>>shift >= 2<<bucketBits {
		shift++
	}
	return shift<<bucketBits + int(v>>shift)
}

// bucketTop returns the highest value of a bucket.
func bucketTop(i int) uint64 {
	if i < 2<<bucketBits {
		return uint64(i)
	}
	shift := i>>bucketBits - 1
	return (uint64(i-shift<<bucketBits)+1)<<shift - 1
}

// Add counts a duration; one below 0 counts as 0.
func (h *Histogram) Add(d time.Duration) {
	v := uint64(max(d, 0))
	h.counts[bucketOf(v)]++
	h.n++
	h.highest = max(h.highest, v)
}

// Delays returns the percentiles.
func (h *Histogram) Delays() Delays {
	if h.n == 0 {
		return Delays{}
	}
	return Delays{Count: int(h.n), P50: h.at(0.50), P90: h.at(0.90), P99: h.at(0.99), Max: float64(h.highest) / 1e6}
}

func (h *Histogram) at(p float64) float64 {
	rank, below := uint64(p*float64(h.n-1)), uint64(0)
	for i, c := range h.counts {
		if below += c; below > rank {
			return float64(min(bucketTop(i), h.highest)) / 1e6
		}
	}
	return float64(h.highest) / 1e6
}
