//go:build !novimage

package topo

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// snapshot writes down what a network is, as its stacks and links say, and not its file.
func snapshot(t testing.TB, n *Network) string {
	t.Helper()
	var b strings.Builder
	stacks := n.Lab.World.Stacks()
	slices.SortFunc(stacks, func(x, y *vimage.Stack) int { return strings.Compare(x.Name(), y.Name()) })
	where := make(map[link.Port]string)
	for _, h := range stacks {
		fmt.Fprintf(&b, "%s fibs %d\n", h.Name(), h.FIBs())
		for _, s := range h.Sysctls() {
			if s.Value != s.Default && s.Name != "net.my_fibnum" {
				fmt.Fprintf(&b, "  %s=%d\n", s.Name, s.Value)
			}
		}
		var ifs []string
		for i := range h.Internal().Interfaces() {
			ifs = append(ifs, snapshotInterface(h, i))
			where[h.Internal().View().Conf(i.Index).Port] = h.Name() + " " + i.Name
		}
		slices.Sort(ifs)
		b.WriteString(strings.Join(ifs, ""))
		for k := range h.FIBs() {
			snapshotTable(t, &b, h, k)
		}
		for _, r := range h.MulticastRoutes() {
			fmt.Fprintf(&b, "  mroute %v %v in %s listeners %v", r.Group, r.Source, r.In.Name(), r.Listeners)
			for _, o := range r.Out {
				fmt.Fprintf(&b, " %s", o.Name())
			}
			b.WriteString("\n")
		}
	}
	snapshotJails(&b, n.Lab.World.Root())
	var links []string
	for _, l := range n.Lab.Links() {
		s := "link " + l.Name()
		for _, e := range l.Ends() {
			if e.Switch != nil {
				s += " " + e.Switch.Name()
			} else {
				s += " " + where[e.Port()]
			}
		}
		for _, dir := range []link.FaultDir{link.AtoB, link.BtoA} {
			c := l.Faults(dir)
			c.Seed = 0
			s += fmt.Sprintf(" %+v", c)
		}
		links = append(links, s+"\n")
	}
	slices.Sort(links)
	b.WriteString(strings.Join(links, ""))
	switches := n.Lab.Switches()
	slices.SortFunc(switches, func(x, y *lab.Switch) int { return strings.Compare(x.Name(), y.Name()) })
	for _, s := range switches {
		var ports []string
		for _, p := range s.Bridge().Ports() {
			ports = append(ports, fmt.Sprintf("%s %v", p.Name, p.Up))
		}
		slices.Sort(ports)
		fmt.Fprintf(&b, "switch %s %v\n", s.Name(), ports)
	}
	var flows []string
	for _, f := range n.Report(0).Flows {
		s := fmt.Sprintf("flow %s %s %s", f.Name, f.From, f.To)
		for _, r := range f.Receivers {
			s += " " + r.At
		}
		flows = append(flows, s+"\n")
	}
	b.WriteString(strings.Join(flows, ""))
	return b.String()
}

func snapshotJails(b *strings.Builder, in *vimage.Jail) {
	all := in.Children()
	slices.SortFunc(all, func(x, y *vimage.Jail) int { return strings.Compare(x.Name(), y.Name()) })
	for _, j := range all {
		for _, p := range j.Params() {
			if p.Name != "jid" && p.Name != "parent" && p.Value != "0" && p.Value != "" {
				fmt.Fprintf(b, "jail %s %s=%s\n", j.Name(), p.Name, p.Value)
			}
		}
		snapshotJails(b, j)
	}
}

