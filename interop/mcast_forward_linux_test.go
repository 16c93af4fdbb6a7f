package interop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// routed is a router of ours between a Linux bridge that asks and snoops, whose
// hosts send, and two links with a Linux host each, which listen.
type routed struct {
	*mcastLab
	linux *linuxlab.Lab
	r     *lab.Node
	ears  [2]*ear
}

// forwarded is how many probes each source sends at a time.
const forwarded = 10

func newRouted(t *testing.T, f *family) *routed {
	t.Helper()
	n := &routed{mcastLab: newMcastLab(t, f), linux: f.linux(t)}
	up := n.switched(t, linuxlab.TAP, nil)
	n.r = n.Router("r")
	n.Link(n.r, up, f.end(f.prefix(4)))
	ready(t, n.r, 0)
	for i := range n.ears {
		p, gateway := f.beyond(i, 50), f.beyond(i, 1)
		k := newKernel(t, p.String(), 1500, tap.Config{})
		c := lab.SwitchConfig{BridgeConfig: link.BridgeConfig{NoSnooping: true}}
		if f.v6() {
			c.Subnet6 = p.Masked()
		} else {
			c.Subnet = p.Masked()
		}
		k.join(t, n.Lab, n.Switch(fmt.Sprintf("down%d", i), c))
		n.Link(n.r, k.seg, f.end(gateway))
		ready(t, n.r, 1+i)
		k.IP(t, "route", "add", "default", "via", gateway.Addr().String(), "dev", linuxlab.NIC)
		n.ears[i] = newEar(t, k)
	}
	f.ask(t, n.r, hasty())
	for _, h := range []*linuxlab.Host{n.linux.Source, n.linux.Impostor} {
		h.IP(t, "route", "add", "default", "via", f.addr(4).String(), "dev", linuxlab.NIC)
	}
	return n
}

// beyond is an address behind a router, on one of its links.
func (f *family) beyond(link, host int) netip.Prefix {
	if f.v6() {
		return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::%d/64", 10+link, host))
	}
	return netip.MustParsePrefix(fmt.Sprintf("10.%d.0.%d/24", 10+link, host))
}

// end is the configuration of a link whose first end has an address.
func (f *family) end(p netip.Prefix) lab.LinkConfig {
	if f.v6() {
		return lab.LinkConfig{A6: []netip.Prefix{p}}
	}
	return lab.LinkConfig{A: p}
}

// knows waits until our router knows this of a group on a link.
func (n *routed) knows(t *testing.T, link int, group netip.Addr, want string) {
	t.Helper()
	want = n.f.named(want)
	ns.Poll(t, 2*patience, func() (bool, string) {
		got := queried(n.r, link, group)
		return got == want, fmt.Sprintf("the router has %q for %v, want %q", got, group, want)
	})
}

// flow has both sources send to a group, and then to each host, and compares what
// comes with what should: for each host the probes of each source.
func (n *routed) flow(t *testing.T, what string, group netip.Addr, want [2][2]int) {
	t.Helper()
	sources := [...]*linuxlab.Host{n.linux.Source, n.linux.Impostor}
	send := func(h *linuxlab.Host, to netip.Addr, port uint16, count int) {
		t.Helper()
		if sent, err := h.Send(t.Context(), netip.AddrPortFrom(to, port), count, 0); err != nil {
			t.Fatalf("%s: %d sent to %v: %v", what, sent, to, err)
		}
	}
	// For a moment after the last port of an (S,G) is gone, a Linux bridge delivers
	// S to nobody, (*,G) or not.
	const nobody = mcastPort + 1
	for i, e := range n.ears {
		for j, h := range sources {
			if want[i][j] > 0 {
				e.opens(t, netip.AddrPortFrom(group, nobody), h.Addr, func() { send(h, group, nobody, 1) })
			}
		}
	}
	for _, h := range sources {
		send(h, group, mcastPort, forwarded)
		for _, e := range n.ears {
			send(h, e.k.Addr, mcastPort, 1)
		}
	}
	for i, e := range n.ears {
		e.compare(t, n.f, what, group, want[i])
	}
}

