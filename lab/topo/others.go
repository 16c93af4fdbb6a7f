package topo

import (
	"errors"
	"math"
	"net/netip"
	"slices"
	"syscall"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/link"
)

// other is an interface of a stack that no link or tunnel of the file leads to: one end of
// a pair, one end of a tunnel, or lo0 where it is not what it is without being said.
type other struct {
	iface
	kind     string // "": lo0
	table    text
	fib      int
	all      []vimage.AddrConfig // addresses, all it has
	lines    []int               // of these
	querier  bool
	pair     text
	end      link.Port // of a pair that is there
	remote   addr      // of a tunnel
	local    addr
	outer    vimage.TunnelConfig // what else is said of the outer side
	hasKey   bool
	key, vni int
	port     int
	ttl      int
	via      text // leads to a group
	learning bool
	outerTab text
	outerFIB int
}

func (d *decoder) others(name string, v *yaml.Node, n *node) {
	d.mapping(name, v, "{NAME: {…}, …}", func(k, v *yaml.Node) {
		o := &other{learning: true}
		o.at, o.name = text{n.name.s, k.Line}, text{k.Value, k.Line}
		n.others = append(n.others, o)
		d.object(v, "the interface "+k.Value, append(d.ifaceKeys(&o.iface),
			value(d, "kind", &o.kind, "write epair, gif, gre, gretap or vxlan", func(s string) (string, bool) {
				_, ok := tunnelKind(s)
				return s, ok || s == epair
			}),
			d.table("fib", &o.table),
			key{name: "addrs", to: func(name string, v *yaml.Node) {
				o.exact = true
				d.list(name, v, func(v *yaml.Node) { d.addrConfig(v, o) })
			}},
			d.boolean("querier", &o.querier),
			d.word("pair", &o.pair),
			d.anyAddress("remote", &o.remote),
			d.anyAddress("local", &o.local),
			d.table("tunnelfib", &o.outerTab),
			d.integer("ttl", &o.ttl, 1, 255),
			key{name: "key", to: func(name string, v *yaml.Node) {
				o.hasKey = true
				d.integer(name, &o.key, 0, math.MaxUint32).to(name, v)
			}},
			d.boolean("checksum", &o.outer.Checksum),
			d.boolean("sequence", &o.outer.Sequence),
			d.integer("vni", &o.vni, 0, 1<<24-1),
			d.integer("port", &o.port, 1, 65535),
			d.word("out", &o.via),
			d.boolean("learning", &o.learning),
			d.boolean("check_source", &o.outer.CheckSource),
		)...)
	})
}

// addrConfig reads an address of an interface, or one with what goes with it.
func (d *decoder) addrConfig(v *yaml.Node, o *other) {
	var a, peer, broadcast addr
	var c vimage.AddrConfig
	before := len(d.List)
	if v.Kind == yaml.ScalarNode {
		d.anyAddress("an address of "+o.name.s, &a).to("an address of "+o.name.s, v)
	} else {
		anycast := false
		d.object(v, "an address of "+o.name.s,
			needed(d.anyAddress("addr", &a)), d.anyAddress("peer", &peer), d.address("broadcast", &broadcast), d.boolean("anycast", &anycast))
		if anycast {
			c.Flags = vimage.AddrAnycast
		}
	}
	if len(d.List) > before {
		return
	}
	if a.bits < 0 {
		a.bits = a.ip.BitLen()
	}
	c.Prefix, c.Peer, c.Broadcast = netip.PrefixFrom(a.ip, a.bits), peer.ip, broadcast.ip
	o.all, o.lines = append(o.all, c), append(o.lines, v.Line)
}

// otherInterfaces looks at the interfaces of a node that are of no link.
func (c *checker) otherInterfaces(n *node) {
	for _, o := range n.others {
		kind, tunnel := tunnelKind(o.kind)
		gre := kind == vimage.GRE || kind == vimage.GRETAP
		vxlan := kind == vimage.VXLAN
		switch {
		case !goodName(o.name.s):
			c.at(o.name.line, "an interface has the name %q: a name is letters, digits, dots, underlines and hyphens", o.name.s)
		case o.kind == "" && o.name.s != "lo0":
			c.at(o.name.line, "the interface %s has no kind: add it, or say at a link what its interface is like", o.name.s)
		case o.kind != "" && o.name.s == "lo0":
			c.at(o.name.line, "lo0 has the kind %s, and is the loopback interface: leave the kind out", o.kind)
		case (o.kind == epair) != (o.pair.line != 0):
			c.at(o.name.line, "%s: an interface of kind epair, and no other, has a pair: what both ends say", o.name.s)
		case !tunnel && (o.remote.line != 0 || o.local.line != 0 || o.outerTab.line != 0 || o.ttl != 0):
			c.at(o.name.line, "%s is no tunnel, and so has no outer side", o.name.s)
		case !gre && (o.hasKey || o.outer.Checksum || o.outer.Sequence):
			c.at(o.name.line, "%s has no key, checksum or sequence: GRE has", o.name.s)
		case !vxlan && (o.vni != 0 || o.port != 0 || o.via.line != 0 || !o.learning):
			c.at(o.name.line, "%s has no vni, port, out or learning: VXLAN has", o.name.s)
		case o.remote.line == 0 && (o.local.line != 0 || o.outerTab.line != 0 || o.hasKey || o.vni != 0):
			c.at(o.name.line, "%s has no remote: say where it leads", o.name.s)
		}
		o.fib, o.outerFIB = c.table(n, o.table), c.table(n, o.outerTab)
		o.config(kind)
		for i, a := range o.all {
			if ip := a.Prefix.Addr(); !unicast(ip) && !(ip.IsLoopback() && o.kind == "") {
				c.at(o.lines[i], "%v of %s is no host's address: choose one of %s", ip, o.name.s, hosts(ip))
			}
		}
		if o.kind == "" && o.exact && len(n.loopback) > 0 {
			c.at(o.name.line, "lo0 of %s has addrs, which are all it has, and loopback: remove one of them", n.name.s)
		}
	}
}

