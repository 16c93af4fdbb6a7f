package topo

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// unsaid is what a file cannot say of a network.
type unsaid struct{ list []string }

func (u *unsaid) add(format string, args ...any) {
	if u != nil {
		u.list = append(u.list, fmt.Sprintf(format, args...))
	}
}

// stack returns a node's inner side.
func (n *Network) stack(s *node) *vnet.Stack { return n.nodes[s].Internal() }

// conf returns how an interface is configured, nil where it is not in its node's stack.
func (n *Network) conf(e *end) *ifnet.Conf {
	c := n.stack(e.node).View().Conf(uint32(n.iface(e).Index()))
	if c == nil || c.Port != n.links[e.link].Ends()[endIndex(e)].Port() {
		return nil
	}
	return c
}

// refresh has the file say of links, and of addresses, what is so now; for u, which is told
// what it cannot say, also of nodes.
func (n *Network) refresh(u *unsaid) {
	n.locate()
	for _, g := range n.file.segments {
		clear(g.taken)
	}
	for _, l := range n.file.links {
		made := n.links[l]
		l.dirs = [2]link.FaultConfig{made.Faults(link.AtoB), made.Faults(link.BtoA)}
		l.dirs[0].Seed, l.dirs[1].Seed = 0, 0
		l.querier = nil
		l.lost = l.ends[0].node != nil && l.ends[0].node == l.ends[1].node
		if l.lost {
			u.add("the link %s, both ends of which are at %s", l.name.s, l.between[0].s)
		}
		for i := range l.ends {
			if e := &l.ends[i]; e.node != nil {
				n.refreshEnd(e, u)
			}
		}
	}
	for _, l := range n.file.links {
		for i := range l.ends {
			if e := &l.ends[i]; e.node != nil && e.name == "" {
				e.name = n.spareName(e.node)
			}
		}
	}
	n.refreshTunnels()
	for s := range n.file.stacks() {
		if s.fibs = n.nodes[s].FIBs(); u != nil {
			n.refreshNode(s, u)
		}
	}
}

// spareName returns a name for an interface that is not there.
func (n *Network) spareName(s *node) string {
	for k := 0; ; k++ {
		name := "eth" + strconv.Itoa(k)
		if n.stack(s).View().Named(name) == nil && s.portNamed(name) == nil {
			return name
		}
	}
}

// refreshEnd looks at an interface.
func (n *Network) refreshEnd(e *end, u *unsaid) {
	e.addrs, e.six = nil, nil
	c := n.conf(e)
	if c == nil {
		u.add("%s: its interface %s on the link %s, which was moved or removed", e.node.name.s, e.name, e.link.name.s)
		e.iface, e.name = &iface{at: e.node.name, down: true, exact: true}, ""
		return
	}
	i := &iface{at: e.node.name, down: c.Flags&ifnet.Up == 0}
	made := n.links[e.link].Ends()[endIndex(e)].Node
	switch i.maker = n.owner[made.Internal()]; i.maker {
	case e.node.top():
		i.maker = nil
	case nil:
		u.add("%s: that its interface %s was made in %s", e.node.name.s, c.Name, made.Name())
	}
	if c.MTU != c.Props.MTU {
		i.mtu = c.MTU
	}
	if mac := net.HardwareAddr(c.MAC[:]); mac.String() != n.links[e.link].Ends()[endIndex(e)].MAC().String() {
		i.mac = mac
	}
	var auto *vimage.AutoconfConfig
	if u != nil {
		if i.maker == nil && e.node.host == nil {
			auto = e.node.autoconf
		}
		n.refreshInterface(n.iface(e), c, auto, i, e.node.name.s+": "+c.Name, u)
	}
	e.link.carries(e, c.Props.MTU)
	e.name, e.fib = c.Name, int(c.FIB)
	if c.Flags&ifnet.Querier != 0 {
		e.link.querier = append(e.link.querier, e.node.name)
	}
	for _, a := range c.Addrs {
		n.refreshAddr(e, &a, u)
	}
	if u != nil && (i.auto == nil || !i.auto.Stable) && (auto == nil || !auto.Stable) {
		ownLinkLocals(c, e.node.name.s+": "+c.Name, u)
	}
	e.iface = i
	i.exact = !e.plain()
}

// carries notes the MTU of a link, as an interface at it sees it: that of a switch where
// a perfect cable leads to one, which then need not be said.
func (l *cable) carries(e *end, mtu int) {
	l.mtu = mtu
	if s := e.other().sw; s != nil && l.perfect() && mtu == cmp.Or(s.cfg.MTU, 1500) || mtu == 1500 {
		l.mtu = 0
	}
}

func endIndex(e *end) int {
	if e == &e.link.ends[0] {
		return 0
	}
	return 1
}