// opens sends to a group until something from a source comes.
func (e *ear) opens(t *testing.T, to netip.AddrPort, source netip.Addr, send func()) {
	t.Helper()
	ns.Poll(t, patience, func() (bool, string) {
		send()
		for {
			d, err := e.wire.NextUDP(20 * time.Millisecond)
			if err != nil || d.Dst == to && d.Src.Addr() == source {
				if err == nil && d.TTL != linuxlab.MulticastTTL-1 {
					t.Errorf("TTL %d behind the router, which was %d", d.TTL, linuxlab.MulticastTTL)
				}
				return err == nil, fmt.Sprintf("nothing of %v to %v at %v", source, to, e.k.Addr)
			}
		}
	})
}

// TestMcastRoutes has a router of ours forward a Linux host's datagrams along
// static routes: always, or where its querier knows somebody who listens.
func TestMcastRoutes(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newRouted(t, f)
		s1, all := f.sources[0], forwarded
		// A snooping bridge does not know that there is a router that never asks.
		ns.Bridge(t, "link", "set", "dev", linuxlab.TAP, "mcast_router", "2")
		f.ask(t, n.r, hasty(), n.r.Eth(1), n.r.Eth(2))
		n.flow(t, "without routes", f.other, [2][2]int{})
		whole := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
		for _, r := range []vimage.MulticastRoute{
			{Group: whole(f.other), Source: s1, In: n.r.Eth(0), Out: []*vimage.Interface{n.r.Eth(1)}},
			{Group: whole(f.group), In: n.r.Eth(0), Listeners: true},
		} {
			if err := n.r.AddMulticastRoute(r); err != nil {
				t.Fatal(err)
			}
		}
		n.ears[0].m.Join(t, f.other)
		n.flow(t, "one source to one link", f.other, [2][2]int{{all, 0}, {}})
		n.flow(t, "nobody listens", f.group, [2][2]int{})
		n.ears[1].m.JoinSource(t, f.group, f.sources[1])
		n.knows(t, 2, f.group, "include s2")
		n.flow(t, "one listens to one source", f.group, [2][2]int{{}, {0, all}})
		n.ears[0].m.Join(t, f.group)
		n.ears[0].m.Block(t, f.group, f.sources[1])
		n.knows(t, 1, f.group, "exclude !s2")
		n.flow(t, "the other to all but that", f.group, [2][2]int{{all, 0}, {0, all}})
		n.ears[1].m.Leave(t, f.group)
		n.knows(t, 2, f.group, "")
		n.flow(t, "one has left", f.group, [2][2]int{{all, 0}, {}})
		for _, r := range n.r.MulticastRoutes() {
			if r.Packets == 0 || r.WrongInterface != 0 {
				t.Errorf("the route for %v has seen %d packets, %d of them on another interface", r.Group, r.Packets, r.WrongInterface)
			}
		}
		n.end(t, "not for us", "bad destination", "bad neighbour discovery", "not a member")
	})
}

// TestMcastProxy is a proxy of ours (RFC 4605): the Linux bridge upstream knows one
// member, with the merged filter of the hosts downstream.
func TestMcastProxy(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newRouted(t, f)
		if err := n.r.SetMulticastProxy(n.r.Eth(0), n.r.Eth(1), n.r.Eth(2)); err != nil {
			t.Fatal(err)
		}
		a, b, g, all := n.ears[0].m, n.ears[1].m, f.group, forwarded
		s1, s2 := f.sources[0], f.sources[1]
		for _, step := range []struct {
			what string
			do   func()
			up   string
			want [2][2]int
		}{
			{"nobody", func() {}, "", [2][2]int{}},
			{"each its source", func() { a.JoinSource(t, g, s1); b.JoinSource(t, g, s2) }, "include s1 s2", [2][2]int{{all, 0}, {0, all}}},
			{"all but one", func() { b.Filter(t, g, true, s1) }, "exclude", [2][2]int{{all, 0}, {0, all}}},
			{"one leaves", func() { a.Leave(t, g) }, "exclude !s1", [2][2]int{{}, {0, all}}},
			{"one source", func() { b.Filter(t, g, false, s1) }, "include s1", [2][2]int{{}, {all, 0}}},
			{"the last leaves", func() { b.Leave(t, g) }, "", [2][2]int{}},
		} {
			t.Log(step.what)
			step.do()
			wantMDB(t, f, linuxlab.TAP, g, step.up)
			n.flow(t, step.what, g, step.want)
		}
		n.end(t, "not for us", "bad destination", "bad neighbour discovery", "not a member", "no port")
	})
}
