//go:build !novimage

package lab_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/lab"
)

// mnet is a network that multicast runs through, in one family.
type mnet struct {
	*testing.T
	*lab.Lab
	is6 bool
}

// bothFamilies runs a test in simulated time for IPv4 and IPv6.
func bothFamilies(t *testing.T, f func(m *mnet)) {
	for _, is6 := range []bool{false, true} {
		t.Run(map[bool]string{false: "IPv4", true: "IPv6"}[is6], func(t *testing.T) {
			f(&mnet{t, lab.NewConfig(t, lab.Config{Simulated: true, IPv6: is6, Seed: 1}), is6})
		})
	}
}

func (m *mnet) pass(d time.Duration) { m.Lab.Run(d) }

func (m *mnet) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *mnet) group(n int) netip.Addr {
	if m.is6 {
		return netip.MustParseAddr(fmt.Sprintf("ff1e::8000:%d", n))
	}
	return netip.MustParseAddr(fmt.Sprintf("239.1.1.%d", n))
}

func (m *mnet) groups() netip.Prefix {
	if m.is6 {
		return netip.MustParsePrefix("ff10::/12")
	}
	return netip.MustParsePrefix("239.0.0.0/8")
}

func (m *mnet) addr(h *lab.Node) netip.Addr {
	if m.is6 {
		return h.Addr6()
	}
	return h.Addr()
}

// querier returns who asks on an interface, in the family.
func (m *mnet) querier(i *vimage.Interface) netip.Addr {
	four, six := i.Querier()
	if m.is6 {
		return six
	}
	return four
}

// self returns the address that an interface asks from.
func (m *mnet) self(i *vimage.Interface) netip.Addr {
	for _, a := range i.Addresses() {
		if ip := a.Prefix.Addr(); ip.Is4() != m.is6 && (ip.Is4() || ip.IsLinkLocalUnicast()) {
			return ip
		}
	}
	return netip.Addr{}
}

// ear is a socket that listens to groups; mouth one that sends.
type ear struct {
	usrreq.Sock
	m  *mnet
	at usrreq.McastIf
}

func (m *mnet) ear(h *lab.Node) *ear {
	local := netip.MustParseAddrPort("0.0.0.0:5000")
	if m.is6 {
		local = netip.MustParseAddrPort("[::]:5000")
	}
	s, e := usrreq.ListenUDP(h.Internal(), local, 0, pcb.ReusePort)
	if e != 0 {
		m.Fatal(e)
	}
	return &ear{s, m, usrreq.McastIf{Index: uint32(h.Eth(0).Index())}}
}

func (e *ear) do(op usrreq.McastOp, group, source netip.Addr) {
	e.m.Helper()
	if err := e.Mcast(op, e.at, group, source); err != 0 {
		e.m.Fatal(err)
	}
}

// heard returns how many datagrams have come since it was last asked.
func (e *ear) heard() (n int) {
	for {
		if _, err := e.ReadFrom(make([]byte, 2000), nil, false); err != nil {
			return n
		}
		n++
	}
}

func (e *ear) want(what string, n int) {
	e.m.Helper()
	if got := e.heard(); got != n {
		e.m.Errorf("%s: %d datagrams, want %d", what, got, n)
	}
}

// talk sends n datagrams to a group by a host's first link, 10 ms apart, and waits
// for them to come.
func (m *mnet) talk(h *lab.Node, group netip.Addr, n, ttl int) {
	m.Helper()
	local := netip.MustParseAddrPort("0.0.0.0:0")
	if m.is6 {
		local = netip.MustParseAddrPort("[::]:0")
	}
	s, e := usrreq.ListenUDP(h.Internal(), local, 0, 0)
	if e != 0 {
		m.Fatal(e)
	}
	defer s.Close()
	index := uint32(h.Eth(0).Index())
	if m.is6 {
		e = s.SetMulticastIf6(index)
		s.SetMulticastHops(ttl)
	} else {
		e = s.SetMulticastIf(index)
		s.SetMulticastTTL(ttl)
	}
	if e != 0 {
		m.Fatal(e)
	}
	for range n {
		if _, err := s.WriteTo(make([]byte, 100), netip.AddrPortFrom(group, 5000), nil); err != nil {
			m.Fatal(err)
		}
		m.pass(10 * time.Millisecond)
	}
	m.pass(50 * time.Millisecond)
}

// counters returns those of a router that are of multicast on its way.
func (m *mnet) counters(h *lab.Node) string {
	c, p := h.Counters(), "ip."
	if m.is6 {
		p = "ip6."
	}
	return strings.TrimSpace(fmt.Sprintf("sent %d, none %d, wrong %d", c[p+"mforwarded"], c[p+"mnoroute"], c[p+"mwrongif"]))
}

