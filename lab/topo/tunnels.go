package topo

import (
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/seed88948545/vimage"
)

// tunnel is a link made of packets between two nodes. What is inside is a cable: it has
// a subnet, and its ends have addresses.
type tunnel struct {
	cable
	outer      map[string]addr // by node
	tables     map[string]text // that route outer packets, by node
	ipv6       bool            // what the outer address of a node is, where none is given
	hasKey     bool
	key, vni   int
	port, ttl  int
	kind       vimage.TunnelKind
	sum, count bool

	local [2]netip.Addr // outer, of the ends
	fib   [2]int        // for outer packets
}

func (d *decoder) tunnel(v *yaml.Node) *tunnel {
	t := &tunnel{cable: *newCable(v), outer: make(map[string]addr), tables: make(map[string]text)}
	l := &t.cable
	l.tunnel = true
	d.object(v, "a tunnel",
		needed(d.words("between", &l.between)),
		needed(value(d, "kind", &t.kind, "write gif, gre, gretap or vxlan", tunnelKind)),
		d.word("name", &l.name),
		d.subnet("subnet", &l.subnet),
		key{name: "addrs", to: func(name string, v *yaml.Node) { d.linkAddrs(name, v, l) }},
		key{name: "fibs", to: func(name string, v *yaml.Node) { d.tables(name, v, l, l.fibs) }},
		key{name: "outer", to: func(name string, v *yaml.Node) { d.outer(name, v, t) }},
		key{name: "tunnelfibs", to: func(name string, v *yaml.Node) { d.tables(name, v, l, t.tables) }},
		d.boolean("ipv6", &t.ipv6),
		key{name: "key", to: func(name string, v *yaml.Node) {
			t.hasKey = true
			d.integer(name, &t.key, 0, 1<<32-1).to(name, v)
		}},
		d.boolean("checksum", &t.sum),
		d.boolean("sequence", &t.count),
		d.integer("vni", &t.vni, 0, 1<<24-1),
		d.integer("port", &t.port, 1, 65535),
		d.integer("ttl", &t.ttl, 1, 255),
		d.integer("mtu", &l.mtu, 68, 65535),
	)
	return t
}

