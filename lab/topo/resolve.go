package topo

import (
	"net/netip"
	"strings"

	sysctls "github.com/seed88948545/vimage/internal/sysctl"
	"github.com/seed88948545/vimage/internal/vars"
)

// checker finds out what the names of a file mean, gives out addresses, and
// notes what cannot be.
type checker struct {
	*File
	*Mistakes
	whole   bool            // all links are understood: what a node can reach is known
	unnamed map[sinkKey]int // lines of joins that are known by their host
	sysctls sysctls.Names[vars.Tunables]
	used    func(*segment, netip.Addr) bool // who has an address now; nil where nothing runs
}

func (c *checker) resolve() {
	c.node, c.swtch, c.cable = make(map[string]*node), make(map[string]*swtch), make(map[string]*cable)
	c.join, c.flow, c.sinks = make(map[string]*join), make(map[string]*flow), make(map[sinkKey]*sink)
	c.unnamed = make(map[sinkKey]int)
	c.needWorld(0)
	c.names()
	before := len(c.List)
	for _, l := range c.links {
		c.ends(l)
	}
	for i, t := range c.tunnels {
		c.tunnelEnds(i, t)
	}
	for n := range c.stacks() {
		c.interfaceNames(n)
	}
	c.segment()
	c.address()
	c.whole = len(c.List) == before
	for n := range c.stacks() {
		c.overlaps(n)
	}
	for i, t := range c.tunnels {
		c.tunnel(i, t)
	}
	for n := range c.stacks() {
		c.settings(n)
	}
	c.pairs()
	for _, l := range c.links {
		c.advertised(l)
	}
	for n := range c.stacks() {
		c.staticRoutes(n)
		c.multicast(n)
	}
	for _, j := range c.joins {
		c.member(j)
	}
	for i, f := range c.flows {
		f.index = i
		c.traffic(f)
	}
	c.tunnelPorts()
	c.idleJoins()
	for _, e := range c.expects {
		e.resolve(c)
	}
}

// settings looks at what is said of a node alone.
func (c *checker) settings(n *node) {
	c.tunables(n)
	c.autoconfig(n)
	c.loopbacks(n)
	c.jailed(n)
	c.otherInterfaces(n)
}

// names makes sure that a name is given once.
func (c *checker) names() {
	taken := make(map[string]int)
	take := func(name text) bool {
		if first := taken[name.s]; first != 0 {
			c.at(name.line, "the name %s is taken since line %d: choose another", name.s, first)
			return false
		}
		taken[name.s] = name.line
		return true
	}
	for n := range c.stacks() {
		if take(n.name) {
			c.node[n.name.s] = n
		}
	}
	for _, s := range c.switches {
		if take(s.name) {
			c.swtch[s.name.s] = s
		}
	}
	if len(c.nodes) == 0 {
		c.at(1, "the file has no hosts and no routers: add some")
	}
}

func (c *checker) nodeNames() []string {
	var names []string
	for n := range c.stacks() {
		if n != c.world {
			names = append(names, n.name.s)
		}
	}
	return names
}

func (c *checker) switchNames() []string {
	var names []string
	for _, s := range c.switches {
		names = append(names, s.name.s)
	}
	return names
}

func (c *checker) flowNames() []string {
	var names []string
	for _, f := range c.flows {
		names = append(names, f.name.s)
	}
	return names
}

// findNode returns the host or router of a name, nil and a mistake if there is
// none. An empty name, which has been noted already, is nil.
func (c *checker) findNode(t text) *node {
	n := c.node[t.s]
	switch {
	case n != nil || t.line == 0:
	case c.swtch[t.s] != nil:
		c.at(t.line, "%s is a switch: name a host or a router", t.s)
	default:
		c.at(t.line, "there is no node %q: %s", t.s, OneOf("hosts and routers", c.nodeNames(), t.s))
	}
	return n
}

