package topo

import (
	"net/netip"
	"slices"
)

// segment is what shares a subnet: a link between two nodes, or a switch with
// all that hangs on it and on the switches it is linked to.
type segment struct {
	name    string
	subnet  subnet
	subnet6 subnet // invalid: none
	ends    []*end // at nodes
	taken   map[netip.Addr]*end
	last    netip.Addr // handed out
	last6   netip.Addr
	narrow  bool // without IPv6: its MTU is too small, or it is a tunnel
}

// first returns the switch that stands for all that are linked to s.
func (s *swtch) first() *swtch {
	for s.in != nil {
		s = s.in
	}
	return s
}

// segment finds the segments: those of switches first, then links.
func (c *checker) segment() {
	for _, l := range c.links {
		a, b := l.ends[0].sw, l.ends[1].sw
		if a == nil || b == nil || a == b {
			continue
		}
		a, b = a.first(), b.first()
		if a == b {
			c.at(l.line, "the link %s closes a loop of switches, in which frames would go round for ever: remove it", l.name.s)
			continue
		}
		b.in = a
	}
	for _, s := range c.switches {
		c.switchSegment(s)
	}
	for _, l := range c.links {
		c.linkSegment(l)
	}
	for _, t := range c.tunnels {
		c.linkSegment(&t.cable)
	}
}

func (c *checker) switchSegment(s *swtch) {
	first := s.first()
	if first.seg == nil {
		first.seg = c.newSegment(first.name.s)
	}
	s.seg = first.seg
	s.seg.narrow = s.seg.narrow || narrow(s.cfg.MTU)
	c.switchSegment6(s)
	switch {
	case s.subnet.line == 0:
	case s.seg.subnet.line == 0:
		s.seg.subnet = s.subnet
	case s.seg.subnet.Prefix != s.subnet.Prefix:
		c.at(s.subnet.line, "%s has the subnet %v, but is linked to a switch with %v (line %d): remove one", s.name.s, s.subnet.Prefix, s.seg.subnet.Prefix, s.seg.subnet.line)
	}
}

func (c *checker) newSegment(name string) *segment {
	g := &segment{name: name, taken: make(map[netip.Addr]*end)}
	c.segments = append(c.segments, g)
	return g
}

func (c *checker) linkSegment(l *cable) {
	var g *segment
	for _, e := range l.ends {
		if e.sw != nil {
			g = e.sw.seg
		}
	}
	switch {
	case g != nil && (l.subnet.line != 0 || l.subnet6.line != 0):
		c.at(max(l.subnet.line, l.subnet6.line), "the link %s ends at a switch, and the subnet is the switch's: give it there", l.name.s)
	case g == nil:
		g = c.newSegment(l.name.s)
		g.subnet, g.subnet6 = l.subnet, l.subnet6
	}
	g.narrow = g.narrow || narrow(l.mtu) || l.tunnel
	for i := range l.ends {
		if e := &l.ends[i]; e.node != nil {
			e.seg = g
			g.ends = append(g.ends, e)
		}
	}
}

// address gives every interface its address: what the file says, and then the
// next that is free.
func (c *checker) address() {
	for _, g := range c.segments {
		c.givenSubnet(g)
		c.givenSubnet6(g)
	}
	c.subnets()
	c.subnets6()
	for _, g := range c.segments {
		for _, e := range g.ends {
			c.given(g, e)
		}
		for _, e := range g.ends {
			c.assign(g, e)
			c.assign6(g, e)
		}
	}
}

// givenSubnet takes a subnet from the first address with a length, where none
// is given.
func (c *checker) givenSubnet(g *segment) {
	for _, e := range g.ends {
		if g.subnet.line != 0 {
			return
		}
		for _, a := range e.link.addrs[e.node.name.s] {
			if a.bits < 0 || a.ip.Is6() {
				continue
			}
			if a.bits < 8 || a.bits > 30 {
				c.at(a.line, "%v/%d: a link's subnet is from /8 to /30", a.ip, a.bits)
				break
			}
			g.subnet = subnet{netip.PrefixFrom(a.ip, a.bits).Masked(), a.line}
			break
		}
	}
}

