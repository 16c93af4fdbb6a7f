package control_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

func addr(s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(s)
}

// port is a cable of which nobody holds the other end. It notes what an interface
// asks of it.
type port struct {
	link.Port
	mac    wire.MAC
	groups map[wire.MAC]int
}

func newPort() *port { return &port{Port: link.NewEpair(0).A(), groups: map[wire.MAC]int{}} }

func (p *port) SetAddr(mac wire.MAC) { p.mac = mac }

func (p *port) Accept(mac wire.MAC, on bool) {
	if p.groups[mac]++; !on {
		p.groups[mac] -= 2
	}
}

// rig is a stack with three interfaces: e0 and e1 on Ethernets, p0 point-to-point.
type rig struct {
	*vnet.Stack
	w     *vnet.World
	sim   *clock.Sim
	ports []*port
	index map[string]uint32
	told  *event.Subscription
}

func newRig(t testing.TB) *rig {
	t.Helper()
	sim := clock.NewSim()
	r := &rig{sim: sim, w: vnet.NewWorld(vnet.Config{Clock: sim}), index: map[string]uint32{"lo0": ifnet.LoIndex}}
	t.Cleanup(func() { empty(t, r.w) })
	r.Stack = newStack(t, r.w, "a")
	must(t, control.SetFIBs(r.Stack, 2))
	for _, name := range []string{"e0", "e1", "p0"} {
		p := newPort()
		i, e := control.AddInterface(r.Stack, control.IfaceConfig{Name: name, Port: p, PointToPoint: name == "p0"})
		must(t, e)
		r.ports, r.index[name] = append(r.ports, p), i
	}
	r.told = r.Events().Subscribe(event.Filter{Kinds: event.All, FIB: event.AllFIBs}, sim, 0)
	return r
}

// addrs is "e0 10.0.0.1/24 broadcast 10.0.0.255", one for each address.
func (r *rig) addrs() (all []string) {
	for i := range r.Interfaces() {
		for _, a := range i.Addrs {
			s := i.Name + " " + a.Prefix.String()
			if b := a.Broadcast(); b.IsValid() {
				s += " broadcast " + b.String()
			}
			if p := a.Peer(); p.IsValid() {
				s += " peer " + p.String()
			}
			if !ifaddr.IsLinkLocal(a.Addr()) {
				all = append(all, s)
			}
		}
	}
	return all
}

// routes is "10.0.0.0/24 e0", one for each route.
func (r *rig) routes() (all []string) {
	for _, rt := range control.Routes(r.Stack, 0) {
		i, _ := r.Interface(rt.IfIndex)
		all = append(all, rt.Dst.String()+" "+i.Name)
	}
	return all
}

func (r *rig) events() (all []string) {
	for {
		e, ok := r.told.Read()
		if !ok {
			return all
		}
		if (e.Kind < event.RouteAdd || e.Kind > event.RouteChange) && !ifaddr.IsLinkLocal(e.Prefix.Addr()) {
			all = append(all, strings.TrimSpace(strings.Replace(fmt.Sprint(e.Name, " ", e.Kind, " ", e.Prefix), "invalid Prefix", "", 1)))
		}
	}
}