// TestRFC3376Section6_3Forwarding: a router with one route sends each group, and of a group
// each source, to the links where somebody wants it, and stops when nobody does:
// after the Last Member Query Time, not before.
func TestRFC3376Section6_3Forwarding(t *testing.T) {
	bothFamilies(t, func(m *mnet) {
		left, right, far := m.Switch("left"), m.Switch("right"), m.Switch("far")
		source, other, r := m.Host("source"), m.Host("other"), m.Router("r")
		a, b, c := m.Host("a"), m.Host("b"), m.Host("c")
		m.Link(r, left)
		m.Link(r, right)
		m.Link(r, far)
		m.Link(source, left)
		m.Link(other, left)
		m.Link(a, right)
		m.Link(b, right)
		m.Link(c, far)
		for i := range 3 {
			m.ok(r.Eth(i).SetQuerier(true))
		}
		m.ok(r.AddMulticastRoute(vimage.MulticastRoute{Group: m.groups(), In: r.Eth(0), Listeners: true}))
		m.pass(20 * time.Second)
		ea, eb, ec, s := m.ear(a), m.ear(b), m.ear(c), m.addr(source)

		m.talk(source, m.group(1), 5, 8)
		if got := m.counters(r); got != "sent 0, none 0, wrong 0" {
			t.Errorf("nobody listens: %s", got)
		}
		ea.do(usrreq.McastJoinSource, m.group(1), s)
		m.pass(time.Second)
		m.talk(source, m.group(1), 5, 8)
		m.talk(other, m.group(1), 5, 8) // nobody wants this source
		m.talk(source, m.group(2), 5, 8)
		m.talk(source, m.group(1), 5, 1) // too old to be sent on
		ea.want("the one who joined", 5)
		eb.want("the one beside him", 0)
		if got := m.counters(r); got != "sent 5, none 0, wrong 0" {
			t.Errorf("one listens: %s", got)
		}

		eb.do(usrreq.McastJoin, m.group(1), netip.Addr{})
		ec.do(usrreq.McastJoin, m.group(1), netip.Addr{})
		ec.do(usrreq.McastBlock, m.group(1), s)
		m.pass(time.Second)
		m.talk(source, m.group(1), 5, 8)
		m.talk(other, m.group(1), 5, 8)
		ea.want("INCLUDE", 5)
		eb.want("EXCLUDE nobody", 10)
		ec.want("EXCLUDE the source", 5)

		eb.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		m.pass(3 * time.Second)
		m.talk(source, m.group(1), 5, 8)
		ea.want("who stays when another leaves", 5)

		ea.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		ec.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		before := r.MulticastRoutes()[0].Packets
		m.pass(1500 * time.Millisecond) // the Last Member Query Time is 2 s
		sent := m.counters(r)
		m.talk(source, m.group(1), 5, 8)
		if got := m.counters(r); got == sent {
			t.Errorf("before anybody could have answered: %s", got)
		}
		m.pass(1500 * time.Millisecond)
		sent = m.counters(r)
		m.talk(source, m.group(1), 5, 8)
		if got := m.counters(r); got != sent {
			t.Errorf("after the last member has left: %s, then %s", sent, got)
		}
		if got := r.MulticastRoutes()[0]; got.Packets != before+10 || got.In.Name() != "eth0" || got.WrongInterface != 0 {
			t.Errorf("the route has seen %d, then %+v", before, got)
		}
		m.talk(c, m.group(1), 5, 8)
		if got := r.MulticastRoutes()[0]; got.WrongInterface != 5 {
			t.Errorf("from a link it is not for: %+v", got)
		}
	})
}