func snapshotInterface(h *vimage.Stack, i ifnet.Info) string {
	s := fmt.Sprintf("  %s mtu %d up %v fib %d querier %v", i.Name, i.MTU, i.Flags&ifnet.Up != 0, i.FIB, i.Flags&ifnet.Querier != 0)
	for _, is6 := range []bool{false, true} {
		for _, a := range i.Addrs {
			if a.Addr().Is6() == is6 && !a.Addr().IsLinkLocalUnicast() && !a.Addr().IsLoopback() { // ::1 comes with IPv6 on a link
				s += " " + a.Prefix.String()
			}
		}
	}
	ifi, err := h.Interface(i.Name)
	if err != nil {
		return s + " gone"
	}
	info, _ := ifi.Info()
	s += fmt.Sprintf(" %s carrier %v promisc %v arp %v %v", info.Kind, info.Carrier, info.Promiscuous, info.NoARP, info.StaticARP)
	for _, a := range ifi.Addresses() {
		if a.Peer.IsValid() || a.Anycast {
			s += fmt.Sprintf(" %v peer %v anycast %v", a.Prefix, a.Peer, a.Anycast)
		} else if a.Prefix.Addr().Is4() {
			s += fmt.Sprintf(" broadcast %v", a.Broadcast)
		}
	}
	if a := ifi.Autoconf(); a != nil {
		a.Secret = nil
		s += fmt.Sprintf(" %+v", *a)
	}
	list, _ := ifi.Neighbors()
	for _, n := range list {
		if n.Permanent && !n.Own {
			s += fmt.Sprintf(" %v at %v %v", n.Addr, n.MAC, n.Published)
		}
	}
	if t, err := ifi.Tunnel(); err == nil {
		s += fmt.Sprintf(" %+v fib %d", t.TunnelConfig, t.FIB)
	}
	for _, m := range ifi.Memberships() {
		for _, g := range m.Groups {
			if i.Addrs.Has(false) && g.Group.Is4() && g.Group.String() != "224.0.0.1" { // which comes with an address and stays
				s += fmt.Sprintf(" (%v %v %v)", g.Group, g.Mode, g.Sources)
			}
		}
	}
	return s + "\n"
}

func snapshotTable(t testing.TB, b *strings.Builder, h *vimage.Stack, k int) {
	st, err := h.FIB(k)
	if err != nil {
		t.Fatal(err)
	}
	if name := h.FIBName(k); name != "" {
		fmt.Fprintf(b, "  fib %d is %s\n", k, name)
	}
	var all []string
	for _, r := range st.Routes() {
		if r.Dst.Addr().IsLinkLocalUnicast() {
			continue
		}
		all = append(all, fmt.Sprintf("  %s fib %d %v %v %s mtu %d metric %d %v %v %s\n", h.Name(), k, r.Dst, r.Gateway.WithZone(""), r.Interface, r.MTU, r.Metric, r.Reject, r.Blackhole, r.Flags))
	}
	slices.Sort(all)
	b.WriteString(strings.Join(all, ""))
}

// saved returns the file of a network.
func saved(t testing.TB, n *Network) (string, []string) {
	t.Helper()
	var b bytes.Buffer
	left, err := n.Save(&b)
	if err != nil {
		t.Fatalf("%v\n%s", err, snapshot(t, n))
	}
	return b.String(), left
}

// roundTrip fails unless the file of a network gives the same network, and that the same
// file. It returns what the file does not say.
func roundTrip(t testing.TB, n *Network, c lab.Config) []string {
	t.Helper()
	text, left := saved(t, n)
	f, err := Load(strings.NewReader(text), n.file.name)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again, err := Build(f, c)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	defer again.Close()
	if n.started {
		if err := again.Start(); err != nil {
			t.Fatal(err)
		}
		again.Lab.Run(5 * time.Second)
	}
	if a, b := snapshot(t, n), snapshot(t, again); a != b && len(left) == 0 {
		t.Fatalf("another network:\n%s\n%s", differ(a, b), text)
	}
	twice, _ := saved(t, again)
	if body, _, _ := strings.Cut(text, "\n# What a file"); twice != body {
		t.Fatalf("another file:\n%s\n%s", differ(body, twice), text)
	}
	return left
}

// differ returns the lines that one text has and the other not, or not as often.
func differ(a, b string) string {
	count := make(map[string]int)
	var d strings.Builder
	for _, l := range strings.Split(b, "\n") {
		count[l]++
	}
	for _, l := range strings.Split(a, "\n") {
		if count[l]--; count[l] < 0 {
			d.WriteString("- " + l + "\n")
		}
	}
	for _, l := range strings.Split(b, "\n") {
		if count[l] > 0 {
			count[l]--
			d.WriteString("+ " + l + "\n")
		}
	}
	return d.String()
}

