package nd

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// inState returns a table whose neighbour fe80::b at 02:00:00:00:00:0b is in a
// state, and a router as far as is known.
func inState(t *testing.T, s State) (*Table[int], clock.Time) {
	h, now, ip := host(1, 10), clock.Time(0), addr("fe80::b")
	h.AddAddress(now, addr("fe80::a"), NoDAD)
	if s == Incomplete {
		h.Resolve(now, ip, ip, 1, false)
		settle(h, now)
		return h, now
	}
	h.Heard(now, ip, wire.MAC{2, 0, 0, 0, 0, 11}, RouterRole)
	switch s {
	case Reachable:
		h.Set(ip, wire.MAC{2, 0, 0, 0, 0, 11}, false, now.Add(time.Minute))
	case Delay, Probe:
		h.Resolve(now, ip, ip, 1, false)
	}
	settle(h, now)
	if s == Probe {
		now = now.Add(5 * time.Second)
		settle(h, now)
	}
	if e, _ := h.Lookup(ip); e.State != s {
		t.Fatalf("prepared %v, got %v", s, e.State)
	}
	return h, now
}

// TestAdvertTable (RFC 4861 §7.2.5, appendix C): every state, flag and link
// address against the text, rule by rule.
func TestAdvertTable(t *testing.T) {
	known, other := wire.MAC{2, 0, 0, 0, 0, 11}, wire.MAC{2, 0, 0, 0, 0, 12}
	ip := addr("fe80::b")
	for state := Incomplete; state <= Probe; state++ {
		for flags := range 8 {
			for _, tlla := range []wire.MAC{{}, known, other} {
				f := uint8(flags) << 5
				h, now := inState(t, state)
				m := Message{Advert: true, Src: ip, Dst: addr("fe80::a"), Target: ip, LinkAddr: tlla, Flags: f}
				h.Input(now, received(t, &m, other))
				lost := false
				var o Out[int]
				for h.Next(now, &o) {
					lost = lost || o.Kind == RouterLost
				}
				e, _ := h.Lookup(ip)
				want, at, router := golden(state, known, tlla, f)
				if e.State != want || e.MAC != at || e.Flags&Router != 0 != router || lost != (state != Incomplete && !router) {
					t.Errorf("%v, flags %#x, %v: %v at %v flags %#x lost %v, want %v at %v router %v",
						state, f, tlla, e.State, e.MAC, e.Flags, lost, want, at, router)
				}
			}
		}
	}
}

// golden is §7.2.5 in its own order. The neighbour was a router unless it is
// incomplete.
func golden(s State, known, tlla wire.MAC, f uint8) (State, wire.MAC, bool) {
	solicited, override, router := f&wire.NASolicited != 0, f&wire.NAOverride != 0, f&wire.NARouter != 0
	if s == Incomplete {
		switch {
		case tlla.IsZero():
			return s, wire.MAC{}, false
		case solicited:
			return Reachable, tlla, router
		}
		return Delay, tlla, router // stale, and what waited is sent
	}
	supplied := !tlla.IsZero()
	if !override && supplied && tlla != known {
		if s == Reachable {
			return Stale, known, true
		}
		return s, known, true
	}
	differs := supplied && tlla != known
	if differs {
		known = tlla
	}
	switch {
	case solicited:
		s = Reachable
	case differs:
		s = Stale
	}
	return s, known, router
}
