package interop

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
	"github.com/seed88948545/vimage/link/tap"
)

// kernels is a switch of ours with Linux hosts at its first ports, a router of
// ours that asks, and two hosts of ours that send.
type kernels struct {
	*mcastLab
	seg     *lab.Switch
	hosts   []*kernel
	q       *lab.Node
	senders [2]*lab.Node
}

// asking is how often a router of ours asks, and how long it waits for answers.
type asking struct{ interval, response, last time.Duration }

// hasty is a router that asks often: a membership that nobody confirms ends after
// two intervals and a half.
func hasty() asking { return asking{time.Second, 500 * time.Millisecond, 100 * time.Millisecond} }

// ask makes queriers of a router's interfaces.
func (f *family) ask(t *testing.T, r *lab.Node, a asking, on ...*vimage.Interface) {
	t.Helper()
	last, unit := "last_member_interval", 100*time.Millisecond
	if f.v6() {
		last, unit = "last_listener_interval", time.Millisecond
	}
	for name, v := range map[string]time.Duration{"query_interval": a.interval / time.Second, "query_response": a.response / unit, last: a.last / unit} {
		if err := r.SetSysctl(f.sysctl+".router."+name, int64(v)); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range on {
		if err := i.SetQuerier(true); err != nil {
			t.Fatal(err)
		}
	}
}

func newKernels(t *testing.T, f *family, count int, c link.PortConfig, a asking) *kernels {
	t.Helper()
	n := &kernels{mcastLab: newMcastLab(t, f)}
	n.seg = n.Switch("switch", n.subnets(lab.SwitchConfig{}))
	for i := range count {
		k := newKernel(t, n.f.prefix(50+i).String(), 1500, tap.Config{})
		k.join(t, n.Lab, n.seg, c)
		n.hosts = append(n.hosts, k)
	}
	n.q = n.host(t, "querier", n.seg, 1)
	n.senders = [...]*lab.Node{n.host(t, "source", n.seg, 100), n.host(t, "impostor", n.seg, 101)}
	f.ask(t, n.q, a, n.q.Eth(0))
	return n
}

// queried is what a router of ours knows of a group on a link, as mdb has what a
// Linux bridge does.
func queried(r *lab.Node, link int, group netip.Addr) string {
	for _, g := range r.Eth(link).QuerierGroups() {
		if g.Group == group {
			var f filterText
			for _, s := range g.Sources {
				f.add(s.Source, s.Left)
			}
			return f.text(g.Mode == vimage.Exclude)
		}
	}
	return ""
}

// snooped is what our switch knows of a group at its first port.
func (n *kernels) snooped(group netip.Addr) string {
	for _, g := range n.seg.Bridge().Groups(0) {
		if g.Group == group {
			var f filterText
			for _, s := range g.Sources {
				f.add(s.Source, s.Left)
			}
			return f.text(g.Exclude)
		}
	}
	return ""
}

// filterText is a group's sources as text: those without time are kept from it.
type filterText []string

func (f *filterText) add(source netip.Addr, left time.Duration) {
	s := " " + source.String()
	if left == 0 {
		s = " !" + source.String()
	}
	*f = append(*f, s)
}

func (f filterText) text(exclude bool) string {
	mode := "include"
	if exclude {
		mode = "exclude"
	}
	return mode + strings.Join(f, "")
}

// wants waits until our router knows this of a group, and our switch at which
// ports each source of the family is wanted.
func (n *kernels) wants(t *testing.T, group netip.Addr, want string, ports ...[]int) {
	t.Helper()
	want = n.f.named(want)
	ns.Poll(t, 2*patience, func() (bool, string) {
		got := queried(n.q, 0, group)
		ok := got == want
		if len(n.hosts) == 1 && len(ports) > 0 {
			at := n.snooped(group)
			ok = ok && at == want
			got += "\", the switch \"" + at
		}
		var snooped [][]int
		for i := range ports {
			at := n.seg.Bridge().Members(group, n.f.sources[i])
			slices.Sort(at)
			snooped = append(snooped, at)
			ok = ok && slices.Equal(at, ports[i])
		}
		return ok, fmt.Sprintf("the router has %q for %v, want %q; ports %v, want %v", got, group, want, snooped, ports)
	})
}

// TestMcastKernelFilters takes a kernel's socket through the changes of RFC 3376
// §5.1, before a router and a switch of ours.
func TestMcastKernelFilters(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 1, link.PortConfig{}, hasty())
		m := n.hosts[0].Member(t, mcastPort)
		changeFilters(t, f, m, func(want string) {
			t.Helper()
			n.wants(t, f.group, want, wanted(want)...)
		})
		if !f.v6() { // the request that only IPv4 has
			m.Join(t, f.other)
			m.Filter4(t, f.other, true, f.sources[0], f.sources[2])
			n.wants(t, f.other, "exclude !s1 !s3", nil, []int{0}, nil)
			m.Filter4(t, f.other, false, f.sources[2])
			n.wants(t, f.other, "include s3", nil, nil, []int{0})
		}
		n.end(t, "not for us")
	})
}

