package gmp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// TestRFC3376Section6_3: which sources are forwarded, by mode and by whether
// their timers run.
func TestRFC3376Section6_3(t *testing.T) {
	runs, stopped, unlisted := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")
	sources := []SourceState{{runs, time.Second}, {stopped, 0}}
	for _, c := range []struct {
		mode    mcast.Mode
		sources []SourceState
		source  netip.Addr
		want    bool
	}{
		{mcast.Include, sources, runs, true},
		{mcast.Include, sources, stopped, false},
		{mcast.Include, sources, unlisted, false},
		{mcast.Include, sources, netip.Addr{}, true},
		{mcast.Include, sources[1:], netip.Addr{}, false},
		{mcast.Include, nil, netip.Addr{}, false},
		{mcast.Exclude, sources, runs, true},
		{mcast.Exclude, sources, stopped, false},
		{mcast.Exclude, sources, unlisted, true},
		{mcast.Exclude, nil, netip.Addr{}, true},
	} {
		g := GroupState{Mode: c.mode, Sources: c.sources}
		if got := g.Wants(c.source); got != c.want {
			t.Errorf("%v %v, source %v: %v", c.mode, c.sources, c.source, got)
		}
	}
}
