package control_test

import (
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestRename: the name changes and nothing else, for whoever looks from then on.
func TestRename(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	before := r.View().Conf(e0)
	r.events()
	for _, c := range []struct {
		i    uint32
		name string
		want syscall.Errno
	}{{9, "x", syscall.ENXIO}, {e0, "", syscall.EINVAL}, {e0, "e1", syscall.EEXIST}, {e0, "lo0", syscall.EEXIST}, {e0, "e0", 0}, {e0, "lan", 0}} {
		if e := control.Rename(r.Stack, c.i, c.name); e != c.want {
			t.Errorf("%d to %q: %v, want %v", c.i, c.name, e, c.want)
		}
	}
	e, _ := r.told.Read()
	if e.Kind.String() != "rename" || e.Name != "lan" || e.Old != "e0" {
		t.Errorf("%+v", e)
	}
	same(t, "routes", r.routes(), "10.0.0.0/24 lan")
	v := r.View()
	if v.Named("e0") != nil || v.Named("lan") == nil || v.Named("lan").Iface != before.Iface || before.Name != "e0" {
		t.Error("the new name is not the interface's")
	}
	_, e0again := control.AddInterface(r.Stack, control.IfaceConfig{Name: "e0", Port: newPort()})
	must(t, e0again)
}

// newTwo makes two hosts on a cable, x, with an address of each family.
func newTwo(t *testing.T) (a, b *rig, sa, sb usrreq.Sock) {
	t.Helper()
	sim := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: sim})
	t.Cleanup(func() { empty(t, w) })
	a, b = &rig{sim: sim, w: w, Stack: newStack(t, w, "a")}, &rig{sim: sim, w: w, Stack: newStack(t, w, "b")}
	cable := link.NewEpair(0)
	ports := []*port{newPort(), newPort()}
	ports[0].Port, ports[1].Port = cable.A(), cable.B()
	for i, p := range ports {
		st := []*rig{a, b}[i].Stack
		n := byte(1 + i)
		x, e := control.AddInterface(st, control.IfaceConfig{Name: "x", Port: p, MAC: wire.MAC{2, 0, 0, 0, 0, n}, Addrs: []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, 0, n}), 24), netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 15: n}), 64),
		}})
		must(t, e)
		[]*rig{a, b}[i].index = map[string]uint32{"x": x}
	}
	a.ports = ports
	a.told = a.Events().Subscribe(event.Filter{Kinds: event.All, FIB: event.AllFIBs}, a.sim, 0)
	var e syscall.Errno
	sa, e = usrreq.ListenUDP(a.Stack, netip.MustParseAddrPort("[::]:9"), 0, 0)
	must(t, e)
	sb, e = usrreq.ListenUDP(b.Stack, netip.MustParseAddrPort("[::]:9"), 0, 0)
	must(t, e)
	return a, b, sa, sb
}

// exchange sends one datagram each way in each family.
func exchange(t *testing.T, a *rig, sa, sb usrreq.Sock) {
	t.Helper()
	for _, host := range []string{"10.9.0.", "2001::"} {
		for i, s := range []usrreq.Sock{sa, sb} {
			to := netip.AddrPortFrom(addr(host+[]string{"2", "1"}[i]), 9)
			if _, err := s.WriteTo([]byte("x"), to, nil); err != nil {
				t.Fatal(to, err)
			}
			a.sim.RunUntil(a.sim.Now().Add(time.Millisecond))
			if n, err := []usrreq.Sock{sb, sa}[i].ReadFrom(make([]byte, 9), nil, false); n != 1 || err != nil {
				t.Fatal(to, n, err)
			}
		}
	}
}

func macOf(t *testing.T, r *rig, ip string) wire.MAC {
	t.Helper()
	all, e := control.Neighbors(r.Stack, r.index["x"])
	must(t, e)
	for _, n := range all {
		if n.IP == addr(ip) {
			return n.MAC
		}
	}
	for _, n := range control.Neighbors6(r.Stack, r.index["x"]) {
		if n.IP == addr(ip) {
			return n.MAC
		}
	}
	return wire.MAC{}
}

