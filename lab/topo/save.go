package topo

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// Save writes the network as it is now as a file, of which Load and Build make the same
// one: what was built and what was changed since, by the network or on its stacks. Names
// of addresses are written as addresses, comments are not kept. The same network gives
// the same bytes.
//
// What a file cannot say is returned, and stands in comments at its end: interfaces whose
// link is a program, routes that expire, link-local addresses and policies that
// somebody has set, nodes that a program has added to the lab. Sockets, but for those of joins and flows, and what
// stacks have learned are no part of a file. Hardware addresses that nobody has set are
// given out anew, and with them link-local addresses. Flows and joins are written as
// they were given, to begin anew.
func (n *Network) Save(w io.Writer) (unsaid []string, err error) {
	n.live.Lock()
	data, unsaid, err := n.save()
	n.live.Unlock()
	if err == nil {
		_, err = w.Write(data)
	}
	return unsaid, err
}

// save writes the file and looks whether it is one.
func (n *Network) save() ([]byte, []string, error) {
	u := new(unsaid)
	n.ports = nil
	n.refresh(u)
	n.foreign(u)
	u.list = append(u.list, n.lost.list...)
	if err := n.followFlows(); err != nil {
		return nil, nil, err
	}
	s := &saver{n: n, u: u}
	s.routes, s.auto = n.setRoutes(u)
	s.names = n.file.autoNames()
	s.tunnels = kept(n.file.tunnels, func(t *tunnel) bool { return !t.lost })
	expects := slices.Clone(n.file.expectNodes)
	for {
		s.b.Reset()
		first := s.write(expects)
		_, err := Load(bytes.NewReader(s.b.Bytes()), n.file.name)
		bad, _ := err.(*Mistakes)
		if bad == nil {
			break
		}
		// An expectation that is none any more; the lines before are what must be right.
		at := bad.List[0].Line - first
		if at < 0 || at >= len(expects) {
			return nil, nil, fmt.Errorf("the network cannot be saved: %w", err)
		}
		u.add("the expectation %s, as %s", inlineNode(expects[at]), bad.List[0].Text)
		expects = slices.Delete(expects, at, at+1)
	}
	for i, t := range u.list {
		if i == 0 {
			s.b.WriteString("\n# What a file cannot say:\n")
		}
		s.b.WriteString("#   " + strings.ReplaceAll(t, "\n", " ") + "\n")
	}
	return s.b.Bytes(), u.list, nil
}

// foreign notes what else is in the lab or in nodes.
func (n *Network) foreign(u *unsaid) {
	for _, h := range n.Lab.Nodes() {
		if s := n.file.node[h.Name()]; s == nil || n.nodes[s] != h {
			u.add("the node %s, which is of no file", h.Name())
		}
	}
	for _, s := range n.Lab.Switches() {
		if o := n.file.swtch[s.Name()]; o == nil || n.switches[o] != s {
			u.add("the switch %s, which is of no file", s.Name())
		}
	}
	for s := range n.file.stacks() {
		if n.nodes[s].Internal().Closed() {
			u.add("%s, which was removed as a jail", s.name.s)
			continue
		}
		if s.host == nil {
			n.refreshJails(s, u)
		}
	}
}

// saver writes a file.
type saver struct {
	n       *Network
	u       *unsaid
	routes  map[*node][]nowRoute
	auto    bool
	tunnels []*tunnel
	pairs   map[link.Port]string
	names   map[*end]string // that interfaces are given without saying so
	b       bytes.Buffer
	line    int
}

func (s *saver) put(format string, args ...any) {
	fmt.Fprintf(&s.b, format+"\n", args...)
	s.line++
}

// section begins one, with an empty line before.
func (s *saver) section(name string) {
	if s.line > 0 {
		s.put("")
	}
	s.put("%s:", name)
}