// subnets gives the segments without one the next 10.x.y.0/24 that touches no
// other.
func (c *checker) subnets() {
	var given []netip.Prefix
	for _, g := range c.segments {
		if g.subnet.IsValid() {
			given = append(given, g.subnet.Prefix)
		}
	}
	for _, g := range c.segments {
		for tried := 0; tried < 1<<16 && !g.subnet.IsValid(); tried++ {
			k := c.lastSubnet % (1 << 16)
			c.lastSubnet = k + 1
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24)
			if !touches(given, p) {
				g.subnet.Prefix = p
			}
		}
		if !g.subnet.IsValid() {
			c.at(1, "no subnet of 10.0.0.0/8 is left for %s: give it one", g.name)
			return
		}
	}
}

func touches(list []netip.Prefix, p netip.Prefix) bool {
	for _, o := range list {
		if o.Overlaps(p) {
			return true
		}
	}
	return false
}

// given takes the addresses that the file gives an interface. The first of each
// family must be in the segment's subnet.
func (c *checker) given(g *segment, e *end) {
	if e.exact() {
		c.exactly(g, e)
		return
	}
	for _, a := range e.link.addrs[e.node.name.s] {
		list, sub, most := &e.addrs, g.subnet.Prefix, 32
		if a.ip.Is6() {
			list, sub, most = &e.six, g.subnet6.Prefix, 128
		}
		p := netip.PrefixFrom(a.ip, a.bits)
		if a.bits < 0 {
			p = netip.PrefixFrom(a.ip, most)
			if sub.IsValid() && sub.Contains(a.ip) {
				p = netip.PrefixFrom(a.ip, sub.Bits())
			}
		}
		first := len(*list) == 0
		switch {
		case sub.IsValid() && first && !sub.Contains(a.ip):
			c.at(a.line, "%v of %s is outside the subnet %v of %s: choose an address in it", a.ip, e.node.name.s, sub, g.name)
		case sub.IsValid() && first && p.Bits() != sub.Bits():
			c.at(a.line, "%v of %s: the subnet of %s is %v: write %v/%d", p, e.node.name.s, g.name, sub, a.ip, sub.Bits())
		case a.ip.Is6() && !sub.IsValid():
			c.at(a.line, "%v of %s: %s has no subnet of IPv6: give it a subnet6, or write the address with a length, as %v/64", a.ip, e.node.name.s, g.name, a.ip)
		case !unicast(a.ip):
			c.at(a.line, "%v of %s is no host's address: choose one of %s", a.ip, e.node.name.s, hosts(a.ip))
		case a.ip.Is4() && p.Bits() < 31 && (a.ip == p.Masked().Addr() || a.ip == broadcast(p)):
			c.at(a.line, "%v of %s is the first or the last address of %v: choose one between them", a.ip, e.node.name.s, p.Masked())
		case a.ip.Is6() && p.Bits() < 127 && a.ip == p.Masked().Addr():
			c.at(a.line, "%v of %s is every router's address in %v: choose another", a.ip, e.node.name.s, p.Masked())
		case g.taken[a.ip] != nil:
			c.at(a.line, "%v of %s is the address of %s: choose another", a.ip, e.node.name.s, g.taken[a.ip].node.name.s)
		default:
			g.taken[a.ip] = e
			*list = append(*list, p)
		}
	}
}

// exact tells whether the file says all addresses of the interface.
func (e *end) exact() bool { return e.iface != nil && e.iface.exact }

// broadcast returns the last address of a subnet.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// gives tells whether a link gives a node addresses of a family.
func (l *cable) gives(n *node, is6 bool) bool {
	return slices.ContainsFunc(l.addrs[n.name.s], func(a addr) bool { return a.ip.Is6() == is6 })
}

