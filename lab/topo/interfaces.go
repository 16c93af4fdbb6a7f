package topo

import (
	"cmp"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// iface is what a link says of the interface at one of its ends.
type iface struct {
	at, name text
	made     text  // where it was made, and goes back to from jails
	maker    *node // that
	mac      net.HardwareAddr
	mtu      int
	down     bool
	overlaps bool // another link of the node may have its subnet
	addrs    []addr
	exact    bool // addrs are all it has

	promisc, noCarrier bool
	arp                string                 // static, off; "" for what is usual
	auto               *vimage.AutoconfConfig // otherwise than its node has it
	noAuto             bool                   // likewise
	neighbors          []vimage.NeighborConfig
	lines              []int // of these
}

// ifaceKeys makes the keys of what may be said of any interface.
func (d *decoder) ifaceKeys(i *iface) []key {
	return []key{
		value(d, "mac", &i.mac, "write a hardware address of one interface, as 02:00:00:00:00:01", parseMAC),
		d.integer("mtu", &i.mtu, 68, 65535),
		d.boolean("down", &i.down),
		d.boolean("promisc", &i.promisc),
		value(d, "carrier", &i.noCarrier, "write true or false", func(s string) (bool, bool) { return s == "false", s == "true" || s == "false" }),
		value(d, "arp", &i.arp, "write static or off", func(s string) (string, bool) { return s, s == "static" || s == "off" }),
		{name: "autoconf", to: func(_ string, v *yaml.Node) {
			n := new(node)
			d.autoconf(v, n)
			i.auto, i.noAuto = n.autoconf, n.autoconf == nil
		}},
		{name: "neighbors", to: func(name string, v *yaml.Node) {
			d.mapping(name, v, "{ADDRESS: MAC, …}", func(k, v *yaml.Node) { d.neighbor(k, v, i) })
		}},
	}
}

// neighbor reads a neighbour that is set by hand.
func (d *decoder) neighbor(k, v *yaml.Node, i *iface) {
	a, ok := parseAddr(k.Value)
	if !ok || a.bits >= 0 {
		d.at(k.Line, "neighbors has %q: write the neighbour's address", k.Value)
	}
	c := vimage.NeighborConfig{Addr: a.ip}
	mac := value(d, "mac", &c.MAC, "write a hardware address, as 02:00:00:00:00:01", parseMAC)
	if v.Kind == yaml.ScalarNode {
		mac.to("the neighbour "+k.Value, v)
	} else {
		d.object(v, "the neighbour "+k.Value, needed(mac), d.boolean("published", &c.Published))
	}
	i.neighbors, i.lines = append(i.neighbors, c), append(i.lines, k.Line)
}

// finishInterface gives an interface what it is to have last.
func (n *Network) finishInterface(ifi *vimage.Interface, i *iface) error {
	var errs []error
	if i.promisc {
		errs = append(errs, ifi.SetPromiscuous(true))
	}
	if i.auto != nil || i.noAuto {
		errs = append(errs, ifi.SetAutoconf(i.auto))
	}
	for _, o := range i.neighbors {
		errs = append(errs, ifi.AddNeighbor(o))
	}
	switch i.arp {
	case "static":
		errs = append(errs, ifi.SetARP(vimage.ARPStatic))
	case "off":
		errs = append(errs, ifi.SetARP(vimage.ARPOff))
	}
	if i.noCarrier {
		errs = append(errs, ifi.SetCarrier(false))
	}
	return errors.Join(errs...)
}

// toward is what happens to what goes toward an end of a link.
type toward struct {
	at    text
	value *yaml.Node
	cfg   link.FaultConfig
}

// faults makes the keys of what happens on a link.
func (d *decoder) faults(c *link.FaultConfig) []key {
	return []key{
		d.duration("delay", &c.Delay, 24*time.Hour),
		d.duration("jitter", &c.Jitter, 24*time.Hour),
		d.boolean("jitter_reorders", &c.JitterReorders),
		d.chance("loss", &c.Loss),
		d.bits("rate", &c.Rate),
		d.bytes("queue", &c.Queue, 256<<20),
		d.integer("limit", &c.Limit, 1, 1<<20),
		d.chance("duplicate", &c.Duplicate),
		d.chance("corrupt", &c.Corrupt),
		d.integer("corrupt_bits", &c.CorruptBits, 1, 16),
		d.chance("reorder", &c.Reorder),
		d.integer("reorder_gap", &c.ReorderGap, 1, 1<<20),
		d.duration("reorder_wait", &c.ReorderWait, 24*time.Hour),
		d.boolean("down", &c.Down),
	}
}

// mapping calls f for each pair of a mapping of names.
func (d *decoder) mapping(name string, v *yaml.Node, pattern string, f func(k, v *yaml.Node)) {
	if v.Kind != yaml.MappingNode {
		d.at(v.Line, "%s is %s: write %s", name, kind(v), pattern)
		return
	}
	d.pairs(v, name, make(map[string]int), f)
}

func (d *decoder) towards(name string, v *yaml.Node, l *cable) {
	d.mapping(name, v, "{NODE: {…}, …}", func(k, v *yaml.Node) {
		l.toward = append(l.toward, &toward{at: text{k.Value, k.Line}, value: v})
	})
}

func (d *decoder) interfaces(name string, v *yaml.Node, l *cable) {
	d.mapping(name, v, "{NODE: {…}, …}", func(k, v *yaml.Node) {
		i := &iface{at: text{k.Value, k.Line}}
		l.ifaces = append(l.ifaces, i)
		l.named = append(l.named, i.at)
		d.object(v, "the interface of "+k.Value, append(d.ifaceKeys(i),
			d.word("name", &i.name),
			d.word("made", &i.made),
			d.boolean("overlaps", &i.overlaps),
			key{name: "addrs", to: func(name string, v *yaml.Node) {
				i.exact = true
				d.list(name, v, func(v *yaml.Node) { d.address1("an address of "+k.Value, v, &i.addrs) })
			}},
		)...)
	})
}

// address1 reads an address and adds it to a list.
func (d *decoder) address1(what string, v *yaml.Node, to *[]addr) {
	var a addr
	before := len(d.List)
	d.anyAddress(what, &a).to(what, v)
	if len(d.List) == before {
		*to = append(*to, a)
	}
}

func parseMAC(s string) (net.HardwareAddr, bool) {
	m, err := net.ParseMAC(s)
	return m, err == nil && len(m) == 6 && m[0]&1 == 0
}

func (d *decoder) loopback(name string, v *yaml.Node, n *node) {
	if v.Kind == yaml.ScalarNode {
		d.address1(name, v, &n.loopback)
		return
	}
	d.list(name, v, func(v *yaml.Node) { d.address1("an address of "+name, v, &n.loopback) })
}

// bare tells whether lo0 has only the addresses that it is given, as in jails.
func (n *node) bare() bool { return n.host != nil || n.name.s == world }

// loopbacks looks at the addresses of a node's lo0.
func (c *checker) loopbacks(n *node) {
	had := make(map[netip.Addr]bool)
	for i := range n.loopback {
		a := &n.loopback[i]
		if a.bits < 0 {
			a.bits = a.ip.BitLen()
		}
		switch {
		case had[a.ip]:
			c.at(a.line, "%v of %s is there twice: remove one", a.ip, n.name.s)
		case !unicast(a.ip) && !(a.ip.IsLoopback() && n.bare()):
			c.at(a.line, "%v of %s is no host's address: choose one of %s", a.ip, n.name.s, hosts(a.ip))
		}
		had[a.ip] = true
	}
}

// linkDirs finds out what happens on a link in each direction.
func (c *checker) linkDirs(l *cable) {
	l.dirs = [2]link.FaultConfig{l.fault, l.fault}
	for _, t := range l.toward {
		switch l.end(t.at.s) {
		case nil:
			c.at(t.at.line, "%s is not at this link: it is between %s and %s", t.at.s, l.between[0].s, l.between[1].s)
		case &l.ends[0]:
			l.dirs[link.BtoA] = t.cfg
		default:
			l.dirs[link.AtoB] = t.cfg
		}
	}
}

// perfect tells whether nothing happens on a link.
func (l *cable) perfect() bool { return l.dirs == [2]link.FaultConfig{} }

// linkIfaces gives ends what a link says of their interfaces.
func (c *checker) linkIfaces(l *cable) {
	for _, i := range l.ifaces {
		e := l.end(i.at.s)
		if e == nil || e.node == nil {
			continue // noted
		}
		e.iface = i
		if i.name.line != 0 && (!goodName(i.name.s) || i.name.s == "lo0") {
			c.at(i.name.line, "an interface has the name %q: a name is letters, digits, dots, underlines and hyphens, and not lo0", i.name.s)
		}
		if i.made.line != 0 {
			i.maker = c.findNode(i.made)
			if i.maker != nil && i.maker.host != nil {
				c.at(i.made.line, "%s is a jail, and what is lent to a jail was made in a host, a router or 0: name one", i.made.s)
			}
		}
		if i.exact && len(l.addrs[i.at.s]) > 0 {
			c.at(i.at.line, "%s has addrs, and addrs of its interface, which are all it has: remove one of them", i.at.s)
		}
		most := cmp.Or(l.mtu, 1500)
		if s := e.other().sw; s != nil && l.perfect() {
			most = cmp.Or(s.cfg.MTU, 1500)
		}
		if i.mtu > most {
			c.at(i.at.line, "%s has an mtu of %d, and the link carries %d: write that at most", i.at.s, i.mtu, most)
		}
	}
}

// maker returns the node in which the interface is made. It is then lent to its own, if
// that is another.
func (e *end) maker() *node {
	if e.iface != nil && e.iface.maker != nil {
		return e.iface.maker
	}
	return e.node.top()
}

// other returns the link's other end.
func (e *end) other() *end {
	if e == &e.link.ends[0] {
		return &e.link.ends[1]
	}
	return &e.link.ends[0]
}

// interfaceNames gives a node's interfaces their names, in the order of its links.
func (c *checker) interfaceNames(n *node) {
	taken := make(map[string]*end)
	for _, o := range n.others {
		taken[o.name.s] = &end{}
	}
	for _, e := range n.tunnels {
		e.name = e.link.name.s
		if n.otherNamed(e.name) != nil {
			c.at(e.link.line, "%s has an interface %s: give the tunnel another name", n.name.s, e.name)
		}
		taken[e.name] = e
	}
	for _, e := range n.ports {
		c.nameInterface(e, taken)
	}
}

// nameInterface gives an interface its name: its own, or the first of eth0, eth1, …
// that is free.
func (c *checker) nameInterface(e *end, taken map[string]*end) {
	if i := e.iface; i != nil && i.name.line != 0 {
		switch o := taken[i.name.s]; {
		case o == nil:
		case e.node.otherNamed(i.name.s) != nil:
			c.at(i.name.line, "%s has another interface %s: choose another name", e.node.name.s, i.name.s)
		default:
			c.at(i.name.line, "%s has an interface %s, by the link %s: choose another name", e.node.name.s, i.name.s, o.link.name.s)
		}
		e.name = i.name.s
	} else {
		for k := 0; ; k++ {
			if e.name = "eth" + strconv.Itoa(k); taken[e.name] == nil {
				break
			}
		}
	}
	taken[e.name] = e
}

// exactly takes all addresses of an interface, in whatever subnets they are.
func (c *checker) exactly(g *segment, e *end) {
	for _, a := range e.iface.addrs {
		if a.bits < 0 {
			a.bits = a.ip.BitLen()
		}
		list := &e.addrs
		if a.ip.Is6() {
			list = &e.six
		}
		switch {
		case !unicast(a.ip):
			c.at(a.line, "%v of %s is no host's address: choose one of %s", a.ip, e.node.name.s, hosts(a.ip))
		case g.taken[a.ip] != nil:
			c.at(a.line, "%v of %s is the address of %s: choose another", a.ip, e.node.name.s, g.taken[a.ip].node.name.s)
		case a.ip.Is6() && g.narrow:
			c.at(a.line, "%s has an MTU below 1280, which IPv6 needs: give it more, or no address of IPv6", g.name)
		default:
			g.taken[a.ip] = e
			*list = append(*list, netip.PrefixFrom(a.ip, a.bits))
		}
	}
}
