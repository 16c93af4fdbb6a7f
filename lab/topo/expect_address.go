package topo

import (
	"fmt"
	"net/netip"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// addressExpectation expects how many IPv6 addresses a node has in a prefix, or
// every node that configures itself.
type addressExpectation struct {
	node  text
	in    netip.Prefix
	state string
	bounds
	nodes []*node
}

const linkLocal = "link-local"

func (d *decoder) addressExpectation(k, v *yaml.Node) expectation {
	e := &addressExpectation{state: "preferred"}
	d.object(v, k.Value, append(d.bounds(&e.bounds, k.Line, true, false),
		d.word("node", &e.node),
		needed(value(d, "in", &e.in, prefix6Hint+", or "+linkLocal, func(s string) (netip.Prefix, bool) {
			if s == linkLocal {
				s = "fe80::/10"
			}
			p, err := netip.ParsePrefix(s)
			return p, err == nil && p.Addr().Is6() && p == p.Masked()
		})),
		value(d, "state", &e.state, "write preferred, deprecated, tentative or duplicate", func(s string) (string, bool) {
			return s, s == "preferred" || s == "deprecated" || s == "tentative" || s == "duplicate"
		}),
	)...)
	return e
}

func (e *addressExpectation) resolve(c *checker) {
	e.bounds.resolve(c, &amount{n: 1})
	if e.node.line != 0 {
		if n := c.findNode(e.node); n != nil {
			e.nodes = append(e.nodes, n)
		}
		return
	}
	for _, n := range c.nodes {
		if n.autoconf != nil {
			e.nodes = append(e.nodes, n)
		}
	}
	if len(e.nodes) == 0 {
		c.at(e.line, "no host configures itself: name a node")
	}
}

func (e *addressExpectation) check(n *Network) []Outcome {
	var all []Outcome
	for _, h := range e.nodes {
		var got uint64
		for _, p := range h.ports {
			for _, a := range n.addrs(p) {
				if e.in.Contains(a.Prefix.Addr()) && state(&a) == e.state {
					got++
				}
			}
		}
		of := fmt.Sprintf("%s in %v", h.name.s, e.in)
		if e.state != "preferred" {
			of += ", " + e.state
		}
		all = append(all, Outcome{e.line, "address", of, e.String(), fmt.Sprint(got), e.hold(got, 0)})
	}
	return all
}

// state names what may be done with an address (RFC 4862 §2).
func state(a *vimage.Address) string {
	switch {
	case a.Duplicate:
		return "duplicate"
	case a.Tentative:
		return "tentative"
	case a.Deprecated:
		return "deprecated"
	}
	return "preferred"
}
