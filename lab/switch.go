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
	subnet *subnet // under lab.mu
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
	if q := c.Querier; q != nil && q.MAC == nil {
		own := *q
		own.MAC = net.HardwareAddr{2, 's', 'w', byte(n.switches >> 16), byte(n.switches >> 8), byte(n.switches)}
		c.Querier = &own
	}
	n.switches++
	s.br = link.NewBridge(n.inner().Sched(), n.inner().Seed(), c.BridgeConfig)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.switched = append(n.switched, s)
	n.byName[name] = s
	return s, nil
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