// refreshAddr takes an address of an interface, unless it has it by itself.
func (n *Network) refreshAddr(e *end, a *ifaddr.Addr, u *unsaid) {
	where := e.node.name.s + ": " + e.name
	switch ip := a.Addr(); {
	case a.Flags&ifaddr.Auto != 0 || ip.IsLinkLocalUnicast() && ip.Is6():
	case a.Flags&(ifaddr.Anycast|ifaddr.Temporary) != 0 || a.Peer().IsValid() || ip.Is4() && a.Broadcast() != ifaddr.Broadcast(a.Prefix) && a.Bits() < 31:
		u.add("%s: its address %v, which is anycast or temporary, or has a peer or another broadcast address", where, a.Prefix)
	case !unicast(ip):
		u.add("%s: its address %v", where, a.Prefix)
	case e.seg.taken[ip] != nil:
		u.add("%s: its address %v, which %s has too", where, a.Prefix, e.seg.taken[ip].node.name.s)
	case ip.Is6() && e.seg.narrow:
		u.add("%s: its address %v, on a link with an MTU below 1280", where, a.Prefix)
	default:
		e.seg.taken[ip] = e
		if ip.Is4() {
			e.addrs = append(e.addrs, a.Prefix)
		} else {
			e.six = append(e.six, a.Prefix)
		}
	}
}

// plain tells whether addrs of a link can say which addresses the interface has.
func (e *end) plain() bool {
	g := e.seg
	if len(e.addrs) == 0 || !inSubnet(e.addrs[0], g.subnet.Prefix) {
		return false
	}
	switch {
	case !g.subnet6.IsValid() && len(e.six) > 0:
		return false
	case len(e.six) > 0 && !inSubnet(e.six[0], g.subnet6.Prefix):
		return false
	case g.subnet6.IsValid() && len(e.six) == 0 && e.node.autoconf == nil:
		return false
	}
	return !slices.ContainsFunc(slices.Concat(e.addrs, e.six), func(a netip.Prefix) bool {
		ip := a.Addr()
		if ip.Is6() {
			return a.Bits() < 127 && ip == a.Masked().Addr()
		}
		return a.Bits() < 31 && (ip == a.Masked().Addr() || ip == broadcast(a))
	})
}

func inSubnet(a, subnet netip.Prefix) bool {
	return subnet.Contains(a.Addr()) && a.Bits() == subnet.Bits()
}

// refreshNode looks at what a node has beside its links.
func (n *Network) refreshNode(s *node, u *unsaid) {
	h := n.nodes[s]
	s.fibNames = nil
	for k := range s.fibs {
		if name := h.FIBName(k); name != "" {
			if s.fibNames == nil {
				s.fibNames = make([]string, s.fibs)
			}
			s.fibNames[k] = name
		}
	}
	ours := make(map[uint32]bool)
	for _, e := range s.interfaces() {
		if e.link.tunnel && !e.link.lost || !e.link.tunnel && n.conf(e) != nil {
			ours[uint32(n.iface(e).Index())] = true
		}
	}
	s.loopback, s.others = nil, nil
	for i := range n.stack(s).Interfaces() {
		switch ifi, err := h.Interface(i.Name); {
		case err != nil || ours[i.Index]:
		case i.Name == "lo0":
			n.refreshLo0(s, ifi, &i, u)
		default:
			n.refreshOther(s, ifi, u)
		}
	}
	slices.SortFunc(s.others, func(a, b *other) int { return strings.Compare(a.name.s, b.name.s) })
	n.refreshSysctls(s, u)
	if n.stack(s).View().Policy != nil {
		u.add("%s: the table by which it chooses addresses (RFC 6724)", s.name.s)
	}
}

// refreshLo0 notes what lo0 has beside what every node's has.
func (n *Network) refreshLo0(s *node, ifi *vimage.Interface, i *ifnet.Info, u *unsaid) {
	o := &other{fib: i.FIB, learning: true}
	o.at, o.name, o.down = s.name, text{i.Name, 1}, i.Flags&ifnet.Up == 0
	if i.MTU != lo0MTU {
		o.mtu = i.MTU
	}
	n.refreshInterface(ifi, n.stack(s).View().Conf(i.Index), nil, &o.iface, s.name.s+": lo0", u)
	if o.exact = !s.bare() && i.Addrs.First() != netip.AddrFrom4([4]byte{127, 0, 0, 1}); o.exact {
		o.refreshAddrs(s, i.Addrs, u)
	} else {
		n.refreshLoopback(s, i.Addrs, u)
	}
	if o.exact || o.fib != 0 || o.put(new(mapping)) {
		s.others = append(s.others, o)
	}
}

