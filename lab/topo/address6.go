package topo

import "net/netip"

// narrow tells whether an MTU, if it is given, is too small for IPv6.
func narrow(mtu int) bool { return mtu != 0 && mtu < 1280 }

// switchSegment6 takes the subnet of IPv6 that a switch gives its segment.
func (c *checker) switchSegment6(s *swtch) {
	switch {
	case s.subnet6.line == 0:
	case s.seg.subnet6.line == 0:
		s.seg.subnet6 = s.subnet6
	case s.seg.subnet6.Prefix != s.subnet6.Prefix:
		c.at(s.subnet6.line, "%s has the subnet6 %v, but is linked to a switch with %v (line %d): remove one", s.name.s, s.subnet6.Prefix, s.seg.subnet6.Prefix, s.seg.subnet6.line)
	}
}

// givenSubnet6 takes a subnet of IPv6 from the first address with a length,
// where none is given.
func (c *checker) givenSubnet6(g *segment) {
	for _, e := range g.ends {
		for _, a := range e.link.addrs[e.node.name.s] {
			if g.subnet6.line != 0 || a.bits < 0 || a.ip.Is4() {
				continue
			}
			if a.bits < 16 || a.bits > 126 {
				c.at(a.line, "%v/%d: a link's subnet of IPv6 is from /16 to /126", a.ip, a.bits)
				continue
			}
			g.subnet6 = subnet{netip.PrefixFrom(a.ip, a.bits).Masked(), a.line}
		}
	}
	if g.narrow && g.subnet6.line != 0 {
		c.at(g.subnet6.line, "%s has an MTU below 1280, which IPv6 needs: give it more, or no address of IPv6", g.name)
	}
}

// subnets6 gives, with ipv6: true, the segments without one the next
// fd00:0:0:n::/64 that touches no other.
func (c *checker) subnets6() {
	if !c.ipv6 {
		return
	}
	var given []netip.Prefix
	for _, g := range c.segments {
		if g.subnet6.IsValid() {
			given = append(given, g.subnet6.Prefix)
		}
	}
	for _, g := range c.segments {
		if g.subnet6.IsValid() || g.narrow {
			continue
		}
		for tried := 0; tried < 1<<16 && !g.subnet6.IsValid(); tried++ {
			k := c.lastSubnet6 % (1 << 16)
			c.lastSubnet6 = k + 1
			p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 6: byte(k >> 8), 7: byte(k)}), 64)
			if !touches(given, p) {
				g.subnet6.Prefix = p
			}
		}
		if !g.subnet6.IsValid() {
			c.at(1, "no subnet of fd00::/48 is left for %s: give it a subnet6", g.name)
			return
		}
	}
}

// assign6 gives an interface without an IPv6 address the next free one, unless
// it finds one by itself.
func (c *checker) assign6(g *segment, e *end) {
	if e.exact() || e.link.gives(e.node, true) || !g.subnet6.IsValid() || e.node.autoconf != nil {
		return
	}
	if !g.last6.IsValid() {
		g.last6 = g.subnet6.Addr()
	}
	free := c.nextFree(g, g.last6, g.subnet6.Prefix)
	if !free.IsValid() {
		c.at(e.link.line, "no address is left in the subnet %v of %s: give it a larger subnet6", g.subnet6.Prefix, g.name)
		return
	}
	g.last6 = free
	g.taken[free] = e
	e.six = append(e.six, netip.PrefixFrom(free, g.subnet6.Bits()))
}

// subnets names the subnets of a segment.
func (g *segment) subnets() string {
	if g.subnet6.IsValid() {
		return g.subnet.String() + " " + g.subnet6.String()
	}
	return g.subnet.String()
}
