package ipv4_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/ipv4"
	"github.com/seed88948545/vimage/link"
)

const group = "239.1.1.1"

// filter is a membership in a test's words: "E:.11,.12", "I:.11", "" for none.
func (c *cable) filter(t *testing.T, p *ipv4.PacketConn, f string) {
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
		sources = append(sources, ip("10.0.0"+s))
	}
	m := map[string]ipv4.FilterMode{"I": ipv4.Include, "E": ipv4.Exclude}[mode]
	wantErrno(t, f, p.SetSourceFilter(c.bIf, ip(group), m, sources), 0)
}

// TestTruthTable sends from three sources to two sockets with filters of their
// own (behaviour 6.6): each hears what its own filter lets pass, whatever the
// other's, and the interface never less.
func TestTruthTable(t *testing.T) {
	for _, row := range []struct{ f1, f2, hears1, hears2 string }{
		{"E:", "I:.11", ".1 .11 .12", ".11"},
		{"E:.1,.11", "E:.11,.12", ".12", ".1"},
		{"E:.1,.11", "I:.1", ".12", ".1"},
		{"E:.11", "I:.11", ".1 .12", ".11"},
		{"I:.1", "I:.11", ".1", ".11"},
		{"I:.11", "", ".11", ""},
		{"", "", "", ""},
		{"I:", "E:", "", ".1 .11 .12"},
		{"I:.1,.11,.12", "E:.1,.11,.12", ".1 .11 .12", ""},
	} {
		t.Run(row.f1+" and "+row.f2, func(t *testing.T) {
			c := newCable(t)
			s := listen(t, c.a, "udp4", "0.0.0.0:0")
			wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
			p1, p2 := shared(t, c.b, "0.0.0.0:5000"), shared(t, c.b, "0.0.0.0:5000")
			c.filter(t, p1, row.f1)
			c.filter(t, p2, row.f2)
			check := func(what, want1, want2 string) {
				t.Helper()
				for _, src := range []string{".1", ".11", ".12"} {
					send(t, s, src, "10.0.0"+src, group+":5000")
				}
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
			for _, src := range []string{".1", ".11", ".12"} {
				send(t, s, src, "10.0.0"+src, group+":5000")
			}
			if got := strings.Join(heard(t, p2), " "); got != row.hears2 {
				t.Errorf("the first closed: heard %q, want %q", got, row.hears2)
			}
		})
	}
}

// TestFilterCounts is case 48: what a filter keeps out is counted.
func TestFilterCounts(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp4", "0.0.0.0:0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	p := listen(t, c.b, "udp4", "0.0.0.0:5000")
	wantErrno(t, "join", p.JoinSourceSpecificGroup(c.bIf, ip(group), ip("10.0.0.11")), 0)
	before := c.b.Counters()
	send(t, s, "wanted", "10.0.0.11", group+":5000")
	send(t, s, "unwanted", "10.0.0.12", group+":5000")
	if got := heard(t, p); !slices.Equal(got, []string{"wanted"}) {
		t.Errorf("heard %q", got)
	}
	wantCounted(t, c.b, before, "udp.filtermcast", 1)
	wantCounted(t, c.b, before, "drop.source filtered", 1)
}

// wantCounted checks by how much a counter has grown.
func wantCounted(t testing.TB, s *vimage.Stack, before map[string]uint64, name string, n uint64) {
	t.Helper()
	after := s.Counters()
	if _, ok := after[name]; !ok && n > 0 {
		t.Errorf("no counter %q in %v", name, after)
	}
	if got := after[name] - before[name]; got != n {
		t.Errorf("%s grew by %d, want %d", name, got, n)
	}
}

// TestMembersOnly is case 54: of two sockets on a port only the member hears,
// and nobody is told that a port is closed.
func TestMembersOnly(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp4", "0.0.0.0:0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	p1, p2 := shared(t, c.b, "0.0.0.0:5000"), shared(t, c.b, "0.0.0.0:5000")
	wantErrno(t, "join", p1.JoinGroup(c.bIf, ip(group)), 0)
	send(t, s, "x", "", group+":5000")
	send(t, s, "wrong port", "", group+":5001")
	if one, two := heard(t, p1), heard(t, p2); len(one) != 1 || len(two) != 0 {
		t.Errorf("heard %q and %q", one, two)
	}
	before := c.b.Counters()
	wantErrno(t, "leave", p1.LeaveGroup(c.bIf, ip(group)), 0)
	send(t, s, "x", "", group+":5000")
	if one, two := heard(t, p1), heard(t, p2); len(one) != 0 || len(two) != 0 {
		t.Errorf("after leaving heard %q and %q", one, two)
	}
	for name, n := range c.b.Counters() {
		if strings.HasPrefix(name, "icmp.") && n != before[name] {
			t.Errorf("%s grew: an error about multicast", name)
		}
	}
}

// TestConnectedMulticast is case 53: an unconnected member hears any port, one that
// is bound to the group and connected its peer's only. One that has an address of
// its own, as connecting gives one, hears no group.
func TestConnectedMulticast(t *testing.T) {
	c := newCable(t)
	s1 := listen(t, c.a, "udp4", "10.0.0.1:6000")
	s2 := listen(t, c.a, "udp4", "10.0.0.1:6001")
	open := listen(t, c.b, "udp4", "0.0.0.0:5000")
	d := vimage.Dialer{Stack: c.b, LocalAddr: udp("0.0.0.0:5001")}
	conn := must(d.Dial("udp4", "10.0.0.1:6001"))(t)
	connected := ipv4.NewPacketConn(conn.(net.PacketConn))
	grouped := shared(t, c.b, group+":5001")
	if e := grouped.PacketConn.(*vimage.UDPConn).Internal().Connect(netip.MustParseAddrPort("10.0.0.1:6001")); e != 0 {
		t.Fatal(e)
	}
	for _, p := range []*ipv4.PacketConn{open, connected, grouped} {
		wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	}
	for _, s := range []*ipv4.PacketConn{s1, s2} {
		wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
		from := s.LocalAddr().String()
		send(t, s, from, "", group+":5000")
		send(t, s, from, "", group+":5001")
	}
	if got := heard(t, open); len(got) != 2 {
		t.Errorf("unconnected heard %q", got)
	}
	if got := heard(t, connected); len(got) != 0 {
		t.Errorf("with an address of its own heard %q", got)
	}
	if got := heard(t, grouped); !slices.Equal(got, []string{"10.0.0.1:6001"}) {
		t.Errorf("connected heard %q", got)
	}
}

// TestBindGroup binds to a group: only what is sent to it is heard.
func TestBindGroup(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp4", "0.0.0.0:0")
	wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
	p := shared(t, c.b, group+":5000")
	for _, g := range []string{group, "239.1.1.2"} {
		wantErrno(t, "join", p.JoinGroup(c.bIf, ip(g)), 0)
		send(t, s, g, "", g+":5000")
	}
	send(t, s, "unicast", "", "10.0.0.2:5000")
	if got := heard(t, p); !slices.Equal(got, []string{group}) {
		t.Errorf("heard %q", got)
	}
}

// TestArrivalInterface: a membership is on one interface.
func TestArrivalInterface(t *testing.T) {
	c := newCable(t)
	wire := link.NewEpair(0)
	aSecond := plug(t, c.a, "e1", wire.A(), "10.1.0.1/24").Net()
	bSecond := plug(t, c.b, "e1", wire.B(), "10.1.0.2/24", "10.2.0.2/24").Net()
	s := listen(t, c.a, "udp4", "0.0.0.0:0")
	p := listen(t, c.b, "udp4", "0.0.0.0:5000")
	wantErrno(t, "flags", p.SetControlMessage(ipv4.FlagInterface, true), 0)
	wantErrno(t, "join", p.JoinGroup(bSecond, ip(group)), 0)
	for i, ifi := range []*net.Interface{c.aIf, aSecond} {
		wantErrno(t, "interface", s.SetMulticastInterface(ifi), 0) // IP_MULTICAST_IF
		send(t, s, fmt.Sprint("by e", i), "", group+":5000")
	}
	msg, cm, from := read(t, p)
	if msg != "by e1" || cm.IfIndex != bSecond.Index || from.(*net.UDPAddr).IP.String() != "10.1.0.1" {
		t.Errorf("%q by %v from %v", msg, cm, from)
	}
	wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	// The interface of one packet, whatever the socket's.
	if _, err := s.WriteTo([]byte("one packet"), &ipv4.ControlMessage{IfIndex: c.aIf.Index}, udp(group+":5000")); err != nil {
		t.Fatal(err)
	}
	if msg, cm, _ := read(t, p); msg != "one packet" || cm.IfIndex != c.bIf.Index {
		t.Errorf("%q by %v", msg, cm)
	}
	// For unicast too, and without a route: the neighbour is taken to be on that link.
	_, err := s.WriteTo([]byte("unicast"), nil, udp("10.2.0.2:5000"))
	wantErrno(t, "no route", err, syscall.EHOSTUNREACH)
	if _, err := s.WriteTo([]byte("unicast"), &ipv4.ControlMessage{IfIndex: aSecond.Index}, udp("10.2.0.2:5000")); err != nil {
		t.Fatal(err)
	}
	if msg, cm, _ := read(t, p); msg != "unicast" || cm.IfIndex != bSecond.Index {
		t.Errorf("%q by %v", msg, cm)
	}
	if got := heard(t, p); len(got) != 0 {
		t.Errorf("also heard %q", got)
	}
}

// TestSendWithoutRoute: nowhere to send to.
func TestSendWithoutRoute(t *testing.T) {
	c := newCable(t)
	s := listen(t, c.a, "udp4", "0.0.0.0:0")
	_, err := s.WriteTo([]byte("x"), nil, udp(group+":5000"))
	wantErrno(t, "no route", err, syscall.EHOSTUNREACH)
	if err := c.a.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.0.2")}); err != nil {
		t.Fatal(err)
	}
	p := listen(t, c.b, "udp4", "0.0.0.0:5000")
	wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	send(t, s, "by the default route, but to no gateway", "", group+":5000")
	if got := heard(t, p); len(got) != 1 {
		t.Errorf("heard %q", got)
	}
	_, err = s.WriteTo([]byte("x"), &ipv4.ControlMessage{Src: net.ParseIP("10.9.9.9")}, udp(group+":5000"))
	wantErrno(t, "not our address", err, syscall.EADDRNOTAVAIL)
	_, err = s.WriteTo([]byte("x"), &ipv4.ControlMessage{IfIndex: 99}, udp(group+":5000"))
	wantErrno(t, "no such interface", err, syscall.EADDRNOTAVAIL)
	_, err = s.WriteTo([]byte("x"), &ipv4.ControlMessage{IfIndex: 99}, udp("10.0.0.2:5000"))
	wantErrno(t, "no such interface", err, syscall.EADDRNOTAVAIL)
}

