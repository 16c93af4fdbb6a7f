package vimage

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	device "github.com/seed88948545/vimage/internal/tunnel"
)

// InterfaceInfo is what there is to know of an interface beside its addresses.
type InterfaceInfo struct {
	Name  string
	Index int
	MTU   int
	FIB   int              // table that routes what it receives
	MAC   net.HardwareAddr // nil where its link has none

	// Kind is what it is: "lo"; "epair" for an end of a pair that CreateEpair made;
	// "tun"; "gif", "gre", "gretap" or "vxlan" for a tunnel; "ether" for any other
	// that has hardware addresses, and "link" for one that has none.
	Kind string

	Up, Carrier, Broadcast, Loopback, PointToPoint, Multicast, Promiscuous bool
	NoARP, StaticARP                                                       bool // see SetARP
}

// Info returns what there is to know of the interface. ENXIO where it is gone.
func (i *Interface) Info() (InterfaceInfo, error) {
	c := i.s.st.View().Conf(i.index)
	if c == nil {
		return InterfaceInfo{}, wrapConfig("interface", i.name, syscall.ENXIO)
	}
	has := func(f ifnet.Flags) bool { return c.Flags&f != 0 }
	return InterfaceInfo{
		Name: c.Name, Index: int(i.index), MTU: c.MTU, FIB: int(c.FIB), MAC: hardware(c.MAC), Kind: i.kind(c),
		Up: has(ifnet.Up), Carrier: !has(ifnet.NoCarrier), Broadcast: has(ifnet.Broadcast), Loopback: has(ifnet.Loopback),
		PointToPoint: has(ifnet.PointToPoint), Multicast: has(ifnet.Multicast), Promiscuous: has(ifnet.Promisc),
		NoARP: has(ifnet.NoARP), StaticARP: has(ifnet.StaticARP),
	}, nil
}

func (i *Interface) kind(c *ifnet.Conf) string {
	switch p := c.Port.(type) {
	case *device.Device:
		return p.Kind().String()
	case *device.Tun:
		return "tun"
	}
	switch {
	case c.Flags&ifnet.Loopback != 0:
		return "lo"
	case i.s.w.jails.Paired(i.s.st, i.index):
		return "epair"
	case c.Props.Bare:
		return "link"
	}
	return "ether"
}

// ARPMode says how an interface does ARP.
type ARPMode uint8

// Modes of SetARP.
const (
	ARPOn     ARPMode = iota // ask, learn and answer
	ARPStatic                // answer only: neighbours are set by hand
	ARPOff                   // nothing of it
)

// SetARP says how the interface does ARP. EINVAL for lo0, and where the link has no
// hardware addresses or only two ends.
func (i *Interface) SetARP(m ARPMode) error {
	if err := i.s.may(jail.NetConfig, "set ARP", i.Name()); err != nil {
		return err
	}
	return wrapConfig("set ARP", i.Name(), control.SetARP(i.s.st, i.index, m == ARPOff, m == ARPStatic))
}

// CreateTunnel makes an interface whose link is a tunnel that leads nowhere yet: what
// it sends is lost until SetTunnel says where the other end is. See AddTunnel, which
// does both. EINVAL for a kind that there is not.
func (s *Stack) CreateTunnel(name string, k TunnelKind) (*Interface, error) {
	if err := s.may(jail.NetConfig, "create tunnel", name); err != nil {
		return nil, err
	}
	if k < GIF || k > VXLAN {
		return nil, wrapConfig("create tunnel", name, syscall.EINVAL)
	}
	c := tunnel.Config{Kind: tunnel.Kind(k), Local: netip.IPv4Unspecified(), Remote: netip.IPv4Unspecified()}
	index, e := control.AddInterface(s.st, control.IfaceConfig{Name: name, Port: device.New(c.Kind), MTU: c.MTU()})
	if e != 0 {
		return nil, wrapConfig("create tunnel", name, e)
	}
	return &Interface{s: s, index: index, name: name}, nil
}
