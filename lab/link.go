package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// LinkConfig says what a link is like. The zero value is a perfect cable of MTU
// 1500 with addresses assigned by the lab.
type LinkConfig struct {
	Name   string       // "" means the names of both ends, as in "a-b"
	MTU    int          // 0 means 1500
	Subnet netip.Prefix // of a link between hosts; a switch has its own
	A, B   netip.Prefix // addresses of the ends that are hosts, e.g. 192.0.2.1/24
	FIBA   int          // routing table of A's interface: see vimage.InterfaceConfig
	FIBB   int          // of B's
	// Subnet6 is the link's subnet of IPv6: invalid for none or, with Config.IPv6
	// and an MTU of 1280 or more, the next fd00:0:0:n::/64.
	Subnet6 netip.Prefix
	A6, B6  []netip.Prefix // IPv6 addresses of the ends, used at once; nil: the next of the subnet
	// AdvertiseA is what A, a router, advertises on the link: see Node.Advertise.
	AdvertiseA, AdvertiseB *vimage.RouterConfig
	// PortA is how A, a switch, treats the port at its end. Without a Name the port
	// has the link's.
	PortA, PortB link.PortConfig
	EndA, EndB   EndConfig // of the interfaces at the ends that are nodes
	link.FaultConfig
}

// EndConfig is what else may be said of the interface at an end of a link.
type EndConfig struct {
	Name string           // "" means the first of eth0, eth1, … that the node does not have
	MAC  net.HardwareAddr // nil: a new one
	MTU  int              // 0: the link's
	Down bool
	// Addrs, unless it is nil, are all addresses that the interface is given, in any
	// subnets; the lab gives it none.
	Addrs []netip.Prefix
}

// Link connects two nodes, or a node and a switch, or two switches, and returns
// the link. At most one configuration may be given.
func (n *Lab) Link(a, b endpoint, c ...LinkConfig) *Link {
	if n.t != nil {
		n.t.Helper()
	}
	var cfg LinkConfig
	if len(c) > 0 {
		cfg = c[0]
	}
	l, err := n.AddLink(a, b, cfg)
	n.must(err)
	return l
}

// Link is a connection between two nodes.
type Link struct {
	lab     *Lab
	name    string
	mtu     int
	ends    [2]End
	subnet  *subnet       // its own, nil where it ends at a switch
	place   link.Port     // where a fault can be put into a perfect cable
	capture *link.Capture // nil unless it is recorded
	fault   *link.Fault   // nil for a perfect cable; under lab.mu
}

// End is an end of a link: the interface of a Node, or a port of a Switch.
type End struct {
	Node   *Node   // nil at a switch
	Switch *Switch // nil at a node
	port   *nodePort
	joined link.Port   // the switch's, unless the other end is plugged into it directly
	teed   *link.Joint // what it is joined to, nil likewise
}

// Interface returns the interface at a node's end, nil at a switch's. One that has
// been moved to another stack is not found by it, until it is back.
func (e End) Interface() *vimage.Interface {
	if e.port == nil {
		return nil
	}
	return e.port.iface()
}

// Port returns what the interface at a node's end is plugged into, which tells it from
// others wherever it is moved; nil at a switch's.
func (e End) Port() link.Port {
	if e.port == nil {
		return nil
	}
	return e.port.plug
}

// MAC returns the hardware address that the interface at a node's end was given at
// first, nil at a switch's.
func (e End) MAC() net.HardwareAddr {
	if e.port == nil {
		return nil
	}
	return e.port.mac[:]
}

// Name returns the link's name: that of its configuration, or the names of both
// ends, as in "a-b".
func (l *Link) Name() string { return l.name }

// Ends returns both ends, in the order in which the link was made.
func (l *Link) Ends() [2]End { return l.ends }