// write writes the file and returns the line of the first expectation.
func (s *saver) write(expects []*yaml.Node) int {
	s.line = 0
	f := s.n.file
	s.nodes(f)
	if len(f.switches) > 0 {
		s.section("switches")
	}
	for _, o := range f.switches {
		s.put("  %s: %s", word(o.name.s), s.swtch(o))
	}
	items(s, "links", kept(f.links, func(l *cable) bool { return !l.lost }), s.link)
	items(s, "tunnels", s.tunnels, tunnelOf)
	if f.ipv6 || s.auto {
		s.put("")
	}
	if f.ipv6 {
		s.put("ipv6: true")
	}
	if s.auto {
		s.put("routing: auto")
	}
	items(s, "joins", kept(f.joins, func(j *join) bool { return !j.port.link.lost }), s.join)
	items(s, "flows", kept(f.flows, func(f *flow) bool { return f.out == nil || !f.out.link.lost }), s.flow)
	items(s, "expect", expects, inlineNode)
	return s.line + 1 - len(expects)
}

// kept returns those of a list that a file can have.
func kept[T any](all []T, ok func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(x T) bool { return !ok(x) })
}

// items writes a section that is a list, an item a line.
func items[T any](s *saver, name string, all []T, text func(T) string) {
	if len(all) > 0 {
		s.section(name)
	}
	for _, x := range all {
		s.put("  - %s", text(x))
	}
}

// nodes writes hosts and routers in the order in which they stand, and jail 0.
func (s *saver) nodes(f *File) {
	for i, o := range f.nodes {
		if i == 0 || f.nodes[i-1].router != o.router {
			s.section(map[bool]string{false: "hosts", true: "routers"}[o.router])
		}
		s.node("  ", o)
	}
	if b := s.stack(f.world, new(mapping)); len(b.m.pairs)+len(b.others)+len(b.routes)+len(b.mroutes) > 0 {
		s.put("")
		s.block("", "jail0", b, nil)
	}
	if len(f.world.jails) > 0 {
		s.put("")
		s.jails("", f.world)
	}
}

func (s *saver) node(indent string, o *node) {
	m := new(mapping)
	if c := o.autoconf; c != nil {
		m.put("autoconf", autoconfOf(c))
	}
	b := s.stack(o, m)
	j := new(mapping)
	o.jail.put(j)
	m.sub("jail", j)
	s.block(indent, o.name.s, b, o)
}

// body is what is written of a stack.
type body struct {
	m                       *mapping
	others, routes, mroutes []string
}

// stack adds to a mapping what is said of a stack.
func (s *saver) stack(o *node, m *mapping) body {
	if len(o.fibNames) > 0 {
		m.put("fibs", inline(o.tableNames()))
	} else {
		m.number("fibs", int64(o.fibs), 1)
	}
	m.number("shards", int64(o.shards), 1)
	m.words("loopback", prefixes(o.loopback))
	ctl := new(mapping)
	for _, t := range o.sysctls {
		ctl.put(t.name.s, strconv.FormatInt(t.value, 10))
	}
	m.sub("sysctl", ctl)
	if p := o.proxy; p != nil && !slices.ContainsFunc(append(p.down[:len(p.down):len(p.down)], p.up), func(e *end) bool { return e.link.lost }) {
		var down []string
		for _, e := range p.down {
			down = append(down, e.link.name.s)
		}
		var as mapping
		as.word("upstream", p.up.link.name.s)
		as.put("downstream", inline(down))
		m.sub("proxy", &as)
	}
	var others []string
	for _, i := range o.others {
		others = append(others, word(i.name.s)+": "+s.other(i))
	}
	return body{m, others, s.nodeRoutes(o), s.mroutes(o)}
}