func tunnelKind(s string) (vimage.TunnelKind, bool) {
	for _, k := range []vimage.TunnelKind{vimage.GIF, vimage.GRE, vimage.GRETAP, vimage.VXLAN} {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// outer reads the outer addresses of a tunnel's ends.
func (d *decoder) outer(name string, v *yaml.Node, t *tunnel) {
	d.byNode(name, v, "ADDRESS", &t.cable, func(node string, v *yaml.Node) {
		var a addr
		d.anyAddress("the outer address of "+node, &a).to("the outer address of "+node, v)
		if a.bits >= 0 && a.line != 0 {
			d.at(a.line, "the outer address of %s is %v/%d: leave the length out", node, a.ip, a.bits)
		}
		t.outer[node] = a
	})
}

// tunnelEnds finds a tunnel's two ends and names it.
func (c *checker) tunnelEnds(i int, t *tunnel) {
	if t.name.line == 0 {
		t.name = text{fmt.Sprintf("tun%d", i), t.line}
	} else if !goodName(t.name.s) || len(t.name.s) > 15 {
		c.at(t.name.line, "a tunnel has the name %q, which is its interface's: a name is up to 15 letters, digits, dots, underlines and hyphens", t.name.s)
	}
	for _, o := range c.tunnels[:i] {
		if o.name.s == t.name.s {
			c.at(t.name.line, "the tunnel %s is there since line %d: give this one another name", t.name.s, o.line)
		}
	}
	if t.name.s == "lo0" || len(t.name.s) > 3 && t.name.s[:3] == "eth" {
		c.at(t.name.line, "a tunnel has the name %s, as other interfaces have: choose another", t.name.s)
	}
	if len(t.between) != 2 || t.between[0].s == t.between[1].s {
		if len(t.between) > 0 {
			c.at(t.between[0].line, "a tunnel is between two nodes: write two names")
		}
		return
	}
	for i, name := range t.between {
		e := &t.ends[i]
		e.link, e.node = &t.cable, c.findNode(name)
		if e.node != nil {
			e.node.tunnels = append(e.node.tunnels, e)
		}
	}
	c.linkFields(&t.cable)
	for _, node := range t.between {
		t.addrs[node.s] = slices.DeleteFunc(t.addrs[node.s], func(a addr) bool {
			if a.ip.Is6() {
				c.at(a.line, "%v of %s: what a file's tunnel carries is IPv4: write an address of that", a.ip, node.s)
			}
			return a.ip.Is6()
		})
	}
}

// tunnel finds out what is outside of a tunnel.
func (c *checker) tunnel(i int, t *tunnel) {
	c.tunnelKind(t)
	for i := range t.ends {
		if n := t.ends[i].node; n != nil {
			t.fib[i] = c.table(n, t.tables[n.name.s])
		}
	}
	if t.ends[0].node == nil || t.ends[1].node == nil || !c.whole {
		return
	}
	for i, name := range t.between {
		n := t.ends[i].node
		switch a := t.outer[name.s]; {
		case a.line == 0:
			t.local[i], _ = c.host(text{name.s, t.line}, t.ipv6)
		case !slices.ContainsFunc(n.ports, func(e *end) bool { return e.seg.taken[a.ip] == e }):
			c.at(a.line, "%s has no address %v at any link: a tunnel's outer address is one of its own", name.s, a.ip)
		default:
			t.local[i] = a.ip
		}
	}
	if t.local[0].IsValid() && t.local[1].IsValid() && t.local[0].Is4() != t.local[1].Is4() {
		c.at(t.line, "the outer addresses %v and %v are of two families", t.local[0], t.local[1])
	}
	for _, o := range c.tunnels[:i] {
		if t.same(o) {
			c.at(t.line, "the tunnel %s has the outer addresses of %s (line %d), and nothing else tells their packets apart: give it another key, vni or port, or other addresses", t.name.s, o.name.s, o.line)
		}
	}
}

// tunnelKind refuses what is of another kind of tunnel.
func (c *checker) tunnelKind(t *tunnel) {
	gre := t.kind == vimage.GRE || t.kind == vimage.GRETAP
	switch {
	case t.kind == 0:
	case !gre && (t.hasKey || t.sum || t.count):
		c.at(t.line, "a tunnel of kind %v has no key, checksum or sequence: GRE has", t.kind)
	case t.kind != vimage.VXLAN && (t.vni != 0 || t.port != 0):
		c.at(t.line, "a tunnel of kind %v has no vni or port: VXLAN has", t.kind)
	case t.kind == vimage.VXLAN && t.port == 0:
		t.port = vxlanPort
	}
}

// vxlanPort is the port of VXLAN where none is given (RFC 7348 §5).
const vxlanPort = 4789

// same tells whether a node could not tell the packets of two tunnels apart.
func (t *tunnel) same(o *tunnel) bool {
	if t.kind != o.kind || t.hasKey != o.hasKey || t.key != o.key || t.vni != o.vni || t.port != o.port {
		return false
	}
	for i := range t.ends {
		for j := range o.ends {
			if t.ends[i].node == o.ends[j].node && t.local[i] == o.local[j] &&
				(t.kind == vimage.VXLAN || t.local[1-i] == o.local[1-j]) {
				return true
			}
		}
	}
	return false
}

// tunnelPorts refuses flows to the port of a tunnel.
func (c *checker) tunnelPorts() {
	for _, s := range c.listed {
		for _, t := range c.tunnels {
			here := t.ends[0].node == s.node || t.ends[1].node == s.node
			if here && t.kind == vimage.VXLAN && int(s.addr.Port()) == t.port {
				c.at(s.flows[0].line, "the port %d of %s is the tunnel %s's: choose another", t.port, s.node.name.s, t.name.s)
				break
			}
		}
	}
}

// interfaces returns the ends of links and tunnels that a node has.
func (n *node) interfaces() []*end { return append(n.ports[:len(n.ports):len(n.ports)], n.tunnels...) }

// addTunnel makes both ends of a tunnel.
func (n *Network) addTunnel(t *tunnel) error {
	for i := range t.ends {
		e := &t.ends[i]
		st, err := n.nodes[e.node].FIB(t.fib[i])
		if err != nil {
			return err
		}
		c := vimage.TunnelConfig{
			Kind: t.kind, Local: t.local[i], Remote: t.local[1-i], TTL: uint8(t.ttl),
			HasKey: t.hasKey, Key: uint32(t.key), Checksum: t.sum, Sequence: t.count, VNI: uint32(t.vni), Port: uint16(t.port),
		}
		made, err := st.AddTunnel(t.name.s, c, vimage.InterfaceConfig{MTU: t.mtu, FIB: e.fib, Addrs: e.addrs})
		if err != nil {
			return err
		}
		n.tunnels[e] = made
	}
	return nil
}

// iface returns the interface that is an end of a link or a tunnel.
func (n *Network) iface(e *end) *vimage.Interface {
	if i := n.tunnels[e]; i != nil {
		return i
	}
	if i := n.at[e]; i != nil {
		return i
	}
	ends := n.links[e.link].Ends()
	return ends[endIndex(e)].Interface()
}
