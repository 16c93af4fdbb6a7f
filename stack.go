package vimage

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Stack is a handle on a network stack: what a process is to a kernel. It
// carries a routing table number and a credential, which the sockets made by it
// inherit. Handles are cheap and may be used from several goroutines.
type Stack struct {
	w    *World
	st   *vnet.Stack
	fib  int
	cred jail.Cred
}

// Internal returns the stack's inner side, for this module's own packages.
func (s *Stack) Internal() *vnet.Stack { return s.st }

// Name returns the stack's name.
func (s *Stack) Name() string { return s.st.Name() }

// may returns EPERM where the handle's credential lacks a privilege.
func (s *Stack) may(p jail.Priv, op, what string) error {
	if s.cred.Allows(p) {
		return nil
	}
	return &ConfigError{op, what, p.Errno()}
}

// owner is what sockets inherit from the handle.
func (s *Stack) owner() usrreq.Owner {
	return usrreq.Owner{FIB: uint32(s.fib), Limit: s.cred.Limit()}
}

// Close removes the stack: its sockets are closed, its interfaces unplugged, and those
// that were lent to it go back. The jail that owns it goes too: see Jail.Remove.
func (s *Stack) Close() error {
	if err := s.may(jail.StackMake, "close", s.Name()); err != nil {
		return err
	}
	s.w.jails.CloseStack(s.st)
	return nil
}

// InterfaceConfig says how an interface is made.
type InterfaceConfig struct {
	Port link.Port        // what it is plugged into
	MAC  net.HardwareAddr // nil: the link's suggestion, else a new one
	MTU  int              // 0: the link's
	FIB  int              // table that routes what it receives; see Stack.SetFIBs for its subnets' routes
	Down bool             // leave it down
	// Addrs are addresses, with their subnets, that the interface has when it is
	// plugged in; nobody hears them announced, nor is asked whether he has them.
	// The first of IPv6 brings a link-local one with it.
	Addrs []netip.Prefix
}

// AddInterface plugs the stack into a link.
func (s *Stack) AddInterface(name string, c InterfaceConfig) (*Interface, error) {
	if err := s.may(jail.NetConfig, "add interface", name); err != nil {
		return nil, err
	}
	ic := control.IfaceConfig{Name: name, Port: c.Port, MTU: c.MTU, FIB: c.FIB, Down: c.Down, Addrs: c.Addrs}
	switch {
	case c.Port == nil:
		return nil, &ConfigError{"add interface", name, errors.New("no Port: plug it into a link")}
	case len(c.MAC) == len(ic.MAC):
		ic.MAC = wire.MAC(c.MAC)
	case len(c.MAC) != 0:
		return nil, &ConfigError{"add interface", name, fmt.Errorf("MAC of %d bytes: Ethernet has 6", len(c.MAC))}
	}
	i, e := control.AddInterface(s.st, ic)
	if e != 0 {
		return nil, wrapConfig("add interface", name, e)
	}
	return &Interface{s: s, index: i, name: name}, nil
}

// Interface returns the interface of that name.
func (s *Stack) Interface(name string) (*Interface, error) {
	for i := range s.st.Interfaces() {
		if i.Name == name {
			return &Interface{s: s, index: i.Index, name: name}, nil
		}
	}
	return nil, &ConfigError{"interface", name, fmt.Errorf("%s has none of that name: %w", s.Name(), syscall.ENXIO)}
}

// Interfaces returns the interfaces as package net describes them, in order of
// index. Their Addrs methods ask the operating system: use Addrs here.
func (s *Stack) Interfaces() ([]net.Interface, error) {
	var all []net.Interface
	for i := range s.st.Interfaces() {
		all = append(all, control.Net(i))
	}
	return all, nil
}

// InterfaceByName returns the interface of that name as package net describes
// it.
func (s *Stack) InterfaceByName(name string) (*net.Interface, error) {
	for i := range s.st.Interfaces() {
		if i.Name == name {
			ni := control.Net(i)
			return &ni, nil
		}
	}
	return nil, &net.OpError{Op: "route", Net: "ip+net", Err: fmt.Errorf("no such network interface: %s", name)}
}

// InterfaceByIndex returns the interface with that index as package net
// describes it.
func (s *Stack) InterfaceByIndex(index int) (*net.Interface, error) {
	for i := range s.st.Interfaces() {
		if int(i.Index) == index {
			ni := control.Net(i)
			return &ni, nil
		}
	}
	return nil, &net.OpError{Op: "route", Net: "ip+net", Err: fmt.Errorf("no such network interface: index %d", index)}
}

// Interface is a handle on one interface of a stack.
type Interface struct {
	s     *Stack
	index uint32
	name  string
}

// Index returns the interface's index in its stack.
func (i *Interface) Index() int { return int(i.index) }

// Net returns the interface as package net describes it, as x/net's multicast
// calls want it, or nil where it is gone.
func (i *Interface) Net() *net.Interface {
	for o := range i.s.st.Interfaces() {
		if o.Index == i.index {
			n := control.Net(o)
			return &n
		}
	}
	return nil
}

