package ipv6_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv6"
	"github.com/seed88948545/vimage/link"
)

const group = "ff15::4321"

// filter is a membership in a test's words: "E:11,12", "I:11", "" for none.
func (c *cable) filter(t *testing.T, p *ipv6.PacketConn, f string) {
	t.Helper()
	mode, list, ok := strings.Cut(f, ":")
	if !ok {
		if _, _, err := p.SourceFilter(c.bIf, ip(group)); err == nil {
			wantErrno(t, "leave", p.LeaveGroup(c.bIf, ip(group)), 0)
		}
		return
	}
	if _, _, err := p.SourceFilter(c.bIf, ip(group)); err != nil {
		wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	}
	var sources []net.Addr
	for _, s := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		sources = append(sources, ip("fd00::"+s))
	}
	m := map[string]ipv6.FilterMode{"I": ipv6.Include, "E": ipv6.Exclude}[mode]
	wantErrno(t, f, p.SetSourceFilter(c.bIf, ip(group), m, sources), 0)
}

// TestTruthTable sends from three sources to two sockets with filters of their
// own (behaviour 6.6): each hears what its own filter lets pass, whatever the
// other's, and the interface never less.
func TestTruthTable(t *testing.T) {
	for _, row := range []struct{ f1, f2, hears1, hears2 string }{
		{"E:", "I:11", "1 11 12", "11"},
		{"E:1,11", "E:11,12", "12", "1"},
		{"E:1,11", "I:1", "12", "1"},
		{"E:11", "I:11", "1 12", "11"},
		{"I:1", "I:11", "1", "11"},
		{"I:11", "", "11", ""},
		{"", "", "", ""},
		{"I:", "E:", "", "1 11 12"},
		{"I:1,11,12", "E:1,11,12", "1 11 12", ""},
	} {
		t.Run(row.f1+" and "+row.f2, func(t *testing.T) {
			c := newCable(t)
			s := listen(t, c.a, "udp6", "[::]:0")
			wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
			p1, p2 := shared(t, c.b, "[::]:5000"), shared(t, c.b, "[::]:5000")
			c.filter(t, p1, row.f1)
			c.filter(t, p2, row.f2)
			speak := func() {
				t.Helper()
				for _, src := range []string{"1", "11", "12"} {
					send(t, s, src, "fd00::"+src, at(group, 5000))
				}
			}
			check := func(what, want1, want2 string) {
				t.Helper()
				speak()
				got1, got2 := strings.Join(heard(t, p1), " "), strings.Join(heard(t, p2), " ")
				if got1 != want1 || got2 != want2 {
					t.Errorf("%s: heard %q and %q, want %q and %q", what, got1, got2, want1, want2)
				}
			}
			check("both", row.hears1, row.hears2)
			c.filter(t, p2, "")
			check("the second left", row.hears1, "")
			wantErrno(t, "close", p1.Close(), 0)
			c.filter(t, p2, row.f2)
			speak()
			if got := strings.Join(heard(t, p2), " "); got != row.hears2 {
				t.Errorf("the first closed: heard %q, want %q", got, row.hears2)
			}
		})
	}
}

// TestFilterCounts is case 48: what a filter keeps out is counted.
func TestFilterCounts(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp6", "[::]:0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	p := listen(t, c.b, "udp6", "[::]:5000")
	wantErrno(t, "join", p.JoinSourceSpecificGroup(c.bIf, ip(group), ip("fd00::11")), 0)
	before := c.b.Counters()
	send(t, s, "wanted", "fd00::11", at(group, 5000))
	send(t, s, "unwanted", "fd00::12", at(group, 5000))
	if got := heard(t, p); !slices.Equal(got, []string{"wanted"}) {
		t.Errorf("heard %q", got)
	}
	for _, name := range []string{"udp.filtermcast", "drop.source filtered"} {
		if got := c.b.Counters()[name] - before[name]; got != 1 {
			t.Errorf("%s grew by %d", name, got)
		}
	}
}

