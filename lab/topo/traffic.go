package topo

import (
	"net/netip"
	"slices"
	"time"
)

// member finds out what a join means.
func (c *checker) member(j *join) {
	j.node = c.findNode(j.host)
	if j.group.line != 0 && (!j.group.ip.IsMulticast() || j.group.bits >= 0) {
		c.at(j.group.line, "%s is no group: write a multicast address, 224.0.0.0 to 239.255.255.255 (232.0.0.0/8 for one source)", j.group)
		j.group = addr{}
	}
	if len(j.sources) > 0 && len(j.exclude) > 0 {
		c.at(j.line, "a join has sources and exclude: it listens to some or to all but some, remove one")
	}
	for _, t := range slices.Concat(j.sources, j.exclude) {
		ip, ok := c.host(t, false)
		switch {
		case !ok:
		case ip.Is6():
			c.at(t.line, "%s is of IPv6, and the group of IPv4: name a source of IPv4", t.s)
		case slices.Contains(j.addrs, ip):
			c.at(t.line, "%s is %v, which is listed already: remove it", t.s, ip)
		default:
			j.addrs = append(j.addrs, ip)
		}
	}
	if j.stop != 0 && j.stop <= j.start {
		c.at(j.line, "a join stops after %v but starts after %v: stop later, or leave stop out", j.stop, j.start)
	}
	if j.node == nil {
		return
	}
	j.port = c.portOf(j.node, j.link, j.line, "join on")
	c.nameJoin(j)
}

// String is the address as the file has it.
func (a addr) String() string {
	if a.bits < 0 {
		return a.ip.String()
	}
	return netip.PrefixFrom(a.ip, a.bits).String()
}

// nameJoin makes a join known by its name, or by that of its host.
func (c *checker) nameJoin(j *join) {
	if j.name.line != 0 {
		switch {
		case !goodName(j.name.s):
			c.at(j.name.line, "a join has the name %q: a name is letters, digits, dots, underlines and hyphens", j.name.s)
		case c.node[j.name.s] != nil || c.join[j.name.s] != nil:
			c.at(j.name.line, "the name %s is taken: choose another", j.name.s)
		default:
			c.join[j.name.s] = j
		}
		return
	}
	j.name.s = j.host.s
	at := sinkKey{node: j.node, addr: netip.AddrPortFrom(j.group.ip, 0)}
	if first := c.unnamed[at]; first != 0 && j.group.line != 0 {
		c.at(j.line, "%s joins %v in line %d too: give this join a name, to tell them apart", j.host.s, j.group.ip, first)
		return
	}
	c.unnamed[at] = j.line
}

// host reads an address, or a node's name for its first one of a family.
func (c *checker) host(t text, is6 bool) (netip.Addr, bool) {
	if a, ok := parseAddr(t.s); ok && a.bits < 0 {
		switch {
		case !unicast(a.ip):
			c.at(t.line, "%v is no host's address: write one of %s", a.ip, hosts(a.ip))
			return a.ip, false
		case is6 && a.ip.Is4():
			c.at(t.line, "%v is of IPv4: leave ipv6 out", a.ip)
			return a.ip, false
		}
		return a.ip, true
	}
	n := c.node[t.s]
	if n == nil {
		c.at(t.line, "%q is no node and no address: %s", t.s, OneOf("hosts and routers", c.nodeNames(), t.s))
		return netip.Addr{}, false
	}
	ip := n.addr(is6)
	switch {
	case ip.IsValid() || !c.whole:
	case len(n.ports) == 0:
		c.at(t.line, "%s has no link and so no address: add a link", t.s)
	case is6:
		c.at(t.line, "%s has no IPv6 address: give one of its links a subnet6, or the file ipv6: true", t.s)
	default:
		c.at(t.line, "%s has no IPv4 address: give it one", t.s)
	}
	return ip, ip.IsValid()
}

// destinationOf is host for what may also be a node that finds its IPv6 addresses
// by itself: that is then returned instead.
func (c *checker) destinationOf(t text, is6 bool) (netip.Addr, *node, bool) {
	if n := c.node[t.s]; n != nil && is6 && n.autoconf != nil && !n.addr(true).IsValid() && len(n.ports) > 0 {
		return netip.Addr{}, n, true
	}
	a, ok := c.host(t, is6)
	return a, nil, ok
}

