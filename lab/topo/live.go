package topo

import (
	"errors"
	"net/netip"
	"slices"
)

// This file is how a network that runs changes in the terms of its file. What is to be
// added is described as there, in YAML or JSON, and checked like there; an error is a
// *Mistakes whose Field says where in the description something is wrong.

// checker looks at something that is to be added to the network. live is held.
func (n *Network) checker(p *part) *checker {
	c := &checker{File: n.file, Mistakes: p.Mistakes, whole: true, unnamed: make(map[sinkKey]int), used: n.used}
	for _, j := range n.file.joins {
		if j.name.line == 0 {
			c.unnamed[sinkKey{node: j.node, addr: netip.AddrPortFrom(j.group.ip, 0)}] = j.line
		}
	}
	return c
}

// used tells whether an interface of a segment has an address now, whoever gave it.
func (n *Network) used(g *segment, a netip.Addr) bool {
	return slices.ContainsFunc(g.ends, func(e *end) bool {
		if n.links[e.link] == nil {
			return false
		}
		c := n.conf(e)
		if c == nil {
			return false
		}
		return c.Addrs.Find(a) != nil
	})
}

// newName notes a name that is taken.
func (c *checker) newName(t text) {
	if c.node[t.s] != nil || c.swtch[t.s] != nil {
		c.at(t.line, "the name %s is taken: choose another", t.s)
	}
}

// AddNode adds a host, or a router, without links. spec is what a file says of one
// behind its name; nil says nothing. Routes of it that lead by neighbours come later, by
// its Stack.
func (n *Network) AddNode(name string, router bool, spec []byte) error {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("node "+name, spec)
	var f File
	p.nodes("the network", p.named(name), router, &f)
	if len(f.nodes) == 1 {
		n.locate()
		c := n.checker(p)
		for s := range f.stacks() {
			c.newName(s.name)
			c.settings(s)
			c.staticRoutes(s)
			c.multicast(s)
		}
	}
	if err := p.done(); err != nil {
		return err
	}
	s := f.nodes[0]
	if err := n.buildNode(&f); err != nil {
		if h := n.nodes[s]; h != nil {
			n.Lab.RemoveNode(h)
		}
		for s := range f.stacks() {
			n.forgetNode(s)
		}
		return err
	}
	n.file.insert(s)
	return n.changed()
}

