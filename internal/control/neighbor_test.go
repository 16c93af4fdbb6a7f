package control_test

import (
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestNeighborErrors is the table of behaviour 5.1, for both families.
func TestNeighborErrors(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	mac := wire.MAC{2, 9}
	if e := control.DelNeighbor(r.Stack, e0, addr("2001:db8::2")); e != syscall.ENOENT {
		t.Error("IPv6 is not spoken yet:", e)
	}
	must(t, control.AddAddr(r.Stack, e0, prefix("2001:db8::1/64")))
	type nb = control.Neighbor
	for _, c := range []struct {
		what  string
		iface uint32
		n     nb
		want  syscall.Errno
	}{
		{"", e0, nb{IP: addr("10.0.0.2"), MAC: mac}, 0},
		{"", e0, nb{IP: addr("2001:db8::2"), MAC: mac}, 0},
		{"link-local", e0, nb{IP: addr("fe80::2"), MAC: mac}, 0},
		{"again", e0, nb{IP: addr("10.0.0.2"), MAC: mac, Published: true}, 0},
		{"own", e0, nb{IP: addr("10.0.0.1"), MAC: mac}, syscall.EPERM},
		{"own", e0, nb{IP: addr("2001:db8::1"), MAC: mac}, syscall.EPERM},
		{"group", e0, nb{IP: addr("224.0.0.1"), MAC: mac}, syscall.EINVAL},
		{"group", e0, nb{IP: addr("ff02::1"), MAC: mac}, syscall.EINVAL},
		{"none", e0, nb{MAC: mac}, syscall.EINVAL},
		{"a group's hardware", e0, nb{IP: addr("10.0.0.2"), MAC: wire.BroadcastMAC()}, syscall.EINVAL},
		{"time runs backwards", e0, nb{IP: addr("10.0.0.2"), MAC: mac, For: -1}, syscall.EINVAL},
		{"not on the link", e0, nb{IP: addr("192.0.2.1"), MAC: mac}, syscall.ENOMEM},
		{"not on the link", e0, nb{IP: addr("2001:db8:1::1"), MAC: mac}, syscall.ENOMEM},
		{"answered for, wherever he is", e0, nb{IP: addr("192.0.2.1"), MAC: mac, Published: true}, 0},
		{"answered for, wherever he is", e0, nb{IP: addr("2001:db8:1::1"), MAC: mac, Published: true}, 0},
		{"no such interface", 99, nb{IP: addr("10.0.0.2"), MAC: mac}, syscall.ENXIO},
		{"no such interface", 99, nb{IP: addr("2001:db8::2"), MAC: mac}, syscall.ENXIO},
		{"lo0", ifnet.LoIndex, nb{IP: addr("10.0.0.2"), MAC: mac}, syscall.EINVAL},
		{"lo0", ifnet.LoIndex, nb{IP: addr("2001:db8::2"), MAC: mac}, syscall.EINVAL},
	} {
		if e := control.AddNeighbor(r.Stack, c.iface, &c.n); e != c.want {
			t.Errorf("add %v %s: %v, want %v", c.n.IP, c.what, e, c.want)
		}
	}
	r.sim.RunUntil(r.sim.Now().Add(3 * time.Second)) // the own addresses of IPv6 are ours by then
	for _, c := range []struct {
		ip   string
		want syscall.Errno
	}{
		{"10.0.0.2", 0}, {"10.0.0.2", syscall.ENOENT}, {"2001:db8::2", 0}, {"2001:db8::2", syscall.ENOENT},
		{"10.0.0.1", syscall.EPERM}, {"2001:db8::1", syscall.EPERM},
	} {
		if e := control.DelNeighbor(r.Stack, e0, addr(c.ip)); e != c.want {
			t.Errorf("delete %s: %v, want %v", c.ip, e, c.want)
		}
	}
	for _, ip := range []string{"10.0.0.2", "2001:db8::2"} {
		if e := control.DelNeighbor(r.Stack, 99, addr(ip)); e != syscall.ENXIO {
			t.Errorf("delete %s: %v", ip, e)
		}
	}
}

// TestNeighborForAWhile: a neighbour that is set for a time goes when that has passed.
func TestNeighborForAWhile(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	must(t, control.AddNeighbor(r.Stack, e0, &control.Neighbor{IP: addr("10.0.0.2"), MAC: wire.MAC{2, 9}, For: time.Minute}))
	must(t, control.AddNeighbor(r.Stack, e0, &control.Neighbor{IP: addr("10.0.0.3"), MAC: wire.MAC{2, 9}}))
	r.events()
	r.sim.RunUntil(r.sim.Now().Add(59 * time.Second))
	all, e := control.Neighbors(r.Stack, e0)
	must(t, e)
	if len(all) != 3 || all[1].Expire.Sub(r.sim.Now()) != time.Second {
		t.Errorf("%+v", all)
	}
	same(t, "a second before", r.events())
	r.sim.RunUntil(r.sim.Now().Add(2 * time.Second))
	same(t, "a second after", r.events(), "e0 neighbour expired 10.0.0.2/32")
}

// TestNeighborsGoWithTheirSubnet: when an address is removed, the neighbours of its
// subnet go, also those set by hand, unless another address is in the same.
func TestNeighborsGoWithTheirSubnet(t *testing.T) {
	for _, c := range []struct{ one, two, other, host, elsewhere string }{
		{"10.0.0.1/24", "10.0.0.2/24", "10.0.1.1/24", "10.0.0.9", "10.0.1.9"},
		{"2001:db8::1/64", "2001:db8::2/64", "2001:db8:1::1/64", "2001:db8::9", "2001:db8:1::9"},
	} {
		r := newRig(t)
		e0 := r.index["e0"]
		for _, a := range []string{c.one, c.two, c.other} {
			must(t, control.AddAddr(r.Stack, e0, prefix(a)))
		}
		r.sim.RunUntil(r.sim.Now().Add(3 * time.Second))
		for _, ip := range []string{c.host, c.elsewhere} {
			must(t, control.AddNeighbor(r.Stack, e0, &control.Neighbor{IP: addr(ip), MAC: wire.MAC{2, 9}, Published: true}))
		}
		group := wire.MulticastMAC(wire.SolicitedNode(addr("2001:db8::9")))
		gone := func() bool { return r.View().Conf(e0).Neighbor(addr(c.host)) == nil }
		must(t, control.DelAddr(r.Stack, e0, prefix(c.one).Addr()))
		if gone() {
			t.Errorf("%s is still on the link", c.host)
		}
		must(t, control.DelAddr(r.Stack, e0, prefix(c.two).Addr()))
		if !gone() || r.View().Conf(e0).Neighbor(addr(c.elsewhere)) == nil {
			t.Errorf("%s gone: %v; %s", c.host, gone(), c.elsewhere)
		}
		if n := r.ports[0].groups[group]; strings.Contains(c.host, ":") && n != 1 { // the other's
			t.Errorf("the group of what is answered for is listened to %d times", n)
		}
	}
}

// TestRoutesAndNeighborsShareNoLock is behaviour 5.1: while a change of the routes is
// held up neighbours are changed and found, and the other way round.
func TestRoutesAndNeighborsShareNoLock(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	must(t, control.AddAddr(r.Stack, e0, prefix("2001:db8::1/64")))
	must(t, control.AddNeighbor(r.Stack, e0, &control.Neighbor{IP: addr("10.0.0.9"), MAC: wire.MAC{2, 9}}))
	routes := func() {
		for i := range byte(50) {
			dst := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, i, 0}), 24)
			must(t, control.AddRoute(r.Stack, 0, control.Route{Dst: dst, Gateway: addr("10.0.0.9")}))
			var h ifnet.Hop
			if r.View().Route(0, dst.Addr(), 0, nil, &h) != 0 {
				t.Error("no route to", dst)
			}
			must(t, control.DelRoute(r.Stack, 0, dst))
		}
	}
	neighbors := func() {
		for i := range byte(50) {
			for _, ip := range []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, 100 + i}), netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: 100 + i})} {
				must(t, control.AddNeighbor(r.Stack, e0, &control.Neighbor{IP: ip, MAC: wire.MAC{2, 9}}))
				if r.View().Conf(e0).Neighbor(ip) == nil {
					t.Error("no neighbour", ip)
				}
				if all := control.Neighbors6(r.Stack, e0); ip.Is6() && len(all) == 0 {
					t.Error("no neighbours")
				}
				must(t, control.DelNeighbor(r.Stack, e0, ip))
			}
		}
	}
	r.Lock() // a change of the routes that takes its time
	neighbors()
	r.Unlock()
	r.On(e0, func(*vnet.Call) syscall.Errno { // a change of a neighbour that does
		routes()
		return 0
	})
	var wg sync.WaitGroup
	wg.Go(routes)
	wg.Go(neighbors)
	wg.Wait()
}
