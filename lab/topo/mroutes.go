package topo

import (
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// mroute is a static multicast route of a router.
type mroute struct {
	line               int
	group, source, via text
	to                 []text
	listeners          bool

	dst  netip.Prefix
	from netip.Addr
	in   *end
	out  []*end
}

// mproxy is what makes a router an IGMP and MLD proxy.
type mproxy struct {
	line     int
	upstream text
	downs    []text

	up   *end
	down []*end
}

func (d *decoder) mroute(v *yaml.Node) *mroute {
	r := &mroute{line: v.Line}
	d.object(v, "a multicast route",
		needed(d.word("group", &r.group)),
		needed(d.word("in", &r.via)),
		d.word("source", &r.source),
		d.words("out", &r.to),
		d.boolean("listeners", &r.listeners),
	)
	return r
}

func (d *decoder) mproxy(v *yaml.Node, n *node) {
	n.proxy = &mproxy{line: v.Line}
	d.object(v, "proxy",
		needed(d.word("upstream", &n.proxy.upstream)),
		needed(d.words("downstream", &n.proxy.downs)),
	)
}

// multicast finds out what a router's multicast routes and its proxy mean.
func (c *checker) multicast(n *node) {
	for _, r := range n.mroutes {
		c.mroute(n, r)
	}
	p := n.proxy
	if p == nil {
		return
	}
	p.up = c.portAt(n, p.upstream)
	for _, t := range p.downs {
		e := c.portAt(n, t)
		if e != nil && e == p.up {
			c.at(t.line, "%s is upstream and downstream: name two links", t.s)
		}
		p.down = append(p.down, e)
	}
}

// portAt returns the interface by which a node is at a link, nil and a mistake if it
// is not.
func (c *checker) portAt(n *node, link text) *end {
	if link.line == 0 {
		return nil
	}
	return c.portOf(n, link, link.line, "")
}

func (c *checker) mroute(n *node, r *mroute) {
	if r.group.line != 0 {
		p, ok := parseGroups(r.group.s)
		if !ok {
			c.at(r.group.line, "%s is no group and no prefix of groups that are forwarded: write an address or ADDRESS/BITS in 224.0.1.0 to 239.255.255.255, or ff03:: and up", r.group.s)
		}
		r.dst = p
	}
	if r.source.line != 0 {
		r.from, _ = c.host(r.source, r.dst.Addr().Is6())
		if r.from.IsValid() && r.dst.IsValid() && r.from.Is4() != r.dst.Addr().Is4() {
			c.at(r.source.line, "the source %v and the group %v are of two families", r.from, r.dst)
		}
	}
	r.in = c.portAt(n, r.via)
	for _, t := range r.to {
		r.out = append(r.out, c.portAt(n, t))
	}
	if len(r.to) == 0 && !r.listeners {
		c.at(r.line, "a multicast route leads nowhere: write out, or listeners: true")
	}
}

// parseGroups reads a group or a prefix of groups.
func parseGroups(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return p, false
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	least := 4
	if p.Addr().Is6() {
		least = 8
	}
	return p, p == p.Masked() && p.Bits() >= least && p.Addr().IsMulticast() &&
		!(p.Bits() >= least+4 && (p.Addr().IsLinkLocalMulticast() || p.Addr().IsInterfaceLocalMulticast()))
}

// asks tells whether the node has a multicast router's interface.
func (n *node) asks() bool {
	return n.proxy != nil || slices.ContainsFunc(n.ports, (*end).querier)
}

// addMulticast gives a node its multicast routes and makes it a proxy.
func (n *Network) addMulticast(s *node) error {
	h := n.nodes[s]
	for _, r := range s.mroutes {
		mr := vimage.MulticastRoute{Group: r.dst, Source: r.from, In: n.iface(r.in), Listeners: r.listeners}
		for _, e := range r.out {
			mr.Out = append(mr.Out, n.iface(e))
		}
		if err := h.AddMulticastRoute(mr); err != nil {
			return n.file.wrong(r.line, err)
		}
	}
	if s.proxy == nil {
		return nil
	}
	var down []*vimage.Interface
	for _, e := range s.proxy.down {
		down = append(down, n.iface(e))
	}
	if err := h.SetMulticastProxy(n.iface(s.proxy.up), down...); err != nil {
		return n.file.wrong(s.proxy.line, err)
	}
	return nil
}
