package ipv4

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/bpf"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// dgramOpt holds the options of sockets that send and receive packets.
type dgramOpt struct {
	genericOpt
	k kernelDgram // nil for a vimage socket
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
		return 0, errInvalidConn
	case c.k != nil:
		return c.k.MulticastTTL()
	}
	return c.s.MulticastTTL(), c.wrap("get", "getsockopt", 0)
}

// SetMulticastTTL sets the time to live of multicast packets sent, 0 to 255; 0
// keeps them on this host. EINVAL for another.
func (c *dgramOpt) SetMulticastTTL(ttl int) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetMulticastTTL(ttl)
	}
	return c.err(c.s.SetMulticastTTL(ttl))
}

// MulticastInterface returns the interface multicast packets leave by, nil if
// none was chosen and the routes decide.
func (c *dgramOpt) MulticastInterface() (*net.Interface, error) {
	switch {
	case !c.valid():
		return nil, errInvalidConn
	case c.k != nil:
		return c.k.MulticastInterface()
	}
	index := c.s.MulticastIf()
	for i := range c.s.Stack().Interfaces() {
		if i.Index == index {
			ifi := control.Net(i)
			return &ifi, c.wrap("get", "getsockopt", 0)
		}
	}
	return nil, c.wrap("get", "getsockopt", 0)
}

// SetMulticastInterface chooses the interface multicast packets leave by; nil
// leaves it to the routes. EADDRNOTAVAIL for an interface the stack does not
// have, EOPNOTSUPP for one that cannot multicast.
func (c *dgramOpt) SetMulticastInterface(ifi *net.Interface) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetMulticastInterface(ifi)
	case ifi != nil && ifi.Index < 0:
		return c.err(syscall.EINVAL)
	}
	return c.err(c.s.SetMulticastIf(index(ifi)))
}

// MulticastLoopback tells whether members on this host hear what is sent.
func (c *dgramOpt) MulticastLoopback() (bool, error) {
	switch {
	case !c.valid():
		return false, errInvalidConn
	case c.k != nil:
		return c.k.MulticastLoopback()
	}
	return c.s.MulticastLoop(), c.wrap("get", "getsockopt", 0)
}

// SetMulticastLoopback says whether members on this host, the socket itself
// among them, hear what is sent.
func (c *dgramOpt) SetMulticastLoopback(on bool) error {
	switch {
	case !c.valid():
		return errInvalidConn
	case c.k != nil:
		return c.k.SetMulticastLoopback(on)
	}
	c.s.SetMulticastLoop(on)
	return c.err(0)
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
	return c.member(usrreq.McastJoin, ifi, group)
}

// LeaveGroup ends a membership, whatever its sources. A nil interface means the
// one on which the group was joined first. EADDRNOTAVAIL: not a member.
func (c *dgramOpt) LeaveGroup(ifi *net.Interface, group net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.LeaveGroup(ifi, group)
	}
	return c.member(usrreq.McastLeave, ifi, group)
}

// JoinSourceSpecificGroup makes the socket hear one more source of a group, and
// nothing but such sources. EINVAL: not a group, or joined with JoinGroup.
// EADDRNOTAVAIL: heard already, or as JoinGroup. ENOBUFS, ENOSPC: too many
// sources for the socket, for the interface.
func (c *dgramOpt) JoinSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.JoinSourceSpecificGroup(ifi, group, source)
	}
	return c.memberSource(usrreq.McastJoinSource, ifi, group, source)
}

// LeaveSourceSpecificGroup undoes JoinSourceSpecificGroup. EADDRNOTAVAIL: not a
// member of that source.
func (c *dgramOpt) LeaveSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.LeaveSourceSpecificGroup(ifi, group, source)
	}
	return c.memberSource(usrreq.McastLeaveSource, ifi, group, source)
}

// ExcludeSourceSpecificGroup makes the socket deaf to a source of a group that
// was joined with JoinGroup. EINVAL: joined source by source. EADDRNOTAVAIL:
// not a member, or deaf already. ENOBUFS, ENOSPC: too many sources.
func (c *dgramOpt) ExcludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.ExcludeSourceSpecificGroup(ifi, group, source)
	}
	return c.memberSource(usrreq.McastBlock, ifi, group, source)
}

// IncludeSourceSpecificGroup undoes ExcludeSourceSpecificGroup. EADDRNOTAVAIL:
// the source was not excluded.
func (c *dgramOpt) IncludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.valid() && c.k != nil {
		return c.k.IncludeSourceSpecificGroup(ifi, group, source)
	}
	return c.memberSource(usrreq.McastUnblock, ifi, group, source)
}

func (c *dgramOpt) member(op usrreq.McastOp, ifi *net.Interface, group net.Addr) error {
	if !c.valid() {
		return errInvalidConn
	}
	g := addrOf(group)
	if !g.IsValid() {
		return errMissingAddress
	}
	return c.err(c.s.Mcast(op, at(ifi), g, netip.Addr{}))
}

func (c *dgramOpt) memberSource(op usrreq.McastOp, ifi *net.Interface, group, source net.Addr) error {
	if !c.valid() {
		return errInvalidConn
	}
	g, s := addrOf(group), addrOf(source)
	if !g.IsValid() || !s.IsValid() {
		return errMissingAddress
	}
	return c.err(c.s.Mcast(op, at(ifi), g, s))
}

// index returns the index of an interface, 0 for nil.
func index(ifi *net.Interface) uint32 {
	if ifi == nil {
		return 0
	}
	return uint32(ifi.Index)
}

// at names an interface in a request about a membership; nil is whichever suits.
func at(ifi *net.Interface) usrreq.McastIf {
	if ifi == nil {
		return usrreq.McastIf{Any: true}
	}
	return usrreq.McastIf{Index: uint32(ifi.Index)}
}

// addrOf returns the IPv4 address in a, invalid where there is none.
func addrOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.UDPAddr:
		if a != nil {
			ip = a.IP
		}
	case *net.IPAddr:
		if a != nil {
			ip = a.IP
		}
	}
	return fromIP(ip)
}

func fromIP(ip net.IP) netip.Addr {
	v4, _ := netip.AddrFromSlice(ip.To4())
	return v4
}