// TestSaveExamples: the examples, and the file of the package comment, come back.
func TestSaveExamples(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			c := lab.Config{Simulated: true, Seed: 1}
			n, err := Build(load(t, name), c)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if err := n.Start(); err != nil {
				t.Fatal(err)
			}
			n.Lab.Run(5 * time.Second)
			if left := roundTrip(t, n, c); len(left) > 0 {
				t.Errorf("left out: %q", left)
			}
		})
	}
}

// monkey changes a network at random, as its users may.
type monkey struct {
	t testing.TB
	n *Network
	r *rand.Rand
	k int // of names
}

func (m *monkey) name(kind string) string {
	m.k++
	return fmt.Sprint(kind, m.k)
}

// one returns one of several, the zero value of none.
func one[T any](r *rand.Rand, all []T) (x T) {
	if len(all) == 0 {
		return x
	}
	return all[r.IntN(len(all))]
}

// need fails the test at an error that must not be.
func (m *monkey) need(what string, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%s: %v", what, err)
	}
}

// step makes one change.
func (m *monkey) step() {
	n, r := m.n, m.r
	switch r.IntN(14) {
	case 0, 1:
		spec := one(r, []string{"", "{}", "{fibs: 3, sysctl: {net.inet.ip.ttl: 40}}", `{"fibs": ["0", "red"]}`, "{loopback: 10.255.0.1/32}", "{routes: [{to: 198.51.100.0/24, blackhole: true}]}"})
		m.need("add node", n.AddNode(m.name(one(r, []string{"h", "true", "z-"})), r.IntN(3) == 0, []byte(spec)))
	case 2:
		spec := one(r, []string{"", "{hub: true}", "{fast_leave: true, max_groups: 4}", "{querier: {interval: 60s}}", `{subnet6: "2001:db8:77::/64"}`})
		n.AddSwitch(m.name("s"), []byte(spec)) // the subnet may be taken
	case 3, 4, 5:
		m.addLink()
	case 6:
		if l := one(r, n.Lab.Links()); l != nil && r.IntN(2) == 0 {
			m.need("remove link", n.RemoveLink(l.Name()))
		} else if h := one(r, n.Lab.Nodes()); h != nil && len(n.Lab.Nodes()) > 2 && r.IntN(2) == 0 {
			m.need("remove node", n.RemoveNode(h.Name()))
		} else if s := one(r, n.Lab.Switches()); s != nil && r.IntN(3) == 0 {
			m.need("remove switch", n.RemoveSwitch(s.Name()))
		}
	case 7:
		if l := one(r, n.Lab.Links()); l != nil {
			m.setLink(l)
		}
	case 8, 9:
		m.configure(one(r, n.Lab.World.Stacks()))
	case 12, 13:
		m.jail(one(r, n.Lab.World.Stacks()))
	case 10:
		m.traffic()
	case 11:
		n.Lab.Run(time.Duration(r.IntN(3)) * time.Second)
	}
}

func (m *monkey) addLink() {
	n, r := m.n, m.r
	var all []string
	for _, h := range n.Lab.Nodes() {
		all = append(all, h.Name())
	}
	for _, s := range n.Lab.Switches() {
		all = append(all, s.Name(), s.Name())
	}
	if len(all) < 2 {
		return
	}
	a, b := one(r, all), one(r, all)
	more := one(r, []string{"", "", ", delay: 3ms, loss: 1%", ", mtu: 1400", ", querier: " + a, ", down: true", ", toward: {" + b + ": {rate: 1Mbit/s}}",
		", interfaces: {" + a + ": {name: wan" + fmt.Sprint(m.k) + "}}", ", interfaces: {" + b + ": {down: true, addrs: []}}"})
	spec := fmt.Sprintf("{between: [%q, %q], name: %s%s}", a, b, m.name("l"), more)
	n.Info() // looks what has become of the rest
	before := snapshot(m.t, n)
	if _, err := n.AddLink([]byte(spec)); err != nil { // there are many reasons, and nothing must be left then
		if after := snapshot(m.t, n); before != after {
			m.t.Fatalf("%s: %v, and something is left:\n%s", spec, err, differ(before, after))
		}
	}
}

