package topo

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"syscall"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// This file is how a network that runs changes in the terms of its file. What is to be
// added is described as there, in YAML or JSON, and checked like there; an error is a
// *Mistakes whose Field says where in the description something is wrong.

// part is the description of something that is to be added.
type part struct {
	*decoder
	root  *yaml.Node
	field map[int]string // by what stands for a line in it
}

// describe reads a description. Nothing at all is an empty one.
func describe(what string, spec []byte) *part {
	p := &part{decoder: &decoder{&Mistakes{File: what}}, field: make(map[int]string)}
	p.root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if len(spec) > maxFile {
		p.at(0, "longer than %d MB", maxFile>>20)
		return p
	}
	if len(spec) > 0 {
		var doc yaml.Node
		switch err := yaml.Unmarshal(spec, &doc); {
		case err != nil:
			p.at(0, "not YAML or JSON: %v", err)
			return p
		case len(doc.Content) == 1:
			p.root = doc.Content[0]
		}
		p.plain(p.root)
	}
	p.number(p.root, "")
	return p
}

// number gives every word of the description a line of its own.
func (p *part) number(v *yaml.Node, path string) {
	line := func(v *yaml.Node, path string) {
		v.Line = len(p.field) + 1
		p.field[v.Line] = path
	}
	line(v, path)
	if path != "" {
		path += "."
	}
	for i, c := range v.Content {
		switch {
		case v.Kind == yaml.SequenceNode:
			p.number(c, fmt.Sprintf("%s[%d]", trimDot(path), i))
		case i%2 == 1:
			line(v.Content[i-1], path+v.Content[i-1].Value)
			p.number(c, path+v.Content[i-1].Value)
		}
	}
}

func trimDot(path string) string {
	if path == "" {
		return ""
	}
	return path[:len(path)-1]
}

// named returns the description as what stands behind a name.
func (p *part) named(name string) *yaml.Node {
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: len(p.field) + 1}
	p.field[k.Line] = "name"
	return &yaml.Node{Kind: yaml.MappingNode, Line: 1, Content: []*yaml.Node{k, p.root}}
}

// lines is what mistakes say of lines of a file, which a description does not have.
var lines = regexp.MustCompile(`,? (since|in|first in) line \d+|\ \(line \d+\)`)

// done returns what is wrong with the description.
func (p *part) done() error {
	for i := range p.List {
		m := &p.List[i]
		m.Field, m.Text = p.field[m.Line], lines.ReplaceAllString(m.Text, "")
	}
	err := p.err()
	for i := range p.List {
		p.List[i].Line = 0
	}
	return err
}

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
		c, s := n.checker(p), f.nodes[0]
		c.newName(s.name)
		c.tunables(s)
		c.autoconfig(s)
		c.loopbacks(s)
		c.staticRoutes(s)
		c.multicast(s)
	}
	if err := p.done(); err != nil {
		return err
	}
	s := f.nodes[0]
	if err := n.buildNode(s); err != nil {
		if h := n.nodes[s]; h != nil {
			n.Lab.RemoveNode(h)
			delete(n.nodes, s)
		}
		return err
	}
	n.file.insert(s)
	return n.changed()
}

