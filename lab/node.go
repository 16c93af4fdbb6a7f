package lab

import (
	"fmt"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/link"
)

// NodeConfig says what a host or router is like.
type NodeConfig struct {
	Router bool // forward packets
	FIBs   int  // routing tables; 0 means 1
	Shards int  // parts of the stack that work in parallel; 0 means 1
	// Autoconf has the node's interfaces get their IPv6 addresses and routes by
	// themselves (RFC 4862), in the world's time: links give them none. It is not
	// for routers.
	Autoconf bool
}

// Node is a host or a router: a Stack with a place in the lab. Its sockets are
// made by the Stack's methods.
type Node struct {
	*vimage.Stack
	lab      *Lab
	ports    []nodePort
	autoconf bool
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
// the addresses 127.0.0.1 and ::1.
func (n *Lab) AddNode(name string, c NodeConfig) (*Node, error) {
	if n.byName[name] != nil {
		return nil, fmt.Errorf("node %q: the name is taken", name)
	}
	if c.Router && c.Autoconf {
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
	if err := lo.AddAddr(netip.MustParsePrefix("::1/128")); err != nil || !c.Router {
		return err
	}
	if err := h.SetForwarding(true); err != nil {
		return err
	}
	return h.SetSysctl(forwarding6, 1)
}

// The sysctls that make a router.
const (
	forwarding4 = "net.inet.ip.forwarding"
	forwarding6 = "net.inet6.ip6.forwarding"
)

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
		if a := p.usable(h); a.IsValid() {
			return a
		}
	}
	return netip.Addr{}
}

func (p *nodePort) usable(h *Node) netip.Addr {
	for o := range h.Internal().Interfaces() {
		if o.Index != uint32(p.ifi.Index()) {
			continue
		}
		for i := range o.Addrs {
			if a := &o.Addrs[i]; a.Addr().Is6() && !ifaddr.IsLinkLocal(a.Addr()) && a.Usable() && a.Flags&ifaddr.Deprecated == 0 {
				return a.Addr()
			}
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
		return p.usable(h)
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
	if len(six) == 0 && s.prefix6.IsValid() && !h.autoconf {
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
	eth := len(h.ports) - 1
	if h.autoconf {
		if err := h.Autoconf(eth, true); err != nil {
			return err
		}
	}
	if want.advert != nil {
		return h.Advertise(eth, want.advert)
	}
	return nil
}