func (m *monkey) setLink(l *lab.Link) {
	spec := one(m.r, []string{"{down: true}", "{down: false}", "{loss: 0.25, delay: 2ms}", "{loss: 0, delay: none, rate: none}", "{rate: 64kbit/s, queue: 10KiB}", "{jitter: 1ms, jitter_reorders: true}"})
	m.need("set link", m.n.SetLink(l.Name(), []byte(spec)))
	if m.r.IntN(3) == 0 {
		i := slices.IndexFunc(m.n.Info().Links, func(i LinkInfo) bool { return i.Name == l.Name() })
		name := m.n.Info().Links[i].Between[m.r.IntN(2)]
		m.need("set link", m.n.SetLink(l.Name(), []byte(fmt.Sprintf("{toward: {%q: {delay: 7ms, corrupt: 0.5, corrupt_bits: 3}}}", name))))
	}
}

// jail changes jails, and which interfaces they have.
func (m *monkey) jail(h *vimage.Stack) {
	r := m.r
	j := h.Jail()
	if j == nil { // it is gone, with one that it was in
		return
	}
	switch k := r.IntN(8); {
	case k < 4:
		j.Set(vimage.JailParam{Name: "children.max", Value: fmt.Sprint(r.IntN(8))})
		c := vimage.JailConfig{Name: m.name("j"), Persist: true, ChildrenMax: r.IntN(3), Allow: vimage.JailFlags{RawSockets: r.IntN(2) == 0}, VNET: k < 2}
		if ifi := m.iface(h); ifi != nil && !c.VNET && r.IntN(2) == 0 && len(ifi.Addrs()) > 0 && ifi.Addrs()[0].Addr().Is4() {
			c.IP4 = vimage.JailAddrs{Mode: vimage.JailNew, Addrs: []netip.Addr{ifi.Addrs()[0].Addr()}}
		}
		if j, err := j.Create(c); err == nil {
			j.Create(vimage.JailConfig{Name: "in", Persist: true, Hostname: "x: y", VNET: r.IntN(3) == 0})
		}
	case k == 4:
		for _, in := range j.Children() {
			if j.ID() != 0 && r.IntN(2) == 0 {
				m.need("remove jail", in.Remove())
			}
		}
	case k == 5:
		if ifi := m.iface(h); ifi != nil && j.ID() != 0 {
			j.Reclaim(ifi.Name())
		}
	default:
		if ifi := m.iface(h); ifi != nil {
			to := one(r, m.n.Lab.World.Stacks()).Jail()
			if below := one(r, j.Children()); below != nil {
				to = below
			}
			if to != nil && to.ID() != 0 {
				ifi.MoveTo(to)
			}
		}
	}
}

// iface returns an interface of a link, or nil.
func (m *monkey) iface(h *vimage.Stack) *vimage.Interface {
	var all []*vimage.Interface
	list, _ := h.Interfaces()
	for _, i := range list {
		if ifi, err := h.Interface(i.Name); err == nil && i.Name != "lo0" {
			all = append(all, ifi)
		}
	}
	return one(m.r, all)
}

// create makes interfaces that are of no link, or changes or removes them.
func (m *monkey) create(h *vimage.Stack) {
	r := m.r
	name := m.name("x")
	ip := func(k int) netip.Addr { return netip.AddrFrom4([4]byte{172, 17, byte(r.IntN(2)), byte(k)}) }
	switch r.IntN(6) {
	case 0, 1:
		a, b, err := h.CreateEpair()
		m.need("epair", err)
		a.Rename(name)
		b.AddAddr(netip.PrefixFrom(ip(1+r.IntN(9)), 24))
		a.SetUp(r.IntN(3) > 0)
	case 2:
		h.CreateTunnel(name, vimage.TunnelKind(1+r.IntN(4)))
	case 3:
		c := vimage.TunnelConfig{Kind: vimage.TunnelKind(1 + r.IntN(4)), Local: ip(1), Remote: ip(2 + r.IntN(5)), TTL: uint8(r.IntN(3)), NoLearning: false}
		if ifi := m.iface(h); ifi != nil && len(ifi.Addrs()) > 0 {
			c.Local = ifi.Addrs()[0].Addr()
			if c.Local.Is6() {
				c.Remote = c.Local.Next()
			}
		}
		switch c.Kind {
		case vimage.VXLAN:
			c.VNI, c.NoLearning = uint32(r.IntN(3)), r.IntN(2) == 0
		case vimage.GRE, vimage.GRETAP:
			c.HasKey, c.Key, c.Checksum = true, uint32(r.IntN(3)), r.IntN(2) == 0
		}
		ifi, err := h.AddTunnel(name, c, vimage.InterfaceConfig{FIB: r.IntN(h.FIBs())})
		if err != nil {
			return
		}
		if c.Kind == vimage.GIF || c.Kind == vimage.GRE {
			ifi.Configure(vimage.AddrConfig{Prefix: netip.PrefixFrom(ip(20), 32), Peer: ip(21)})
		} else {
			ifi.Configure(vimage.AddrConfig{Prefix: netip.PrefixFrom(ip(30), 24), Broadcast: ip(77)})
		}
		if r.IntN(2) == 0 {
			h.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("192.88.99.0/24"), Interface: name})
		}
	default:
		if ifi := m.iface(h); ifi != nil && !strings.HasPrefix(ifi.Name(), "eth") {
			ifi.Remove()
		}
	}
}

