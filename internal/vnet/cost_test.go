package vnet

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
)

// passFilter lets everything pass.
type passFilter struct{}

// Filter implements Filter.
func (passFilter) Filter(*FilterPacket) Verdict { return Verdict{} }

// TestPathAllocatesNothing sends, forwards and receives with and without a
// filter.
func TestPathAllocatesNothing(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates")
	}
	forShards(t, func(t *testing.T, shards int) {
		for _, f := range []Filter{nil, passFilter{}} {
			ch := newChain(t, NewWorld(Config{Clock: clock.NewReal()}), shards, 1)
			for _, st := range ch.w.Stacks() {
				st.SetFilter(f)
			}
			sa, sb := listen(t, ch.a, "10.0.0.1:9"), listen(t, ch.b, "0.0.0.0:7")
			to, data, buf := netip.AddrPortFrom(subnet(1, 2).Addr(), 7), make([]byte, 64), make([]byte, 64)
			one := func() {
				if _, err := sa.WriteTo(data, to, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := sb.ReadFrom(buf, nil, false); err != nil {
					t.Fatal(err)
				}
			}
			one()
			// A garbage collection empties the pool of runners: not per packet.
			if n := testing.AllocsPerRun(1000, one); n != 0 {
				t.Errorf("filter %v: %v allocations per datagram", f, n)
			}
			empty(t, ch.w)
		}
	})
}