// TestQuerierElection: of two routers on a link the one with the lower address asks;
// when it falls silent the other takes over after Other Querier Present, with all it
// has heard meanwhile; and gives way again.
func TestQuerierElection(t *testing.T) {
	bothFamilies(t, func(m *mnet) {
		lan := m.Switch("lan")
		r1, r2, h := m.Router("r1"), m.Router("r2"), m.Host("h")
		m.Link(r1, lan)
		m.Link(r2, lan)
		m.Link(h, lan)
		m.ok(r2.Eth(0).SetQuerier(true))
		m.pass(time.Second)
		if got := m.querier(r2.Eth(0)); got != m.self(r2.Eth(0)) {
			t.Errorf("alone: %v asks", got)
		}
		m.ok(r1.Eth(0).SetQuerier(true))
		m.pass(40 * time.Second)
		low, high := r1, r2
		if m.self(r2.Eth(0)).Less(m.self(r1.Eth(0))) { // of IPv6 it is the MAC that decides
			low, high = r2, r1
		}
		if a, b := m.querier(r1.Eth(0)), m.querier(r2.Eth(0)); a != b || a != m.self(low.Eth(0)) {
			t.Fatalf("%v and %v ask, want %v", a, b, m.self(low.Eth(0)))
		}
		e := m.ear(h)
		e.do(usrreq.McastJoin, m.group(1), netip.Addr{})
		m.pass(5 * time.Second)
		for _, r := range []*lab.Node{low, high} {
			if !m.knows(r, m.group(1)) {
				t.Errorf("%s does not know the listener: %+v", r.Name(), r.Eth(0).QuerierGroups())
			}
		}
		m.ok(low.Eth(0).SetUp(false))
		m.pass(250 * time.Second) // Other Querier Present is 255 s, of which some have gone
		if got := m.querier(high.Eth(0)); got != m.self(low.Eth(0)) && got != m.self(high.Eth(0)) {
			t.Errorf("%v asks", got)
		}
		m.pass(20 * time.Second)
		if got := m.querier(high.Eth(0)); got != m.self(high.Eth(0)) {
			t.Errorf("the other is silent, and still %v asks", got)
		}
		if !m.knows(high, m.group(1)) {
			t.Error("the listener is forgotten")
		}
		m.ok(low.Eth(0).SetUp(true))
		m.pass(200 * time.Second)
		if got := m.querier(high.Eth(0)); got != m.self(low.Eth(0)) {
			t.Errorf("the one with the lower address is back, and %v asks", got)
		}
		m.ok(low.Eth(0).SetQuerier(false))
		if got := m.querier(low.Eth(0)); got.IsValid() || len(low.Eth(0).QuerierGroups()) != 0 {
			t.Errorf("a host thinks that %v asks", got)
		}
	})
}

func (m *mnet) knows(r *lab.Node, group netip.Addr) bool {
	for _, g := range r.Eth(0).QuerierGroups() {
		if g.Group == group {
			return true
		}
	}
	return false
}

// TestQuerierFollowsAddress: a querier asks from the address that its interface has,
// be it given later, and not without one.
func TestQuerierFollowsAddress(t *testing.T) {
	n := lab.NewConfig(t, lab.Config{Simulated: true, Seed: 1})
	r, h := n.Router("r"), n.Host("h")
	n.Link(r, h)
	m := &mnet{t, n, true}
	m.ok(r.Eth(0).SetQuerier(true))
	m.pass(time.Second)
	four, six := r.Eth(0).Querier()
	if four != r.Addr() || six.IsValid() {
		t.Errorf("%v and %v ask", four, six)
	}
	m.ok(r.Eth(0).AddAddr(netip.MustParsePrefix("2001:db8::1/64")))
	m.pass(5 * time.Second)
	if _, six := r.Eth(0).Querier(); six != m.self(r.Eth(0)) || !six.IsValid() {
		t.Errorf("since there is IPv6 %v asks", six)
	}
	m.ok(r.Eth(0).AddAddr(netip.MustParsePrefix("10.9.9.9/24")))
	m.ok(r.Eth(0).DelAddr(four))
	m.pass(time.Second)
	if four, _ := r.Eth(0).Querier(); four != netip.MustParseAddr("10.9.9.9") {
		t.Errorf("with another address %v asks", four)
	}
	m.ok(r.Eth(0).DelAddr(netip.MustParseAddr("10.9.9.9")))
	if four, six := r.Eth(0).Querier(); four.IsValid() || !six.IsValid() {
		t.Errorf("without an IPv4 address %v and %v ask", four, six)
	}
}