// config makes the outer side of a tunnel of what is said of it.
func (o *other) config(k vimage.TunnelKind) {
	o.outer.Kind, o.outer.Local, o.outer.Remote, o.outer.TTL = k, o.local.ip, o.remote.ip, uint8(o.ttl)
	o.outer.HasKey, o.outer.Key, o.outer.VNI, o.outer.Port = o.hasKey, uint32(o.key), uint32(o.vni), uint16(o.port)
	o.outer.Interface, o.outer.NoLearning = o.via.s, !o.learning
}

// otherNamed returns the interface of no link that has a name, or nil.
func (n *node) otherNamed(name string) *other {
	if i := slices.IndexFunc(n.others, func(o *other) bool { return o.name.s == name }); i >= 0 {
		return n.others[i]
	}
	return nil
}

// addOthers makes the interfaces that are of no link.
func (n *Network) addOthers() error {
	if err := n.addPairs(); err != nil {
		return err
	}
	for s := range n.file.stacks() {
		todo := s.others
		for len(todo) > 0 {
			var later []*other // ends of tunnels at addresses of other ends
			for _, o := range todo {
				err := n.addOther(s, o)
				if errors.Is(err, syscall.EADDRNOTAVAIL) && len(todo) > 1 {
					later = append(later, o)
				} else if err != nil {
					return n.file.wrong(o.name.line, err)
				}
			}
			if len(later) == len(todo) {
				return n.file.wrong(later[0].name.line, n.addOther(s, later[0]))
			}
			todo = later
		}
	}
	return nil
}

// addOther makes an interface, unless it is there already, and gives it what it is to have.
func (n *Network) addOther(s *node, o *other) error {
	st, err := n.nodes[s].FIB(o.outerFIB)
	if err != nil {
		return err
	}
	ifi, err := n.makeOther(st, o)
	if err != nil {
		return err
	}
	return n.atOnce(s, func() error {
		if o.exact && o.kind == "" {
			for _, a := range ifi.Addrs() {
				if err := ifi.DelAddr(a.Addr()); err != nil {
					return err
				}
			}
		}
		for _, a := range o.all {
			if slices.Contains(ifi.Addrs(), a.Prefix) {
				continue
			}
			if err := ifi.Configure(a); err != nil {
				return err
			}
		}
		if o.kind != "" || o.down {
			if err := ifi.SetUp(!o.down); err != nil {
				return err
			}
		}
		if o.querier {
			if err := ifi.SetQuerier(true); err != nil {
				return err
			}
		}
		return n.finishInterface(ifi, &o.iface)
	})
}

func (n *Network) makeOther(st *vimage.Stack, o *other) (ifi *vimage.Interface, err error) {
	switch kind, tunnel := tunnelKind(o.kind); {
	case !tunnel:
		ifi, err = st.Interface(o.name.s)
	case o.remote.line == 0:
		ifi, err = st.CreateTunnel(o.name.s, kind)
	default:
		c := vimage.InterfaceConfig{Down: true}
		for _, a := range o.all { // those without a peer can only be there from the start
			if kind != vimage.GRETAP && kind != vimage.VXLAN && a.Prefix.Addr().Is4() && !a.Peer.IsValid() {
				c.Addrs = append(c.Addrs, a.Prefix)
			}
		}
		ifi, err = st.AddTunnel(o.name.s, o.outer, c)
	}
	if err == nil && o.mac != nil {
		err = ifi.SetMAC(o.mac)
	}
	if err == nil && o.mtu != 0 {
		err = ifi.SetMTU(o.mtu)
	}
	if err == nil {
		err = ifi.SetFIB(o.fib)
	}
	return ifi, err
}