// buildNode makes the one node of a file with its routes.
func (n *Network) buildNode(f *File) error {
	if err := n.addNode(f.nodes[0]); err != nil {
		return err
	}
	if err := n.addJails(f.nodes[0]); err != nil {
		return err
	}
	for s := range f.stacks() {
		n.file.node[s.name.s] = s
		for _, r := range s.routes {
			if err := n.addRoute(s, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetNode takes what there is of a node, which has been removed, out of the model.
func (n *Network) forgetNode(s *node) {
	if h := n.nodes[s]; h != nil {
		delete(n.owner, h.Internal())
	}
	delete(n.nodes, s)
	if n.file.node[s.name.s] == s {
		delete(n.file.node, s.name.s)
	}
}

// insert puts a node behind those of its kind: in a file they stand together.
func (f *File) insert(s *node) {
	at := len(f.nodes)
	for i, o := range f.nodes {
		if o.router == s.router {
			at = i + 1
		}
	}
	f.nodes = slices.Insert(f.nodes, at, s)
}

// changed is called when the network is another: routes, flows and expectations follow.
func (n *Network) changed() error {
	if len(n.file.flows) > 0 {
		n.refresh(nil)
	}
	err := n.followFlows()
	n.recheck()
	return errors.Join(err, n.followRoutes())
}

// AddSwitch adds a switch to which nothing is linked. spec is what a file says of one
// behind its name; nil says nothing.
func (n *Network) AddSwitch(name string, spec []byte) error {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("switch "+name, spec)
	var f File
	p.switches("the network", p.named(name), &f)
	if len(f.switches) == 0 {
		return p.done()
	}
	c, s := n.checker(p), f.switches[0]
	c.newName(s.name)
	if len(p.List) == 0 {
		c.switchSegment(s)
		c.freeSubnets(s.seg)
	}
	err := p.done()
	if err == nil {
		err = n.addSwitch(s, nil)
	}
	if err != nil {
		n.file.dropSegment(s.seg)
		return err
	}
	n.file.switches = append(n.file.switches, s)
	n.file.swtch[name] = s
	return n.changed()
}

// freeSubnets gives a new segment its subnets.
func (c *checker) freeSubnets(g *segment) {
	c.givenSubnet(g)
	c.givenSubnet6(g)
	c.subnets()
	c.subnets6()
}

func (f *File) dropSegment(g *segment) {
	f.segments = slices.DeleteFunc(f.segments, func(o *segment) bool { return o == g })
}

// AddLink adds a link and returns its name. spec is what a file says of one. A switch to
// which nothing is linked yet becomes part of the subnets of the one that it is linked
// to; two that both have something cannot be linked.
func (n *Network) AddLink(spec []byte) (string, error) {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("link", spec)
	l := p.cable(p.root)
	if len(p.List) > 0 {
		return "", p.done()
	}
	n.locate()
	c := n.checker(p)
	c.ends(l)
	if len(p.List) == 0 {
		n.place(c, l)
	}
	err := p.done()
	if err == nil {
		err = n.plug(l)
	}
	if err != nil {
		if made := n.links[l]; made != nil {
			n.Lab.RemoveLink(made)
			n.forgetLink(l)
		}
		n.file.forget(l)
		return "", err
	}
	n.file.links = append(n.file.links, l)
	return l.name.s, n.changed()
}

// place gives a new link its segment, names and addresses.
func (n *Network) place(c *checker, l *cable) {
	a, b := l.ends[0].sw, l.ends[1].sw
	if a != nil && b != nil {
		n.joinSegments(c, l, a, b)
		return
	}
	c.linkSegment(l)
	for i := range l.ends {
		e := &l.ends[i]
		if e.node == nil {
			continue
		}
		taken := make(map[string]*end)
		for i := range n.nodes[e.node].Internal().Interfaces() {
			taken[i.Name] = e
		}
		for _, o := range e.node.ports {
			if o != e {
				taken[n.iface(o).Name()] = o
			}
		}
		c.nameInterface(e, taken)
	}
	g := l.ends[0].segment()
	c.freeSubnets(g)
	for i := range l.ends {
		if l.ends[i].node != nil {
			c.given(g, &l.ends[i])
		}
	}
	for i := range l.ends {
		if e := &l.ends[i]; e.node != nil {
			c.assign(g, e)
			c.assign6(g, e)
			c.overlaps(e.node)
		}
	}
	c.advertised(l)
}

// joinSegments makes one segment of two switches' that are to be linked.
func (n *Network) joinSegments(c *checker, l *cable, a, b *swtch) {
	switch {
	case a.seg == b.seg:
		c.at(l.line, "the link %s closes a loop of switches, in which frames would go round for ever: leave it out", l.name.s)
	case len(n.switches[b].Links()) == 0:
		c.dropSegment(b.seg)
		b.seg = a.seg
	case len(n.switches[a].Links()) == 0:
		c.dropSegment(a.seg)
		a.seg = b.seg
	default:
		c.at(l.line, "%s (%s) and %s (%s) have subnets of their own, and hosts in them: link switches before hosts", a.name.s, a.seg.subnets(), b.name.s, b.seg.subnets())
	}
}

// plug makes a new link.
func (n *Network) plug(l *cable) error {
	a, b := l.ends[0].sw, l.ends[1].sw
	if a != nil && b != nil {
		own, with := n.switches[b], n.switches[a]
		if len(own.Links()) > 0 {
			own, with = with, own
		}
		if err := own.SetWithin(with); err != nil {
			return err
		}
	}
	return n.addLink(l)
}

// forgetLink forgets a link that has been removed.
func (n *Network) forgetLink(l *cable) {
	delete(n.links, l)
	for i := range l.ends {
		delete(n.at, &l.ends[i])
	}
}

// forget takes a link out of the file.
func (f *File) forget(l *cable) {
	if f.cable[l.name.s] == l {
		delete(f.cable, l.name.s)
	}
	f.links = slices.DeleteFunc(f.links, func(o *cable) bool { return o == l })
	for i := range l.ends {
		e := &l.ends[i]
		if e.node == nil {
			continue
		}
		mine := func(o *end) bool { return o == e }
		e.node.ports = slices.DeleteFunc(e.node.ports, mine)
		if g := e.seg; g != nil {
			g.ends = slices.DeleteFunc(g.ends, mine)
			for a, o := range g.taken {
				if o == e {
					delete(g.taken, a)
				}
			}
			if e.other().sw == nil {
				f.dropSegment(g)
			}
		}
	}
}

// recheck has expectations mean what they mean now, and drops those that mean nothing
// any more.
func (n *Network) recheck() {
	f := n.file
	kept := f.expects[:0]
	nodes := f.expectNodes[:0]
	for _, v := range f.expectNodes {
		d := &decoder{new(Mistakes)}
		e := d.expectation(v)
		e.resolve(&checker{File: f, Mistakes: d.Mistakes, whole: true})
		if len(d.List) == 0 {
			kept, nodes = append(kept, e), append(nodes, v)
		}
	}
	f.expects, f.expectNodes = kept, nodes
}
