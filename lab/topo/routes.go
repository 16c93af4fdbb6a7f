package topo

import (
	"net/netip"
	"slices"
)

// tunables looks up the sysctls of a node and their ranges.
func (c *checker) tunables(n *node) {
	for _, s := range n.sysctls {
		_, lo, hi, ok := c.sysctls.Describe(s.name.s)
		switch {
		case !ok:
			c.at(s.name.line, "there is no sysctl %q: %s", s.name.s, OneOf("sysctls", c.sysctls.All(), s.name.s))
		case s.value < lo || s.value > hi:
			c.at(s.name.line, "%s is %d: write %d to %d", s.name.s, s.value, lo, hi)
		}
	}
}

// staticRoutes finds out what a node's routes mean.
func (c *checker) staticRoutes(n *node) {
	type place struct {
		fib, metric int
		dst         netip.Prefix
		via, link   string
	}
	had := make(map[place]int)
	for _, r := range n.routes {
		c.route(n, r)
		if !r.dst.IsValid() {
			continue
		}
		at := place{r.fib, r.metric, r.dst, "", ""}
		if r.metric != 0 || r.link.line != 0 { // of several to one destination
			at.via, at.link = r.via.s, r.link.s+" "+r.iface.s
		}
		if first := had[at]; first != 0 {
			c.at(r.line, "%s has a route to %v in FIB %d since line %d: remove one", n.name.s, r.dst, r.fib, first)
			continue
		}
		had[at] = r.line
		for _, e := range n.interfaces() {
			for _, a := range e.all(r.dst.Addr().Is6()) {
				if e.fib == r.fib && !a.IsSingleIP() && a.Masked() == r.dst {
					c.at(r.line, "%s is in %v itself, by the link %s: remove the route", n.name.s, r.dst, e.link.name.s)
				}
			}
		}
	}
}

func (c *checker) route(n *node, r *route) {
	c.destination(r)
	r.fib = c.table(n, r.table)
	if r.reject || r.blackhole {
		if r.via.line != 0 || r.link.line != 0 || r.iface.line != 0 || r.reject && r.blackhole {
			c.at(r.line, "a route has one of via, reject and blackhole: remove the others")
		}
		return
	}
	if r.link.line != 0 || r.iface.line != 0 {
		c.byLink(n, r)
		return
	}
	if r.via.line == 0 {
		c.at(r.line, "a route has no via: name a router or its address, or write reject: true or blackhole: true")
		return
	}
	if c.whole {
		c.gateway(n, r)
	}
}

// byLink finds the link of a route that says it: its gateway may be anybody's address
// there, or there is none, and the destination is on the link.
func (c *checker) byLink(n *node, r *route) {
	if r.iface.line != 0 && n.otherNamed(r.iface.s) == nil && r.iface.s != "lo0" || r.iface.line != 0 && r.link.line != 0 {
		c.at(r.iface.line, "%s has no interface %s that is of no link: name one, or the link", n.name.s, r.iface.s)
	}
	i := slices.IndexFunc(n.tunnels, func(e *end) bool { return e.link.name.s == r.link.s })
	if i >= 0 {
		r.out = n.tunnels[i]
	} else {
		r.out = c.portAt(n, r.link)
	}
	if r.via.line == 0 {
		return
	}
	a, ok := parseAddr(r.via.s)
	switch {
	case !ok || a.bits >= 0:
		c.at(r.via.line, "via is %q, and there is a link: write the gateway's address on it", r.via.s)
	case r.dst.IsValid() && a.ip.Is6() != r.dst.Addr().Is6():
		c.at(r.via.line, "the gateway %v is not of the family of %v: choose one that is", a.ip, r.dst)
	default:
		r.gateway = a.ip
	}
}

// destination reads where a route leads.
func (c *checker) destination(r *route) {
	if a, ok := parseAddr(r.via.s); ok && a.ip.Is6() {
		r.ipv6 = true
	}
	p, ok := c.prefix(r.to, r.ipv6)
	switch {
	case !ok:
	case p != p.Masked():
		c.at(r.to.line, "%v is an address in %v: write %v, or %v/%d", p, p.Masked(), p.Masked(), p.Addr(), p.Addr().BitLen())
	case p.Addr().IsLinkLocalUnicast() && p.Addr().Is6() || p.Addr().IsMulticast():
		c.at(r.to.line, "%v is on every link: a route leads elsewhere", p)
	case p.Bits() > 0 && p.Addr().IsLoopback():
		c.at(r.to.line, "%v is the node itself: a route leads elsewhere", p)
	default:
		r.dst = p
	}
}

