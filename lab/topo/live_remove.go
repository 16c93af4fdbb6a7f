package topo

import (
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/seed88948545/vimage"
)

func (n *Network) linkNamed(name string) (*cable, error) {
	if l := n.file.cable[name]; l != nil {
		return l, nil
	}
	return nil, n.missing("link", name, n.file.Links())
}

func plural(kind string) string {
	if kind == "switch" {
		return "switches"
	}
	return kind + "s"
}

// MissingError is why something that is not there cannot be changed or removed.
type MissingError struct {
	Kind, Name string // "link", "a-b"
	Hint       string // what is there
}

// Error returns "there is no KIND NAME: HINT".
func (e *MissingError) Error() string {
	return "there is no " + e.Kind + " " + strconv.Quote(e.Name) + ": " + e.Hint
}

// Unwrap returns ENOENT.
func (e *MissingError) Unwrap() error { return syscall.ENOENT }

func (n *Network) missing(kind, name string, names []string) error {
	return &MissingError{kind, name, OneOf(plural(kind), names, name)}
}

// RemoveLink removes a link with the interfaces at its ends, and the joins and flows to
// groups that went by it: see lab.Lab.RemoveLink.
func (n *Network) RemoveLink(name string) error {
	n.live.Lock()
	defer n.live.Unlock()
	l, err := n.linkNamed(name)
	if err != nil {
		return err
	}
	n.locate()
	if err := n.removeLink(l); err != nil {
		return err
	}
	return n.changed()
}

func (n *Network) removeLink(l *cable) error {
	at := func(e *end) bool { return e != nil && e.link == l }
	for _, j := range slices.Clone(n.file.joins) {
		if at(j.port) {
			n.removeJoin(j)
		}
	}
	for _, f := range slices.Clone(n.file.flows) {
		if at(f.out) {
			n.removeFlow(f)
		}
	}
	for _, a := range l.adverts {
		if a.leave != nil {
			a.leave.Stop()
		}
	}
	if err := n.leaveProxies(at); err != nil {
		return err
	}
	if err := n.Lab.RemoveLink(n.links[l]); err != nil {
		return err
	}
	n.forgetLink(l)
	n.file.forget(l)
	if a, b := l.ends[0].sw, l.ends[1].sw; a != nil && b != nil {
		n.file.divide(a, b)
	}
	return nil
}

// leaveProxies has those that are proxies by a link's interfaces go on without, or be
// none.
func (n *Network) leaveProxies(at func(*end) bool) error {
	for s := range n.file.stacks() {
		p := s.proxy
		if p == nil || !at(p.up) && !slices.ContainsFunc(p.down, at) {
			continue
		}
		var up *vimage.Interface
		var down []*vimage.Interface
		p.down = slices.DeleteFunc(p.down, at)
		if at(p.up) || len(p.down) == 0 {
			s.proxy = nil
		} else {
			up = n.iface(p.up)
			for _, e := range p.down {
				down = append(down, n.iface(e))
			}
		}
		if err := n.nodes[s].SetMulticastProxy(up, down...); err != nil {
			return err
		}
	}
	return nil
}

// divide makes two segments of one, with the same subnets, where nothing links two
// switches any more.
func (f *File) divide(a, b *swtch) {
	far := map[*swtch]bool{b: true}
	for grown := true; grown; {
		grown = false
		for _, l := range f.links {
			x, y := l.ends[0].sw, l.ends[1].sw
			if x != nil && y != nil && far[x] != far[y] {
				far[x], far[y], grown = true, true, true
			}
		}
	}
	if far[a] {
		return
	}
	old := b.seg
	g := &segment{name: b.name.s, subnet: old.subnet, subnet6: old.subnet6, taken: make(map[netip.Addr]*end), narrow: old.narrow}
	f.segments = append(f.segments, g)
	for s := range far {
		s.seg = g
	}
	old.ends = slices.DeleteFunc(old.ends, func(e *end) bool {
		moves := far[e.other().sw]
		if moves {
			e.seg = g
			g.ends = append(g.ends, e)
		}
		return moves
	})
	for a, e := range old.taken {
		if e.seg == g {
			delete(old.taken, a)
			g.taken[a] = e
		}
	}
}

// RemoveNode removes a host or router with its links, the flows from and to it, and its
// joins: see lab.Lab.RemoveNode.
func (n *Network) RemoveNode(name string) error {
	n.live.Lock()
	defer n.live.Unlock()
	n.locate()
	s := n.file.node[name]
	if s == nil || !slices.Contains(n.file.nodes, s) {
		return n.missing("node", name, n.file.hostNames())
	}
	for _, l := range slices.Clone(n.file.links) {
		if n.hangsOn(l, s) {
			if err := n.removeLink(l); err != nil {
				return err
			}
		}
	}
	with := []*node{s}
	for _, j := range s.jails {
		if j.own != nil {
			with = append(with, j.own)
		}
	}
	for _, s := range with {
		n.endTraffic(s)
		n.removeTunnels(s)
	}
	if err := n.Lab.RemoveNode(n.nodes[s]); err != nil {
		return err
	}
	for _, s := range with {
		n.forgetNode(s)
	}
	n.file.nodes = slices.DeleteFunc(n.file.nodes, func(o *node) bool { return o == s })
	return n.changed()
}

// hangsOn tells whether a link ends, or was made to end, at a node or a jail in it.
func (n *Network) hangsOn(l *cable, s *node) bool {
	for i, made := range n.links[l].Ends() {
		if e := &l.ends[i]; e.node != nil && (e.node.top() == s || made.Node == n.nodes[s]) {
			return true
		}
	}
	return false
}

// hostNames returns the names of hosts and routers.
func (f *File) hostNames() []string {
	names := make([]string, len(f.nodes))
	for i, s := range f.nodes {
		names[i] = s.name.s
	}
	return names
}

// RemoveSwitch removes a switch with its links, as RemoveLink does.
func (n *Network) RemoveSwitch(name string) error {
	n.live.Lock()
	defer n.live.Unlock()
	s := n.file.swtch[name]
	if s == nil {
		return n.missing("switch", name, (&checker{File: n.file}).switchNames())
	}
	n.locate()
	for _, l := range slices.Clone(n.file.links) {
		if l.ends[0].sw == s || l.ends[1].sw == s {
			if err := n.removeLink(l); err != nil {
				return err
			}
		}
	}
	if err := n.Lab.RemoveSwitch(n.switches[s]); err != nil {
		return err
	}
	delete(n.switches, s)
	delete(n.file.swtch, name)
	n.file.switches = slices.DeleteFunc(n.file.switches, func(o *swtch) bool { return o == s })
	n.file.dropSegment(s.seg)
	return n.changed()
}