// wanted has port 0 for each source that a filter of that text lets pass.
func wanted(text string) (ports [][]int) {
	words := strings.Fields(text)
	for _, s := range []string{"s1", "s2", "s3"} {
		var at []int
		if slices.Contains(words, s) || slices.Contains(words, "exclude") && !slices.Contains(words, "!"+s) {
			at = []int{0}
		}
		ports = append(ports, at)
	}
	return ports
}

// TestMcastKernelAnswers has a kernel answer what our router asks because another
// has left a source, or a group, and keep what it listens to.
func TestMcastKernelAnswers(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 2, link.PortConfig{}, asking{time.Minute, time.Second, 200 * time.Millisecond})
		stays, leaves := n.hosts[0].Member(t, mcastPort), n.hosts[1].Member(t, mcastPort)
		for _, m := range []*linuxlab.Member{stays, leaves} {
			m.JoinSource(t, f.ssm, f.sources[0])
			m.Join(t, f.group)
		}
		both, one := []int{0, 1}, []int{0}
		n.wants(t, f.ssm, "include s1", both, nil)
		n.wants(t, f.group, "exclude", both, both)
		leaves.LeaveSource(t, f.ssm, f.sources[0])
		leaves.Leave(t, f.group)
		n.wants(t, f.ssm, "include s1", one, nil)
		n.wants(t, f.group, "exclude", one, one)
		stays.Leave(t, f.ssm)
		stays.Leave(t, f.group)
		n.wants(t, f.ssm, "", nil, nil)
		n.wants(t, f.group, "", nil, nil)
		sent := n.end(t, "not for us")
		asked, said := sent[n.reporter(n.q)], sent[n.hosts[0].reporter(t)]
		for kind, answer := range map[string]string{querySource: of("IS_IN", f.ssm), queryGroup: of("IS_EX", f.group)} {
			if asked[kind] == 0 || said[answer] == 0 {
				t.Errorf("%d of %s, %d of %s", asked[kind], kind, said[answer], answer)
			}
		}
	})
}

// TestMcastKernelStays has a kernel's memberships outlive those that nobody
// confirms, and end when the kernel is cut off.
func TestMcastKernelStays(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 1, link.PortConfig{}, hasty())
		k := n.hosts[0]
		me, m := k.reporter(t), k.Member(t, mcastPort)
		m.JoinSource(t, f.ssm, f.sources[0])
		m.JoinSource(t, f.ssm, f.sources[1])
		m.Join(t, f.group)
		m.Block(t, f.group, f.sources[2])
		m.Join(t, f.other)
		known := func() {
			t.Helper()
			n.wants(t, f.ssm, "include s1 s2")
			n.wants(t, f.group, "exclude !s3")
			n.wants(t, f.other, "exclude")
		}
		known()
		counter := f.protocol + ".router.sent"
		before := n.q.Counters()[counter]
		ns.Poll(t, 2*patience, func() (bool, string) {
			got := n.q.Counters()[counter] - before
			return got >= 3, fmt.Sprintf("%d queries", got)
		})
		known()
		k.IP(t, "link", "set", linuxlab.NIC, "down")
		for _, g := range []netip.Addr{f.ssm, f.group, f.other} {
			n.wants(t, g, "")
		}
		said := n.end(t, "not for us")[me]
		for _, answer := range []string{of("IS_IN", f.ssm), of("IS_EX", f.group), of("IS_EX", f.other)} {
			if said[answer] < 2 {
				t.Errorf("%d of %s", said[answer], answer)
			}
		}
	})
}

