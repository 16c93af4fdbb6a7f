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
	link.FaultConfig
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
	name    string
	fault   *link.Fault   // nil for a perfect cable
	capture *link.Capture // nil unless it is recorded
}

// Name returns the link's name: that of its configuration, or the names of both
// ends, as in "a-b".
func (l *Link) Name() string { return l.name }

// Fault returns the link's faults, which may be changed while it runs; nil for
// a link that was made without any.
func (l *Link) Fault() *link.Fault { return l.fault }

// AddLink is Link with an error.
func (n *Lab) AddLink(a, b endpoint, c LinkConfig) (*Link, error) {
	l := &Link{name: c.Name}
	if l.name == "" {
		l.name = a.name() + "-" + b.name()
	}
	s, err := n.shared(a, b, c)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", l.name, err)
	}
	for _, p := range []*link.PortConfig{&c.PortA, &c.PortB} {
		if p.Name == "" {
			p.Name = l.name
		}
	}
	pa, pb, err := n.cable(l, a, b, c)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", l.name, err)
	}
	if pa != nil {
		pa = n.tap(l, pa)
	} else {
		pb = n.tap(l, pb)
	}
	if err := a.plug(pa, &plugConfig{c.A, c.A6, c.FIBA, c.AdvertiseA, c.PortA}, s); err != nil {
		return nil, fmt.Errorf("link %s: %w", l.name, err)
	}
	if err := b.plug(pb, &plugConfig{c.B, c.B6, c.FIBB, c.AdvertiseB, c.PortB}, s); err != nil {
		return nil, fmt.Errorf("link %s: %w", l.name, err)
	}
	n.traced(l, a)
	n.traced(l, b)
	return l, nil
}

// shared returns the subnet a link is in.
func (n *Lab) shared(a, b endpoint, c LinkConfig) (*subnet, error) {
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
func (n *Lab) cable(l *Link, a, b endpoint, c LinkConfig) (pa, pb link.Port, err error) {
	sa, aSwitch := a.(*Switch)
	sb, bSwitch := b.(*Switch)
	switch {
	case c.FaultConfig != (link.FaultConfig{}):
		if err := c.FaultConfig.Check(); err != nil {
			return nil, nil, err
		}
		if c.Seed == 0 {
			c.Seed = n.seed + uint64(n.faults) // every link differs
			n.faults++
		}
		l.fault = link.NewFault(n.inner().Sched(), c.MTU, c.FaultConfig, c.FaultConfig)
		n.closers = append(n.closers, l.fault.Close)
		return l.fault.A(), l.fault.B(), nil
	case aSwitch && !bSwitch:
		return nil, sa.br.AddPort(c.PortA), nil
	case bSwitch:
		return sb.br.AddPort(c.PortB), nil, nil
	}
	e := link.NewEpair(c.MTU)
	return e.A(), e.B(), nil
}

// SwitchConfig says what a switch is like.
type SwitchConfig struct {
	link.BridgeConfig
	Subnet  netip.Prefix // of what hangs on it; invalid: the next 10.x.y.0/24
	Subnet6 netip.Prefix // its subnet of IPv6: see LinkConfig
	Within  *Switch      // part of this one's subnets instead
}

// Switch is an Ethernet switch, or a hub.
type Switch struct {
	br     *link.Bridge
	named  string
	subnet *subnet
}

// Switch adds a switch that snoops IGMP and MLD. At most one configuration may be
// given.
func (n *Lab) Switch(name string, c ...SwitchConfig) *Switch {
	if n.t != nil {
		n.t.Helper()
	}
	var cfg SwitchConfig
	if len(c) > 0 {
		cfg = c[0]
	}
	s, err := n.AddSwitch(name, cfg)
	n.must(err)
	return s
}

// AddSwitch is Switch with an error.
func (n *Lab) AddSwitch(name string, c SwitchConfig) (*Switch, error) {
	if name == "" || n.byName[name] != nil {
		return nil, fmt.Errorf("switch %q: the name is empty or taken", name)
	}
	s := &Switch{named: name}
	if c.Within != nil {
		s.subnet = c.Within.subnet
	} else {
		var err error
		if s.subnet, err = n.newSubnet(c.Subnet, c.Subnet6, c.MTU); err != nil {
			return nil, fmt.Errorf("switch %q: %w", name, err)
		}
	}
	if q := c.Querier; q != nil && q.MAC == nil {
		own := *q
		own.MAC = net.HardwareAddr{2, 's', 'w', byte(n.switches >> 16), byte(n.switches >> 8), byte(n.switches)}
		c.Querier = &own
	}
	n.switches++
	s.br = link.NewBridge(n.inner().Sched(), n.inner().Seed(), c.BridgeConfig)
	n.closers = append(n.closers, s.br.Close)
	n.byName[name] = s
	return s, nil
}

// Bridge returns the switch itself: its counters and switches, and what it knows
// of groups.
func (s *Switch) Bridge() *link.Bridge { return s.br }

// Port returns the port at a link's end, by the link's name or by that of the
// port; false if there is none.
func (s *Switch) Port(name string) (link.PortState, bool) {
	for _, p := range s.br.Ports() {
		if p.Name == name {
			return p, true
		}
	}
	return link.PortState{}, false
}

func (s *Switch) name() string { return s.named }

func (s *Switch) segment() *subnet { return s.subnet }

// plug implements endpoint. Without a port the other end is plugged into the
// switch directly.
func (s *Switch) plug(p link.Port, want *plugConfig, _ *subnet) error {
	if p != nil {
		link.Join(s.br.AddPort(want.port), p)
	}
	return nil
}
