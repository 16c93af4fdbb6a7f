package topo

import (
	"slices"
	"strconv"

	"github.com/seed88948545/vimage/link"
)

func (s *saver) link(l *cable) string {
	var m mapping
	a, b := l.between[0].s, l.between[1].s
	m.put("between", inline([]string{a, b}))
	if l.name.s != a+"-"+b {
		m.word("name", l.name.s)
	}
	if g := l.ends[0].seg; g != nil && l.ends[1].seg == g && l.ends[0].sw == nil && l.ends[1].sw == nil {
		m.word("subnet", g.subnet.String())
		if g.subnet6.IsValid() {
			m.word("subnet6", g.subnet6.String())
		}
	}
	addrs, fibs, ports, ifaces := new(mapping), new(mapping), new(mapping), new(mapping)
	for i := range l.ends {
		e := &l.ends[i]
		if e.sw != nil {
			ports.sub(e.sw.name.s, portOf(&e.port))
			continue
		}
		if !e.iface.exact {
			addrs.words(e.node.name.s, e.texts())
		}
		fibs.number(e.node.name.s, int64(e.fib), 0)
		ifaces.sub(e.node.name.s, s.iface(e))
	}
	m.sub("addrs", addrs)
	m.sub("fibs", fibs)
	m.sub("interfaces", ifaces)
	var asks []string
	for _, q := range l.querier {
		asks = append(asks, q.s)
	}
	m.words("querier", asks)
	m.sub("advertise", advertsOf(l))
	m.sub("ports", ports)
	m.number("mtu", int64(l.mtu), 0)
	both, there := l.dirs[link.AtoB], l.dirs[link.AtoB]
	back := l.dirs[link.BtoA]
	if there != back {
		both = link.FaultConfig{}
		way := new(mapping)
		way.put(b, faultsOf(&there, &both).String())
		way.put(a, faultsOf(&back, &both).String())
		m.put("toward", way.String())
	}
	m.pairs = append(m.pairs, faultsOf(&both, new(link.FaultConfig)).pairs...)
	return m.String()
}

// texts writes the addresses of an interface as a link has them.
func (e *end) texts() (all []string) {
	for _, a := range slices.Concat(e.addrs, e.six) {
		g := e.seg.subnet.Prefix
		if a.Addr().Is6() {
			g = e.seg.subnet6.Prefix
		}
		if inSubnet(a, g) {
			all = append(all, a.Addr().String())
		} else {
			all = append(all, a.String())
		}
	}
	return all
}

// iface writes what of an interface does not go without saying.
func (s *saver) iface(e *end) *mapping {
	m := new(mapping)
	if e.name != s.names[e] {
		m.word("name", e.name)
	}
	if e.iface.maker != nil {
		m.word("made", e.iface.maker.name.s)
	}
	e.iface.put(m)
	m.flag("overlaps", slices.ContainsFunc(e.node.interfaces(), func(o *end) bool { return e.overlaps(o) || e.overlaps6(o) }), false)
	if e.iface.exact {
		var all []string
		for _, a := range slices.Concat(e.addrs, e.six) {
			all = append(all, a.String())
		}
		m.put("addrs", inline(all))
	}
	return m
}

func portOf(c *link.PortConfig) *mapping {
	m := new(mapping)
	if c.Router != link.RouterLearn {
		m.word("router", map[link.RouterPort]string{link.RouterAlways: "always", link.RouterNever: "never"}[c.Router])
	}
	m.flag("fast_leave", c.FastLeave, false)
	m.flag("flood_unregistered", c.FloodUnknown, false)
	m.flag("flood_reports", c.FloodReports, false)
	m.number("max_groups", int64(c.MaxGroups), 0)
	m.number("max_sources", int64(c.MaxSources), 0)
	return m
}

// faultsOf writes what happens on a link.
func faultsOf(c, without *link.FaultConfig) *mapping {
	m := new(mapping)
	m.time("delay", c.Delay)
	m.time("jitter", c.Jitter)
	m.flag("jitter_reorders", c.JitterReorders, without.JitterReorders)
	m.part("loss", c.Loss)
	m.word("rate", rateText(c.Rate))
	m.number("queue", int64(c.Queue), 0)
	m.number("limit", int64(c.Limit), 0)
	m.part("duplicate", c.Duplicate)
	m.part("corrupt", c.Corrupt)
	m.number("corrupt_bits", int64(c.CorruptBits), 0)
	m.part("reorder", c.Reorder)
	m.number("reorder_gap", int64(c.ReorderGap), 0)
	m.time("reorder_wait", c.ReorderWait)
	m.flag("down", c.Down, false)
	return m
}

func rateText(r int64) string {
	switch {
	case r == 0:
		return ""
	case r%1e9 == 0:
		return strconv.FormatInt(r/1e9, 10) + "Gbit/s"
	case r%1e6 == 0:
		return strconv.FormatInt(r/1e6, 10) + "Mbit/s"
	case r%1e3 == 0:
		return strconv.FormatInt(r/1e3, 10) + "kbit/s"
	}
	return strconv.FormatInt(r, 10)
}