// TestMcastKernelDelivery has hosts of ours send to kernels at two ports of a
// switch of ours: each gets what it wants to hear, and nothing else is on its wire.
func TestMcastKernelDelivery(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := newKernels(t, f, 2, link.PortConfig{}, hasty())
		ears := [...]*ear{newEar(t, n.hosts[0]), newEar(t, n.hosts[1])}
		ma, mb := ears[0].m, ears[1].m
		s1, s2 := f.sources[0], f.sources[1]
		const probes = 10
		n.waitSnooping(t, ears[:])
		for _, step := range []struct {
			what  string
			do    func()
			known string
			want  [2][2]int // probes for each host from each source
		}{
			{"nobody", func() {}, "", [2][2]int{}},
			{"each its source", func() {
				ma.JoinSource(t, f.group, s1)
				mb.JoinSource(t, f.group, s2)
			}, "include s1 s2", [2][2]int{{probes, 0}, {0, probes}}},
			{"all but one", func() { ma.Filter(t, f.group, true, s1) }, "exclude !s1", [2][2]int{{0, probes}, {0, probes}}},
			{"all", func() {
				ma.Unblock(t, f.group, s1)
				mb.JoinSource(t, f.group, s1)
			}, "exclude", [2][2]int{{probes, probes}, {probes, probes}}},
			{"one leaves", func() { ma.Leave(t, f.group) }, "include s1 s2", [2][2]int{{}, {probes, probes}}},
			{"a source is left", func() { mb.LeaveSource(t, f.group, s2) }, "include s1", [2][2]int{{}, {probes, 0}}},
		} {
			t.Log(step.what)
			step.do()
			var ports [2][]int
			for host, from := range step.want {
				for i, n := range from {
					if n > 0 {
						ports[i] = append(ports[i], host)
					}
				}
			}
			n.wants(t, f.group, step.known, ports[:]...)
			for _, s := range n.senders {
				n.probe(t, s, netip.AddrPortFrom(f.group, mcastPort), probes)
				for _, k := range n.hosts {
					n.probe(t, s, netip.AddrPortFrom(k.Addr, mcastPort), 1)
				}
			}
			for i, e := range ears {
				e.compare(t, f, step.what, f.group, step.want[i])
			}
		}
		n.end(t, "not for us", "bad neighbour discovery", "not a member") // the router does not forward
	})
}

// waitSnooping waits until data to a group that nobody has joined stays away from
// hosts: a switch floods it until a querier's first query has been answered.
func (n *kernels) waitSnooping(t *testing.T, ears []*ear) {
	t.Helper()
	ns.Poll(t, 2*patience, func() (bool, string) {
		n.probe(t, n.senders[0], netip.AddrPortFrom(n.f.sibling, mcastPort), 1)
		flooded := false
		for _, e := range ears {
			n.probe(t, n.senders[0], netip.AddrPortFrom(e.k.Addr, mcastPort), 1)
			for ended := false; !ended; {
				d, err := e.wire.NextUDP(patience)
				if err != nil {
					t.Fatal(err)
				}
				flooded = flooded || d.Dst.Addr() == n.f.sibling
				ended = d.Dst == netip.AddrPortFrom(e.k.Addr, mcastPort)
			}
			ns.Poll(t, patience, func() (bool, string) { return e.m.Got(n.f.sources[0]) > 0, "no probe at the socket" })
			e.m.Reset()
		}
		return !flooded, "the switch still floods"
	})
}

// ear is a Linux host that listens, and what there is on its wire.
type ear struct {
	k    *kernel
	m    *linuxlab.Member
	wire *linuxlab.Sniffer
}

func newEar(t *testing.T, k *kernel) *ear {
	t.Helper()
	e := &ear{k, k.Member(t, mcastPort), k.Sniff(t)}
	t.Cleanup(func() { e.wire.Close() })
	return e
}

// compare waits until the first two sources of the family, after what they sent to
// the group, have sent a probe to the host alone. That many probes of each must
// have come to the host's socket, and no other on its wire.
func (e *ear) compare(t *testing.T, f *family, what string, group netip.Addr, want [2]int) {
	t.Helper()
	wire := map[netip.Addr]int{}
	for ends := 0; ends < len(want); {
		d, err := e.wire.NextUDP(2 * patience)
		switch {
		case err != nil:
			t.Fatalf("%s: on the wire of %v: %v", what, e.k.Addr, err)
		case d.Dst.Port() != mcastPort:
		case d.Dst.Addr() == group:
			wire[d.Src.Addr()]++
		default:
			ends++
		}
	}
	for i, n := range want {
		s := f.sources[i]
		ns.Poll(t, patience, func() (bool, string) {
			got := e.m.Got(s)
			return got > n, fmt.Sprintf("%s: %v has %d probes of %v, want %d and one", what, e.k.Addr, got, s, n)
		})
		if got := e.m.Got(s) - 1; got != n || wire[s] != n {
			t.Errorf("%s: %v has %d probes of %v, and %d on its wire, want %d", what, e.k.Addr, got, s, wire[s], n)
		}
	}
	e.m.Reset()
}

