package topo

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/link"
)

// counter expects what something has counted.
type counter struct {
	node, sw, link, toward, iface, name text
	bounds
	n    *node
	s    *swtch
	l    *cable
	dirs []link.FaultDir
	port *end // nil: the whole node
}

func (d *decoder) counter(k, v *yaml.Node) expectation {
	e := new(counter)
	d.object(v, k.Value, append(d.bounds(&e.bounds, k.Line, true, false),
		needed(d.word("name", &e.name)),
		d.word("node", &e.node), d.word("interface", &e.iface),
		d.word("switch", &e.sw),
		d.word("link", &e.link), d.word("toward", &e.toward),
	)...)
	return e
}

func (e *counter) resolve(c *checker) {
	e.bounds.resolve(c, nil)
	named := 0
	for _, t := range []text{e.node, e.sw, e.link} {
		if t.line != 0 {
			named++
		}
	}
	if named != 1 {
		c.at(e.line, "a counter is of a node, a switch or a link: write one of them")
		return
	}
	var names []string
	switch {
	case e.node.line != 0:
		if e.n = c.findNode(e.node); e.n == nil {
			return
		}
		names = vars.CounterNames()
		if e.iface.line != 0 {
			e.interfaceOf(c)
			names = counterNames(ifnet.Stats{}, nil)
		}
	case e.sw.line != 0:
		if e.s = c.swtch[e.sw.s]; e.s == nil {
			c.at(e.sw.line, "there is no switch %q: %s", e.sw.s, OneOf("switches", c.switchNames(), e.sw.s))
			return
		}
		names = counterNames(link.BridgeStats{}, nil)
	default:
		if e.l, e.dirs = c.lanes(e.link, e.toward); e.l == nil {
			return
		}
		names = counterNames(link.FaultStats{}, nil)
	}
	if e.name.line != 0 && !slices.Contains(names, e.name.s) {
		c.at(e.name.line, "there is no counter %q here: %s", e.name.s, OneOf("counters", names, e.name.s))
	}
}

// interfaceOf finds an interface by its own name or its link's.
func (e *counter) interfaceOf(c *checker) {
	var names []string
	for _, p := range e.n.interfaces() {
		if e.iface.s == p.name || e.iface.s == p.link.name.s {
			e.port = p
		}
		names = append(names, p.name)
	}
	if e.port == nil {
		c.at(e.iface.line, "%s has no interface %q: %s", e.n.name.s, e.iface.s, OneOf("its interfaces", names, e.iface.s))
	}
}

// counterNames returns the names of the counters in a block: of fields with a
// tag, the tag; of others, the field's name in small letters. all, if not nil, is filled with
// their values, added to what is there. Of an array the sum is taken.
func counterNames(block any, all map[string]uint64) []string {
	var names []string
	v := reflect.ValueOf(block)
	for i := range v.NumField() {
		f, x := v.Type().Field(i), v.Field(i)
		if f.Anonymous {
			names = append(names, counterNames(x.Interface(), all)...)
			continue
		}
		name := f.Tag.Get("stat")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		names = append(names, name)
		var n uint64
		switch x.Kind() {
		case reflect.Uint64:
			n = x.Uint()
		case reflect.Array:
			for j := range x.Len() {
				n += x.Index(j).Uint()
			}
		}
		if all != nil && n != 0 {
			all[name] += n
		}
	}
	return names
}

func (e *counter) check(n *Network) []Outcome {
	all := make(map[string]uint64)
	of := ""
	switch {
	case e.port != nil:
		of = e.n.name.s + " " + e.iface.s
		if s, ok := n.nodes[e.n].Internal().IfaceStats(uint32(n.iface(e.port).Index())); ok {
			counterNames(s, all)
		}
	case e.n != nil:
		of = e.n.name.s
		all = n.nodes[e.n].Counters()
	case e.s != nil:
		of = e.s.name.s
		counterNames(n.switches[e.s].Bridge().Stats(), all)
	default:
		of = e.l.name.s + direction(e.toward)
		for _, d := range e.dirs {
			counterNames(n.links[e.l].Fault().Stats(d), all)
		}
	}
	v := all[e.name.s]
	return []Outcome{{e.line, "counter", of + " " + e.name.s, e.String(), fmt.Sprint(v), e.hold(v, 0)}}
}

// joined expects that a querier or a switch knows of a membership.
type joined struct {
	line       int
	on, source text
	group      addr
	is         bool
	n          *node
	s          *swtch
	from       netip.Addr
}

func (d *decoder) joined(k, v *yaml.Node) expectation {
	e := &joined{line: k.Line, is: true}
	d.object(v, k.Value,
		needed(d.word("on", &e.on)),
		needed(d.address("group", &e.group)),
		d.word("source", &e.source),
		d.boolean("is", &e.is),
	)
	return e
}

func (e *joined) resolve(c *checker) {
	if e.group.line != 0 && (!e.group.ip.IsMulticast() || e.group.bits >= 0) {
		c.at(e.group.line, "%s is no group: write a multicast address, 224.0.0.0 to 239.255.255.255", e.group)
	}
	if e.source.line != 0 {
		e.from, _ = c.host(e.source, false)
	}
	e.n, e.s = c.node[e.on.s], c.swtch[e.on.s]
	switch {
	case e.on.line == 0:
	case e.s != nil && (e.s.cfg.Hub || e.s.cfg.NoSnooping):
		c.at(e.on.line, "%s does not snoop, and knows no groups: name a querier or another switch", e.on.s)
	case e.s != nil:
	case e.n == nil:
		c.at(e.on.line, "there is no node or switch %q: %s", e.on.s, OneOf("they", append(c.nodeNames(), c.switchNames()...), e.on.s))
	case !e.n.asks() && c.whole:
		c.at(e.on.line, "%s asks nobody what they listen to: make it the querier of a link, or a proxy", e.on.s)
	}
}

// querier tells whether the interface is a multicast router's.
func (e *end) querier() bool {
	return slices.ContainsFunc(e.link.querier, func(t text) bool { return t.s == e.node.name.s })
}

func (e *joined) check(n *Network) []Outcome {
	has := false
	if e.s != nil {
		has = len(n.switches[e.s].Bridge().Members(e.group.ip, e.from)) > 0
	} else {
		for _, p := range e.n.ports {
			groups, _ := control.QuerierGroups(n.nodes[e.n].Internal(), uint32(n.iface(p).Index()))
			for i := range groups {
				has = has || groups[i].Group == e.group.ip && groups[i].Wants(e.from)
			}
		}
	}
	of := fmt.Sprintf("(*, %v) on %s", e.group.ip, e.on.s)
	if e.from.IsValid() {
		of = fmt.Sprintf("(%v, %v) on %s", e.from, e.group.ip, e.on.s)
	}
	return []Outcome{{e.line, "joined", of, known(e.is), known(has), has == e.is}}
}

func known(is bool) string {
	if is {
		return "joined"
	}
	return "not joined"
}