// traffic finds out what a flow means, and who is to receive it.
func (c *checker) traffic(f *flow) {
	c.nameFlow(f)
	f.node = c.findNode(f.from)
	f.fib = c.table(f.node, f.table)
	c.pace(f)
	if f.to.line == 0 {
		return
	}
	if a, ok := parseAddr(f.to.s); ok && a.bits < 0 && a.ip.IsMulticast() {
		f.dst = a.ip
		if a.ip.Is6() || f.ipv6 {
			c.at(f.to.line, "%s is a group, and those of a flow are of IPv4: write one of 224.0.0.0 to 239.255.255.255", f.to.s)
		}
		if f.node != nil {
			f.out = c.portOf(f.node, f.link, f.line, "send to a group on")
		}
	} else {
		if f.link.line != 0 {
			c.at(f.link.line, "a flow to a host goes by its routes: leave link out")
		}
		if f.dst, f.whose, ok = c.destinationOf(f.to, f.ipv6); !ok {
			return
		}
	}
	c.receivers(f)
}

func (c *checker) nameFlow(f *flow) {
	if f.name.line == 0 {
		f.name = text{f.from.s + "-" + f.to.s, f.line}
	} else if !goodName(f.name.s) {
		c.at(f.name.line, "a flow has the name %q: a name is letters, digits, dots, underlines and hyphens", f.name.s)
	}
	if o := c.flow[f.name.s]; o != nil {
		c.at(f.name.line, "the flow %s is there since line %d: give this one another name", f.name.s, o.line)
		return
	}
	c.flow[f.name.s] = f
}

// pace finds out how many datagrams a flow has.
func (c *checker) pace(f *flow) {
	switch {
	case f.count != 0 && f.length != 0:
		c.at(f.line, "a flow has count and for: remove one, the rate gives the other")
	case f.length != 0:
		n := f.rate * f.length.Seconds()
		if n > 1e9 {
			c.at(f.line, "a flow of %.0f datagrams: at most 1000000000", n)
			n = 1
		}
		f.count = max(int(n), 1)
	case f.count == 0:
		f.count = 1
	}
	if last := float64(f.count-1) / f.rate; last > maxTime.Seconds() {
		c.at(f.line, "a flow of %.0f hours: at most %.0f", last/3600, maxTime.Hours())
		f.count = 1
	}
}

// at returns when the i-th datagram is sent, counted from 0.
func (f *flow) at(i int) time.Duration {
	return f.start + time.Duration(float64(i)/f.rate*float64(time.Second))
}

// receivers finds the sockets that a flow may come to.
func (c *checker) receivers(f *flow) {
	if f.whose != nil {
		to := netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(f.port))
		f.sinks = append(f.sinks, c.sink(sinkKey{f.whose, nil, to}, f.whose.name.s, f))
		return
	}
	to := netip.AddrPortFrom(f.dst, uint16(f.port))
	if f.dst.IsMulticast() {
		for _, j := range c.joins {
			if j.node != nil && j.group.line != 0 && j.group.ip == f.dst {
				f.sinks = append(f.sinks, c.sink(sinkKey{j.node, j, to}, j.name.s, f))
			}
		}
		return
	}
	for _, n := range c.owners(f.dst) {
		f.sinks = append(f.sinks, c.sink(sinkKey{n, nil, to}, n.name.s, f))
	}
}

func (c *checker) sink(k sinkKey, name string, f *flow) *sink {
	s := c.sinks[k]
	if s == nil {
		s = &sink{sinkKey: k, name: name}
		c.sinks[k] = s
		c.listed = append(c.listed, s)
	}
	s.flows = append(s.flows, f)
	return s
}

// idleJoins gives the joins of groups that no flow goes to a socket too.
func (c *checker) idleJoins() {
	had := make(map[*join]bool)
	for _, s := range c.listed {
		had[s.join] = true
	}
	for _, j := range c.joins {
		if j.node != nil && j.group.line != 0 && !had[j] {
			k := sinkKey{j.node, j, netip.AddrPortFrom(j.group.ip, 0)}
			c.listed = append(c.listed, &sink{sinkKey: k, name: j.name.s})
		}
	}
}

// autoconf is how long a network runs at least in which hosts configure
// themselves: they then have.
const autoconf = 10 * time.Second

// end returns when the last datagram is sent, and the last join is made or
// left.
func (f *File) end() time.Duration {
	var last time.Duration
	for _, fl := range f.flows {
		last = max(last, fl.at(fl.count-1))
	}
	for _, j := range f.joins {
		last = max(last, j.start, j.stop)
	}
	for _, l := range f.links {
		for _, a := range l.adverts {
			last = max(last, a.stop)
		}
	}
	for _, n := range f.nodes {
		if n.autoconf != nil {
			last = max(last, autoconf)
		}
	}
	return last
}