// TestScopes joins groups of every scope on one of two links: what is sent on the
// other is not heard, however wide the group. Zones name the link as well.
func TestScopes(t *testing.T) {
	c := newCable(t)
	wire := link.NewEpair(0)
	aSecond := plug(t, c.a, "e1", wire.A(), "fe80::11/64", "fd01::1/64").Net()
	bSecond := plug(t, c.b, "e1", wire.B(), "fe80::12/64", "fd01::2/64").Net()
	s := listen(t, c.a, "udp6", "[::]:0")
	p := listen(t, c.b, "udp6", "[::]:5000")
	wantErrno(t, "flags", p.SetControlMessage(ipv6.FlagInterface|ipv6.FlagDst, true), 0)
	for _, g := range []string{"ff02::99", "ff05::99", "ff15::99", "ff35::8000:99", "ff3e::8000:99"} {
		wantErrno(t, "join by zone", p.JoinGroup(nil, ip(g+"%e1")), 0)
		for _, ifi := range []*net.Interface{c.aIf, aSecond} {
			wantErrno(t, "interface", s.SetMulticastInterface(ifi), 0)
			send(t, s, g+" by "+ifi.Name, "", at(g, 5000))
		}
		msg, cm, from := read(t, p)
		want := "fd01::1"
		if g == "ff02::99" {
			want = "fe80::11%e1"
		}
		if u := from.(*net.UDPAddr); msg != g+" by e1" || cm.IfIndex != bSecond.Index || !cm.Dst.Equal(net.ParseIP(g)) || (&net.IPAddr{IP: u.IP, Zone: u.Zone}).String() != want {
			t.Errorf("%q by %v from %v, want from %s", msg, cm, from, want)
		}
		// One packet's interface, and a zone in the destination, come before the
		// socket's.
		for i, how := range []struct {
			cm   *ipv6.ControlMessage
			zone string
		}{{&ipv6.ControlMessage{IfIndex: aSecond.Index}, ""}, {nil, "e1"}} {
			wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
			to := at(g, 5000)
			to.Zone = how.zone
			if _, err := s.WriteTo([]byte(fmt.Sprint(i)), how.cm, to); err != nil {
				t.Fatal(err)
			}
			if msg, cm, _ := read(t, p); msg != fmt.Sprint(i) || cm.IfIndex != bSecond.Index {
				t.Errorf("%q by %v", msg, cm)
			}
		}
		wantErrno(t, "leave by zone", p.LeaveGroup(nil, ip(g+"%e1")), 0)
	}
	if got := heard(t, p); len(got) != 0 {
		t.Errorf("also heard %q", got)
	}
}

// TestLinkLocal talks between link-local addresses, which are the same on two
// links: zones and interfaces of single packets tell them apart.
func TestLinkLocal(t *testing.T) {
	w := world(t)
	a, b1, b2 := stack(t, w, "a"), stack(t, w, "b1"), stack(t, w, "b2")
	w1, w2 := link.NewEpair(0), link.NewEpair(0)
	plug(t, a, "e0", w1.A(), "fe80::1/64")
	e1 := plug(t, a, "e1", w2.A(), "fe80::1/64").Net()
	plug(t, b1, "x", w1.B(), "fe80::2/64")
	plug(t, b2, "y", w2.B(), "fe80::2/64")
	s := listen(t, a, "udp6", "[::]:6000")
	p1, p2 := listen(t, b1, "udp6", "[fe80::2%x]:5000"), listen(t, b2, "udp6", "[::]:5000")
	wantErrno(t, "flags", s.SetControlMessage(ipv6.FlagInterface, true), 0)
	send(t, s, "one", "", udp("[fe80::2%e0]:5000"))
	if _, err := s.WriteTo([]byte("two"), &ipv6.ControlMessage{IfIndex: e1.Index}, at("fe80::2", 5000)); err != nil {
		t.Fatal(err)
	}
	for i, p := range []*ipv6.PacketConn{p1, p2} {
		msg, _, from := read(t, p)
		if want := []string{"one [fe80::1%x]:6000", "two [fe80::1%y]:6000"}[i]; msg+" "+from.String() != want {
			t.Errorf("%s %v, want %s", msg, from, want)
		}
		if _, err := p.WriteTo([]byte("back"), nil, from); err != nil {
			t.Fatal(err)
		}
		_, cm, back := read(t, s)
		if want := fmt.Sprintf("[fe80::2%%e%d]:5000", i); back.String() != want || cm.IfIndex-e1.Index != i-1 {
			t.Errorf("back from %v, %v, want %s", back, cm, want)
		}
	}
	if got := p1.LocalAddr().String(); got != "[fe80::2%x]:5000" {
		t.Error("bound to", got)
	}
}

