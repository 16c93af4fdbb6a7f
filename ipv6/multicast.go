package ipv6

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

// kernelDgram is what dgramOpt needs of x/net's PacketConn.
type kernelDgram interface {
	MulticastHopLimit() (int, error)
	SetMulticastHopLimit(hoplim int) error
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
	Checksum() (on bool, offset int, err error)
	SetChecksum(on bool, offset int) error
	ICMPFilter() (*ICMPFilter, error)
	SetICMPFilter(f *ICMPFilter) error
	SetBPF(filter []bpf.RawInstruction) error
}

// MulticastHopLimit returns the hop limit of multicast packets sent; 1 unless it
// was set.
func (c *dgramOpt) MulticastHopLimit() (int, error) {
	if c.k != nil {
		return c.k.MulticastHopLimit()
	}
	return c.getInt(func() (int, syscall.Errno) { return c.d.Sock.MulticastHops(), 0 })
}

// SetMulticastHopLimit sets the hop limit of multicast packets sent, 0 to 255, or
// -1 for the usual 1; 0 keeps them on this host. EINVAL for another.
func (c *dgramOpt) SetMulticastHopLimit(hoplim int) error {
	if c.k != nil {
		return c.k.SetMulticastHopLimit(hoplim)
	}
	return c.set(func() syscall.Errno { return c.d.Sock.SetMulticastHops(hoplim) })
}

// MulticastInterface returns the interface multicast packets leave by, nil if
// none was chosen and the routes decide.
func (c *dgramOpt) MulticastInterface() (ifi *net.Interface, err error) {
	if c.k != nil {
		return c.k.MulticastInterface()
	}
	err = c.get(func() syscall.Errno {
		ifi = c.d.Interface(c.d.Sock.MulticastIf6())
		return 0
	})
	return ifi, err
}

// SetMulticastInterface chooses the interface multicast packets leave by; nil
// leaves it to the routes. EADDRNOTAVAIL for an interface the stack does not
// have, or one that cannot multicast.
func (c *dgramOpt) SetMulticastInterface(ifi *net.Interface) error {
	if c.k != nil {
		return c.k.SetMulticastInterface(ifi)
	}
	return c.set(func() syscall.Errno {
		if ifi == nil {
			return c.d.Sock.SetMulticastIf6(0)
		}
		return c.d.Sock.SetMulticastIf6(uint32(ifi.Index))
	})
}

// MulticastLoopback tells whether members on this host hear what is sent.
func (c *dgramOpt) MulticastLoopback() (on bool, err error) {
	if c.k != nil {
		return c.k.MulticastLoopback()
	}
	err = c.get(func() syscall.Errno {
		on = c.d.Sock.MulticastLoop6()
		return 0
	})
	return on, err
}

// SetMulticastLoopback says whether members on this host, the socket itself
// among them, hear what is sent.
func (c *dgramOpt) SetMulticastLoopback(on bool) error {
	if c.k != nil {
		return c.k.SetMulticastLoopback(on)
	}
	return c.set(func() syscall.Errno {
		c.d.Sock.SetMulticastLoop6(on)
		return 0
	})
}

// JoinGroup makes the socket hear every source of a group on an interface, nil
// meaning that of the group's zone, else that of the route to the group, else the
// first that can multicast. EINVAL: not a group. EADDRINUSE: joined already, with
// sources or without. EADDRNOTAVAIL: no such interface, or it cannot multicast.
// ENOMEM: 4,095 memberships.
func (c *dgramOpt) JoinGroup(ifi *net.Interface, group net.Addr) error {
	if c.k != nil {
		return c.k.JoinGroup(ifi, group)
	}
	return c.member(usrreq.McastJoin, ifi, group, nil)
}

// LeaveGroup ends a membership, whatever its sources. A nil interface means that
// of the group's zone, else the one on which the group was joined first.
// EADDRNOTAVAIL: not a member.
func (c *dgramOpt) LeaveGroup(ifi *net.Interface, group net.Addr) error {
	if c.k != nil {
		return c.k.LeaveGroup(ifi, group)
	}
	return c.member(usrreq.McastLeave, ifi, group, nil)
}

// JoinSourceSpecificGroup makes the socket hear one more source of a group, and
// nothing but such sources. EINVAL: not a group, the source is one, or joined with
// JoinGroup. EADDRNOTAVAIL: heard already, or as JoinGroup. ENOBUFS, ENOSPC: too
// many sources for the socket, for the interface.
func (c *dgramOpt) JoinSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.k != nil {
		return c.k.JoinSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastJoinSource, ifi, group, source)
}

// LeaveSourceSpecificGroup undoes JoinSourceSpecificGroup. EADDRNOTAVAIL: not a
// member of that source.
func (c *dgramOpt) LeaveSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.k != nil {
		return c.k.LeaveSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastLeaveSource, ifi, group, source)
}

// ExcludeSourceSpecificGroup makes the socket deaf to a source of a group that
// was joined with JoinGroup. EINVAL: joined source by source. EADDRNOTAVAIL:
// not a member, or deaf already. ENOBUFS, ENOSPC: too many sources.
func (c *dgramOpt) ExcludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.k != nil {
		return c.k.ExcludeSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastBlock, ifi, group, source)
}

// IncludeSourceSpecificGroup undoes ExcludeSourceSpecificGroup. EADDRNOTAVAIL:
// the source was not excluded.
func (c *dgramOpt) IncludeSourceSpecificGroup(ifi *net.Interface, group, source net.Addr) error {
	if c.k != nil {
		return c.k.IncludeSourceSpecificGroup(ifi, group, source)
	}
	return c.member(usrreq.McastUnblock, ifi, group, source)
}

func (c *dgramOpt) member(op usrreq.McastOp, ifi *net.Interface, group, source net.Addr) error {
	g, s := addr6(group), addr6(source)
	if c.valid() && (!g.IsValid() || op >= usrreq.McastJoinSource && !s.IsValid()) {
		return xnet.ErrMissingAddress
	}
	return c.set(func() syscall.Errno { return c.d.Member(op, ifi, g, s) })
}

// addr6 returns the IPv6 address in a, with its zone, invalid where there is none.
func addr6(a net.Addr) netip.Addr {
	if ip := xnet.Addr(a); ip.Is6() {
		return ip
	}
	return netip.Addr{}
}

func ip6(ip net.IP) netip.Addr { return addr6(&net.IPAddr{IP: ip}) }
