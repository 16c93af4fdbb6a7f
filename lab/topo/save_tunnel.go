package topo

import "slices"

// refreshTunnels has tunnels say what is so now.
func (n *Network) refreshTunnels() {
	for _, t := range n.file.tunnels {
		t.lost = false
		for i := range t.ends {
			t.lost = !n.refreshTunnelEnd(t, i) || t.lost
		}
	}
}

// refreshTunnelEnd looks at an end of a tunnel, and whether a file can have it.
func (n *Network) refreshTunnelEnd(t *tunnel, i int) bool {
	e := &t.ends[i]
	c := n.stack(e.node).View().Conf(uint32(n.tunnels[e].Index()))
	if c == nil || c.Name != t.name.s || !c.Up() || t.mtu != 0 && c.MTU != t.mtu {
		return false
	}
	outer, err := n.tunnels[e].Tunnel()
	if err != nil || outer.Local != t.local[i] || outer.Remote != t.local[1-i] || outer.Kind != t.kind {
		return false
	}
	e.name, e.fib, e.addrs = c.Name, int(c.FIB), nil
	for _, a := range c.Addrs {
		switch {
		case a.Addr().Is6() && a.Addr().IsLinkLocalUnicast():
		case a.Addr().Is6() || e.seg.taken[a.Addr()] != nil:
			return false
		default:
			e.addrs = append(e.addrs, a.Prefix)
			e.seg.taken[a.Addr()] = e
		}
	}
	if i, err := n.tunnels[e].Info(); err != nil || i.Promiscuous || i.NoARP && i.Broadcast || i.StaticARP || !i.Carrier {
		return false
	}
	return e.plain() && slices.ContainsFunc(e.node.ports, func(o *end) bool { return o.seg.taken[t.local[i]] == o })
}

func tunnelOf(t *tunnel) string {
	var m mapping
	m.put("between", inline([]string{t.between[0].s, t.between[1].s}))
	m.word("kind", t.kind.String())
	m.word("name", t.name.s)
	m.word("subnet", t.ends[0].seg.subnet.String())
	addrs, fibs, outer, tables := new(mapping), new(mapping), new(mapping), new(mapping)
	for i := range t.ends {
		e := &t.ends[i]
		addrs.words(e.node.name.s, e.texts())
		fibs.number(e.node.name.s, int64(e.fib), 0)
		outer.word(e.node.name.s, t.local[i].String())
		tables.number(e.node.name.s, int64(t.fib[i]), 0)
	}
	m.sub("addrs", addrs)
	m.sub("fibs", fibs)
	m.sub("outer", outer)
	m.sub("tunnelfibs", tables)
	if t.hasKey {
		m.number("key", int64(t.key), -1)
	}
	m.flag("checksum", t.sum, false)
	m.flag("sequence", t.count, false)
	m.number("vni", int64(t.vni), 0)
	if t.port != vxlanPort {
		m.number("port", int64(t.port), 0)
	}
	m.number("ttl", int64(t.ttl), 0)
	m.number("mtu", int64(t.mtu), 0)
	return m.String()
}

// removeTunnels removes the tunnels that end at a node.
func (n *Network) removeTunnels(s *node) {
	n.file.tunnels = slices.DeleteFunc(n.file.tunnels, func(t *tunnel) bool {
		if t.ends[0].node != s && t.ends[1].node != s {
			return false
		}
		for i := range t.ends {
			e := &t.ends[i]
			e.node.tunnels = slices.DeleteFunc(e.node.tunnels, func(o *end) bool { return o == e })
			n.tunnels[e].Remove() // which somebody else may have done
			delete(n.tunnels, e)
		}
		n.file.dropSegment(t.ends[0].seg)
		return true
	})
}