func same(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// TestAddAddr is the table of behaviour 3.3, a row each.
func TestAddAddr(t *testing.T) {
	type cfg = control.AddrConfig
	for _, c := range []struct {
		row    string
		iface  string
		cfg    cfg
		want   syscall.Errno
		addrs  string
		routes string
	}{
		{"an address", "e0", cfg{Prefix: prefix("10.0.0.1/24")}, 0, "e0 10.0.0.1/24 broadcast 10.0.0.255", "10.0.0.0/24 e0"},
		{"no such interface", "e9", cfg{Prefix: prefix("10.0.0.1/24")}, syscall.ENXIO, "", ""},
		{"no address", "e0", cfg{}, syscall.EINVAL, "", ""},
		{"a group", "e0", cfg{Prefix: prefix("224.0.0.5/24")}, syscall.EINVAL, "", ""},
		{"any", "e0", cfg{Prefix: prefix("0.0.0.0/24")}, syscall.EINVAL, "", ""},
		{"the broadcast address", "e0", cfg{Prefix: prefix("10.0.0.255/24")}, syscall.EINVAL, "", ""},
		{"mapped", "e0", cfg{Prefix: prefix("::ffff:10.0.0.1/120")}, syscall.EINVAL, "", ""},
		{"broadcast of another family", "e0", cfg{Prefix: prefix("10.0.0.1/24"), Broadcast: addr("ff02::1")}, syscall.EINVAL, "", ""},
		{"broadcast of IPv6", "e0", cfg{Prefix: prefix("2001:db8::1/64"), Broadcast: addr("10.0.0.255")}, syscall.EINVAL, "", ""},
		{"broadcast given", "e0", cfg{Prefix: prefix("10.0.0.1/24"), Broadcast: addr("10.0.0.0")}, 0, "e0 10.0.0.1/24 broadcast 10.0.0.0", "10.0.0.0/24 e0"},
		{"broadcast missing: /31", "e0", cfg{Prefix: prefix("10.0.0.2/31")}, 0, "e0 10.0.0.2/31 broadcast 255.255.255.255", "10.0.0.2/31 e0"},
		{"mask missing: class A", "e0", cfg{Addr: addr("10.1.2.3")}, 0, "e0 10.1.2.3/8 broadcast 10.255.255.255", "10.0.0.0/8 e0"},
		{"mask missing: class B", "e0", cfg{Addr: addr("172.16.1.1")}, 0, "e0 172.16.1.1/16 broadcast 172.16.255.255", "172.16.0.0/16 e0"},
		{"mask missing: class C", "e0", cfg{Addr: addr("192.0.2.1")}, 0, "e0 192.0.2.1/24 broadcast 192.0.2.255", "192.0.2.0/24 e0"},
		{"mask missing: IPv6", "e0", cfg{Addr: addr("2001:db8::1")}, syscall.EINVAL, "", ""},
		{"point-to-point without destination", "p0", cfg{Prefix: prefix("10.0.0.1/24")}, syscall.EDESTADDRREQ, "", ""},
		{"point-to-point", "p0", cfg{Prefix: prefix("10.0.0.1/24"), Peer: addr("192.0.2.1")}, 0, "p0 10.0.0.1/24 peer 192.0.2.1", "192.0.2.1/32 p0"},
		{"point-to-point, IPv6", "p0", cfg{Prefix: prefix("2001:db8::1/64")}, 0, "p0 2001:db8::1/64", "2001:db8::/64 p0"},
		{"point-to-point, IPv6, to one", "p0", cfg{Prefix: prefix("2001:db8::1/128"), Peer: addr("2001:db8::2")}, 0, "p0 2001:db8::1/128 peer 2001:db8::2", "2001:db8::2/128 p0"},
		{"point-to-point, IPv6, to one of many", "p0", cfg{Prefix: prefix("2001:db8::1/64"), Peer: addr("2001:db8::2")}, syscall.EINVAL, "", ""},
		{"a peer of another family", "p0", cfg{Prefix: prefix("10.0.0.1/24"), Peer: addr("2001:db8::2")}, syscall.EINVAL, "", ""},
		{"a group as peer", "p0", cfg{Prefix: prefix("10.0.0.1/24"), Peer: addr("224.0.0.9")}, syscall.EINVAL, "", ""},
		{"a peer on an Ethernet", "e0", cfg{Prefix: prefix("10.0.0.1/24"), Peer: addr("10.0.0.2")}, syscall.EINVAL, "", ""},
	} {
		r := newRig(t)
		if e := control.Configure(r.Stack, r.index[c.iface], c.cfg); e != c.want {
			t.Errorf("%s: %v, want %v", c.row, e, c.want)
		}
		same(t, c.row, r.addrs(), lines(c.addrs)...)
		same(t, c.row, r.routes(), lines(c.routes)...)
		if told := len(r.events()); told != len(lines(c.addrs)) {
			t.Errorf("%s: %d events", c.row, told)
		}
	}
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "; ")
}

// TestReaddAddr: an address that is there is replaced, be it with another subnet.
func TestReaddAddr(t *testing.T) {
	r := newRig(t)
	for _, a := range []string{"10.0.0.1/24", "10.0.1.1/24", "10.0.0.1/16"} {
		must(t, control.AddAddr(r.Stack, r.index["e0"], prefix(a)))
	}
	same(t, "addresses", r.addrs(), "e0 10.0.1.1/24 broadcast 10.0.1.255", "e0 10.0.0.1/16 broadcast 10.0.255.255")
	same(t, "routes", r.routes(), "10.0.0.0/16 e0", "10.0.1.0/24 e0")
	same(t, "events", r.events(), "e0 address add 10.0.0.1/24", "e0 address add 10.0.1.1/24", "e0 address delete 10.0.0.1/24", "e0 address add 10.0.0.1/16")
}

