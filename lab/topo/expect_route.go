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
	fib           int
	n             *node
	dst           netip.Prefix
	gateways      []netip.Addr // any of them; none for direct and none
}

func (d *decoder) routeExpectation(k, v *yaml.Node) expectation {
	e := &routeExpectation{line: k.Line}
	d.object(v, k.Value,
		needed(d.word("node", &e.node)),
		needed(d.word("to", &e.to)),
		needed(d.word("via", &e.via)),
		d.integer("fib", &e.fib, 0, 65535),
	)
	return e
}

func (e *routeExpectation) resolve(c *checker) {
	e.n = c.findNode(e.node)
	c.hasFIB(e.n, e.fib, e.line)
	if n := c.node[e.to.s]; n != nil {
		if a := n.addr(); a.IsValid() {
			e.dst = netip.PrefixFrom(a, 32)
		}
	} else if p, ok := c.prefix(e.to); ok {
		e.dst = p.Masked()
	}
	switch n := c.node[e.via.s]; {
	case e.via.line == 0, e.via.s == "direct", e.via.s == "none", e.via.s == "refused":
	case n != nil:
		for _, p := range n.ports {
			for _, a := range p.addrs {
				e.gateways = append(e.gateways, a.Addr())
			}
		}
	default:
		a, ok := parseAddr(e.via.s)
		if !ok || a.bits >= 0 {
			c.at(e.via.line, "via %q is no node and no IPv4 address: write one of them, direct, none or refused", e.via.s)
		}
		e.gateways = append(e.gateways, a.ip)
	}
}

func (e *routeExpectation) check(n *Network) []Outcome {
	r, ok := n.lookup(e.n, e.fib, e.dst)
	got := "none"
	switch {
	case !ok:
	case r.Reject || r.Blackhole:
		got = "refused"
	case r.Gateway.IsValid():
		got = r.Gateway.String()
	default:
		got = "direct"
	}
	fits := got == e.via.s || ok && r.Gateway.IsValid() && slices.Contains(e.gateways, r.Gateway)
	of := fmt.Sprintf("%s to %v", e.node.s, e.dst)
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
	fib      int
	is       []text
	src      *node
	dst      netip.Addr
}

func (d *decoder) path(k, v *yaml.Node) expectation {
	e := &path{line: k.Line}
	d.object(v, k.Value,
		needed(d.word("from", &e.from)),
		needed(d.word("to", &e.to)),
		needed(d.words("is", &e.is)),
		d.integer("fib", &e.fib, 0, 65535),
	)
	return e
}

func (e *path) resolve(c *checker) {
	e.src = c.findNode(e.from)
	c.hasFIB(e.src, e.fib, e.line)
	if e.to.line != 0 {
		e.dst, _ = c.host(e.to)
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
	got := n.trace(e.src, e.fib, e.dst)
	o := Outcome{e.line, "path", e.from.s + " to " + e.to.s, strings.Join(want, " "), strings.Join(got, " "), slices.Equal(got, want)}
	return []Outcome{o}
}

// trace follows the routing tables from a node to an address and returns the
// names it comes by. Where the way ends early the last word says why.
func (n *Network) trace(at *node, fib int, dst netip.Addr) []string {
	names := []string{at.name.s}
	for range 256 {
		if at.has(dst) {
			return names
		}
		r, ok := n.lookup(at, fib, netip.PrefixFrom(dst, 32))
		if !ok || r.Reject || r.Blackhole {
			return append(names, "(no route)")
		}
		next := dst
		if r.Gateway.IsValid() {
			next = r.Gateway
		}
		var out *end
		for _, p := range at.ports {
			if n.nodes[at].Eth(p.eth).Name() == r.Interface {
				out = p
			}
		}
		if out == nil || out.seg.taken[next] == nil {
			return append(names, "(nobody has "+next.String()+")")
		}
		in := out.seg.taken[next]
		at, fib = in.node, in.fib
		names = append(names, at.name.s)
		if on, err := n.nodes[at].Sysctl("net.inet.ip.forwarding"); !at.has(dst) && (err != nil || on == 0) {
			return append(names, "(does not forward)")
		}
	}
	return append(names, "(goes round)")
}

func (n *node) has(a netip.Addr) bool {
	for _, p := range n.ports {
		for _, o := range p.addrs {
			if o.Addr() == a {
				return true
			}
		}
	}
	return false
}
