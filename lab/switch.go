package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/seed88948545/vimage/link"
)

// SwitchConfig says what a switch is like.
type SwitchConfig struct {
	link.BridgeConfig
	Subnet  netip.Prefix // of what hangs on it; invalid: the next 10.x.y.0/24
	Subnet6 netip.Prefix // its subnet of IPv6: see LinkConfig
	Within  *Switch      // part of this one's subnets instead
}

// Switch is an Ethernet switch, or a hub.
type Switch struct {
	lab    *Lab
	br     *link.Bridge
	named  string
	mac    net.HardwareAddr // of what it asks
	subnet *subnet          // under lab.mu
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
	if err := n.change(); err != nil {
		return nil, err
	}
	defer n.building.Unlock()
	if name == "" || n.named(name) != nil {
		return nil, fmt.Errorf("switch %q: the name is empty or taken", name)
	}
	s := &Switch{lab: n, named: name}
	if c.Within != nil {
		s.subnet = c.Within.segment()
	} else {
		var err error
		if s.subnet, err = n.newSubnet(c.Subnet, c.Subnet6, c.MTU); err != nil {
			return nil, fmt.Errorf("switch %q: %w", name, err)
		}
	}
	s.mac = net.HardwareAddr{2, 's', 'w', byte(n.switches >> 16), byte(n.switches >> 8), byte(n.switches)}
	n.switches++
	s.br = link.NewBridge(n.inner().Sched(), n.inner().Seed(), s.config(c.BridgeConfig))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.switched = append(n.switched, s)
	n.byName[name] = s
	return s, nil
}

// config is how a switch is told to behave: it asks in a name of its own.
func (s *Switch) config(c link.BridgeConfig) link.BridgeConfig {
	if q := c.Querier; q != nil && q.MAC == nil {
		own := *q
		own.MAC = s.mac
		c.Querier = &own
	}
	return c
}

// Configure changes how the switch behaves: see link.Bridge.Configure.
func (s *Switch) Configure(c link.BridgeConfig) error {
	if err := s.lab.change(); err != nil {
		return err
	}
	defer s.lab.building.Unlock()
	s.br.Configure(s.config(c))
	return nil
}

// Name returns the switch's name.
func (s *Switch) Name() string { return s.named }

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

func (s *Switch) segment() *subnet {
	s.lab.mu.RLock()
	defer s.lab.mu.RUnlock()
	return s.subnet
}

// plug implements endpoint. Without a port the other end is plugged into the
// switch directly.
func (s *Switch) plug(p link.Port, e *End, want *plugConfig, _ *subnet) error {
	if p != nil {
		e.joined = s.br.AddPort(want.port)
		e.teed = &link.Joint{Port: p}
		link.Join(e.joined, e.teed)
	}
	return nil
}