// TestLoopAndTTL: who hears what is sent to a group, here and over there.
func TestLoopAndTTL(t *testing.T) {
	for _, row := range []struct {
		loop        bool
		ttl         int
		here, there int
	}{
		{true, 1, 1, 1}, {false, 1, 0, 1}, {true, 0, 1, 0}, {false, 0, 0, 0}, {true, 32, 1, 1},
	} {
		c := newCable(t)
		here, there := listen(t, c.a, "udp4", "0.0.0.0:5000"), listen(t, c.b, "udp4", "0.0.0.0:5000")
		wantErrno(t, "join", here.JoinGroup(c.aIf, ip(group)), 0)
		wantErrno(t, "join", there.JoinGroup(c.bIf, ip(group)), 0)
		wantErrno(t, "flags", there.SetControlMessage(ipv4.FlagTTL, true), 0)
		s := here // a sender hears itself
		wantErrno(t, "interface", s.SetMulticastInterface(c.aIf), 0)
		wantErrno(t, "loop", s.SetMulticastLoopback(row.loop), 0)
		wantErrno(t, "ttl", s.SetMulticastTTL(row.ttl), 0)
		wantErrno(t, "unicast ttl", s.SetTTL(99), 0)
		send(t, s, "x", "", group+":5000")
		if row.there > 0 {
			send(t, s, "y", "", group+":5000")
			if _, cm, _ := read(t, there); cm.TTL != row.ttl {
				t.Errorf("%+v: arrived with TTL %d", row, cm.TTL)
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

// TestLoopSysctl is case 52: the sysctl is for sockets without options.
func TestLoopSysctl(t *testing.T) {
	c := newCable(t)
	if err := c.a.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("224.0.0.0/4"), Interface: "e0"}); err != nil {
		t.Fatal(err)
	}
	member := listen(t, c.a, "udp4", "0.0.0.0:5000")
	wantErrno(t, "join", member.JoinGroup(nil, ip(group)), 0)
	early := listen(t, c.a, "udp4", "0.0.0.0:0")
	wantErrno(t, "ttl", early.SetMulticastTTL(1), 0)
	if err := c.a.SetSysctl("net.inet.ip.mcast.loop", 0); err != nil {
		t.Fatal(err)
	}
	late := listen(t, c.a, "udp4", "0.0.0.0:0")
	send(t, early, "options set before", "", group+":5000")
	send(t, late, "none set", "", group+":5000")
	wantErrno(t, "loop", late.SetMulticastLoopback(true), 0)
	send(t, late, "option overrides", "", group+":5000")
	if got := heard(t, member); !slices.Equal(got, []string{"options set before", "option overrides"}) {
		t.Errorf("heard %q", got)
	}
}

// TestJoinByRoute is case 44: without an interface the route to the group in the
// socket's table decides, and without a route the first interface.
func TestJoinByRoute(t *testing.T) {
	c := newCable(t)
	if err := c.a.SetFIBs(2); err != nil {
		t.Fatal(err)
	}
	second := plug(t, c.a, "e1", link.NewEpair(0).A(), "10.1.0.1/24").Net()
	join := func(s *vimage.Stack, want *net.Interface) {
		t.Helper()
		p := listen(t, s, "udp4", "0.0.0.0:0")
		wantErrno(t, "join", p.JoinGroup(nil, ip(group)), 0)
		if _, _, err := p.SourceFilter(want, ip(group)); err != nil {
			t.Errorf("not joined on %s: %v", want.Name, err)
		}
		p.Close()
	}
	fib1 := must(c.a.FIB(1))(t)
	join(c.a, c.aIf)
	route := vimage.Route{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.1.0.9"), Interface: "e1"}
	if err := fib1.AddRoute(route); err != nil {
		t.Fatal(err)
	}
	join(c.a, c.aIf)
	join(fib1, second)
	if err := c.a.AddRoute(route); err != nil {
		t.Fatal(err)
	}
	join(c.a, second)

	lonely := stack(t, c.w, "lonely")
	p := listen(t, lonely, "udp4", "0.0.0.0:0")
	wantErrno(t, "join with lo0 only", p.JoinGroup(nil, ip(group)), syscall.EADDRNOTAVAIL)
}

// TestRemovedInterface: memberships end with their interface.
func TestRemovedInterface(t *testing.T) {
	c := newCable(t)
	p := listen(t, c.b, "udp4", "0.0.0.0:5000")
	wantErrno(t, "join", p.JoinGroup(c.bIf, ip(group)), 0)
	wantErrno(t, "interface", p.SetMulticastInterface(c.bIf), 0)
	if err := must(c.b.Interface("e0"))(t).Remove(); err != nil {
		t.Fatal(err)
	}
	wantErrno(t, "leave", p.LeaveGroup(c.bIf, ip(group)), syscall.EADDRNOTAVAIL)
	_, err := p.WriteTo([]byte("x"), nil, udp(group+":5000"))
	wantErrno(t, "send", err, syscall.EHOSTUNREACH)
	if ifi, err := p.MulticastInterface(); ifi != nil || err != nil {
		t.Errorf("interface: %v, %v", ifi, err)
	}
}

// TestListenMulticastUDP is package net's: a member that does not hear itself.
func TestListenMulticastUDP(t *testing.T) {
	c := newCable(t)
	g := udp(group + ":5000")
	here := ipv4.NewPacketConn(must(c.a.ListenMulticastUDP("udp4", c.aIf, g))(t))
	there := ipv4.NewPacketConn(must(c.b.ListenMulticastUDP("udp4", c.bIf, g))(t))
	send(t, here, "x", "", g.String())
	if h, o := heard(t, here), heard(t, there); len(h) != 0 || len(o) != 1 {
		t.Errorf("heard %q here and %q there", h, o)
	}
	_, err := c.a.ListenMulticastUDP("udp4", &net.Interface{Index: 99}, g)
	wantErrno(t, "no such interface", err, syscall.EADDRNOTAVAIL)
	_, err = c.a.ListenMulticastUDP("udp4", c.aIf, udp("10.0.0.1:5001"))
	wantErrno(t, "no group", err, syscall.EINVAL)
}