// configure changes a stack.
func (m *monkey) configure(h *vimage.Stack) {
	r := m.r
	ifi := m.iface(h)
	switch k := r.IntN(18); {
	case k == 12:
		m.jail(h)
	case k == 13 || k == 14:
		m.create(h)
	case k == 15:
		lo, _ := h.Interface("lo0")
		one(r, []func(){
			func() { lo.SetUp(r.IntN(2) == 0) }, func() { lo.SetMTU(8000) }, func() { lo.DelAddr(netip.MustParseAddr("127.0.0.1")) },
			func() { lo.AddAddr(netip.MustParsePrefix("10.254.0.1/32")) }, func() { lo.AddAddr(netip.MustParsePrefix("127.0.0.1/8")) },
		})()
	case k == 16 && ifi != nil:
		one(r, []func(){
			func() { ifi.SetPromiscuous(r.IntN(2) == 0) }, func() { ifi.SetARP(vimage.ARPMode(r.IntN(3))) }, func() { ifi.SetCarrier(r.IntN(2) == 0) },
			func() { ifi.SetAutoconf(&vimage.AutoconfConfig{LinkLocalOnly: true, Stable: r.IntN(2) == 0}) }, func() { ifi.SetAutoconf(nil) },
		})()
	case k == 17 && ifi != nil:
		for _, a := range ifi.Addrs() {
			ifi.AddNeighbor(vimage.NeighborConfig{Addr: a.Addr().Next().Next(), MAC: []byte{2, 0, 0, 0, 1, byte(r.IntN(9))}, Published: r.IntN(3) == 0})
		}
	case k == 0:
		h.SetSysctl(one(r, []string{"net.inet.ip.ttl", "net.inet.udp.checksum", "net.inet.ip.forwarding", "net.inet.icmp.bmcastecho"}), int64(r.IntN(2)))
	case k == 1:
		h.SetFIBs(1 + r.IntN(4))
	case k == 2:
		h.NameFIB(r.IntN(h.FIBs()), one(r, []string{"red", "blue", ""}))
	case k == 3:
		m.route(h)
	case k == 4:
		for _, rt := range h.Routes() {
			if strings.Contains(rt.Flags, "S") && r.IntN(2) == 0 {
				h.DelRouteVia(rt)
			}
		}
	case ifi == nil:
	case k == 5:
		ifi.AddAddr(netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(r.IntN(4)), byte(1 + r.IntN(250))}), 16+r.IntN(9)))
	case k == 6:
		ifi.AddAddr(netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 4: byte(r.IntN(3)), 15: byte(1 + r.IntN(250))}), 64))
		m.n.Lab.Run(3 * time.Second)
	case k == 7:
		if a := one(r, ifi.Addrs()); a.IsValid() {
			ifi.DelAddr(a.Addr())
		}
	case k == 8:
		ifi.Rename(m.name("if"))
	case k == 9:
		ifi.SetMTU(1280 + r.IntN(100))
	case k == 10:
		ifi.SetUp(r.IntN(2) == 0)
	case k == 11:
		ifi.SetQuerier(r.IntN(2) == 0)
	}
}

