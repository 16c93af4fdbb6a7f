package vnet_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestStaticNeighbor is acceptance case 32: an entry set by hand stays for 20
// minutes and is used without asking.
func TestStaticNeighbor(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		mac := wire.MAC{0x90, 0x10, 0, 1, 2, 3}
		must(t, control.SetNeighbor(st, anIf, addr("10.0.0.2"), mac, false))
		c.RunUntil(clock.Time(20 * time.Minute))
		tp.take()
		s := listen(t, st, "0.0.0.0:9")
		send(t, s, "x", "10.0.0.2:7")
		if got := tp.take(); len(got) != 1 || wire.Ether(got[0]).Dst() != mac {
			t.Errorf("sent %d frames, want the one to %v", len(got), mac)
		}
		all, e := control.Neighbors(st, anIf)
		if e != 0 || len(all) != 2 || all[1].IP != addr("10.0.0.2") || all[1].State != arp.Permanent {
			t.Errorf("neighbours %+v, %v", all, e)
		}
		for _, c := range []struct {
			got, want syscall.Errno
		}{
			{control.SetNeighbor(st, anIf, addr("10.0.0.1"), mac, false), syscall.EPERM},
			{control.SetNeighbor(st, anIf, addr("224.0.0.1"), mac, false), syscall.EINVAL},
			{control.SetNeighbor(st, 9, addr("10.0.0.2"), mac, false), syscall.ENXIO},
			{control.SetNeighbor(st, vnet.LoIndex, addr("127.0.0.2"), mac, false), syscall.EINVAL},
			{control.DelNeighbor(st, anIf, addr("10.0.0.9")), syscall.ENOENT},
			{control.DelNeighbor(st, anIf, addr("10.0.0.2")), 0},
		} {
			if c.got != c.want {
				t.Errorf("%v, want %v", c.got, c.want)
			}
		}
		send(t, s, "x", "10.0.0.2:7")
		if got := tp.take(); len(got) != 1 || wire.Ether(got[0]).Type() != wire.EtherTypeARP {
			t.Error("a deleted neighbour was not asked for")
		}
	})
}

// TestProxyARP: with proxyall a router answers for what it routes elsewhere, and
// for a published entry without it.
func TestProxyARP(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	ab, bc := link.NewEpair(0), link.NewEpair(0)
	// a believes that everything is on its link.
	a := newHost(t, w, "a", 1, ab.A(), "10.0.0.1/8")
	r := newHost(t, w, "r", 1, ab.B(), "10.0.0.254/24")
	plug(t, r, "e1", bc.A(), "10.0.1.254/24")
	c := newHost(t, w, "c", 1, bc.B(), "10.0.1.1/24")
	must(t, r.SetSysctl("net.inet.ip.forwarding", 1))
	must(t, control.AddRoute(c, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("10.0.1.254")}))
	sa, sc := listen(t, a, "0.0.0.0:9"), listen(t, c, "0.0.0.0:7")
	send(t, sa, "nobody answers", "10.0.1.1:7")
	expectNone(t, sc)
	must(t, control.DelNeighbor(a, anIf, addr("10.0.1.1")))
	must(t, r.SetSysctl("net.link.ether.inet.proxyall", 1))
	send(t, sa, "through the proxy", "10.0.1.1:7")
	expect(t, sc, "through the proxy")
	must(t, r.SetSysctl("net.link.ether.inet.proxyall", 0))
	must(t, control.SetNeighbor(r, anIf, addr("10.0.0.77"), wire.MAC{2, 2, 2, 2, 2, 2}, true))
	send(t, sa, "to a published address", "10.0.0.77:7")
	all, _ := control.Neighbors(a, anIf)
	found := false
	for _, n := range all {
		found = found || n.IP == addr("10.0.0.77") && n.MAC == wire.MAC{2, 2, 2, 2, 2, 2}
	}
	if !found {
		t.Errorf("a published address was not answered for: %+v", all)
	}
}
