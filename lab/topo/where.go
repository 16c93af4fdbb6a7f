package topo

import (
	"cmp"
	"slices"
	"strings"

	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// This file follows jails that come and go, and interfaces that are moved between
// them, as a network that runs is told to without its file.

// locate has the model know the stacks that there are now, and where interfaces are.
func (n *Network) locate() {
	n.locateStacks()
	moved := make(map[*end]*node) // also those that are back
	var lost []*end
	for _, l := range n.file.links {
		for i := range l.ends {
			e := &l.ends[i]
			if e.node == nil {
				continue
			}
			if c := n.conf(e); c == nil {
				lost = append(lost, e)
			} else if c.Iface != e.was {
				e.was, moved[e] = c.Iface, e.node
			}
		}
	}
	if len(lost) > 0 {
		n.locateEnds(lost, moved)
	}
	if len(moved)+len(n.gone) == 0 {
		return
	}
	n.move(moved)
	for _, s := range n.gone {
		n.endTraffic(s)
		delete(n.nodes, s)
	}
	n.gone = nil
	n.recheck()
}

// locateStacks forgets the stacks of jails that are gone, and notes new ones.
func (n *Network) locateStacks() {
	changed := make(map[*node]bool)
	for st, s := range n.owner {
		if st.Closed() && s.host != nil {
			changed[s.host] = true
			delete(n.owner, st)
			delete(n.file.node, s.name.s)
			n.gone = append(n.gone, s)
		}
	}
	if stacks := n.Lab.World.Internal().Stacks(); len(stacks) != len(n.owner) || len(changed) > 0 {
		for _, st := range stacks {
			if n.owner[st] == nil {
				n.locateStack(st, changed)
			}
		}
	}
	for s := range changed {
		n.refreshJails(s, nil)
	}
}

// locateStack notes the stack of a jail, unless that is in what is of no file.
func (n *Network) locateStack(st *vnet.Stack, changed map[*node]bool) {
	name := st.Name()
	host := n.file.world
	for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		if h := n.Lab.Node(name[:at]); h != nil {
			if host = n.file.node[name[:at]]; host == nil || n.nodes[host] != h {
				return
			}
			break
		}
	}
	s := newNode(text{name, 1}, host)
	n.file.node[name] = s
	n.adopt(s, name)
	changed[host] = true
}

// locateEnds finds interfaces that are not in the stacks in which they were.
func (n *Network) locateEnds(lost []*end, moved map[*end]*node) {
	by := make(map[link.Port]*end, len(lost))
	for _, e := range lost {
		made := n.links[e.link].Ends()[endIndex(e)]
		by[made.Port()] = e
		delete(n.at, e)
		if s := cmp.Or(n.owner[made.Node.Internal()], e.node); s != e.node || e.was != nil {
			moved[e], e.was = s, nil
		}
	}
	for _, st := range n.Lab.World.Stacks() {
		s := n.owner[st.Internal()]
		if s == nil {
			continue
		}
		for _, c := range st.Internal().View().Ifs {
			if c == nil || by[c.Port] == nil {
				continue
			}
			e := by[c.Port]
			moved[e], e.was = s, c.Iface
			if i, err := st.Interface(c.Name); err == nil && n.links[e.link].Ends()[endIndex(e)].Node.Internal() != st.Internal() {
				n.at[e] = i
			}
		}
	}
}

// move has ends be those of other nodes, or of the same again.
func (n *Network) move(to map[*end]*node) {
	at := func(e *end) bool { return e != nil && to[e] != nil }
	touched := make(map[*node]bool)
	for e, s := range to {
		touched[e.node], touched[s] = true, true
	}
	for _, j := range slices.Clone(n.file.joins) {
		if at(j.port) {
			n.lost.add("the join %s of %v, by an interface that was moved", j.name.s, j.group.ip)
			n.removeJoin(j)
		}
	}
	for _, f := range slices.Clone(n.file.flows) {
		if at(f.out) {
			n.lost.add("the flow %s, by an interface that was moved", f.name.s)
			n.removeFlow(f)
		}
	}
	n.withoutProxies(at)
	var nodes []*lab.Node
	for s := range touched {
		nodes = append(nodes, n.nodes[s])
	}
	n.Lab.InterfacesMoved(nodes)
	for s := range touched {
		s.ports = nil
	}
	for _, l := range n.file.links {
		for i := range l.ends {
			e := &l.ends[i]
			if at(e) {
				n.moveEnd(e, to[e], i)
			}
			if e.node != nil && touched[e.node] {
				e.node.ports = append(e.node.ports, e)
			}
		}
	}
}

func (n *Network) moveEnd(e *end, to *node, i int) {
	l := e.link
	l.adverts = slices.DeleteFunc(l.adverts, func(a *advert) bool {
		if a.end == e && a.leave != nil {
			a.leave.Stop()
		}
		return a.end == e
	})
	e.node, l.between[i] = to, to.name
}

// withoutProxies has those that are proxies by a link's interfaces be saved without.
func (n *Network) withoutProxies(at func(*end) bool) {
	for s := range n.file.stacks() {
		p := s.proxy
		if p == nil || !at(p.up) && !slices.ContainsFunc(p.down, at) {
			continue
		}
		n.lost.add("%s: that it is a proxy by an interface that was moved", s.name.s)
		p.down = slices.DeleteFunc(p.down, at)
		if at(p.up) || len(p.down) == 0 {
			s.proxy = nil
		}
	}
}

// endTraffic ends the flows from and to a node that is no more, and its joins.
func (n *Network) endTraffic(s *node) {
	for _, f := range slices.Clone(n.file.flows) {
		if f.node == s || f.whose == s || f.to.s == s.name.s {
			n.removeFlow(f)
		}
	}
	for _, j := range slices.Clone(n.file.joins) {
		if j.node == s {
			n.removeJoin(j)
		}
	}
	for _, k := range slices.Clone(n.file.listed) {
		if k.node == s {
			n.dropSink(k)
		}
	}
}

// lend moves a new interface, which was made in the node that a jail is in, into that
// jail's stack, and gives it what it is to have there.
func (n *Network) lend(e *end) error {
	ifi := n.iface(e)
	var err error
	if e.node == n.file.world {
		ifi, err = n.nodes[e.maker()].Jail().Reclaim(ifi.Name())
	} else {
		ifi, err = ifi.MoveTo(n.nodes[e.node].Jail())
	}
	if err != nil {
		return err
	}
	n.at[e] = ifi
	steps := []func() error{
		func() error { return ifi.Rename(e.name) },
		func() error { return ifi.SetFIB(e.fib) },
	}
	for _, a := range slices.Concat(e.addrs, e.six) {
		steps = append(steps, func() error { return ifi.AddAddr(a) })
	}
	steps = append(steps, func() error { return ifi.SetUp(e.iface == nil || !e.iface.down) })
	return n.atOnce(e.node, func() error {
		for _, step := range steps {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}