func (m *monkey) route(h *vimage.Stack) {
	r := m.r
	rt := vimage.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(r.IntN(3)), 0}), 24), Metric: uint32(r.IntN(2))}
	st, err := h.FIB(r.IntN(h.FIBs()))
	m.need("fib", err)
	var gateways []netip.Addr
	for _, o := range st.Routes() {
		if !o.Gateway.IsValid() && o.Dst.Addr().Is4() && o.Dst.Bits() < 32 && strings.HasPrefix(o.Interface, "eth") {
			gateways = append(gateways, o.Dst.Addr().Next(), o.Dst.Addr().Next().Next())
			rt.Interface = o.Interface
		}
	}
	switch k := r.IntN(5); {
	case k == 0:
		rt.Blackhole, rt.Interface = true, ""
	case k == 1:
		rt.Reject, rt.Interface = true, ""
	case k == 2 && len(gateways) > 0:
	case len(gateways) > 0:
		rt.Gateway, rt.Interface, rt.MTU = one(r, gateways), "", 1200*r.IntN(2)
	}
	st.AddRoute(rt)
}

func (m *monkey) traffic() {
	n, r := m.n, m.r
	h, o := one(r, n.Lab.Nodes()), one(r, n.Lab.Nodes())
	if h == nil {
		return
	}
	group := one(r, []string{"232.1.1.1", "239.1.2.3"})
	l := ""
	if k := one(r, h.Links()); k != nil {
		l = ", link: " + k.Name()
	}
	switch r.IntN(5) {
	case 0:
		n.AddFlow([]byte(fmt.Sprintf("{from: %q, to: %q, name: %s, count: 3, rate: 100}", h.Name(), o.Name(), m.name("f"))))
	case 1:
		n.AddFlow([]byte(fmt.Sprintf("{from: %q, to: %s, name: %s, port: %d%s}", h.Name(), group, m.name("f"), 5000+r.IntN(2), l)))
	case 2:
		source := ""
		if a := o.Addr(); a.IsValid() && r.IntN(2) == 0 {
			source = ", sources: [" + a.String() + "]"
		}
		n.AddJoin([]byte(fmt.Sprintf("{host: %q, group: %s, name: %s%s%s}", h.Name(), group, m.name("j"), source, l)))
	case 3:
		if f := one(r, n.Report(0).Flows); f.Name != "" {
			m.need("remove flow", n.RemoveFlow(f.Name))
		}
	case 4:
		n.live.Lock()
		j := one(r, n.file.joins)
		n.live.Unlock()
		if j != nil {
			m.need("remove join", n.RemoveJoin(j.name.s, j.group.ip))
		}
	}
}

// start is what monkeys begin with.
const start = `
hosts: {a: {}, b: {fibs: 2}}
routers: {r: {}}
switches: {lan: {}}
links: [{between: [a, lan]}, {between: [b, lan]}, {between: [r, lan], loss: 0.1%}]
flows: [{from: a, to: b, name: f0, count: 5}]
joins: [{host: b, group: 232.1.1.1, name: j0}]
expect: [{delivered: {flow: f0}}, {path: {from: a, to: b, is: [a, b]}}]
`

// play lets a monkey make some changes, and looks now and then whether what is saved is
// the network.
func play(t testing.TB, seed uint64, steps int) {
	c := lab.Config{Simulated: true, Seed: 1}
	r := rand.New(rand.NewPCG(seed, 1))
	text := start
	if r.IntN(2) == 0 {
		text += "routing: auto\n"
	}
	if r.IntN(2) == 0 {
		text += "ipv6: true\n"
	}
	f, err := Load(strings.NewReader(text), "monkey.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n, err := Build(f, c)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	m := &monkey{t: t, n: n, r: r}
	for k := range steps {
		m.step()
		if k%20 == 19 || k == steps-1 {
			n.Lab.Run(5 * time.Second)
			roundTrip(t, n, c)
		}
	}
	n.Close()
	if p := n.Lab.World.Pool(); p.Buffers != 0 {
		t.Errorf("%d buffers are left", p.Buffers)
	}
}

// TestSaveAfterChanges: a network that has been changed at random is saved as what it is.
func TestSaveAfterChanges(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { play(t, seed, 60) })
	}
	t.Run("a node at both parts of what was one switch", func(t *testing.T) { play(t, 268, 76) })
}

// FuzzSave is TestSaveAfterChanges for as long as one likes.
func FuzzSave(f *testing.F) {
	f.Add(uint64(1), uint8(40))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) { play(t, seed, int(steps%40)+1) })
}