// block writes what there is to say of something that has a name, in one line where
// there are no lists. jails are those of a node, or nil.
func (s *saver) block(indent, name string, b body, jails *node) {
	if jails != nil && len(jails.jails) == 0 {
		jails = nil
	}
	if len(b.others)+len(b.routes)+len(b.mroutes) == 0 && jails == nil {
		s.put("%s%s: %s", indent, word(name), b.m.String())
		return
	}
	s.put("%s%s:", indent, word(name))
	for _, p := range b.m.pairs {
		s.put("%s  %s", indent, p)
	}
	if jails != nil {
		s.jails(indent+"  ", jails)
	}
	s.list(indent+"  ", "interfaces", "", b.others)
	s.list(indent+"  ", "routes", "- ", b.routes)
	s.list(indent+"  ", "mroutes", "- ", b.mroutes)
}

// jails writes the jails in a node.
func (s *saver) jails(indent string, o *node) {
	s.put("%sjails:", indent)
	for _, j := range o.jails {
		b := body{m: new(mapping)}
		j.put(b.m)
		if j.own != nil {
			b = s.stack(j.own, b.m)
		}
		s.block(indent+"  ", j.name.s, b, nil)
	}
}

// list writes a list, or a mapping, an item a line.
func (s *saver) list(indent, name, mark string, items []string) {
	if len(items) > 0 {
		s.put("%s%s:", indent, name)
	}
	for _, i := range items {
		s.put("%s  %s%s", indent, mark, i)
	}
}

func prefixes(list []addr) (all []string) {
	for _, a := range list {
		all = append(all, netip.PrefixFrom(a.ip, a.bits).String())
	}
	return all
}

func autoconfOf(c *vimage.AutoconfConfig) string {
	var m mapping
	m.flag("routers", !c.LinkLocalOnly, true)
	m.flag("default_route", !c.NoDefaultRoute, true)
	m.flag("stable", c.Stable, false)
	m.flag("optimistic", c.Optimistic, false)
	m.word("network", c.Network)
	if len(m.pairs) == 0 {
		return "true"
	}
	return m.String()
}

func (s *saver) nodeRoutes(o *node) (all []string) {
	to := make(map[nowRoute]int)
	for _, r := range s.routes[o] {
		to[nowRoute{vimage.Route{Dst: r.Dst}, r.fib}]++
	}
	for _, r := range s.routes[o] {
		var m mapping
		m.word("to", strings.Replace(r.Dst.String(), "0.0.0.0/0", "default", 1))
		switch {
		case r.Reject:
			m.put("reject", "true")
		case r.Blackhole:
			m.put("blackhole", "true")
		default:
			if r.Gateway.IsValid() {
				m.word("via", r.Gateway.WithZone("").String())
			}
			switch e := o.portNamed(r.Interface); {
			case e == nil:
				m.word("interface", r.Interface)
			case !o.plainRoute(&r, to[nowRoute{vimage.Route{Dst: r.Dst}, r.fib}] > 1):
				m.word("link", e.link.name.s)
			}
		}
		m.number("fib", int64(r.fib), 0)
		m.number("mtu", int64(r.MTU), 0)
		m.number("metric", int64(r.Metric), 0)
		all = append(all, m.String())
	}
	return all
}

func (s *saver) mroutes(o *node) (all []string) {
	for _, r := range s.n.nodes[o].MulticastRoutes() {
		var m mapping
		m.word("group", strings.TrimSuffix(strings.TrimSuffix(r.Group.String(), "/32"), "/128"))
		if r.Group.Addr().Is6() {
			m = mapping{}
			m.word("group", r.Group.String())
		}
		if r.Source.IsValid() {
			m.word("source", r.Source.String())
		}
		in, ok := s.linkOf(o, r.In)
		m.word("in", in)
		var out []string
		for _, i := range r.Out {
			l, has := s.linkOf(o, i)
			out, ok = append(out, l), ok && has
		}
		m.words("out", out)
		m.flag("listeners", r.Listeners, false)
		switch {
		case !ok:
			s.u.add("%s: the multicast route to %v, by an interface that is of no link", o.name.s, r.Group)
		case len(out) == 0 && !r.Listeners:
			s.u.add("%s: the multicast route to %v, which leads nowhere", o.name.s, r.Group)
		default:
			all = append(all, m.String())
		}
	}
	return all
}

