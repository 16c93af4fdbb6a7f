package topo

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// epair is the kind of an end of a pair.
const epair = "epair"

// pairs finds both ends of every pair.
func (c *checker) pairs() {
	ends := make(map[string][]*other)
	for n := range c.stacks() {
		for _, o := range n.others {
			if o.pair.line != 0 {
				ends[o.pair.s] = append(ends[o.pair.s], o)
			}
		}
	}
	for n := range c.stacks() {
		for _, o := range n.others {
			if all := ends[o.pair.s]; o.pair.line != 0 && len(all) != 2 {
				c.at(o.pair.line, "the pair %s has %d ends: it has two, of kind epair, with the same pair", o.pair.s, len(all))
			}
		}
	}
}

// addPairs makes the pairs, each in the innermost jail, or jail 0, that both ends are in.
func (n *Network) addPairs() error {
	type half struct {
		s   *node
		o   *other
		ifi *vimage.Interface
	}
	had, all := make(map[string]half), []half(nil)
	for s := range n.file.stacks() {
		for _, o := range s.others {
			switch first, ok := had[o.pair.s]; {
			case o.pair.line == 0:
			case !ok:
				had[o.pair.s] = half{s: s, o: o}
			default:
				in := n.common(first.s, s)
				a, b, err := n.nodes[in].CreateEpair()
				if err != nil {
					return n.file.wrong(o.name.line, err)
				}
				for i, h := range []half{{first.s, first.o, a}, {s, o, b}} {
					// No name is in the way of another before all are where they belong.
					if err := h.ifi.Rename(fmt.Sprintf("pair%d.%d", len(all)/2, i)); err != nil {
						return n.file.wrong(o.name.line, err)
					}
					if h.s != in {
						if h.ifi, err = h.ifi.MoveTo(n.nodes[h.s].Jail()); err != nil {
							return n.file.wrong(o.name.line, err)
						}
					}
					all = append(all, h)
				}
			}
		}
	}
	for _, h := range all {
		if err := h.ifi.Rename(h.o.name.s); err != nil {
			return n.file.wrong(h.o.name.line, err)
		}
	}
	return nil
}

// common returns the innermost jail with a stack that two are in, or are.
func (n *Network) common(a, b *node) *node {
	if a == b {
		return a
	}
	if a.top() != b.top() {
		return n.file.world
	}
	in := a.top()
	for _, j := range in.jails {
		within := func(s *node) bool { return s == j.own || strings.HasPrefix(s.name.s, j.own.name.s+".") }
		if j.own != nil && within(a) && within(b) {
			in = j.own
		}
	}
	return in
}

// peered tells whether the other end of a pair is in a stack of the file.
func (n *Network) peered(p link.Port) bool {
	if n.ports == nil {
		n.ports = make(map[link.Port]bool)
		for s := range n.file.stacks() {
			for _, c := range n.stack(s).View().Ifs {
				if c != nil {
					n.ports[c.Port] = true
				}
			}
		}
	}
	return n.ports[link.Peer(p)]
}

// pairName returns what both ends of a pair say.
func (s *saver) pairName(p link.Port) string {
	if s.pairs[p] == "" {
		if s.pairs == nil {
			s.pairs = make(map[link.Port]string)
		}
		name := "pair" + strconv.Itoa(len(s.pairs)/2)
		s.pairs[p], s.pairs[link.Peer(p)] = name, name
	}
	return s.pairs[p]
}
