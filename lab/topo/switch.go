package topo

import (
	"math"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage/link"
)

// swtch is a switch or a hub.
type swtch struct {
	name     text
	subnet   subnet
	subnet6  subnet
	cfg      link.BridgeConfig
	snooping bool
	in       *swtch // another one of the segment, nil for its first
	seg      *segment
}

// swport is what a link says of a switch's port at its end.
type swport struct {
	at  text // the switch
	cfg link.PortConfig
}

func (d *decoder) switches(section string, v *yaml.Node, f *File) {
	d.named(section, v, func(name text, v *yaml.Node) {
		s := &swtch{name: name, snooping: true}
		f.switches = append(f.switches, s)
		d.object(v, name.s, slices.Concat([]key{
			d.subnet("subnet", &s.subnet),
			d.subnet6("subnet6", &s.subnet6),
			d.integer("mtu", &s.cfg.MTU, 68, 65535),
		}, d.switchKeys(s), []key{d.boolean("hub", &s.cfg.Hub)})...)
		s.cfg.NoSnooping = !s.snooping
	})
}

// switchKeys makes the keys of what may change about a switch.
func (d *decoder) switchKeys(s *swtch) []key {
	return []key{
		d.boolean("snooping", &s.snooping),
		d.boolean("flood_unregistered", &s.cfg.FloodGroup),
		d.boolean("fast_leave", &s.cfg.FastLeave),
		d.integer("max_groups", &s.cfg.MaxGroups, 1, math.MaxInt32),
		d.integer("max_sources", &s.cfg.MaxSources, 1, math.MaxInt32),
		d.duration("member_age", &s.cfg.MemberAge, maxTime),
		d.duration("router_age", &s.cfg.RouterAge, maxTime),
		{name: "querier", to: func(name string, v *yaml.Node) { d.switchQuerier(s, v) }},
		d.boolean("ask_new", &s.cfg.AskNew),
	}
}

// SetSwitch changes how a switch behaves, which goes on working. spec has what is to
// change, as a file has it, but for the subnets, the MTU and whether it is a hub; none
// is what a switch does of which nothing is said.
func (n *Network) SetSwitch(name string, spec []byte) error {
	n.live.Lock()
	defer n.live.Unlock()
	s := n.file.swtch[name]
	if s == nil {
		return n.missing("switch", name, (&checker{File: n.file}).switchNames())
	}
	p := describe("switch "+name, spec)
	now, usual := *s, swtch{snooping: true}
	keys := p.switchKeys(&now)
	for i, k := range keys {
		keys[i].to = func(name string, v *yaml.Node) {
			if v.Kind != yaml.ScalarNode || v.Value != "none" {
				k.to(name, v)
				return
			}
			now.unsay(name, &usual)
		}
	}
	p.object(p.root, "a switch that is there", keys...)
	if err := p.done(); err != nil {
		return err
	}
	now.cfg.NoSnooping = !now.snooping
	if err := n.switches[s].Configure(now.cfg); err != nil {
		return err
	}
	s.cfg, s.snooping = now.cfg, now.snooping
	return nil
}

// unsay takes a field from another switch.
func (s *swtch) unsay(field string, o *swtch) {
	switch field {
	case "snooping":
		s.snooping = o.snooping
	case "flood_unregistered":
		s.cfg.FloodGroup = o.cfg.FloodGroup
	case "fast_leave":
		s.cfg.FastLeave = o.cfg.FastLeave
	case "max_groups":
		s.cfg.MaxGroups = o.cfg.MaxGroups
	case "max_sources":
		s.cfg.MaxSources = o.cfg.MaxSources
	case "member_age":
		s.cfg.MemberAge = o.cfg.MemberAge
	case "router_age":
		s.cfg.RouterAge = o.cfg.RouterAge
	case "querier":
		s.cfg.Querier = o.cfg.Querier
	case "ask_new":
		s.cfg.AskNew = o.cfg.AskNew
	}
}

func (d *decoder) switchQuerier(s *swtch, v *yaml.Node) {
	q := new(link.QuerierConfig)
	s.cfg.Querier = q
	var four, six addr
	d.object(v, "the querier of "+s.name.s,
		d.address("addr", &four),
		d.anyAddress("addr6", &six),
		d.duration("interval", &q.Interval, maxTime),
		d.duration("response", &q.Response, maxTime),
	)
	q.Addr, q.Addr6 = four.ip, six.ip
	if six.line != 0 && !(six.ip.Is6() && six.ip.IsLinkLocalUnicast()) {
		d.at(six.line, "the querier of %s has the addr6 %v: MLD is spoken from link-local addresses, fe80::/10", s.name.s, six.ip)
	}
}

func (d *decoder) ports(name string, v *yaml.Node, l *cable) {
	if v.Kind != yaml.MappingNode {
		d.at(v.Line, "%s is %s: write {SWITCH: {…}, …}", name, kind(v))
		return
	}
	d.pairs(v, name, make(map[string]int), func(k, v *yaml.Node) {
		p := &swport{at: text{k.Value, k.Line}}
		l.ports = append(l.ports, p)
		d.object(v, "the port at "+k.Value,
			value(d, "router", &p.cfg.Router, "write learn, always or never", routerPort),
			d.boolean("fast_leave", &p.cfg.FastLeave),
			d.boolean("flood_unregistered", &p.cfg.FloodUnknown),
			d.boolean("flood_reports", &p.cfg.FloodReports),
			d.integer("max_groups", &p.cfg.MaxGroups, 1, math.MaxInt32),
			d.integer("max_sources", &p.cfg.MaxSources, 1, math.MaxInt32),
		)
	})
}

func routerPort(s string) (link.RouterPort, bool) {
	switch s {
	case "learn":
		return link.RouterLearn, true
	case "always":
		return link.RouterAlways, true
	case "never":
		return link.RouterNever, true
	}
	return 0, false
}

// linkPorts gives switches' ports at a link what it says of them.
func (c *checker) linkPorts(l *cable) {
	for _, p := range l.ports {
		e := l.end(p.at.s)
		switch {
		case e == nil || e.sw == nil:
			c.at(p.at.line, "%s is no switch at this link: it is between %s and %s", p.at.s, l.between[0].s, l.between[1].s)
		case e.sw.cfg.Hub || e.sw.cfg.NoSnooping:
			c.at(p.at.line, "%s does not snoop, and treats all ports alike: remove this", p.at.s)
		default:
			e.port = p.cfg
		}
	}
}
