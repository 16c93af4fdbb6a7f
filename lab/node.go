package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/wire"
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
	autoconf *vimage.AutoconfConfig
	ports    []*nodePort // under lab.mu
	ipv6     bool        // lo0 has ::1; under lab.building, as are the next two
	eth      int         // no number of an ethN below is free
	auto     autoRoutes
	guest    bool // it is none of the lab's nodes
}

// nodePort is one of a node's interfaces and the subnet it is in.
type nodePort struct {
	node    *Node
	ifi     atomic.Pointer[vimage.Interface]
	plug    link.Port // what the interface was plugged into
	addr    netip.Prefix
	addr6   netip.Prefix // the first that was given; invalid: none
	mac     wire.MAC     // that it was given
	numbers [2]int       // of addresses that the subnet gave, in IPv4 and IPv6
	fib     int
	subnet  *subnet // under lab.mu
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
	if err := n.change(); err != nil {
		return nil, err
	}
	defer n.building.Unlock()
	if n.named(name) != nil {
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
	n.mu.Lock()
	defer n.mu.Unlock()
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
	if h.ipv6 || h.guest {
		return nil
	}
	h.ipv6 = true
	lo, err := h.Interface("lo0")
	if err != nil {
		return err
	}
	return lo.AddAddr(netip.MustParsePrefix("::1/128"))
}

// links returns the node's ports, in the order of its links.
func (h *Node) links() []*nodePort {
	h.lab.mu.RLock()
	defer h.lab.mu.RUnlock()
	return slices.Clone(h.ports)
}

// port returns the i-th of them.
func (h *Node) port(i int) *nodePort {
	h.lab.mu.RLock()
	defer h.lab.mu.RUnlock()
	return h.ports[i]
}

// Addr returns the node's first address on a link, as the lab gave it, invalid if it
// has none.
func (h *Node) Addr() netip.Addr {
	h.lab.mu.RLock()
	defer h.lab.mu.RUnlock()
	for _, p := range h.ports {
		if p.addr.IsValid() {
			return p.addr.Addr()
		}
	}
	return netip.Addr{}
}

// Addr6 returns the node's first IPv6 address on a link that is not link-local
// and may be used, invalid if it has none: one that the lab has given it, or one
// that it has configured by itself so far.
func (h *Node) Addr6() netip.Addr {
	for _, p := range h.links() {
		if a := p.usable6(); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

func (p *nodePort) usable6() netip.Addr {
	for _, a := range p.iface().Addresses() {
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
	h.lab.mu.RLock()
	defer h.lab.mu.RUnlock()
	for _, p := range h.ports {
		for _, o := range other.ports {
			if p.subnet == o.subnet {
				return p
			}
		}
	}
	return nil
}

// Eth returns the node's interface on the i-th of the links it has, counted from 0. It
// panics where the node has fewer.
func (h *Node) Eth(i int) *vimage.Interface { return h.port(i).iface() }

// iface returns the interface. One that was moved away and has come back has another
// index.
func (p *nodePort) iface() *vimage.Interface {
	ifi := p.ifi.Load()
	c := p.conf()
	if c == nil || int(c.Index) == ifi.Index() {
		return ifi
	}
	back, err := p.node.Interface(c.Name)
	if err != nil {
		return ifi
	}
	p.ifi.Store(back)
	return back
}

// conf returns how the interface is configured, nil where it is not in the node's stack.
func (p *nodePort) conf() *ifnet.Conf {
	v := p.node.Internal().View()
	if c := v.Conf(uint32(p.ifi.Load().Index())); c != nil && c.Port == p.plug {
		return c
	}
	i := slices.IndexFunc(v.Ifs, func(c *ifnet.Conf) bool { return c != nil && c.Port == p.plug })
	if i < 0 {
		return nil
	}
	return v.Ifs[i]
}

// InterfacesMoved says that interfaces of nodes have been moved to or from other stacks:
// routes that FollowRoutes has made may be gone.
func (n *Lab) InterfacesMoved(nodes []*Node) {
	n.building.Lock()
	defer n.building.Unlock()
	for _, h := range nodes {
		h.auto.stale, h.eth = true, 0
	}
}

// Within returns a stack that is not the lab's own, such as a jail's, as a Node without
// links. One that links lead to gets interfaces as other nodes do, but no routes.
func (n *Lab) Within(st *vimage.Stack) *Node { return &Node{Stack: st, lab: n, guest: true} }

func (h *Node) name() string { return h.Name() }

func (h *Node) segment() *subnet { return nil }

// plug implements endpoint: the node gets an interface eth0, eth1, ….
func (h *Node) plug(p link.Port, e *End, want *plugConfig, s *subnet) error {
	port := &nodePort{node: h, plug: p, fib: want.fib, subnet: s}
	all, err := h.addrs(port, want, s)
	if err != nil {
		s.takeBack(port)
		return err
	}
	c := vimage.InterfaceConfig{Port: p, FIB: want.fib, MTU: want.end.MTU, MAC: want.end.MAC, Down: want.end.Down, Addrs: all}
	name := want.end.Name
	if name == "" {
		name = h.freeName()
	}
	ifi, err := h.AddInterface(name, c)
	if err != nil {
		s.takeBack(port)
		return err
	}
	port.ifi.Store(ifi)
	if len(want.end.MAC) == 0 {
		port.mac = h.Internal().View().Conf(uint32(ifi.Index())).MAC
	}
	e.port = port
	h.lab.mu.Lock()
	h.ports = append(h.ports, port)
	h.lab.mu.Unlock()
	if port.addr6.IsValid() || h.autoconf != nil {
		if err := h.needIPv6(); err != nil {
			return err
		}
	}
	if h.autoconf != nil {
		if err := ifi.SetAutoconf(h.autoconf); err != nil {
			return err
		}
	}
	if want.advert != nil {
		return port.advertise(h, want.advert)
	}
	return nil
}

// addrs chooses the addresses of a new port.
func (h *Node) addrs(port *nodePort, want *plugConfig, s *subnet) ([]netip.Prefix, error) {
	if want.end.Addrs != nil {
		for _, a := range want.end.Addrs {
			switch first := port.addr.IsValid(); {
			case a.Addr().Is4() && !first:
				port.addr = a
			case a.Addr().Is6() && !port.addr6.IsValid() && !a.Addr().IsLinkLocalUnicast():
				port.addr6 = a
			}
		}
		return want.end.Addrs, nil
	}
	var err error
	if port.addr = want.addr; !port.addr.IsValid() {
		if port.addr, err = s.prefix.next(&port.numbers[0]); err != nil {
			return nil, err
		}
	}
	six := want.addrs6
	if len(six) == 0 && s.prefix6.IsValid() && h.autoconf == nil {
		next, err := s.prefix6.next(&port.numbers[1])
		if err != nil {
			return nil, err
		}
		six = []netip.Prefix{next}
	}
	if len(six) > 0 {
		port.addr6 = six[0]
	}
	return append([]netip.Prefix{port.addr}, six...), nil
}

// freeName returns the first of eth0, eth1, … that no interface has.
func (h *Node) freeName() string {
	for ; ; h.eth++ {
		name := fmt.Sprintf("eth%d", h.eth)
		if h.Internal().View().Named(name) == nil {
			h.eth++
			return name
		}
	}
}

// Advertise has a router advertise itself on its i-th link, counted from 0, or
// with nil no longer. Where no Prefixes are given, not even none, it advertises
// the link's subnet of IPv6.
func (h *Node) Advertise(i int, c *vimage.RouterConfig) error {
	return h.port(i).advertise(h, c)
}

func (p *nodePort) advertise(h *Node, c *vimage.RouterConfig) error {
	if c == nil {
		return p.iface().Advertise(nil)
	}
	if on, err := h.Sysctl("net.inet6.ip6.forwarding"); err != nil || on == 0 {
		return fmt.Errorf("%s is no router: it does not advertise", h.Name())
	}
	own := *c
	h.lab.mu.RLock()
	sub := p.subnet.prefix6.Prefix
	h.lab.mu.RUnlock()
	if own.Prefixes == nil && sub.IsValid() {
		own.Prefixes = []vimage.RouterPrefix{{Prefix: sub}}
	}
	return p.iface().Advertise(&own)
}
