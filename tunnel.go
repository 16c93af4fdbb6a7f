package vimage

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	device "github.com/seed88948545/vimage/internal/tunnel"
	"github.com/seed88948545/vimage/internal/wire"
)

// TunnelKind says what a tunnel puts into what.
type TunnelKind uint8

// Kinds of tunnel. GIF and GRE carry IP packets and make point-to-point interfaces;
// GRETAP and VXLAN carry Ethernet frames.
const (
	GIF    = TunnelKind(tunnel.GIF)    // IPv4 and IPv6 in IPv4 or IPv6 (RFC 4213, RFC 2473)
	GRE    = TunnelKind(tunnel.GRE)    // IPv4 and IPv6 in GRE (RFC 2784, RFC 2890)
	GRETAP = TunnelKind(tunnel.GRETAP) // Ethernet in GRE
	VXLAN  = TunnelKind(tunnel.VXLAN)  // Ethernet in UDP (RFC 7348)
)

// String names the kind as topology files do: "gif", "gre", "gretap", "vxlan".
func (k TunnelKind) String() string { return tunnel.Kind(k).String() }

// TunnelConfig is the outer side of a tunnel.
type TunnelConfig struct {
	Kind   TunnelKind
	Local  netip.Addr // of this end; invalid: the address that suits the way to Remote
	Remote netip.Addr // of the other. Of VXLAN it may be a group: what is for many goes there
	TTL    uint8      // of outer packets; 0: net.inet.ip.gifttl and its like, of VXLAN 64

	HasKey   bool   // GRE: packets have Key, and those without it are others'
	Key      uint32 //
	Checksum bool   // GRE: packets are summed
	Sequence bool   // GRE: packets are numbered, and those that come late are lost

	VNI        uint32 // VXLAN: the network, 24 bits
	Port       uint16 // VXLAN: of UDP; 0 means 4789
	Interface  string // VXLAN: leads to Remote if that is a group; empty: as the route to it says
	NoLearning bool   // VXLAN: all frames go to Remote, whoever was seen where

	// CheckSource has outer packets taken only from the interface that leads to their
	// source.
	CheckSource bool
}

func (t *TunnelConfig) inner(s *Stack) (c device.Config, err error) {
	c = device.Config{FIB: s.fib, CheckSource: t.CheckSource, Config: tunnel.Config{
		Kind: tunnel.Kind(t.Kind), Local: t.Local.Unmap(), Remote: t.Remote.Unmap(), TTL: t.TTL,
		HasKey: t.HasKey, Key: t.Key, Checksum: t.Checksum, Sequence: t.Sequence,
		VNI: t.VNI, Port: t.Port, NoLearning: t.NoLearning,
	}}
	if t.Interface != "" {
		i, err := s.Interface(t.Interface)
		if err != nil {
			return c, err
		}
		c.Interface = i.index
	}
	return c, nil
}

// AddTunnel makes an interface whose link is a tunnel to another end. The handle's
// table routes the outer packets (see Interface.SetTunnelFIB); c.FIB, what comes out
// of the tunnel. c.Port must be nil, and c.MAC if Ethernet does not go through. An MTU
// of 0 means 1,280 for gif, else what fits into 1,500 bytes outside: 1,476 for GRE and
// 1,450 for VXLAN over IPv4. The addresses of a point-to-point one are as AddTun says.
//
// The errors are EINVAL for what cannot be, EDESTADDRREQ without Remote, EADDRNOTAVAIL
// where Local or Remote are not one host's or another tunnel has the same ends,
// ENETUNREACH where no Local is given and no route leads to Remote, EADDRINUSE where a
// socket has the port of VXLAN.
func (s *Stack) AddTunnel(name string, t TunnelConfig, c InterfaceConfig) (*Interface, error) {
	const op = "add tunnel"
	if err := s.may(jail.NetConfig, op, name); err != nil {
		return nil, err
	}
	dc, err := t.inner(s)
	if err != nil {
		return nil, err
	}
	d := device.New(dc.Kind)
	ic := control.IfaceConfig{Name: name, Port: d, MTU: c.MTU, FIB: c.FIB, Down: c.Down, Addrs: c.Addrs}
	switch {
	case c.Port != nil:
		return nil, &ConfigError{op, name, errors.New("a tunnel is the interface's link: it has no Port")}
	case len(c.MAC) == len(ic.MAC) && dc.Kind.Ethernet():
		ic.MAC = wire.MAC(c.MAC)
	case len(c.MAC) != 0:
		return nil, &ConfigError{op, name, syscall.EINVAL}
	}
	if ic.MTU == 0 {
		if ic.MTU, err = device.MTU(s.st, dc); err != nil {
			return nil, &ConfigError{op, name, err}
		}
	}
	index, e := control.AddInterface(s.st, ic)
	if e != 0 {
		return nil, wrapConfig(op, name, e)
	}
	if e = d.Configure(s.st, index, dc); e != 0 {
		control.RemoveInterface(s.st, index)
		return nil, wrapConfig(op, name, e)
	}
	return &Interface{s: s, index: index, name: name}, nil
}