// TestLoopAndHops: who hears what is sent to a group, here and over there.
func TestLoopAndHops(t *testing.T) {
	for _, row := range []struct {
		loop        bool
		hops        int
		here, there int
	}{
		{true, 1, 1, 1}, {false, 1, 0, 1}, {true, 0, 1, 0}, {false, 0, 0, 0}, {true, 32, 1, 1},
	} {
		c := newCable(t)
		here, there := listen(t, c.a, "udp6", "[::]:5000"), listen(t, c.b, "udp6", "[::]:5000")
		wantErrno(t, "join", here.JoinGroup(c.aIf, ip(group)), 0)
		wantErrno(t, "join", there.JoinGroup(c.bIf, ip(group)), 0)
		wantErrno(t, "flags", there.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagTrafficClass, true), 0)
		s := here // a sender hears itself
		wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
		wantErrno(t, "loop", s.SetMulticastLoopback(row.loop), 0)
		wantErrno(t, "hops", s.SetMulticastHopLimit(row.hops), 0)
		wantErrno(t, "unicast hops", s.SetHopLimit(99), 0)
		wantErrno(t, "class", s.SetTrafficClass(0x88), 0)
		send(t, s, "x", "", at(group, 5000))
		if row.there > 0 {
			send(t, s, "y", "", at(group, 5000))
			if _, cm, _ := read(t, there); cm.HopLimit != row.hops || cm.TrafficClass != 0x88 {
				t.Errorf("%+v: arrived with %v", row, cm)
			}
		}
		if got := len(heard(t, there)); got != row.there {
			t.Errorf("%+v: %d there", row, got)
		}
		if got := len(heard(t, here)); got != row.here*(1+row.there) {
			t.Errorf("%+v: %d here", row, got)
		}
	}
}

// TestBindGroup binds to a group: only what is sent to it is heard.
func TestBindGroup(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp6", "[::]:0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	p := shared(t, c.b, "["+group+"]:5000")
	for _, g := range []string{group, "ff15::2"} {
		wantErrno(t, "join", p.JoinGroup(c.bIf, ip(g)), 0)
		send(t, s, g, "", at(g, 5000))
	}
	send(t, s, "unicast", "", at("fd00::2", 5000))
	if got := heard(t, p); !slices.Equal(got, []string{group}) {
		t.Errorf("heard %q", got)
	}
}

