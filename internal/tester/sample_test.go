package tester

import (
	"testing"
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