// assign gives an interface without an address the next free one.
func (c *checker) assign(g *segment, e *end) {
	if e.exact() || e.link.gives(e.node, false) || !g.subnet.IsValid() {
		return
	}
	if !g.last.IsValid() {
		g.last = g.subnet.Addr()
	}
	free := c.nextFree(g, g.last, g.subnet.Prefix)
	if !free.IsValid() {
		c.at(e.link.line, "no address is left in the subnet %v of %s: give it a larger subnet", g.subnet.Prefix, g.name)
		return
	}
	g.last = free
	g.taken[free] = e
	e.addrs = append(e.addrs, netip.PrefixFrom(free, g.subnet.Bits()))
}

// nextFree returns the next address of a subnet that nobody has; after the last one
// begin those that have been given back. It is invalid where none is left.
func (c *checker) nextFree(g *segment, last netip.Addr, p netip.Prefix) netip.Addr {
	for a, round := last.Next(), 0; ; a = a.Next() {
		switch {
		case !p.Contains(a) || a.Is4() && a == broadcast(p):
			if a, round = p.Addr(), round+1; round > 1 {
				return netip.Addr{}
			}
		case g.taken[a] == nil && (c.used == nil || !c.used(g, a)):
			return a
		}
	}
}

// overlaps refuses a node that is in overlapping subnets by different links in
// one table: it could not tell where an address is.
func (c *checker) overlaps(n *node) {
	all := n.interfaces()
	for i, e := range all {
		for _, o := range all[:i] {
			if e.mayOverlap() || o.mayOverlap() {
				continue
			}
			if e.overlaps(o) {
				c.at(e.link.line, "%s is in %v by the link %s and in %v by %s, which overlap: give it a FIB for each, or other subnets", n.name.s, e.seg.subnet.Prefix, e.link.name.s, o.seg.subnet.Prefix, o.link.name.s)
			}
			if e.overlaps6(o) {
				c.at(e.link.line, "%s is in %v by the link %s and in %v by %s, which overlap: give it a FIB for each, or other subnets", n.name.s, e.seg.subnet6.Prefix, e.link.name.s, o.seg.subnet6.Prefix, o.link.name.s)
			}
		}
	}
}

// overlaps tells whether two interfaces are in overlapping subnets of one table.
func (e *end) overlaps(o *end) bool {
	return o.seg != e.seg && o.fib == e.fib && o.seg.subnet.Overlaps(e.seg.subnet.Prefix)
}

func (e *end) overlaps6(o *end) bool {
	return o.seg != e.seg && o.fib == e.fib && len(o.six) > 0 && len(e.six) > 0 && o.seg.subnet6.Overlaps(e.seg.subnet6.Prefix)
}

// mayOverlap tells whether the file says that another link may have the interface's subnet.
func (e *end) mayOverlap() bool { return e.iface != nil && e.iface.overlaps }

// addr returns a node's first address of a family, invalid if it has none.
func (n *node) addr(is6 bool) netip.Addr {
	for _, e := range n.ports {
		if a := e.addr(is6); a.IsValid() && !e.link.lost {
			return a
		}
	}
	return netip.Addr{}
}

// addr returns an interface's first address of a family, invalid if it has none.
func (e *end) addr(is6 bool) netip.Addr {
	if list := e.all(is6); len(list) > 0 {
		return list[0].Addr()
	}
	return netip.Addr{}
}

// all returns the addresses of an interface of a family.
func (e *end) all(is6 bool) []netip.Prefix {
	if is6 {
		return e.six
	}
	return e.addrs
}

// owners returns the nodes that have an address.
func (c *checker) owners(a netip.Addr) []*node {
	var all []*node
	for _, g := range c.segments {
		if e := g.taken[a]; e != nil && !slices.Contains(all, e.node) {
			all = append(all, e.node)
		}
	}
	return all
}