// lo0MTU is the MTU of a new lo0.
const lo0MTU = 16384

// refreshInterface notes what of an interface is in its flags and rooms.
func (n *Network) refreshInterface(ifi *vimage.Interface, c *ifnet.Conf, auto *vimage.AutoconfConfig, i *iface, where string, u *unsaid) {
	has := func(f ifnet.Flags) bool { return c.Flags&f != 0 }
	i.promisc, i.noCarrier = has(ifnet.Promisc), has(ifnet.NoCarrier)
	switch {
	case has(ifnet.StaticARP):
		i.arp = "static"
	case has(ifnet.NoARP) && has(ifnet.Broadcast):
		i.arp = "off"
	}
	if c.Mute {
		u.add("%s: that it reports no groups", where)
	}
	if c.V6 != nil {
		if now := ifi.Autoconf(); !sameAuto(now, auto) {
			i.auto, i.noAuto = now, now == nil
		}
	}
	list, _ := ifi.Neighbors()
	for _, o := range list {
		if o.Permanent && !o.Own {
			i.neighbors = append(i.neighbors, vimage.NeighborConfig{Addr: o.Addr, MAC: o.MAC, Published: o.Published})
		}
	}
}

func sameAuto(a, b *vimage.AutoconfConfig) bool {
	if a == nil || b == nil {
		return a == b
	}
	x, y := *a, *b
	x.Secret, y.Secret = nil, nil
	return x == y
}

// ownLinkLocals says which link-local addresses are not those that interfaces form by
// themselves (RFC 4862 §5.3).
func ownLinkLocals(c *ifnet.Conf, where string, u *unsaid) {
	for _, a := range c.Addrs {
		ip := a.Addr()
		if !ip.Is6() || !ip.IsLinkLocalUnicast() {
			continue
		}
		b := ip.As16()
		m := c.MAC
		if formed := [8]byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}; [8]byte(b[8:]) != formed && !m.IsZero() {
			u.add("%s: its address %v", where, ip)
		}
	}
}

// refreshAddrs notes the addresses of an interface that is of no link.
func (o *other) refreshAddrs(s *node, list ifaddr.List, u *unsaid) {
	for i := range list {
		a := &list[i]
		ip := a.Addr()
		c := vimage.AddrConfig{Prefix: a.Prefix, Peer: a.Peer()}
		if ip.Is4() && !c.Peer.IsValid() && a.Bits() < 31 && a.Broadcast() != ifaddr.Broadcast(a.Prefix) {
			c.Broadcast = a.Broadcast()
		}
		if a.Flags&ifaddr.Anycast != 0 {
			c.Flags = vimage.AddrAnycast
		}
		switch {
		case a.Flags&ifaddr.Auto != 0 || ip.Is6() && ip.IsLinkLocalUnicast():
		case a.Flags&ifaddr.Temporary != 0 || !unicast(ip) && !(ip.IsLoopback() && o.kind == ""):
			u.add("%s: %s: its address %v", s.name.s, o.name.s, a.Prefix)
		default:
			o.all, o.lines = append(o.all, c), append(o.lines, 1)
		}
	}
}

func (n *Network) refreshLoopback(s *node, list ifaddr.List, u *unsaid) {
	for _, a := range list {
		switch ip := a.Addr(); {
		case ip.IsLoopback() && !s.bare() || ip.Is6() && ip.IsLinkLocalUnicast():
		case !unicast(ip) && !ip.IsLoopback() || a.Peer().IsValid():
			u.add("%s: the address %v of lo0", s.name.s, a.Prefix)
		default:
			s.loopback = append(s.loopback, addr{ip: ip, bits: a.Bits()})
		}
	}
}

// refreshSysctls notes what a node has otherwise than new ones of its kind.
func (n *Network) refreshSysctls(s *node, u *unsaid) {
	s.sysctls = nil
	isWorld := s == n.file.world
	if !s.router && !isWorld && *n.stack(s).View().V() == vars.Defaults() {
		return // which costs less to find out than to ask for each
	}
	c := new(checker)
	for _, t := range n.nodes[s].Sysctls() {
		without := t.Default
		if s.router && (t.Name == "net.inet.ip.forwarding" || t.Name == "net.inet6.ip6.forwarding") {
			without = 1
		}
		if t.ReadOnly || t.Global && !isWorld || t.Value == without {
			continue
		}
		if _, _, _, ok := c.sysctls.Describe(t.Name); ok {
			s.sysctls = append(s.sysctls, sysctl{text{t.Name, 1}, t.Value})
		} else if t.Name != "net.fibs" && t.Name != "net.my_fibnum" {
			u.add("%s: the sysctl %s=%d", s.name.s, t.Name, t.Value)
		}
	}
}
