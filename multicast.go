package vimage

import (
	"math"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// FilterMode says how the sources of a filter are meant. The values are those of
// MCAST_INCLUDE and MCAST_EXCLUDE (RFC 3678).
type FilterMode uint8

// Modes of a source filter.
const (
	Include FilterMode = 1 // hear these sources only
	Exclude FilterMode = 2 // hear all but these
)

// String returns the name as RFC 3376 writes it.
func (m FilterMode) String() string { return mcast.Mode(m).String() }

// JoinGroup makes the socket hear every source of a group on an interface (RFC
// 3678 §5.1.1). With a nil ifi it is the interface that the group's zone names,
// else that of the route to the group, else the first that can multicast and has
// an address.
//
// EINVAL: not a group, not of a family of the socket's, or an IPv4 group that was
// joined source by source. EADDRINUSE: joined already. EADDRNOTAVAIL: no such
// interface, or one that cannot multicast or does not speak the family. ENOMEM: a
// socket has at most 4,095 memberships.
func (c *packetConn) JoinGroup(ifi *Interface, group netip.Addr) error {
	return c.member(usrreq.McastJoin, ifi, group, netip.Addr{})
}

// LeaveGroup ends a membership, whatever its sources. With a nil ifi, as in all
// that follows, it is the one of the group that began first. EINVAL: not a group.
// EADDRNOTAVAIL: not a member.
func (c *packetConn) LeaveGroup(ifi *Interface, group netip.Addr) error {
	return c.member(usrreq.McastLeave, ifi, group, netip.Addr{})
}

// JoinSourceGroup makes the socket hear one more source of a group, and nothing
// but such sources: source-specific multicast (RFC 3678 §5.1.1, RFC 4607). ifi is
// as in JoinGroup. EINVAL: not a group or a source of its family, or joined with
// JoinGroup. EADDRNOTAVAIL: heard already, or as in JoinGroup. ENOBUFS, ENOSPC:
// too many sources for the socket, for the interface (sysctl maxsocksrc and
// maxgrpsrc). ENOMEM as in JoinGroup.
func (c *packetConn) JoinSourceGroup(ifi *Interface, group, source netip.Addr) error {
	return c.member(usrreq.McastJoinSource, ifi, group, source)
}

// LeaveSourceGroup undoes JoinSourceGroup. Without its last source the membership
// stays, and hears nothing. EADDRNOTAVAIL: not a member of that source.
func (c *packetConn) LeaveSourceGroup(ifi *Interface, group, source netip.Addr) error {
	return c.member(usrreq.McastLeaveSource, ifi, group, source)
}

// BlockSource makes the socket deaf to a source of a group that was joined with
// JoinGroup (RFC 3678 §5.1.1). EINVAL: joined source by source. EADDRNOTAVAIL: not
// a member, or deaf already. ENOBUFS, ENOSPC: as in JoinSourceGroup.
func (c *packetConn) BlockSource(ifi *Interface, group, source netip.Addr) error {
	return c.member(usrreq.McastBlock, ifi, group, source)
}

// UnblockSource undoes BlockSource. EADDRNOTAVAIL: the source was not blocked.
func (c *packetConn) UnblockSource(ifi *Interface, group, source netip.Addr) error {
	return c.member(usrreq.McastUnblock, ifi, group, source)
}

func (c *packetConn) member(op usrreq.McastOp, ifi *Interface, group, source netip.Addr) error {
	at, group, e := c.at(ifi, group)
	if e == 0 {
		e = c.s.Mcast(op, at, group, source.WithZone("").Unmap())
	}
	return c.optErr("set", "setsockopt", e)
}

// SetSourceFilter replaces the filter of a membership as a whole, mode and
// sources, in one step (RFC 3678 §5.2.1). With no sources, Exclude hears all and
// Include none, and the membership stays. EINVAL: bad mode, or not a group.
// EADDRNOTAVAIL: not a member. EAFNOSUPPORT: a source of another family than the
// group. ENOBUFS, ENOSPC: as in JoinSourceGroup. After an error the filter is what
// it was.
func (c *packetConn) SetSourceFilter(ifi *Interface, group netip.Addr, mode FilterMode, sources []netip.Addr) error {
	at, group, e := c.at(ifi, group)
	if e == 0 {
		list := make([]netip.Addr, len(sources))
		for i, a := range sources {
			list[i] = a.WithZone("").Unmap()
		}
		e = c.s.SetSourceFilter(at, group, mcast.Mode(mode), list)
	}
	return c.optErr("set", "setsockopt", e)
}

// SourceFilter returns the filter of a membership, its sources in ascending order
// (RFC 3678 §5.2.2). EINVAL: no group, or no such interface. EADDRNOTAVAIL: not a
// member.
func (c *packetConn) SourceFilter(ifi *Interface, group netip.Addr) (FilterMode, []netip.Addr, error) {
	at, group, e := c.at(ifi, group)
	if e != 0 {
		return 0, nil, c.optErr("get", "getsockopt", e)
	}
	f, e := c.s.SourceFilter(at, group)
	return FilterMode(f.Mode), f.Sources, c.optErr("get", "getsockopt", e)
}

// SetMulticastInterface chooses the interface by which multicast packets leave, of
// each family that the socket speaks; nil leaves it to the routes. EADDRNOTAVAIL:
// the socket's stack has no such interface. EOPNOTSUPP, of a socket for IPv6
// EADDRNOTAVAIL: it cannot multicast.
func (c *packetConn) SetMulticastInterface(ifi *Interface) error {
	at := c.index(ifi)
	e := syscall.Errno(0)
	if c.s.Speaks(true) {
		e = c.s.SetMulticastIf6(at)
	}
	if e == 0 && c.s.Speaks(false) {
		e = c.s.SetMulticastIf(at)
	}
	return c.optErr("set", "setsockopt", e)
}

// MulticastInterface returns the interface that was chosen, nil where the routes
// decide.
func (c *packetConn) MulticastInterface() (*Interface, error) {
	at := c.s.MulticastIf()
	if c.s.Is6 {
		at = c.s.MulticastIf6()
	}
	err := c.optErr("get", "getsockopt", 0)
	if conf := c.s.Stack().View().Conf(at); conf != nil && err == nil {
		return &Interface{s: c.stack, index: at, name: conf.Name}, nil
	}
	return nil, err
}

// SetMulticastTTL sets the time to live of multicast packets of IPv4, the hop
// limit of those of IPv6, or both: 0 to 255, 1 unless it is set. 0 keeps them on
// this host. EINVAL for another.
func (c *packetConn) SetMulticastTTL(n int) error {
	e := syscall.EINVAL
	if n >= 0 {
		e = 0
		if c.s.Speaks(true) {
			e = c.s.SetMulticastHops(n)
		}
		if e == 0 && c.s.Speaks(false) {
			e = c.s.SetMulticastTTL(n)
		}
	}
	return c.optErr("set", "setsockopt", e)
}

// MulticastTTL returns what SetMulticastTTL sets.
func (c *packetConn) MulticastTTL() (int, error) {
	n := c.s.MulticastTTL()
	if c.s.Is6 {
		n = c.s.MulticastHops()
	}
	return n, c.optErr("get", "getsockopt", 0)
}

// SetMulticastLoopback says whether members on this host, the socket itself among
// them, hear what the socket sends to groups. Until it does, what the stack says
// counts (sysctl net.inet.ip.mcast.loop and net.inet6.ip6.mcast.loop), as it was at
// the moment the socket's first multicast option was set.
func (c *packetConn) SetMulticastLoopback(on bool) error {
	if c.s.Speaks(true) {
		c.s.SetMulticastLoop6(on)
	}
	if c.s.Speaks(false) {
		c.s.SetMulticastLoop(on)
	}
	return c.optErr("set", "setsockopt", 0)
}

// MulticastLoopback tells what SetMulticastLoopback says; true on a socket of which
// no multicast option was ever set, whatever the stack says.
func (c *packetConn) MulticastLoopback() (bool, error) {
	on := c.s.MulticastLoop()
	if c.s.Is6 {
		on = c.s.MulticastLoop6()
	}
	return on, c.optErr("get", "getsockopt", 0)
}

// index returns the index of an interface of the socket's stack, 0 for nil. Of an
// interface of another stack it is one that no interface has.
func (c *packetConn) index(ifi *Interface) uint32 {
	switch {
	case ifi == nil:
		return 0
	case ifi.s.st != c.s.Stack():
		return math.MaxUint32
	}
	return ifi.index
}

// at names the interface of a membership, and returns the group as the stack knows
// it.
func (c *packetConn) at(ifi *Interface, group netip.Addr) (usrreq.McastIf, netip.Addr, syscall.Errno) {
	if ifi != nil {
		return usrreq.McastIf{Index: c.index(ifi)}, group.WithZone("").Unmap(), 0
	}
	group, scope, e := usrreq.Scoped(c.s.Stack().View(), group)
	if e != 0 {
		e = syscall.EADDRNOTAVAIL
	}
	return usrreq.McastIf{Index: scope, Any: true}, group, e
}

// optErr wraps what an option's change or reading came to.
func (c *packetConn) optErr(op, call string, e syscall.Errno) error {
	switch {
	case c.s.Closed():
		return c.err(op, net.ErrClosed)
	case e != 0:
		return c.err(op, os.NewSyscallError(call, e))
	}
	return nil
}

// ListenMulticastUDP is net.ListenMulticastUDP on this stack, for udp, udp4 and
// udp6: a socket bound to the group's port on every address that is a member of
// the group gaddr on ifi, sends to groups by it, and does not hear what it sends
// itself. A nil ifi leaves the choice to the stack, or to gaddr's zone.
func (s *Stack) ListenMulticastUDP(network string, ifi *net.Interface, gaddr *net.UDPAddr) (*UDPConn, error) {
	if gaddr == nil {
		return nil, opError("listen", network, nil, nil, syscall.EDESTADDRREQ)
	}
	c, err := s.ListenUDP(network, gaddr)
	if err != nil {
		return nil, err
	}
	var at *Interface
	if ifi != nil {
		at = &Interface{s: s, index: uint32(ifi.Index), name: ifi.Name}
		err = c.SetMulticastInterface(at)
	}
	if err == nil {
		err = c.SetMulticastLoopback(false)
	}
	if err == nil {
		err = c.JoinGroup(at, gaddr.AddrPort().Addr())
	}
	if err != nil {
		c.Close()
		return nil, opError("listen", network, nil, gaddr, err.(*net.OpError).Err)
	}
	return c, nil
}

// Setsockopt sets a multicast option as setsockopt(2) does, for code that speaks the
// C API: with the numbers and the layouts of FreeBSD on a 64-bit little-endian
// machine. Level is 0 (IPPROTO_IP) or 41 (IPPROTO_IPV6). In a struct __msfilterreq
// the sources follow in place of the pointer to them, a struct sockaddr_storage
// each. EOPNOTSUPP: another option. EINVAL: a level or value that the socket does
// not know, or one that is too short.
func (c *packetConn) Setsockopt(level, name int, value []byte) error {
	return c.optErr("set", "setsockopt", c.s.Setsockopt(level, name, value))
}

// Getsockopt reads a multicast option into value, as getsockopt(2), and returns its
// length. ENOPROTOOPT: another option. See Setsockopt.
func (c *packetConn) Getsockopt(level, name int, value []byte) (int, error) {
	n, e := c.s.Getsockopt(level, name, value)
	return n, c.optErr("get", "getsockopt", e)
}