// TestSetMAC: another hardware address is told to the link's others, who send to it
// from then on, and is what frames come from.
func TestSetMAC(t *testing.T) {
	a, b, sa, sb := newTwo(t)
	x := a.index["x"]
	exchange(t, a, sa, sb)
	mac := wire.MAC{2, 0, 0, 0, 0, 0x77}
	for _, c := range []struct {
		i    uint32
		mac  wire.MAC
		want syscall.Errno
	}{
		{99, mac, syscall.ENXIO}, {ifnet.LoIndex, mac, syscall.EINVAL}, {x, wire.MAC{}, syscall.EINVAL},
		{x, wire.BroadcastMAC(), syscall.EINVAL}, {x, wire.MAC{1, 0, 0x5e}, syscall.EINVAL}, {x, mac, 0},
	} {
		a.events()
		if e := control.SetMAC(a.Stack, c.i, c.mac); e != c.want {
			t.Errorf("%v: %v, want %v", c.mac, e, c.want)
		}
	}
	same(t, "events", a.events(), "x lladdr")
	if a.ports[0].mac != mac {
		t.Error("the link was not told")
	}
	a.sim.RunUntil(a.sim.Now().Add(5 * time.Second))
	for _, ip := range []string{"10.9.0.1", "2001::1"} {
		if got := macOf(t, b, ip); got != mac {
			t.Errorf("the other host takes %s to be at %v", ip, got)
		}
	}
	if n := b.Counters()["nd.rxadverts"]; n < 3 {
		t.Errorf("%d advertisements came, want 3 for each address (RFC 4861 §7.2.6)", n)
	}
	exchange(t, a, sa, sb)
	for _, n := range []*ifnet.Neighbor{a.View().Conf(x).Neighbor(addr("10.9.0.2")), a.View().Conf(x).Neighbor(addr("2001::2"))} {
		if hdr := n.Header.Load(); hdr == nil || wire.Ether(hdr[:]).Src() != mac {
			t.Errorf("frames to %v still come from the old address", n.IP)
		}
	}
}

// TestSetMTU: the limits, and that packets are no longer than it says.
func TestSetMTU(t *testing.T) {
	r := newRig(t)
	e0, e1 := r.index["e0"], r.index["e1"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	must(t, control.AddAddr(r.Stack, e1, prefix("2001:db8::1/64")))
	r.events()
	for _, c := range []struct {
		i    uint32
		mtu  int
		want syscall.Errno
	}{
		{9, 1400, syscall.ENXIO}, {e0, 67, syscall.EINVAL}, {e0, 1501, syscall.EINVAL}, {e0, 68, 0}, {e0, 1500, 0}, {e0, 1400, 0},
		{e1, 1279, syscall.EINVAL}, {e1, 1280, 0}, {ifnet.LoIndex, 65536, syscall.EINVAL}, {ifnet.LoIndex, 65535, 0},
	} {
		if e := control.SetMTU(r.Stack, c.i, c.mtu); e != c.want {
			t.Errorf("interface %d, %d: %v, want %v", c.i, c.mtu, e, c.want)
		}
	}
	same(t, "events", r.events(), "e0 mtu", "e0 mtu", "e0 mtu", "e1 mtu", "lo0 mtu")
	var h ifnet.Hop
	if why := r.View().Route(0, addr("10.0.0.9"), 0, &h); why != 0 || h.MTU != 1400 {
		t.Errorf("%v, %d", why, h.MTU)
	}
	if e := control.AddAddr(r.Stack, e0, prefix("2001:db8:1::1/64")); e != 0 {
		t.Error(e)
	}
}

// TestSetCarrier: events, flags, and announcements when the carrier is back.
func TestSetCarrier(t *testing.T) {
	a, b, sa, sb := newTwo(t)
	exchange(t, a, sa, sb)
	a.events()
	x := a.index["x"]
	for i, e := range []syscall.Errno{
		control.SetCarrier(a.Stack, 99, false), control.SetCarrier(a.Stack, ifnet.LoIndex, false), control.SetCarrier(a.Stack, x, true), control.SetCarrier(a.Stack, x, false),
	} {
		if want := []syscall.Errno{syscall.ENXIO, syscall.EINVAL, 0, 0}[i]; e != want {
			t.Errorf("%d: %v, want %v", i, e, want)
		}
	}
	running := func() bool {
		c, _ := a.Interface(x)
		return control.Net(c).Flags&net.FlagRunning != 0
	}
	if running() {
		t.Error("runs without a carrier")
	}
	before := b.Counters()
	must(t, control.SetCarrier(a.Stack, x, true))
	a.sim.RunUntil(a.sim.Now().Add(2 * time.Second))
	after := b.Counters()
	if !running() || after["arp.received"] != before["arp.received"]+1 || after["nd.rxadverts"] == before["nd.rxadverts"] {
		t.Errorf("running %v, %d and %d announcements", running(), after["arp.received"]-before["arp.received"], after["nd.rxadverts"]-before["nd.rxadverts"])
	}
	same(t, "events", a.events(), "x link down", "x link up")
}
