package gmp

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestAsksAreBounded: whoever blocks ever new sources, and has them forgotten
// before they are asked about, makes a querier remember no more than a group may
// have.
func TestAsksAreBounded(t *testing.T) {
	const most = 50
	r := RouterRules{Interval: 125 * time.Second, Response: 10 * time.Second, LastMember: time.Second, Robustness: 2,
		MaxGroups: 10, MaxSources: most}
	router := NewRouter(0, &r, [4]byte{10, 0, 0, 1}, false)
	group := [4]byte{239, 1, 1, 1}
	for round := range byte(100) {
		var list Sources[[4]byte]
		for i := range byte(most) {
			list = append(list, 10, 1, round, i)
		}
		for _, rec := range []Record[[4]byte]{
			{Type: wire.IGMPToEx}, {Type: wire.IGMPAllow, Sources: list}, {Type: wire.IGMPBlock, Sources: list},
		} {
			rec.Group, rec.Version = group, 3
			router.Apply(0, &r, rec)
		}
		g := router.db.Lookup(0, group)
		if g == nil || len(g.sources) != most || len(g.asks.sources) > most {
			t.Fatalf("round %d: %d sources, %d asked about", round, len(g.sources), len(g.asks.sources))
		}
	}
}