// TestRFC4605ProxyOfProxy: what a host wants behind two proxies is asked for at the
// top, with its sources; packets come down only there, and from below they go up
// and to the side.
func TestRFC4605ProxyOfProxy(t *testing.T) {
	bothFamilies(t, func(m *mnet) {
		core, mid, low := m.Switch("core"), m.Switch("mid"), m.Switch("low")
		source, impostor, top := m.Host("source"), m.Host("impostor"), m.Router("top")
		p1, p2 := m.Router("p1"), m.Router("p2")
		m.Link(source, core)
		m.Link(impostor, core)
		m.Link(top, core)
		m.Link(p1, core)
		m.Link(p1, mid)
		m.Link(p2, mid)
		m.Link(p2, low)
		a, b := m.Host("a"), m.Host("b")
		m.Link(a, low)
		m.Link(b, mid)
		m.ok(top.Eth(0).SetQuerier(true))
		m.ok(p1.SetMulticastProxy(p1.Eth(0), p1.Eth(1)))
		m.ok(p2.SetMulticastProxy(p2.Eth(0), p2.Eth(1)))
		m.pass(20 * time.Second)
		ea, eb := m.ear(a), m.ear(b)
		ea.do(usrreq.McastJoinSource, m.group(1), m.addr(source))
		m.pass(2 * time.Second)
		if got := fmt.Sprint(m.wanted(top, m.group(1))); got != fmt.Sprintf("INCLUDE [%v]", m.addr(source)) {
			t.Errorf("at the top: %s", got)
		}
		m.talk(source, m.group(1), 5, 8)
		m.talk(impostor, m.group(1), 5, 8)
		ea.want("behind two proxies", 5)
		if got := m.counters(p1); got != "sent 5, none 0, wrong 0" {
			t.Errorf("the first proxy: %s", got)
		}

		eb.do(usrreq.McastJoin, m.group(1), netip.Addr{})
		eb.do(usrreq.McastBlock, m.group(1), m.addr(impostor))
		m.pass(10 * time.Second) // the Last Member Query Time, on each of two links
		if got := fmt.Sprint(m.wanted(top, m.group(1))); got != fmt.Sprintf("EXCLUDE [%v]", m.addr(impostor)) {
			t.Errorf("at the top, merged: %s", got)
		}
		m.talk(b, m.group(1), 5, 8) // from below: up, and to the side
		ea.want("a source he does not want", 0)
		m.talk(a, m.group(1), 5, 8)
		eb.want("his own, and from further down", 10)

		ea.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		eb.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		m.pass(15 * time.Second)
		if got := m.wanted(top, m.group(1)); got != "nothing" {
			t.Errorf("at the top when all have left: %s", got)
		}
		ea.do(usrreq.McastJoin, m.group(2), netip.Addr{})
		m.pass(2 * time.Second)
		m.ok(p2.Eth(1).Remove()) // with a listener behind it
		m.pass(10 * time.Second)
		if got := m.wanted(top, m.group(2)); got != "nothing" {
			t.Errorf("at the top when the way there is gone: %s", got)
		}
		m.ok(p1.SetMulticastProxy(nil))
		m.talk(source, m.group(1), 5, 8)
		if err := p1.SetMulticastProxy(p1.Eth(0), p1.Eth(0)); err == nil {
			t.Error("up and down by one interface")
		}
	})
}

// wanted returns what a querier knows of a group.
func (m *mnet) wanted(r *lab.Node, group netip.Addr) string {
	for _, g := range r.Eth(0).QuerierGroups() {
		if g.Group != group {
			continue
		}
		var list []netip.Addr
		for _, s := range g.Sources {
			if (s.Left > 0) == (g.Mode == vimage.Include) {
				list = append(list, s.Source)
			}
		}
		return fmt.Sprint(g.Mode, " ", list)
	}
	return "nothing"
}

// TestMemberships: what ifmcstat shows of an interface.
func TestMemberships(t *testing.T) {
	bothFamilies(t, func(m *mnet) {
		a, b := m.Host("a"), m.Host("b")
		m.Link(a, b)
		e, e2 := m.ear(a), m.ear(a)
		e.do(usrreq.McastJoin, m.group(1), netip.Addr{})
		e2.do(usrreq.McastJoinSource, m.group(2), m.addr(b))
		m.pass(30 * time.Second)
		all := a.Eth(0).Memberships()
		s := all[len(all)-1]
		if want := map[bool]int{false: 3, true: 2}[m.is6]; s.Version != want || s.OwnVersion != want || s.Robustness != 2 || s.QueryInterval != 125*time.Second || s.Silent {
			t.Errorf("%+v", s)
		}
		states := make(map[netip.Addr]string)
		for _, g := range s.Groups {
			states[g.Group] = fmt.Sprint(g.State, " ", g.Mode, " ", g.Sources)
			if g.MAC[0]&1 == 0 {
				t.Errorf("%v has the MAC %v", g.Group, g.MAC)
			}
		}
		all1 := netip.MustParseAddr("224.0.0.1")
		if m.is6 {
			all1 = netip.IPv6LinkLocalAllNodes()
		}
		for g, want := range map[netip.Addr]string{
			m.group(1): "reporting EXCLUDE []", m.group(2): fmt.Sprintf("reporting INCLUDE [%v]", m.addr(b)), all1: "silent EXCLUDE []",
		} {
			if states[g] != want {
				t.Errorf("%v: %q, want %q", g, states[g], want)
			}
		}
		e.do(usrreq.McastLeave, m.group(1), netip.Addr{})
		s = a.Eth(0).Memberships()[len(all)-1]
		for _, g := range s.Groups {
			if g.Group == m.group(1) && (g.State != "leaving" || g.Pending == 0) {
				t.Errorf("just left: %+v", g)
			}
		}
	})
}