// linkOf returns the name of the link that an interface of a node is of.
func (s *saver) linkOf(o *node, i *vimage.Interface) (string, bool) {
	if i == nil {
		return "", false
	}
	e := o.portNamed(i.Name())
	if e == nil {
		return "", false
	}
	return e.link.name.s, true
}

func (s *saver) swtch(o *swtch) string {
	var m mapping
	if slices.IndexFunc(s.n.file.switches, func(p *swtch) bool { return p.seg == o.seg }) == slices.Index(s.n.file.switches, o) {
		m.word("subnet", o.seg.subnet.String())
		if o.seg.subnet6.IsValid() {
			m.word("subnet6", o.seg.subnet6.String())
		}
	}
	c := &o.cfg
	m.number("mtu", int64(c.MTU), 0)
	m.flag("snooping", o.snooping, true)
	m.flag("flood_unregistered", c.FloodGroup, false)
	m.flag("fast_leave", c.FastLeave, false)
	m.number("max_groups", int64(c.MaxGroups), 0)
	m.number("max_sources", int64(c.MaxSources), 0)
	m.time("member_age", c.MemberAge)
	m.time("router_age", c.RouterAge)
	if q := c.Querier; q != nil {
		var as mapping
		if q.Addr.IsValid() {
			as.word("addr", q.Addr.String())
		}
		if q.Addr6.IsValid() {
			as.word("addr6", q.Addr6.String())
		}
		as.time("interval", q.Interval)
		as.time("response", q.Response)
		m.put("querier", as.String())
	}
	m.flag("ask_new", c.AskNew, false)
	m.flag("hub", c.Hub, false)
	return m.String()
}

func (m *mapping) time(name string, d time.Duration) {
	if d != 0 {
		m.word(name, d.String())
	}
}

func (s *saver) join(j *join) string {
	var m mapping
	m.word("host", j.node.name.s)
	m.word("group", j.group.ip.String())
	if j.name.line != 0 {
		m.word("name", j.name.s)
	}
	var addrs []string
	for _, a := range j.addrs {
		addrs = append(addrs, a.String())
	}
	if len(j.sources) > 0 {
		m.words("sources", addrs)
	} else {
		m.words("exclude", addrs)
	}
	if j.node.several() {
		m.word("link", j.port.link.name.s)
	}
	m.flag("unfiltered", j.unfiltered, false)
	m.time("start", j.start)
	m.time("stop", j.stop)
	return m.String()
}

// several tells whether it must be said which link of a node is meant.
func (n *node) several() bool {
	return len(kept(n.ports, func(e *end) bool { return !e.link.lost })) > 1
}

func (s *saver) flow(f *flow) string {
	var m mapping
	m.word("from", f.from.s)
	to := f.to.s
	if o := s.n.file.node[to]; o != nil && f.whose == nil && o.addr(f.dst.Is6()) != f.dst {
		to = f.dst.String() // which was the node's first address
	}
	m.word("to", to)
	if f.name.s != f.from.s+"-"+to {
		m.word("name", f.name.s)
	}
	m.number("port", int64(f.port), 5000)
	m.number("size", int64(f.size), 64)
	if f.length != 0 {
		m.time("for", f.length)
	} else {
		m.number("count", int64(f.count), 1)
	}
	if f.rate != 10 {
		m.part("rate", f.rate)
	}
	m.time("start", f.start)
	m.number("ttl", int64(f.ttl), 0)
	m.number("fib", int64(f.fib), 0)
	m.flag("ipv6", f.ipv6 && to == f.to.s, false)
	if f.out != nil && f.node.several() {
		m.word("link", f.out.link.name.s)
	}
	return m.String()
}