// TestMcastKernelLeaveTime measures when a switch stops to deliver to a kernel
// that has left: after the Last Member Query Time, or with fast leave at once.
func TestMcastKernelLeaveTime(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		for _, c := range []struct {
			fast        bool
			interval    time.Duration // of which there are two
			least, most time.Duration
		}{
			{false, 400 * time.Millisecond, 800 * time.Millisecond, 3 * time.Second},
			{true, 3 * time.Second, 0, 3 * time.Second},
		} {
			n := newKernels(t, f, 1, link.PortConfig{FastLeave: c.fast}, asking{time.Minute, time.Second, c.interval})
			m := n.hosts[0].Member(t, mcastPort)
			m.JoinSource(t, f.ssm, f.sources[0])
			n.wants(t, f.ssm, "include s1", []int{0})
			before := time.Now()
			m.Leave(t, f.ssm)
			ns.Poll(t, 3*patience, func() (bool, string) {
				at := n.seg.Bridge().Members(f.ssm, f.sources[0])
				return len(at) == 0, fmt.Sprint(at)
			})
			if took := time.Since(before); took < c.least || took > c.most {
				t.Errorf("with fast leave %v the switch took %v, want %v to %v", c.fast, took, c.least, c.most)
			}
			n.end(t, "not for us")
		}
	})
}

// probe sends n probes from a host of ours.
func (n *mcastLab) probe(t *testing.T, h *lab.Node, to netip.AddrPort, count int) {
	t.Helper()
	c, err := h.ListenUDP(n.f.udp, &net.UDPAddr{IP: n.own(h).AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Internal().SetMulticastIf(uint32(h.Eth(0).Index()))
	var b [linuxlab.ProbeLen]byte
	for i := range count {
		linuxlab.PutProbe(b[:], uint64(i), time.Now())
		if _, err := c.WriteToUDPAddrPort(b[:], to); err != nil {
			t.Fatal(err)
		}
	}
}

// own is the address that a host of ours sends from.
func (n *mcastLab) own(h *lab.Node) netip.Addr {
	if n.f.v6() {
		return h.Addr6()
	}
	return h.Addr()
}

// reporter is the address that a host of ours sends queries and reports from.
func (n *mcastLab) reporter(h *lab.Node) netip.Addr {
	if n.f.v6() {
		return ourLinkLocal(h, 0)
	}
	return h.Addr()
}

// reporter is the same of a kernel.
func (k *kernel) reporter(t *testing.T) netip.Addr {
	t.Helper()
	if k.Addr.Is6() {
		return k.linkLocal(t).WithZone("")
	}
	return k.Addr
}

// TestMcastSwitchAsks has a switch of ours ask by itself, where there is no
// router: kernels answer, and are forgotten when they have left.
func TestMcastSwitchAsks(t *testing.T) {
	eachFamily(t, func(t *testing.T, f *family) {
		n := &kernels{mcastLab: newMcastLab(t, f)}
		n.seg = n.Switch("switch", n.subnets(lab.SwitchConfig{BridgeConfig: link.BridgeConfig{
			Querier: &link.QuerierConfig{Interval: time.Second, Response: 500 * time.Millisecond},
		}}))
		k := newKernel(t, n.f.prefix(50).String(), 1500, tap.Config{})
		k.join(t, n.Lab, n.seg)
		n.host(t, "recorder", n.seg, 4)
		knows := func(group netip.Addr, want string) {
			t.Helper()
			want = f.named(want)
			ns.Poll(t, 2*patience, func() (bool, string) {
				got := n.snooped(group)
				return got == want, fmt.Sprintf("the switch has %q for %v, want %q", got, group, want)
			})
		}
		w, m := k.Watch(t), k.Member(t, mcastPort)
		m.JoinSource(t, f.ssm, f.sources[0])
		m.Join(t, f.group)
		m.Filter(t, f.group, true, f.sources[2])
		knows(f.ssm, "include s1")
		knows(f.group, "exclude !s3")
		for what, g := range map[string]netip.Addr{"IS_IN": f.ssm, "IS_EX": f.group} {
			heard(t, w, k.reporter(t), what, g, 2)
		}
		knows(f.ssm, "include s1")
		knows(f.group, "exclude !s3")
		m.Leave(t, f.ssm)
		m.Leave(t, f.group)
		knows(f.ssm, "")
		knows(f.group, "")
		n.end(t, "not for us", "bad destination") // the recorder may have no IPv6
	})
}
