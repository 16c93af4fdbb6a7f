package vimage

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/wire"
)

// Name returns the interface's name, of one that is gone the name it had when the
// handle was made.
func (i *Interface) Name() string {
	if c := i.s.st.View().Conf(i.index); c != nil {
		return c.Name
	}
	return i.name
}

// Rename gives the interface another name; handles, addresses, routes and sockets
// stay. EEXIST where another interface has that name, EINVAL for none.
func (i *Interface) Rename(name string) error {
	if err := i.s.may(jail.NetConfig, "rename", i.Name()); err != nil {
		return err
	}
	return wrapConfig("rename", i.Name()+" to "+strconv.Quote(name), control.Rename(i.s.st, i.index, name))
}

// SetMAC gives the interface another hardware address and tells its link: by
// gratuitous ARP, and by unsolicited advertisements (RFC 4861 §7.2.6). EINVAL for a
// group's address and for lo0.
func (i *Interface) SetMAC(mac net.HardwareAddr) error {
	if err := i.s.may(jail.NetConfig, "set MAC", i.Name()); err != nil {
		return err
	}
	m, err := hardwareOf("set MAC", i.Name(), mac)
	if err != nil {
		return err
	}
	return wrapConfig("set MAC", i.Name(), control.SetMAC(i.s.st, i.index, m))
}

// hardwareOf is the inverse of hardware.
func hardwareOf(op, what string, mac net.HardwareAddr) (m wire.MAC, err error) {
	if len(mac) != len(m) {
		return m, &ConfigError{op, what, fmt.Errorf("MAC of %d bytes: Ethernet has 6", len(mac))}
	}
	return wire.MAC(mac), nil
}

// SetMTU sets the length of the interface's longest packets, 68 bytes up to what its
// link carries; with addresses of IPv6 at least 1,280 (RFC 8200 §5). EINVAL for any
// other.
func (i *Interface) SetMTU(mtu int) error {
	if err := i.s.may(jail.NetConfig, "set MTU", i.Name()); err != nil {
		return err
	}
	return wrapConfig("set MTU", i.Name()+" to "+strconv.Itoa(mtu), control.SetMTU(i.s.st, i.index, mtu))
}

// SetCarrier says whether the interface's link has a carrier, which no link in this
// process knows by itself. When it is back the interface's addresses are announced.
func (i *Interface) SetCarrier(on bool) error {
	if err := i.s.may(jail.NetConfig, "set carrier", i.Name()); err != nil {
		return err
	}
	return wrapConfig("set carrier", i.Name(), control.SetCarrier(i.s.st, i.index, on))
}

// AddrConfig says which address an interface is given.
type AddrConfig struct {
	Prefix    netip.Prefix // the address with its subnet
	Addr      netip.Addr   // instead of Prefix: an IPv4 address; the subnet is that of its historic class
	Peer      netip.Addr   // the other end of a point-to-point link, which is what the address leads to
	Broadcast netip.Addr   // IPv4: invalid means the subnet's
	Flags     AddrFlags    // IPv6
}

// Configure is AddAddr for an address of which more is to be said. EDESTADDRREQ: an
// IPv4 address of a point-to-point link needs a Peer. EEXIST: the sysctl
// net.inet.ip.no_same_prefix forbids a second address in a subnet. EINVAL: nobody
// can have such an address.
func (i *Interface) Configure(c AddrConfig) error {
	what := c.Prefix.String()
	if !c.Prefix.IsValid() {
		what = c.Addr.String()
	}
	if err := i.s.may(jail.NetConfig, "add address", what); err != nil {
		return err
	}
	var f ifaddr.Flags
	if c.Flags&AddrAnycast != 0 {
		f |= ifaddr.Anycast
	}
	if c.Flags&AddrOptimistic != 0 {
		f |= ifaddr.Optimistic
	}
	if c.Flags&AddrTemporary != 0 {
		f |= ifaddr.Temporary
	}
	return wrapConfig("add address", what+" to "+i.Name(), control.Configure(i.s.st, i.index, control.AddrConfig{
		Prefix: c.Prefix, Addr: c.Addr, Peer: c.Peer, Broadcast: c.Broadcast, Flags: f,
	}))
}

// NeighborConfig says which neighbour is set by hand.
type NeighborConfig struct {
	Addr      netip.Addr
	MAC       net.HardwareAddr
	Published bool          // the stack answers for it (proxy ARP and its like)
	For       time.Duration // how long it stays unless it confirms itself; 0: for ever
}

// AddNeighbor adds or replaces a neighbour of either family by hand. EPERM: the
// address is the interface's own. ENOMEM: it is not on the interface's link. EINVAL: no
// host can have it.
func (i *Interface) AddNeighbor(c NeighborConfig) error {
	if err := i.s.may(jail.NetConfig, "set neighbor", c.Addr.String()); err != nil {
		return err
	}
	mac, err := hardwareOf("set neighbor", c.Addr.String(), c.MAC)
	if err != nil {
		return err
	}
	return wrapConfig("set neighbor", c.Addr.String()+" on "+i.Name(), control.AddNeighbor(i.s.st, i.index, &control.Neighbor{
		IP: c.Addr.WithZone(""), MAC: mac, Published: c.Published, For: c.For,
	}))
}

// SetNeighbor is AddNeighbor for one that does not age.
func (i *Interface) SetNeighbor(a netip.Addr, mac net.HardwareAddr, published bool) error {
	return i.AddNeighbor(NeighborConfig{Addr: a, MAC: mac, Published: published})
}

// InterfaceWithAddr returns the interface that has an address, or whose subnet has it
// as its broadcast address, with the address's subnet. A link-local address is found
// on the link of its zone, if it has one. ENXIO where no interface has it.
func (s *Stack) InterfaceWithAddr(a netip.Addr) (*Interface, netip.Prefix, error) {
	v := s.st.View()
	ip, scope, e := usrreq.Scoped(v, a)
	if e != 0 {
		return nil, netip.Prefix{}, wrapConfig("find address", a.String(), e)
	}
	return s.found(v.IfWithAddr(ip, scope), a)
}

// AddrTo returns the address that packets to dst leave from by the handle's table, with
// its subnet, and the interface that has it. ENXIO where there is no way to dst.
func (s *Stack) AddrTo(dst netip.Addr) (*Interface, netip.Prefix, error) {
	return s.found(s.st.View().AddrTo(s.fib, dst.Unmap()), dst)
}

func (s *Stack) found(a ifnet.IfAddr, what netip.Addr) (*Interface, netip.Prefix, error) {
	if !a.OK() {
		return nil, netip.Prefix{}, wrapConfig("find address", what.String(), syscall.ENXIO)
	}
	return &Interface{s: s, index: a.On.Index, name: a.On.Name}, a.Prefix, nil
}
