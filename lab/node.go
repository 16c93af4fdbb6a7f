package lab

import (
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// NodeConfig says what a host or router is like.
type NodeConfig struct {
	Router bool // forward packets
	FIBs   int  // routing tables; 0 means 1
	Shards int  // parts of the stack that work in parallel; 0 means 1
	// Autoconf has the interfaces of a host find their IPv6 addresses and routes by
	// themselves, in the world's time: links give it none. nil: they do not.
	Autoconf *vimage.AutoconfConfig
}

// Node is a host or a router: a Stack with a place in the lab. Its sockets are
// made by the Stack's methods.
type Node struct {
	*vimage.Stack
	lab      *Lab
	ports    []nodePort
	autoconf *vimage.AutoconfConfig
	ipv6     bool // lo0 has ::1
}

// nodePort is one of a node's interfaces and the subnet it is in.
type nodePort struct {
	ifi    *vimage.Interface
	addr   netip.Prefix
	addr6  netip.Prefix // the first that was given; invalid: none
	fib    int
	subnet *subnet
}

// Host adds a host.
func (n *Lab) Host(name string) *Node { return n.node(name, NodeConfig{}) }

// Router adds a host that forwards.
func (n *Lab) Router(name string) *Node { return n.node(name, NodeConfig{Router: true}) }

func (n *Lab) node(name string, c NodeConfig) *Node {
	h, err := n.AddNode(name, c)
	if n.t != nil {
		n.t.Helper()
	}
	n.must(err)
	return h
}

// AddNode adds a host or router. Its name must be new and not empty; lo0 has
// the address 127.0.0.1 and, once the node has IPv6, ::1.
func (n *Lab) AddNode(name string, c NodeConfig) (*Node, error) {
	if n.byName[name] != nil {
		return nil, fmt.Errorf("node %q: the name is taken", name)
	}
	if c.Router && c.Autoconf != nil {
		return nil, fmt.Errorf("node %q: a router does not configure itself (RFC 4862 §5)", name)
	}
	st, err := n.World.NewStack(name, vimage.StackConfig{FIBs: c.FIBs, Shards: c.Shards})
	if err != nil {
		return nil, err
	}
	h := &Node{Stack: st, lab: n, autoconf: c.Autoconf}
	if err := h.configure(c); err != nil {
		st.Close()
		return nil, err
	}
	n.nodes = append(n.nodes, h)
	n.byName[name] = h
	return h, nil
}

func (h *Node) configure(c NodeConfig) error {
	lo, err := h.Interface("lo0")
	if err != nil {
		return err
	}
	if err := lo.AddAddr(netip.MustParsePrefix("127.0.0.1/8")); err != nil {
		return err
	}
	if h.lab.ipv6 {
		if err := h.needIPv6(); err != nil {
			return err
		}
	}
	if c.Router {
		return h.SetForwarding(true)
	}
	return nil
}

// needIPv6 gives lo0 its address of IPv6: a node without pays nothing for it.
func (h *Node) needIPv6() error {
	if h.ipv6 {
		return nil
	}
	h.ipv6 = true
	lo, err := h.Interface("lo0")
	if err != nil {
		return err
	}
	return lo.AddAddr(netip.MustParsePrefix("::1/128"))
}

// Nodes returns the hosts and routers in order of creation.
func (n *Lab) Nodes() []*Node { return n.nodes }

// Node returns the host or router of that name, or nil.
func (n *Lab) Node(name string) *Node {
	h, _ := n.byName[name].(*Node)
	return h
}

// Addr returns the node's first address on a link, invalid if it has none.
func (h *Node) Addr() netip.Addr {
	if len(h.ports) == 0 {
		return netip.Addr{}
	}
	return h.ports[0].addr.Addr()
}

// Addr6 returns the node's first IPv6 address on a link that is not link-local
// and may be used, invalid if it has none: one that the lab has given it, or one
// that it has configured by itself so far.
func (h *Node) Addr6() netip.Addr {
	for _, p := range h.ports {
		if a := p.usable6(); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

func (p *nodePort) usable6() netip.Addr {
	for _, a := range p.ifi.Addresses() {
		if ip := a.Prefix.Addr(); ip.Is6() && !ip.IsLinkLocalUnicast() && a.Usable() && !a.Deprecated {
			return ip
		}
	}
	return netip.Addr{}
}

// AddrOn returns the node's address in the subnet that it shares with another
// node, invalid if they share none.
func (h *Node) AddrOn(other *Node) netip.Addr {
	if p := h.portOn(other); p != nil {
		return p.addr.Addr()
	}
	return netip.Addr{}
}

// AddrOn6 is AddrOn for IPv6, as Addr6 is Addr.
func (h *Node) AddrOn6(other *Node) netip.Addr {
	if p := h.portOn(other); p != nil {
		return p.usable6()
	}
	return netip.Addr{}
}

// portOn returns the port in the first subnet that two nodes share, or nil.
func (h *Node) portOn(other *Node) *nodePort {
	for i := range h.ports {
		for _, o := range other.ports {
			if h.ports[i].subnet == o.subnet {
				return &h.ports[i]
			}
		}
	}
	return nil
}

// Eth returns the node's interface on its i-th link, counted from 0.
func (h *Node) Eth(i int) *vimage.Interface { return h.ports[i].ifi }

func (h *Node) name() string { return h.Name() }

func (h *Node) segment() *subnet { return nil }

// plug implements endpoint: the node gets an interface eth0, eth1, ….
func (h *Node) plug(p link.Port, want *plugConfig, s *subnet) error {
	port := nodePort{addr: want.addr, fib: want.fib, subnet: s}
	var err error
	if !port.addr.IsValid() {
		if port.addr, err = s.prefix.next(); err != nil {
			return err
		}
	}
	six := want.addrs6
	if len(six) == 0 && s.prefix6.IsValid() && h.autoconf == nil {
		next, err := s.prefix6.next()
		if err != nil {
			return err
		}
		six = []netip.Prefix{next}
	}
	if len(six) > 0 {
		port.addr6 = six[0]
	}
	c := vimage.InterfaceConfig{Port: p, FIB: want.fib, Addrs: append([]netip.Prefix{port.addr}, six...)}
	if port.ifi, err = h.AddInterface(fmt.Sprintf("eth%d", len(h.ports)), c); err != nil {
		return err
	}
	h.ports = append(h.ports, port)
	if len(six) > 0 || h.autoconf != nil {
		if err := h.needIPv6(); err != nil {
			return err
		}
	}
	if h.autoconf != nil {
		if err := port.ifi.SetAutoconf(h.autoconf); err != nil {
			return err
		}
	}
	if want.advert != nil {
		return h.Advertise(len(h.ports)-1, want.advert)
	}
	return nil
}

// Advertise has a router advertise itself on its i-th link, counted from 0, or
// with nil no longer. Where no Prefixes are given, not even none, it advertises
// the link's subnet of IPv6.
func (h *Node) Advertise(i int, c *vimage.RouterConfig) error {
	p := &h.ports[i]
	if c == nil {
		return p.ifi.Advertise(nil)
	}
	if on, err := h.Sysctl("net.inet6.ip6.forwarding"); err != nil || on == 0 {
		return fmt.Errorf("%s is no router: it does not advertise", h.Name())
	}
	own := *c
	if own.Prefixes == nil && p.subnet.prefix6.IsValid() {
		own.Prefixes = []vimage.RouterPrefix{{Prefix: p.subnet.prefix6.Prefix}}
	}
	return p.ifi.Advertise(&own)
}