func (c *checker) findLink(t text) *cable {
	l := c.cable[t.s]
	if l == nil && t.line != 0 {
		c.at(t.line, "there is no link %q: %s", t.s, OneOf("links", c.Links(), t.s))
	}
	return l
}

func (c *checker) findFlow(t text) *flow {
	f := c.flow[t.s]
	if f == nil && t.line != 0 {
		c.at(t.line, "there is no flow %q: %s", t.s, OneOf("flows", c.flowNames(), t.s))
	}
	return f
}

// ends finds a link's two ends and names it.
func (c *checker) ends(l *cable) {
	if len(l.between) != 2 {
		if len(l.between) > 0 {
			c.at(l.between[0].line, "a link is between %d: write two names", len(l.between))
		}
		return
	}
	a, b := l.between[0], l.between[1]
	if l.name.line == 0 {
		l.name = text{a.s + "-" + b.s, l.line}
	} else if !goodName(l.name.s) {
		c.at(l.name.line, "a link has the name %q: a name is letters, digits, dots, underlines and hyphens", l.name.s)
	}
	if o := c.cable[l.name.s]; o != nil {
		c.at(l.name.line, "the link %s is there since line %d: give this one another name", l.name.s, o.line)
	} else {
		c.cable[l.name.s] = l
	}
	for i, t := range l.between {
		e := &l.ends[i]
		e.link = l
		e.node, e.sw = c.node[t.s], c.swtch[t.s]
		if e.node == nil && e.sw == nil {
			c.at(t.line, "a link ends at %q, which is not there: %s", t.s, OneOf("nodes and switches", append(c.nodeNames(), c.switchNames()...), t.s))
		}
	}
	if a.s == b.s {
		c.at(b.line, "a link leads from %s to itself: name another end", a.s)
		return
	}
	c.linkFields(l)
	for i := range l.ends {
		if e := &l.ends[i]; e.node != nil {
			e.node.ports = append(e.node.ports, e)
		}
	}
}

// linkFields looks at what a link says of its ends.
func (c *checker) linkFields(l *cable) {
	for _, t := range l.named {
		if e := l.end(t.s); e == nil || e.node == nil {
			c.at(t.line, "%s is no host or router at this link: it is between %s and %s", t.s, l.between[0].s, l.between[1].s)
		}
	}
	c.linkPorts(l)
	c.linkDirs(l)
	c.linkIfaces(l)
	for _, q := range l.querier {
		if e := l.end(q.s); e == nil || e.node == nil {
			c.at(q.line, "the querier %q is no host or router at this link: it is between %s and %s", q.s, l.between[0].s, l.between[1].s)
		}
	}
	for i := range l.ends {
		e := &l.ends[i]
		if e.node == nil {
			continue
		}
		e.fib = c.table(e.node, l.fibs[e.node.name.s])
	}
}

// end returns the end at a node or switch.
func (l *cable) end(name string) *end {
	for i := range l.ends {
		e := &l.ends[i]
		if e.node != nil && e.node.name.s == name || e.sw != nil && e.sw.name.s == name {
			return e
		}
	}
	return nil
}

// portOf returns the interface of a node on a link, or its only one. what says
// what it is for.
func (c *checker) portOf(n *node, link text, line int, what string) *end {
	if link.line != 0 {
		l := c.findLink(link)
		if l == nil {
			return nil
		}
		if e := l.end(n.name.s); e != nil {
			return e
		}
		c.at(link.line, "%s is not at the link %s: its links are %s", n.name.s, link.s, n.linkNames())
		return nil
	}
	switch {
	case len(n.ports) == 1:
		return n.ports[0]
	case len(n.ports) == 0 && c.whole:
		c.at(line, "%s has no link to %s: add one", n.name.s, what)
	case len(n.ports) > 1:
		c.at(line, "%s has %d links to %s: say which with link: one of %s", n.name.s, len(n.ports), what, n.linkNames())
	}
	return nil
}

func (n *node) linkNames() string {
	var names []string
	for _, e := range n.ports {
		names = append(names, e.link.name.s)
	}
	return strings.Join(names, ", ")
}