// AddLink is Link with an error.
func (n *Lab) AddLink(a, b endpoint, c LinkConfig) (*Link, error) {
	l := &Link{lab: n, name: c.Name, mtu: c.MTU, ends: [2]End{endOf(a), endOf(b)}}
	if l.name == "" {
		l.name = a.name() + "-" + b.name()
	}
	if err := n.change(); err != nil {
		return nil, err
	}
	defer n.building.Unlock()
	if err := n.addLink(l, a, b, &c); err != nil {
		n.unlink(l)
		return nil, fmt.Errorf("link %s: %w", l.name, err)
	}
	if n.FindLink(l.name) == nil {
		n.observed(l)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = append(n.links, l)
	return l, nil
}

func endOf(e endpoint) End {
	if s, ok := e.(*Switch); ok {
		return End{Switch: s}
	}
	return End{Node: e.(*Node)}
}

// addLink makes a link. What it has made when it returns an error is in l.
func (n *Lab) addLink(l *Link, a, b endpoint, c *LinkConfig) error {
	for _, e := range [...]endpoint{a, b} {
		if h, ok := e.(*Node); n.named(e.name()) != e && !(ok && h.guest) {
			return fmt.Errorf("%s has been removed", e.name())
		}
	}
	s, err := n.shared(a, b, c)
	if err != nil {
		return err
	}
	if a.segment() == nil && b.segment() == nil {
		l.subnet = s
	}
	for _, p := range [...]*link.PortConfig{&c.PortA, &c.PortB} {
		if p.Name == "" {
			p.Name = l.name
		}
	}
	pa, pb, err := n.cable(l, a, b, c)
	if err != nil {
		return err
	}
	if pa != nil {
		pa = n.tap(l, pa)
	} else {
		pb = n.tap(l, pb)
	}
	if err := a.plug(pa, &l.ends[0], &plugConfig{c.A, c.A6, c.FIBA, c.AdvertiseA, c.PortA, c.EndA}, s); err != nil {
		return err
	}
	if err := b.plug(pb, &l.ends[1], &plugConfig{c.B, c.B6, c.FIBB, c.AdvertiseB, c.PortB, c.EndB}, s); err != nil {
		return err
	}
	n.traced(l)
	return nil
}

// shared returns the subnet a link is in.
func (n *Lab) shared(a, b endpoint, c *LinkConfig) (*subnet, error) {
	sa, sb := a.segment(), b.segment()
	switch {
	case sa != nil && sb != nil && sa != sb:
		return nil, fmt.Errorf("%s and %s are switches with subnets of their own (%v, %v): make the second Within the first", a.name(), b.name(), sa.prefix.Prefix, sb.prefix.Prefix)
	case sa != nil:
		return sa, nil
	case sb != nil:
		return sb, nil
	}
	return n.newSubnet(c.Subnet, c.Subnet6, c.MTU)
}

// cable makes what the two endpoints are plugged into. A perfect cable to a
// switch is the switch's port itself: frames are then shown to the node
// uncopied.
func (n *Lab) cable(l *Link, a, b endpoint, c *LinkConfig) (pa, pb link.Port, err error) {
	sa, aSwitch := a.(*Switch)
	sb, bSwitch := b.(*Switch)
	switch {
	case c.FaultConfig != (link.FaultConfig{}):
		if err := c.FaultConfig.Check(); err != nil {
			return nil, nil, err
		}
		c.Seed = n.faultSeed(c.Seed)
		l.fault = link.NewFault(n.inner().Sched(), c.MTU, c.FaultConfig, c.FaultConfig)
		return l.fault.A(), l.fault.B(), nil
	case aSwitch && !bSwitch:
		l.place = sa.br.AddPort(c.PortA)
		l.ends[0].joined = l.place
		return nil, l.place, nil
	case bSwitch:
		l.place = sb.br.AddPort(c.PortB)
		l.ends[1].joined = l.place
		return l.place, nil, nil
	}
	e := link.NewEpair(c.MTU)
	l.place = e.A()
	return e.A(), e.B(), nil
}

// faultSeed returns a seed for a link's faults, where none was given: every link
// differs.
func (n *Lab) faultSeed(given uint64) uint64 {
	if given != 0 {
		return given
	}
	n.faults++
	return n.seed + uint64(n.faults-1)
}
