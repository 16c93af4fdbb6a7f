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
}

// Node is a host or a router: a Stack with a place in the lab. Its sockets are
// made by the Stack's methods.
type Node struct {
	*vimage.Stack
	lab   *Lab
	ports []nodePort
}

// nodePort is one of a node's interfaces and the subnet it is in.
type nodePort struct {
	ifi    *vimage.Interface
	addr   netip.Prefix
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
// the address 127.0.0.1.
func (n *Lab) AddNode(name string, c NodeConfig) (*Node, error) {
	if n.byName[name] != nil {
		return nil, fmt.Errorf("node %q: the name is taken", name)
	}
	st, err := n.World.NewStack(name, vimage.StackConfig{FIBs: c.FIBs, Shards: c.Shards})
	if err != nil {
		return nil, err
	}
	h := &Node{Stack: st, lab: n}
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
	if c.Router {
		return h.SetForwarding(true)
	}
	return nil
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

// AddrOn returns the node's address in the subnet that it shares with another
// node, invalid if they share none.
func (h *Node) AddrOn(other *Node) netip.Addr {
	for _, p := range h.ports {
		for _, o := range other.ports {
			if p.subnet == o.subnet {
				return p.addr.Addr()
			}
		}
	}
	return netip.Addr{}
}

// Eth returns the node's interface on its i-th link, counted from 0.
func (h *Node) Eth(i int) *vimage.Interface { return h.ports[i].ifi }

func (h *Node) name() string { return h.Name() }

func (h *Node) segment() *subnet { return nil }

// plug implements endpoint: the node gets an interface eth0, eth1, ….
func (h *Node) plug(p link.Port, want netip.Prefix, fib int, s *subnet) error {
	if !want.IsValid() {
		var err error
		if want, err = s.next(); err != nil {
			return err
		}
	}
	ifi, err := h.AddInterface(fmt.Sprintf("eth%d", len(h.ports)), vimage.InterfaceConfig{Port: p, FIB: fib, Addrs: []netip.Prefix{want}})
	if err != nil {
		return err
	}
	h.ports = append(h.ports, nodePort{ifi, want, fib, s})
	return nil
}
