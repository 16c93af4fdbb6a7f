package ipv4

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/xnet"
)

// dgramOpt holds the options of sockets that send and receive packets.
type dgramOpt struct {
	genericOpt
	d xnet.Dgram
	k kernelDgram // nil for a vimage socket
}

func dgramOf(c net.PacketConn) dgramOpt {
	d := xnet.DgramOf(c)
	return dgramOpt{genericOpt: genericOpt{o: d.Opt}, d: d}
}

// kernelDgram is what x/net's PacketConn and RawConn have in common.
type kernelDgram interface {
	MulticastTTL() (int, error)
	SetMulticastTTL(ttl int) error
	MulticastInterface() (*net.Interface, error)
	SetMulticastInterface(ifi *net.Interface) error
	MulticastLoopback() (bool, error)
	SetMulticastLoopback(on bool) error
	JoinGroup(ifi *net.Interface, group net.Addr) error
	LeaveGroup(ifi *net.Interface, group net.Addr) error
	JoinSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	LeaveSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	ExcludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	IncludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error
	ICMPFilter() (*ICMPFilter, error)
	SetICMPFilter(f *ICMPFilter) error
	SetBPF(filter []bpf.RawInstruction) error
}

// MulticastTTL returns the time to live of multicast packets sent; 1 unless it
// was set.
func (c *dgramOpt) MulticastTTL() (int, error) {
	switch {
	case !c.valid():
		return 0, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.MulticastTTL()
	}
	return c.d.Sock.MulticastTTL(), c.o.Get(0)
}

// SetMulticastTTL sets the time to live of multicast packets sent, 0 to 255; 0
// keeps them on this host. EINVAL for another.
func (c *dgramOpt) SetMulticastTTL(ttl int) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetMulticastTTL(ttl)
	}
	return c.o.Set(c.d.Sock.SetMulticastTTL(ttl))
}

// MulticastInterface returns the interface multicast packets leave by, nil if
// none was chosen and the routes decide.
func (c *dgramOpt) MulticastInterface() (*net.Interface, error) {
	switch {
	case !c.valid():
		return nil, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.MulticastInterface()
	}
	return c.d.Interface(c.d.Sock.MulticastIf()), c.o.Get(0)
}

// SetMulticastInterface chooses the interface multicast packets leave by; nil
// leaves it to the routes. EADDRNOTAVAIL for an interface the stack does not
// have, EOPNOTSUPP for one that cannot multicast.
func (c *dgramOpt) SetMulticastInterface(ifi *net.Interface) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetMulticastInterface(ifi)
	case ifi == nil:
		return c.o.Set(c.d.Sock.SetMulticastIf(0))
	case ifi.Index < 0:
		return c.o.Set(syscall.EINVAL)
	}
	return c.o.Set(c.d.Sock.SetMulticastIf(uint32(ifi.Index)))
}

// MulticastLoopback tells whether members on this host hear what is sent.
func (c *dgramOpt) MulticastLoopback() (bool, error) {
	switch {
	case !c.valid():
		return false, xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.MulticastLoopback()
	}
	return c.d.Sock.MulticastLoop(), c.o.Get(0)
}

// SetMulticastLoopback says whether members on this host, the socket itself
// among them, hear what is sent.
func (c *dgramOpt) SetMulticastLoopback(on bool) error {
	switch {
	case !c.valid():
		return xnet.ErrInvalidConn
	case c.k != nil:
		return c.k.SetMulticastLoopback(on)
	}
	c.d.Sock.SetMulticastLoop(on)
	return c.o.Set(0)
}

// JoinGroup makes the socket hear every source of a group on an interface, nil
// meaning that of the route to the group, or the first that can multicast.
// EINVAL: not a group, or joined source by source. EADDRINUSE: joined already.
// EADDRNOTAVAIL: no such interface, or none that can multicast. ENOMEM: too many
// memberships.
func (c *dgramOpt) JoinGroup(ifi *net.Interface, group net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.JoinGroup(ifi, group)
	}
	return c.member(usrreq.McastJoin, ifi, group, nil)
}

// LeaveGroup ends a membership, whatever its sources. A nil interface means the
// one on which the group was joined first. EADDRNOTAVAIL: not a member.
func (c *dgramOpt) LeaveGroup(ifi *net.Interface, group net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.LeaveGroup(ifi, group)
	}
	return c.member(usrreq.McastLeave, ifi, group, nil)
}

// JoinSourceSpecificGroup makes the socket hear one more source of a group, and
// nothing but such sources. EINVAL: not a group, or joined with JoinGroup.
// EADDRNOTAVAIL: heard already, or as JoinGroup. ENOBUFS, ENOSPC: too many
// sources for the socket, for the interface.
func (c *dgramOpt) JoinSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.JoinSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastJoinSource, ifi, group, source)
}

// LeaveSourceSpecificGroup undoes JoinSourceSpecificGroup. EADDRNOTAVAIL: not a
// member of that source.
func (c *dgramOpt) LeaveSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.LeaveSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastLeaveSource, ifi, group, source)
}

// ExcludeSourceSpecificGroup makes the socket deaf to a source of a group that
// was joined with JoinGroup. EINVAL: joined source by source. EADDRNOTAVAIL:
// not a member, or deaf already. ENOBUFS, ENOSPC: too many sources.
func (c *dgramOpt) ExcludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.ExcludeSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastBlock, ifi, group, source)
}

// IncludeSourceSpecificGroup undoes ExcludeSourceSpecificGroup. EADDRNOTAVAIL:
// the source was not excluded.
func (c *dgramOpt) IncludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.IncludeSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastUnblock, ifi, group, source)
}

func (c *dgramOpt) member(op usrreq.McastOp, ifi *net.Interface, group, source net.Addr) error {
	if !c.valid() {
		return xnet.ErrInvalidConn
	}
	g, s := addrOf(group), addrOf(source)
	if !g.IsValid() || op >= usrreq.McastJoinSource && !s.IsValid() {
		return xnet.ErrMissingAddress
	}
	return c.o.Set(c.d.Member(op, ifi, g, s))
}

// addrOf returns the IPv4 address in a, invalid where there is none.
func addrOf(a net.Addr) netip.Addr {
	if ip := xnet.Addr(a); ip.Is4() {
		return ip
	}
	return netip.Addr{}
}

func fromIP(ip net.IP) netip.Addr { return addrOf(&net.IPAddr{IP: ip}) }