// prefix reads a destination: a prefix, an address, default, or the name of a
// switch or link for its subnet; is6 says of which family names mean one.
func (c *checker) prefix(t text, is6 bool) (netip.Prefix, bool) {
	if t.line == 0 {
		return netip.Prefix{}, false
	}
	if t.s == "default" && is6 {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
	}
	if t.s == "default" {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	if a, ok := parseAddr(t.s); ok {
		if a.bits < 0 {
			a.bits = a.ip.BitLen()
		}
		if is6 && a.ip.Is4() {
			c.at(t.line, "%s is of IPv4: leave ipv6 out, and give a gateway of IPv4", t.s)
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(a.ip, a.bits), true
	}
	if s := c.swtch[t.s]; s != nil && s.seg != nil {
		return c.subnetOf(s.seg, t, is6)
	}
	if l := c.cable[t.s]; l != nil && c.whole {
		for _, e := range l.ends {
			if e.seg != nil {
				return c.subnetOf(e.seg, t, is6)
			}
		}
	}
	c.at(t.line, "%q is no destination: write a prefix, an address, default, or the name of a switch or a link", t.s)
	return netip.Prefix{}, false
}

// subnetOf returns a segment's subnet of a family, which t has named.
func (c *checker) subnetOf(g *segment, t text, is6 bool) (netip.Prefix, bool) {
	if !is6 {
		return g.subnet.Prefix, g.subnet.IsValid()
	}
	if !g.subnet6.IsValid() && c.whole {
		c.at(t.line, "%s has no subnet of IPv6: give it a subnet6", t.s)
	}
	return g.subnet6.Prefix, g.subnet6.IsValid()
}

// gateway finds the neighbour that a route goes by, and the interface to it.
func (c *checker) gateway(n *node, r *route) {
	is6 := r.ipv6 || r.dst.Addr().Is6()
	if a, ok := parseAddr(r.via.s); ok && a.bits < 0 {
		if r.dst.IsValid() && a.ip.Is6() != r.dst.Addr().Is6() {
			c.at(r.via.line, "the gateway %v is not of the family of %v: choose one that is", a.ip, r.dst)
			return
		}
		c.gatewayAddr(n, r, a.ip)
		return
	}
	via := c.node[r.via.s]
	if via == nil {
		c.at(r.via.line, "via %q is no node and no address: %s", r.via.s, OneOf("hosts and routers", c.nodeNames(), r.via.s))
		return
	}
	var found []*end // at via
	for _, e := range n.interfaces() {
		for _, o := range e.seg.ends {
			if o.node != via || !o.addr(is6).IsValid() || via == n {
				continue
			}
			if r.out != nil && e.fib != r.fib {
				continue
			}
			if r.out != nil && r.out.fib != r.fib {
				found = nil
			}
			r.out, r.gateway, found = e, o.addr(is6), append(found, o)
		}
	}
	switch {
	case len(found) == 0 && is6:
		c.at(r.via.line, "%s shares no link with %s on which that has an IPv6 address: a gateway is a neighbour", n.name.s, r.via.s)
	case len(found) == 0:
		c.at(r.via.line, "%s shares no link with %s: a gateway is a neighbour", n.name.s, r.via.s)
	case len(found) > 1:
		c.at(r.via.line, "%s and %s share more than one link: write the gateway's address", n.name.s, r.via.s)
	}
}

func (c *checker) gatewayAddr(n *node, r *route, ip netip.Addr) {
	for _, e := range n.interfaces() {
		if !e.reaches(ip) || r.out != nil && (r.out.fib == r.fib || e.fib != r.fib) {
			continue
		}
		r.out, r.gateway = e, ip
	}
	if r.out == nil {
		c.at(r.via.line, "the gateway %v cannot be reached: it is on no link of %s, which are %s", ip, n.name.s, n.linkSubnets())
		return
	}
	switch o := r.out.seg.taken[ip]; {
	case o == nil:
		c.at(r.via.line, "nobody on %s has the gateway's address %v: give it to a node, or write blackhole: true", r.out.seg.name, ip)
	case o.node == n:
		c.at(r.via.line, "the gateway %v is %s itself: name a neighbour", ip, n.name.s)
	}
}

// reaches tells whether an address is in a subnet of the interface.
func (e *end) reaches(ip netip.Addr) bool {
	for _, a := range e.all(ip.Is6()) {
		if a.Contains(ip) {
			return true
		}
	}
	return false
}

func (n *node) linkSubnets() string {
	all := n.interfaces()
	if len(all) == 0 {
		return "none"
	}
	s := ""
	for i, e := range all {
		if i > 0 {
			s += ", "
		}
		s += e.link.name.s + " (" + e.seg.subnets() + ")"
	}
	return s
}