// TestDualStackMulticast: one socket is a member of groups of both families, with
// options apart, of which these are IPv6's.
func TestDualStackMulticast(t *testing.T) {
	c := newCable(t)
	for s, a := range map[*vimage.Stack]string{c.a: "10.0.0.1/24", c.b: "10.0.0.2/24"} {
		if err := must(s.Interface("e0"))(t).AddAddr(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
	s, p := listen(t, c.a, "udp", "[::]:0"), listen(t, c.b, "udp", "[::]:5000")
	wantErrno(t, "flags", p.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst, true), 0)
	wantErrno(t, "hops", s.SetMulticastHopLimit(7), 0)
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	if err := p.JoinGroup(c.bIf, ip("239.1.1.1")); err == nil || err.Error() != "missing address" {
		t.Error("a group of IPv4:", err)
	}
	if err := p.PacketConn.(*vimage.UDPConn).JoinGroup(nil, netip.MustParseAddr("239.1.1.1")); err != nil {
		t.Fatal(err)
	}
	send(t, s, "six", "", at(group, 5000))
	if _, err := s.WriteTo([]byte("four"), &ipv6.ControlMessage{IfIndex: c.aIf.Index, HopLimit: 9}, at("239.1.1.1", 5000)); err != nil {
		t.Fatal(err)
	}
	if msg, cm, _ := read(t, p); msg != "six" || cm.HopLimit != 7 || !cm.Dst.Equal(net.ParseIP(group)) {
		t.Errorf("%q %v", msg, cm)
	}
	if msg, cm, from := read(t, p); msg != "four" || cm.HopLimit != 0 || cm.Src != nil || !cm.Dst.Equal(net.IPv4(239, 1, 1, 1)) || from.(*net.UDPAddr).IP.String() != "10.0.0.1" {
		t.Errorf("%q %v from %v", msg, cm, from)
	}
}

// TestRemovedInterface: memberships end with their interface.
func TestRemovedInterface(t *testing.T) {
	c := newCable(t)
	p := listen(t, c.b, "udp6", "[::]:5000")
	wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	wantErrno(t, "interface", p.SetMulticastInterface(c.bIf), 0)
	if err := must(c.b.Interface("e0"))(t).Remove(); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, "leave", p.LeaveGroup(c.bIf, ip(group)), syscall.EADDRNOTAVAIL)
	if _, err := p.WriteTo([]byte("x"), nil, at(group, 5000)); err == nil {
		t.Error("sent to a group without an interface")
	}
	if ifi, err := p.MulticastInterface(); ifi != nil || err != nil {
		t.Errorf("interface: %v, %v", ifi, err)
	}
}

// TestNextHop sends to a host by a router that no route names (RFC 3542 §6.4).
func TestNextHop(t *testing.T) {
	w := world(t)
	hosts := []*vimage.Stack{stack(t, w, "a"), stack(t, w, "r"), stack(t, w, "b")}
	chain(t, hosts, 1500)
	s, p := listen(t, hosts[0], "udp6", "[::]:0"), listen(t, hosts[2], "udp6", "[::]:5000")
	if err := hosts[0].DelRoute(netip.MustParsePrefix("fd00:2::/64")); err != nil {
		t.Fatal(err)
	}
	to := at("fd00:2::2", 5000)
	_, err := s.WriteTo([]byte("x"), nil, to)
	wantErrno(t, "no route", err, syscall.EHOSTUNREACH)
	for _, cm := range []ipv6.ControlMessage{
		{NextHop: net.ParseIP("fd00:1::2")},
		{NextHop: net.ParseIP("fe80::1:2"), IfIndex: must(hosts[0].InterfaceByName("r"))(t).Index},
	} {
		if _, err := s.WriteTo([]byte("by the router"), &cm, to); err != nil {
			t.Fatalf("%v: %v", &cm, err)
		}
		if msg, _, from := read(t, p); msg != "by the router" || from.(*net.UDPAddr).IP.String() != "fd00:1::1" {
			t.Errorf("%q from %v", msg, from)
		}
	}
	_, err = s.WriteTo([]byte("x"), &ipv6.ControlMessage{NextHop: net.ParseIP("fd00:2::2")}, to)
	wantErrno(t, "not a neighbour", err, syscall.EHOSTUNREACH)
	_, err = s.WriteTo([]byte("x"), &ipv6.ControlMessage{IfIndex: 99}, to)
	wantErrno(t, "no such interface", err, syscall.ENXIO)
}

// TestPathMTU learns that packets are too long for their way (RFC 3542 §11).
func TestPathMTU(t *testing.T) {
	w := world(t)
	hosts := []*vimage.Stack{stack(t, w, "a"), stack(t, w, "r"), stack(t, w, "b")}
	chain(t, hosts, 1500, 1300)
	peer := listen(t, hosts[2], "udp6", "[::]:5000")
	conn := must(hosts[0].Dial("udp6", "[fd00:2::2]:5000"))(t)
	p, o := ipv6.NewPacketConn(conn.(net.PacketConn)), ipv6.NewConn(conn)
	defer p.Close()
	if mtu, err := o.PathMTU(); mtu != 1500 || err != nil {
		t.Error("at first", mtu, err)
	}
	long := make([]byte, 1400)
	if _, err := p.WriteTo(long, nil, nil); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := p.ReadFrom(nil)
	wantErrno(t, "a read", err, syscall.EMSGSIZE)
	if mtu, err := o.PathMTU(); mtu != 1300 || err != nil {
		t.Error("then", mtu, err)
	}
	if _, err := p.WriteTo(long, nil, nil); err != nil { // in fragments
		t.Fatal(err)
	}
	if msg, _, _ := read(t, peer); len(msg) != len(long) {
		t.Errorf("%d bytes arrived", len(msg))
	}
}