// buildNode makes a node with its routes.
func (n *Network) buildNode(s *node) error {
	if err := n.addNode(s); err != nil {
		return err
	}
	for _, r := range s.routes {
		if err := n.addRoute(s, r); err != nil {
			return err
		}
	}
	return nil
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
	f.node[s.name.s] = s
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
			delete(n.links, l)
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

// SetLink changes faults of a link, which goes on working. spec has those that are to
// change, as a file has them, for both ways or in toward; none is the absence of one.
func (n *Network) SetLink(name string, spec []byte) error {
	n.live.Lock()
	defer n.live.Unlock()
	p := describe("link "+name, spec)
	l, err := n.linkNamed(name)
	if err != nil {
		return err
	}
	made := n.links[l]
	dirs := [2]link.FaultConfig{made.Faults(link.AtoB), made.Faults(link.BtoA)}
	one := p.patch(l, &dirs)
	if err := p.done(); err != nil {
		return err
	}
	for _, dir := range [...]link.FaultDir{link.AtoB, link.BtoA} {
		if one[dir] {
			if err := made.SetFaults(dir, dirs[dir]); err != nil {
				return err
			}
		}
	}
	l.dirs = dirs
	return n.changed()
}

// patch changes what happens on a link in both directions, and tells in which it did.
func (p *part) patch(l *cable, dirs *[2]link.FaultConfig) (in [2]bool) {
	var ways []*toward
	for i := range dirs {
		keys := append(p.changes(&dirs[i]), key{name: "toward", to: func(name string, v *yaml.Node) {
			if i == 0 {
				p.mapping(name, v, "{NODE: {…}, …}", func(k, v *yaml.Node) {
					ways = append(ways, &toward{at: text{k.Value, k.Line}, value: v})
				})
			}
		}})
		p.object(p.root, "a link", keys...)
		in[i] = len(p.root.Content) > 2*min(len(ways), 1)
		if len(p.List) > 0 {
			return in // once is enough
		}
	}
	for _, t := range ways {
		dir := link.AtoB
		switch l.end(t.at.s) {
		case nil:
			p.at(t.at.line, "%s is not at this link: it is between %s and %s", t.at.s, l.between[0].s, l.between[1].s)
		case &l.ends[0]:
			dir = link.BtoA
		}
		in[dir] = true
		p.object(t.value, "what goes toward "+t.at.s, p.changes(&dirs[dir])...)
	}
	return in
}

// changes makes the keys of faults that may be none.
func (p *part) changes(c *link.FaultConfig) []key {
	keys := p.faults(c)
	for i, k := range keys {
		keys[i].to = func(name string, v *yaml.Node) {
			if v.Kind != yaml.ScalarNode || v.Value != "none" {
				k.to(name, v)
				return
			}
			zero := &yaml.Node{Kind: yaml.ScalarNode, Value: "0", Line: v.Line}
			switch name {
			case "rate":
				c.Rate = 0
			case "queue":
				c.Queue = 0
			case "limit":
				c.Limit = 0
			case "corrupt_bits":
				c.CorruptBits = 0
			case "reorder_gap":
				c.ReorderGap = 0
			case "down", "jitter_reorders":
				zero.Value = "false"
				k.to(name, zero)
			default:
				k.to(name, zero)
			}
		}
	}
	return keys
}

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
	return &MissingError{kind, name, oneOf(plural(kind), names, name)}
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
	delete(n.links, l)
	n.file.forget(l)
	if a, b := l.ends[0].sw, l.ends[1].sw; a != nil && b != nil {
		n.file.divide(a, b)
	}
	return nil
}

// leaveProxies has those that are proxies by a link's interfaces go on without, or be
// none.
func (n *Network) leaveProxies(at func(*end) bool) error {
	for _, s := range n.file.nodes {
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
	s := n.file.node[name]
	if s == nil {
		return n.missing("node", name, (&checker{File: n.file}).nodeNames())
	}
	for _, e := range slices.Clone(s.ports) {
		if err := n.removeLink(e.link); err != nil {
			return err
		}
	}
	for _, f := range slices.Clone(n.file.flows) {
		if f.node == s || f.whose == s || f.to.s == name {
			n.removeFlow(f)
		}
	}
	for _, k := range slices.Clone(n.file.listed) {
		if k.node == s {
			n.dropSink(k)
		}
	}
	n.removeTunnels(s)
	if err := n.Lab.RemoveNode(n.nodes[s]); err != nil {
		return err
	}
	delete(n.nodes, s)
	delete(n.file.node, name)
	n.file.nodes = slices.DeleteFunc(n.file.nodes, func(o *node) bool { return o == s })
	return n.changed()
}

// RemoveSwitch removes a switch with its links, as RemoveLink does.
func (n *Network) RemoveSwitch(name string) error {
	n.live.Lock()
	defer n.live.Unlock()
	s := n.file.swtch[name]
	if s == nil {
		return n.missing("switch", name, (&checker{File: n.file}).switchNames())
	}
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