// device returns the tunnel that is the interface's link.
func (i *Interface) device(op string) (*device.Device, error) {
	if c := i.s.st.View().Conf(i.index); c != nil && c.Name == i.name {
		if d, ok := c.Port.(*device.Device); ok {
			return d, nil
		}
		return nil, &ConfigError{op, i.name, errors.New("it is no tunnel")}
	}
	return nil, &ConfigError{op, i.name, syscall.ENXIO}
}

// SetTunnel gives a tunnel another outer side, of the same kind, routed by the table
// of the handle that the interface was asked of. A tunnel that has come from another
// stack has none before. The errors are AddTunnel's.
func (i *Interface) SetTunnel(t TunnelConfig) error {
	const op = "set tunnel"
	if err := i.s.may(jail.NetConfig, op, i.name); err != nil {
		return err
	}
	d, err := i.device(op)
	if err != nil {
		return err
	}
	c, err := t.inner(i.s)
	if err != nil {
		return err
	}
	return wrapConfig(op, i.name, d.Configure(i.s.st, i.index, c))
}

// DeleteTunnel takes the outer side of a tunnel away: what is sent is lost.
func (i *Interface) DeleteTunnel() error {
	const op = "delete tunnel"
	if err := i.s.may(jail.NetConfig, op, i.name); err != nil {
		return err
	}
	d, err := i.device(op)
	if err == nil {
		d.Unconfigure()
	}
	return err
}

// SetTunnelFIB has another routing table route a tunnel's outer packets. EINVAL where
// the stack has no such table, ENXIO where the tunnel has no outer side.
func (i *Interface) SetTunnelFIB(n int) error {
	const op = "set tunnelfib"
	if err := i.s.may(jail.NetConfig, op, i.name); err != nil {
		return err
	}
	d, err := i.device(op)
	if err != nil {
		return err
	}
	return wrapConfig(op, i.name+" "+strconv.Itoa(n), d.SetFIB(n))
}

// Tunnel is what there is to know of the outer side of a tunnel.
type Tunnel struct {
	TunnelConfig
	FIB   int // table that routes the outer packets
	Stats TunnelStats
	Lost  uint64 // packets that the stack has not counted: the tunnel's own queue was full
}

// TunnelStats is what a tunnel has counted since it was configured.
type TunnelStats = tunnel.Stats

// Tunnel returns the outer side of a tunnel. ENXIO where it has none.
func (i *Interface) Tunnel() (Tunnel, error) {
	d, err := i.device("tunnel")
	if err != nil {
		return Tunnel{}, err
	}
	c, n, ok := d.Configured()
	if !ok {
		return Tunnel{}, &ConfigError{"tunnel", i.name, syscall.ENXIO}
	}
	t := TunnelConfig{
		Kind: TunnelKind(c.Kind), Local: c.Local, Remote: c.Remote, TTL: c.TTL, HasKey: c.HasKey, Key: c.Key, Checksum: c.Checksum, Sequence: c.Sequence,
		VNI: c.VNI, Port: c.Port, NoLearning: c.NoLearning, CheckSource: c.CheckSource,
	}
	if out, ok := i.s.st.Interface(c.Interface); ok {
		t.Interface = out.Name
	}
	return Tunnel{t, c.FIB, n, d.Lost()}, nil
}

// TunnelMAC is a hardware address and the end of a VXLAN network behind which it was
// last seen.
type TunnelMAC struct {
	MAC    net.HardwareAddr
	Remote netip.Addr
	TTL    time.Duration // until it is forgotten
}

// TunnelMACs returns what a tunnel of kind VXLAN has learned, sorted by MAC.
func (i *Interface) TunnelMACs() ([]TunnelMAC, error) {
	d, err := i.device("tunnel macs")
	if err != nil {
		return nil, err
	}
	var all []TunnelMAC
	for _, m := range d.MACs() {
		all = append(all, TunnelMAC{hardware(m.MAC), m.Via, m.TTL})
	}
	slices.SortFunc(all, func(a, b TunnelMAC) int { return slices.Compare(a.MAC, b.MAC) })
	return all, nil
}