// DelAddr takes an address away.
func (i *Interface) DelAddr(a netip.Addr) error {
	if err := i.s.may(jail.NetConfig, "delete address", a.String()); err != nil {
		return err
	}
	return wrapConfig("delete address", a.String()+" from "+i.name, control.DelAddr(i.s.st, i.index, a.WithZone("")))
}

// SetPromiscuous asks the link for every frame: those to other hosts are still
// dropped, but counted, and multicast that nobody here joined is seen.
func (i *Interface) SetPromiscuous(on bool) error {
	if err := i.s.may(jail.NetConfig, "set promiscuous", i.name); err != nil {
		return err
	}
	return wrapConfig("set promiscuous", i.name, control.SetPromiscuous(i.s.st, i.index, on))
}

// Neighbor is an entry of an interface's ARP table, or of its table of IPv6
// neighbours.
type Neighbor struct {
	Addr      netip.Addr
	MAC       net.HardwareAddr // nil while it is not resolved
	State     string           // as arp or ndp -a name it: "incomplete", "reachable", "stale", …
	Permanent bool             // set by hand for ever, or the interface's own
	Own       bool             // an address of the interface itself
	Published bool             // the stack answers for it
	Router    bool             // it says that it is one (IPv6)
	Expires   time.Time        // when its state ends unless it confirms itself; zero for never
	Asked     int              // times that it was asked in its state and has not answered (IPv6)
}

// Neighbors returns the interface's ARP table and its IPv6 neighbours, sorted by
// address.
func (i *Interface) Neighbors() ([]Neighbor, error) {
	entries, e := control.Neighbors(i.s.st, i.index)
	if e != 0 {
		return nil, wrapConfig("neighbors", i.name, e)
	}
	var all []Neighbor
	for _, n := range entries {
		all = append(all, Neighbor{
			Addr: n.IP, MAC: hardware(n.MAC), State: n.State.String(),
			Permanent: n.State == arp.Permanent, Own: n.Flags&arp.Own != 0, Published: n.Flags&arp.Published != 0, Expires: i.s.wall(n.Expire),
		})
	}
	for _, n := range control.Neighbors6(i.s.st, i.index) {
		all = append(all, Neighbor{
			Addr: n.IP, MAC: hardware(n.MAC), State: n.State.String(),
			Permanent: n.State == nd.Permanent, Own: n.Flags&nd.Own != 0, Published: n.Flags&nd.Published != 0, Router: n.Flags&nd.Router != 0,
			Expires: i.s.wall(n.Expire), Asked: n.Asked,
		})
	}
	return all, nil
}

func hardware(m wire.MAC) net.HardwareAddr {
	if m.IsZero() {
		return nil
	}
	return m[:]
}

// DelNeighbor removes a neighbour.
func (i *Interface) DelNeighbor(a netip.Addr) error {
	if err := i.s.may(jail.NetConfig, "delete neighbor", a.String()); err != nil {
		return err
	}
	return wrapConfig("delete neighbor", a.String()+" on "+i.name, control.DelNeighbor(i.s.st, i.index, a.WithZone("")))
}

// SetUp brings the interface up or down; its subnets' routes go and come with
// it.
func (i *Interface) SetUp(up bool) error {
	if err := i.s.may(jail.NetConfig, "set up", i.name); err != nil {
		return err
	}
	return wrapConfig("set up", i.name, control.SetUp(i.s.st, i.index, up))
}

// Remove unplugs the interface, and the other end of its pair if it is one that
// CreateEpair made. Packets in flight to it are dropped. EPERM: the handle's jail has
// only borrowed it.
func (i *Interface) Remove() error {
	if err := i.s.may(jail.NetConfig, "remove interface", i.name); err != nil {
		return err
	}
	return wrapConfig("remove interface", i.name, i.s.w.jails.RemoveInterface(i.s.cred, i.s.st, i.index))
}

// SetForwarding makes the stack a router, or a host again, for both families: the
// sysctls net.inet.ip.forwarding and net.inet6.ip6.forwarding.
func (s *Stack) SetForwarding(on bool) error {
	n := int64(0)
	if on {
		n = 1
	}
	if err := s.SetSysctl("net.inet.ip.forwarding", n); err != nil {
		return err
	}
	return s.SetSysctl("net.inet6.ip6.forwarding", n)
}

// CounterNames returns every name that Stack.Counters may return, sorted.
func CounterNames() []string { return vars.CounterNames() }

// ResetCounters makes the statistics of a protocol zero, those whose names begin with it
// and a dot, such as "igmp"; those of all for "". Drops by reason, and what is counted of
// path MTUs, stay. ENOENT: there is no such protocol.
func (s *Stack) ResetCounters(protocol string) error {
	if err := s.may(jail.Sysctl, "reset counters", protocol); err != nil {
		return err
	}
	if protocol != "" {
		protocol += "."
		if !slices.ContainsFunc(vars.CounterNames(), func(n string) bool { return strings.HasPrefix(n, protocol) }) {
			return wrapConfig("reset counters", protocol, syscall.ENOENT)
		}
	}
	s.st.ResetCounters(protocol)
	return nil
}

// Counters returns every statistic of the stack that is not zero, by name.
// Drops are counted by reason under "drop.…".
func (s *Stack) Counters() map[string]uint64 { return s.st.Counters() }