// TestPathMTUMessage is told the same instead of an error (RFC 3542 §11.3).
func TestPathMTUMessage(t *testing.T) {
	for _, batch := range []bool{false, true} {
		w := world(t)
		hosts := []*vimage.Stack{stack(t, w, "a"), stack(t, w, "r"), stack(t, w, "b")}
		chain(t, hosts, 1500, 1300)
		p := ipv6.NewPacketConn(must(hosts[0].Dial("udp6", "[fd00:2::2]:5000"))(t).(net.PacketConn))
		wantErrno(t, "flag", p.SetControlMessage(ipv6.FlagPathMTU, true), 0)
		if _, err := p.WriteTo(make([]byte, 1400), nil, nil); err != nil {
			t.Fatal(err)
		}
		var cm *ipv6.ControlMessage
		var from net.Addr
		if batch {
			ms := []ipv6.Message{{Buffers: [][]byte{make([]byte, 100)}, OOB: ipv6.NewControlMessage(ipv6.FlagPathMTU)}}
			if n, err := p.ReadBatch(ms, 0); n != 1 || err != nil || ms[0].N != 0 {
				t.Fatal(n, err, ms[0].N)
			}
			cm, from = new(ipv6.ControlMessage), ms[0].Addr
			if err := cm.Parse(ms[0].OOB[:ms[0].NN]); err != nil {
				t.Fatal(err)
			}
		} else {
			var msg string
			if msg, cm, from = read(t, p); msg != "" {
				t.Errorf("%q", msg)
			}
		}
		if cm == nil || cm.MTU != 1300 || !cm.Dst.Equal(net.ParseIP("fd00:2::2")) || from.String() != "[fd00:2::2]:5000" {
			t.Errorf("%v from %v", cm, from)
		}
		p.Close()
	}
}

// chain connects hosts in a row: fd00:i::1 is the i-th and fd00:i::2 the one after
// it, with fe80::i:1 and fe80::i:2; those between are routers. The links have the
// MTUs given, the last of them from there on.
func chain(t testing.TB, hosts []*vimage.Stack, mtus ...int) {
	t.Helper()
	last := len(hosts) - 1
	var ifs []*vimage.Interface
	for i := range last {
		wire := link.NewEpair(0)
		for side, port := range []link.Port{wire.A(), wire.B()} {
			ifs = append(ifs, must(hosts[i+side].AddInterface([]string{"r", "l"}[side], vimage.InterfaceConfig{
				Port: port, MTU: mtus[min(i, len(mtus)-1)], Addrs: []netip.Prefix{
					netip.MustParsePrefix(fmt.Sprintf("fe80::%d:%d/64", i+1, side+1)),
					netip.MustParsePrefix(fmt.Sprintf("fd00:%d::%d/64", i+1, side+1)),
				},
			}))(t))
		}
	}
	for _, i := range ifs {
		if err := i.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range hosts {
		if i > 0 && i < last {
			if err := h.SetForwarding(true); err != nil {
				t.Fatal(err)
			}
		}
		for dst := 1; dst <= last; dst++ {
			r := vimage.Route{Dst: netip.MustParsePrefix(fmt.Sprintf("fd00:%d::/64", dst))}
			switch {
			case dst > i+1:
				r.Gateway = netip.MustParseAddr(fmt.Sprintf("fd00:%d::2", i+1))
			case dst < i:
				r.Gateway = netip.MustParseAddr(fmt.Sprintf("fd00:%d::1", i))
			default:
				continue
			}
			if err := h.AddRoute(r); err != nil {
				t.Fatal(err)
			}
		}
	}
}
