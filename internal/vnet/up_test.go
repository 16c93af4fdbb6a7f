package vnet_test

import (
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
)

// TestDownAndUp: an interface that is down takes its subnet's route with it, and
// brings it back and announces itself when it comes up.
func TestDownAndUp(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		sa, sb := listen(t, n.a, "0.0.0.0:9"), listen(t, n.b, "0.0.0.0:7")
		must(t, control.SetUp(n.a, anIf, false))
		must(t, control.SetUp(n.a, anIf, false))
		if len(control.Routes(n.a, 0)) != 0 {
			t.Errorf("routes of an interface that is down: %v", control.Routes(n.a, 0))
		}
		if _, err := sa.WriteTo(nil, addrPort("10.0.0.2:7"), nil); err != syscall.EHOSTUNREACH {
			t.Errorf("send: %v", err)
		}
		before, _ := n.b.IfaceStats(anIf)
		must(t, control.SetUp(n.a, anIf, true))
		after, _ := n.b.IfaceStats(anIf)
		if after.InMcast != before.InMcast+1 {
			t.Errorf("%d announcements came", after.InMcast-before.InMcast)
		}
		send(t, sa, "up again", "10.0.0.2:7")
		expect(t, sb, "up again")
		if e := control.SetUp(n.a, 9, true); e != syscall.ENXIO {
			t.Errorf("interface 9: %v", e)
		}
		n.quiet(t)
	})
}