// refreshOther notes an interface that is of no link, unless a file cannot have it.
func (n *Network) refreshOther(s *node, ifi *vimage.Interface, u *unsaid) {
	i, err := ifi.Info()
	if err != nil {
		return
	}
	c := n.stack(s).View().Conf(uint32(i.Index))
	o := &other{kind: i.Kind, fib: i.FIB, learning: true}
	o.at, o.name = s.name, text{i.Name, 1}
	o.mac, o.mtu, o.down, o.exact, o.querier = i.MAC, i.MTU, !i.Up, true, c.Flags&ifnet.Querier != 0
	if i.Kind == epair && i.MTU == c.Props.MTU {
		o.mtu = 0
	}
	n.refreshInterface(ifi, c, nil, &o.iface, s.name.s+": "+i.Name, u)
	switch _, tunnel := tunnelKind(i.Kind); {
	case tunnel:
		t, err := ifi.Tunnel()
		_, _, gone := n.nodes[s].InterfaceWithAddr(t.Local)
		switch {
		case err != nil: // it leads nowhere
		case gone != nil:
			u.add("%s: where the tunnel %s leads, from %v, which is not its address", s.name.s, i.Name, t.Local)
		default:
			o.aim(&t)
		}
	case i.Kind == epair && n.peered(c.Port):
		o.end = c.Port
	default:
		u.add("%s: its interface %s, which is of no link", s.name.s, i.Name)
		return
	}
	o.refreshAddrs(s, c.Addrs, u)
	if o.auto == nil || !o.auto.Stable {
		ownLinkLocals(c, s.name.s+": "+i.Name, u)
	}
	s.others = append(s.others, o)
}

// aim has an interface say where its tunnel leads.
func (o *other) aim(t *vimage.Tunnel) {
	o.local, o.remote, o.outerFIB, o.outer = addr{ip: t.Local, bits: -1}, addr{ip: t.Remote, bits: -1, line: 1}, t.FIB, t.TunnelConfig
	o.hasKey, o.key, o.vni, o.port, o.ttl = t.HasKey, int(t.Key), int(t.VNI), int(t.Port), int(t.TTL)
	o.via, o.learning = text{t.Interface, 1}, !t.NoLearning
	if t.Kind != vimage.VXLAN {
		o.port = 0
	}
}

// other writes an interface that is of no link.
func (s *saver) other(o *other) string {
	m := new(mapping)
	m.word("kind", o.kind)
	o.put(m)
	m.number("fib", int64(o.fib), 0)
	if o.exact {
		var all []string
		for _, a := range o.all {
			all = append(all, addrOf(&a))
		}
		m.put("addrs", inlineList(all))
	}
	m.flag("querier", o.querier, false)
	if o.end != nil {
		m.word("pair", s.pairName(o.end))
	}
	if o.remote.line != 0 {
		if o.local.ip.IsValid() {
			m.word("local", o.local.ip.String())
		}
		m.word("remote", o.remote.ip.String())
	}
	m.number("tunnelfib", int64(o.outerFIB), 0)
	m.number("ttl", int64(o.ttl), 0)
	if o.hasKey {
		m.number("key", int64(o.key), -1)
	}
	m.flag("checksum", o.outer.Checksum, false)
	m.flag("sequence", o.outer.Sequence, false)
	m.number("vni", int64(o.vni), 0)
	m.number("port", int64(o.port), 0)
	m.word("out", o.via.s)
	m.flag("learning", o.learning, true)
	m.flag("check_source", o.outer.CheckSource, false)
	return m.String()
}

func addrOf(a *vimage.AddrConfig) string {
	m := new(mapping)
	m.word("addr", a.Prefix.String())
	if a.Peer.IsValid() {
		m.word("peer", a.Peer.String())
	}
	if a.Broadcast.IsValid() {
		m.word("broadcast", a.Broadcast.String())
	}
	m.flag("anycast", a.Flags&vimage.AddrAnycast != 0, false)
	if len(m.pairs) == 1 {
		return word(a.Prefix.String())
	}
	return m.String()
}

// put writes what interfaces have in common, and tells whether there is anything.
func (i *iface) put(m *mapping) bool {
	before := len(m.pairs)
	if i.mac != nil {
		m.word("mac", i.mac.String())
	}
	m.number("mtu", int64(i.mtu), 0)
	m.flag("down", i.down, false)
	m.flag("promisc", i.promisc, false)
	m.flag("carrier", !i.noCarrier, true)
	m.word("arp", i.arp)
	if i.auto != nil {
		m.put("autoconf", autoconfOf(i.auto))
	} else {
		m.flag("autoconf", !i.noAuto, true)
	}
	all := new(mapping)
	for _, o := range i.neighbors {
		if !o.Published {
			all.put(o.Addr.String(), word(o.MAC.String()))
			continue
		}
		all.put(o.Addr.String(), `{mac: `+word(o.MAC.String())+`, published: true}`)
	}
	m.sub("neighbors", all)
	return len(m.pairs) > before
}

// atOnce has the addresses that a stack gets be usable at once, as what a file says is.
func (n *Network) atOnce(s *node, f func() error) error {
	st := n.nodes[s]
	asked, err := st.Sysctl(dadCount)
	if err != nil {
		return err
	}
	if asked == 0 {
		return f()
	}
	if err := st.SetSysctl(dadCount, 0); err != nil {
		return err
	}
	err = f()
	if again := st.SetSysctl(dadCount, asked); err == nil {
		err = again
	}
	return err
}

const dadCount = "net.inet6.ip6.dad_count"
