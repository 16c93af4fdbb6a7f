package topo

import (
	"net/netip"
	"slices"
)

// segment is what shares a subnet: a link between two nodes, or a switch with
// all that hangs on it and on the switches it is linked to.
type segment struct {
	name   string
	subnet subnet
	ends   []*end // at nodes
	taken  map[netip.Addr]*end
	last   netip.Addr // handed out
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
}

func (c *checker) switchSegment(s *swtch) {
	first := s.first()
	if first.seg == nil {
		first.seg = c.newSegment(first.name.s)
	}
	s.seg = first.seg
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
	case g != nil && l.subnet.line != 0:
		c.at(l.subnet.line, "the link %s ends at a switch, and the subnet is the switch's: give it there", l.name.s)
	case g == nil:
		g = c.newSegment(l.name.s)
		g.subnet = l.subnet
	}
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
	}
	c.subnets()
	for _, g := range c.segments {
		for _, e := range g.ends {
			c.given(g, e)
		}
		for _, e := range g.ends {
			c.assign(g, e)
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
			if a.bits < 0 {
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
		if g.subnet.line != 0 {
			given = append(given, g.subnet.Prefix)
		}
	}
	k := 0
	for _, g := range c.segments {
		if g.subnet.line != 0 {
			continue
		}
		for ; k < 1<<16; k++ {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(k >> 8), byte(k), 0}), 24)
			if !touches(given, p) {
				g.subnet.Prefix = p
				k++
				break
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

// given takes the addresses that the file gives an interface. The first must be
// in the segment's subnet.
func (c *checker) given(g *segment, e *end) {
	for i, a := range e.link.addrs[e.node.name.s] {
		p := netip.PrefixFrom(a.ip, a.bits)
		if a.bits < 0 {
			p = netip.PrefixFrom(a.ip, 32)
			if g.subnet.Contains(a.ip) {
				p = netip.PrefixFrom(a.ip, g.subnet.Bits())
			}
		}
		switch {
		case g.subnet.IsValid() && i == 0 && !g.subnet.Contains(a.ip):
			c.at(a.line, "%v of %s is outside the subnet %v of %s: choose an address in it", a.ip, e.node.name.s, g.subnet.Prefix, g.name)
		case g.subnet.IsValid() && i == 0 && p.Bits() != g.subnet.Bits():
			c.at(a.line, "%v of %s: the subnet of %s is %v: write %v/%d", p, e.node.name.s, g.name, g.subnet.Prefix, a.ip, g.subnet.Bits())
		case !unicast(a.ip):
			c.at(a.line, "%v of %s is no host's address: choose one of 1.0.0.0 to 223.255.255.255, but not 127.0.0.0/8", a.ip, e.node.name.s)
		case p.Bits() < 31 && (a.ip == p.Masked().Addr() || a.ip == broadcast(p)):
			c.at(a.line, "%v of %s is the first or the last address of %v: choose one between them", a.ip, e.node.name.s, p.Masked())
		case g.taken[a.ip] != nil:
			c.at(a.line, "%v of %s is the address of %s: choose another", a.ip, e.node.name.s, g.taken[a.ip].node.name.s)
		default:
			g.taken[a.ip] = e
			e.addrs = append(e.addrs, p)
		}
	}
}

// broadcast returns the last address of a subnet.
func broadcast(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}

// assign gives an interface without an address the next free one.
func (c *checker) assign(g *segment, e *end) {
	if len(e.link.addrs[e.node.name.s]) > 0 || !g.subnet.IsValid() {
		return
	}
	if !g.last.IsValid() {
		g.last = g.subnet.Addr()
	}
	for {
		g.last = g.last.Next()
		switch {
		case !g.subnet.Contains(g.last) || g.last == broadcast(g.subnet.Prefix):
			c.at(e.link.line, "no address is left in the subnet %v of %s: give it a larger subnet", g.subnet.Prefix, g.name)
			return
		case g.taken[g.last] == nil:
			g.taken[g.last] = e
			e.addrs = append(e.addrs, netip.PrefixFrom(g.last, g.subnet.Bits()))
			return
		}
	}
}

// overlaps refuses a node that is in overlapping subnets by different links in
// one table: it could not tell where an address is.
func (c *checker) overlaps() {
	for _, n := range c.nodes {
		for i, e := range n.ports {
			for _, o := range n.ports[:i] {
				if o.seg != e.seg && o.fib == e.fib && o.seg.subnet.Overlaps(e.seg.subnet.Prefix) {
					c.at(e.link.line, "%s is in %v by the link %s and in %v by %s, which overlap: give it a FIB for each, or other subnets", n.name.s, e.seg.subnet.Prefix, e.link.name.s, o.seg.subnet.Prefix, o.link.name.s)
				}
			}
		}
	}
}

// addr returns a node's first address, invalid if it has none.
func (n *node) addr() netip.Addr {
	for _, e := range n.ports {
		if len(e.addrs) > 0 {
			return e.addrs[0].Addr()
		}
	}
	return netip.Addr{}
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