// TestSamePrefix: two interfaces may be in one subnet, unless that is forbidden; the
// route of the subnet moves when the address goes that brought it.
func TestSamePrefix(t *testing.T) {
	r := newRig(t)
	e0, e1 := r.index["e0"], r.index["e1"]
	must(t, control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")))
	must(t, r.SetSysctl("net.inet.ip.no_same_prefix", 1))
	if e := control.AddAddr(r.Stack, e1, prefix("10.0.0.2/24")); e != syscall.EEXIST {
		t.Error(e)
	}
	if e := control.AddAddr(r.Stack, e0, prefix("10.0.0.1/24")); e != 0 {
		t.Error("the same again:", e)
	}
	must(t, control.AddAddr(r.Stack, e1, prefix("10.0.0.2/25")))
	must(t, control.AddAddr(r.Stack, e1, prefix("10.0.0.3/32")))
	must(t, control.DelAddr(r.Stack, e1, addr("10.0.0.2")))
	must(t, r.SetSysctl("net.inet.ip.no_same_prefix", 0))
	must(t, control.AddAddr(r.Stack, e1, prefix("10.0.0.2/24")))
	same(t, "routes", r.routes(), "10.0.0.0/24 e0")
	must(t, control.DelAddr(r.Stack, e0, addr("10.0.0.1")))
	same(t, "moved", r.routes(), "10.0.0.0/24 e1")
}

// TestDelAddr: errors, and the first IPv4 address where none is named.
func TestDelAddr(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	if e := control.DelAddr(r.Stack, e0, netip.Addr{}); e != syscall.EADDRNOTAVAIL {
		t.Error("an interface without addresses:", e)
	}
	if e := control.DelAddr(r.Stack, 9, addr("10.0.0.1")); e != syscall.ENXIO {
		t.Error("no such interface:", e)
	}
	for _, a := range []string{"2001:db8::1/64", "10.0.0.1/24", "10.0.1.1/24"} {
		must(t, control.AddAddr(r.Stack, e0, prefix(a)))
	}
	if e := control.DelAddr(r.Stack, e0, addr("10.0.0.9")); e != syscall.EADDRNOTAVAIL {
		t.Error("no such address:", e)
	}
	must(t, control.DelAddr(r.Stack, e0, netip.Addr{}))
	same(t, "less the first of IPv4", r.addrs(), "e0 2001:db8::1/64", "e0 10.0.1.1/24 broadcast 10.0.1.255")
	must(t, control.DelAddr(r.Stack, e0, netip.Addr{}))
	if e := control.DelAddr(r.Stack, e0, netip.Addr{}); e != syscall.EADDRNOTAVAIL {
		t.Error("IPv6 is not meant:", e)
	}
}

// TestPeer: what goes to the peer of a point-to-point link leaves by it, from the
// address that has the peer; the subnet does not count, and the route goes and comes
// with the interface.
func TestPeer(t *testing.T) {
	r := newRig(t)
	p0 := r.index["p0"]
	for i, peer := range []string{"192.0.2.1", "192.0.2.2"} {
		must(t, control.Configure(r.Stack, p0, control.AddrConfig{Prefix: netip.PrefixFrom(addr(fmt.Sprint("10.0.0.", 1+i)), 24), Peer: addr(peer)}))
	}
	var h ifnet.Hop
	v, defaults := r.View(), socket.Defaults()
	if a, e := v.SourceTo(&defaults, netip.Addr{}, addr("192.0.2.2")); e != 0 || a != addr("10.0.0.2") {
		t.Error(a, e)
	}
	if why := v.Route(0, addr("10.0.0.9"), 0, &h); why == 0 {
		t.Error("there is a route to the subnet by", h.Out.Name)
	}
	must(t, control.SetUp(r.Stack, p0, false))
	same(t, "down", r.routes())
	must(t, control.SetUp(r.Stack, p0, true))
	same(t, "up", r.routes(), "192.0.2.1/32 p0", "192.0.2.2/32 p0")
	must(t, control.DelAddr(r.Stack, p0, addr("10.0.0.1")))
	same(t, "one gone", r.routes(), "192.0.2.2/32 p0")
}

// TestAllSystems: the first IPv4 address joins 224.0.0.1, the last leaves it.
func TestAllSystems(t *testing.T) {
	r := newRig(t)
	group := wire.MAC{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}
	for i, step := range []struct {
		f    func() syscall.Errno
		want int
	}{
		{func() syscall.Errno { return control.AddAddr(r.Stack, r.index["e0"], prefix("10.0.0.1/24")) }, 1},
		{func() syscall.Errno { return control.AddAddr(r.Stack, r.index["e0"], prefix("10.0.1.1/24")) }, 1},
		{func() syscall.Errno { return control.DelAddr(r.Stack, r.index["e0"], addr("10.0.0.1")) }, 1},
		{func() syscall.Errno { return control.DelAddr(r.Stack, r.index["e0"], addr("10.0.1.1")) }, 0},
	} {
		must(t, step.f())
		if got := r.ports[0].groups[group]; got != step.want {
			t.Errorf("after step %d: %d", i, got)
		}
	}
}

// TestBroadcastGiven: an address that is said to be the subnet's broadcast address is,
// and the one it would else have is not.
func TestBroadcastGiven(t *testing.T) {
	r := newRig(t)
	must(t, control.Configure(r.Stack, r.index["e0"], control.AddrConfig{Prefix: prefix("10.0.0.1/24"), Broadcast: addr("10.0.0.0")}))
	s, e := usrreq.ListenUDP(r.Stack, netip.MustParseAddrPort("0.0.0.0:7"), 0, 0)
	must(t, e)
	for to, want := range map[string]error{"10.0.0.0:9": syscall.EACCES, "10.0.0.255:9": nil} {
		if _, err := s.WriteTo(nil, netip.MustParseAddrPort(to), nil); err != want {
			t.Errorf("%s without SO_BROADCAST: %v, want %v", to, err, want)
		}
	}
}
