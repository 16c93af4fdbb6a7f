package topo

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// routeExpectation expects what a node's routing table says of a destination.
type routeExpectation struct {
	line          int
	node, to, via text
	table         text
	fib           int
	ipv6          bool // what names mean
	n             *node
	dst           netip.Prefix
	dstNode       *node      // instead of dst: its address when all has ended
	gateway       *node      // by which, or nil
	addr          netip.Addr // or this; invalid for direct, none and refused
}

func (d *decoder) routeExpectation(k, v *yaml.Node) expectation {
	e := &routeExpectation{line: k.Line}
	d.object(v, k.Value,
		needed(d.word("node", &e.node)),
		needed(d.word("to", &e.to)),
		needed(d.word("via", &e.via)),
		d.table("fib", &e.table),
		d.boolean("ipv6", &e.ipv6),
	)
	return e
}

func (e *routeExpectation) resolve(c *checker) {
	e.n = c.findNode(e.node)
	e.fib = c.table(e.n, e.table)
	if n := c.node[e.to.s]; n != nil {
		var a netip.Addr
		if a, e.dstNode, _ = c.destinationOf(e.to, e.ipv6); a.IsValid() {
			e.dst = netip.PrefixFrom(a, a.BitLen())
		}
	} else if p, ok := c.prefix(e.to, e.ipv6); ok {
		e.dst = p.Masked()
	}
	switch n := c.node[e.via.s]; {
	case e.via.line == 0, e.via.s == "direct", e.via.s == "none", e.via.s == "refused":
	case n != nil:
		e.gateway = n
	default:
		a, ok := parseAddr(e.via.s)
		if !ok || a.bits >= 0 {
			c.at(e.via.line, "via %q is no node and no address: write one of them, direct, none or refused", e.via.s)
		}
		e.addr = a.ip
	}
}

func (e *routeExpectation) check(n *Network) []Outcome {
	dst := e.dst
	if e.dstNode != nil {
		a := n.nodes[e.dstNode].Addr6()
		dst = netip.PrefixFrom(a, a.BitLen())
	}
	r, ok := n.lookup(e.n, e.fib, dst)
	gateway := r.Gateway.WithZone("")
	got := "none"
	switch {
	case !ok:
	case r.Reject || r.Blackhole:
		got = "refused"
	case r.Gateway.IsValid():
		got = gateway.String()
	default:
		got = "direct"
	}
	fits := got == e.via.s || ok && gateway.IsValid() && (gateway == e.addr || e.gateway != nil && n.owns(e.gateway, gateway))
	of := fmt.Sprintf("%s to %v", e.node.s, dst)
	if e.fib > 0 {
		of += fmt.Sprintf(" in FIB %d", e.fib)
	}
	return []Outcome{{e.line, "route", of, "via " + e.via.s, "via " + got, fits}}
}

// lookup returns the route that a table has for a destination: the longest that
// contains all of it.
func (n *Network) lookup(h *node, fib int, dst netip.Prefix) (best vimage.Route, ok bool) {
	table, err := n.nodes[h].FIB(fib)
	if err != nil {
		return best, false
	}
	for _, r := range table.Routes() {
		if r.Dst.Bits() <= dst.Bits() && r.Dst.Contains(dst.Addr()) && (!ok || r.Dst.Bits() > best.Dst.Bits()) {
			best, ok = r, true
		}
	}
	return best, ok
}

// path expects by which nodes packets go, by the routing tables.
type path struct {
	line     int
	from, to text
	table    text
	fib      int
	is       []text
	ipv6     bool // what names mean
	src      *node
	dst      netip.Addr
	dstNode  *node // instead of dst: its address when all has ended
}

func (d *decoder) path(k, v *yaml.Node) expectation {
	e := &path{line: k.Line}
	d.object(v, k.Value,
		needed(d.word("from", &e.from)),
		needed(d.word("to", &e.to)),
		needed(d.words("is", &e.is)),
		d.table("fib", &e.table),
		d.boolean("ipv6", &e.ipv6),
	)
	return e
}

func (e *path) resolve(c *checker) {
	e.src = c.findNode(e.from)
	e.fib = c.table(e.src, e.table)
	if e.to.line != 0 {
		e.dst, e.dstNode, _ = c.destinationOf(e.to, e.ipv6)
	}
	for _, t := range e.is {
		c.findNode(t)
	}
}

func (e *path) check(n *Network) []Outcome {
	var want []string
	for _, t := range e.is {
		want = append(want, t.s)
	}
	dst := e.dst
	if e.dstNode != nil {
		dst = n.nodes[e.dstNode].Addr6()
	}
	got := n.trace(e.src, e.fib, dst)
	o := Outcome{e.line, "path", e.from.s + " to " + e.to.s, strings.Join(want, " "), strings.Join(got, " "), slices.Equal(got, want)}
	return []Outcome{o}
}

// trace follows the routing tables from a node to an address and returns the
// names it comes by. Where the way ends early the last word says why.
func (n *Network) trace(at *node, fib int, dst netip.Addr) []string {
	names := []string{at.name.s}
	if !dst.IsValid() {
		return append(names, "(no address)")
	}
	forwarding := "net.inet.ip.forwarding"
	if dst.Is6() {
		forwarding = "net.inet6.ip6.forwarding"
	}
	for range 256 {
		if n.owns(at, dst) {
			return names
		}
		r, ok := n.lookup(at, fib, netip.PrefixFrom(dst, dst.BitLen()))
		if !ok || r.Reject || r.Blackhole {
			return append(names, "(no route)")
		}
		next := dst
		if r.Gateway.IsValid() {
			next = r.Gateway.WithZone("")
		}
		in := n.neighbor(at, r.Interface, next)
		if in == nil {
			return append(names, "(nobody has "+next.String()+")")
		}
		at, fib = in.node, in.fib
		names = append(names, at.name.s)
		if on, err := n.nodes[at].Sysctl(forwarding); !n.owns(at, dst) && (err != nil || on == 0) {
			return append(names, "(does not forward)")
		}
	}
	return append(names, "(goes round)")
}

// neighbor returns who has an address on the link that an interface of a node is
// on, nil if nobody.
func (n *Network) neighbor(at *node, iface string, a netip.Addr) *end {
	for _, p := range at.interfaces() {
		if n.iface(p).Name() != iface {
			continue
		}
		for _, o := range p.seg.ends {
			if n.has(o, a) {
				return o
			}
		}
	}
	return nil
}

// owns tells whether a node has an address, of its file or by itself.
func (n *Network) owns(h *node, a netip.Addr) bool {
	return slices.ContainsFunc(h.interfaces(), func(e *end) bool { return n.has(e, a) })
}

// has tells whether an interface has an address.
func (n *Network) has(e *end, a netip.Addr) bool {
	for _, o := range n.addrs(e) {
		if o.Prefix.Addr() == a && o.Usable() {
			return true
		}
	}
	return false
}

// addrs returns the addresses that an interface has now.
func (n *Network) addrs(e *end) []vimage.Address { return n.iface(e).Addresses() }
