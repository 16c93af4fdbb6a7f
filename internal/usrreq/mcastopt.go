package usrreq

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// A socket for IPv6 that speaks IPv4 too has the multicast options of both
// families, apart: those of IPv6 have a 6, or a name of their own.

// multicast changes the socket's multicast options of a family and makes them count
// from now on. Until something else is said, whether they loop is what the stack
// says at this moment (behaviour 6.1).
func (s Sock) multicast(is6 bool, edit func(m *socket.Mcast)) {
	loop := s.Stack().View().V().Mcast.Loops(is6)
	s.Option(func(o *socket.Options) {
		m := o.Multicast(is6)
		if !m.Own {
			m.Own, m.Loop = true, loop
		}
		edit(m)
	})
}

// SetMulticastTTL sets the TTL of IPv4's multicast packets, 0 to 255; 0 keeps
// them on this host.
func (s Sock) SetMulticastTTL(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	s.multicast(false, func(m *socket.Mcast) { m.TTL = uint8(n) })
	return 0
}

// SetMulticastHops sets the hop limit of IPv6's multicast packets, 0 to 255; 0
// keeps them on this host, -1 is the default, 1 (RFC 3493 §5.2).
func (s Sock) SetMulticastHops(n int) syscall.Errno {
	if n < -1 || n > 255 {
		return syscall.EINVAL
	}
	if n == -1 {
		n = 1
	}
	s.multicast(true, func(m *socket.Mcast) { m.TTL = uint8(n) })
	return 0
}

// SetMulticastLoop says whether this host's members hear what the socket sends by
// IPv4.
func (s Sock) SetMulticastLoop(on bool) {
	s.multicast(false, func(m *socket.Mcast) { m.Loop = on })
}

// SetMulticastLoop6 is SetMulticastLoop for IPv6.
func (s Sock) SetMulticastLoop6(on bool) {
	s.multicast(true, func(m *socket.Mcast) { m.Loop = on })
}

// SetMulticastIf chooses the interface of IPv4's multicast packets; 0 leaves it to
// the route. EADDRNOTAVAIL for an unknown index, EOPNOTSUPP for an interface that
// cannot multicast.
func (s Sock) SetMulticastIf(index uint32) syscall.Errno {
	return s.chooseIf(false, McastIf{Index: index}, syscall.EOPNOTSUPP)
}

// SetMulticastIfAddr is SetMulticastIf by one of the interface's addresses, 0.0.0.0
// leaving it to the route.
func (s Sock) SetMulticastIfAddr(a netip.Addr) syscall.Errno {
	return s.chooseIf(false, McastIf{Addr: a}, syscall.EOPNOTSUPP)
}

// SetMulticastIf6 is SetMulticastIf for IPv6; EADDRNOTAVAIL also for an interface
// that cannot multicast.
func (s Sock) SetMulticastIf6(index uint32) syscall.Errno {
	return s.chooseIf(true, McastIf{Index: index}, syscall.EADDRNOTAVAIL)
}

// chooseIf looks for the interface and chooses it under the lock under which the
// choice of one that goes is undone.
func (s Sock) chooseIf(is6 bool, at McastIf, mute syscall.Errno) (e syscall.Errno) {
	s.Memberships(func(*vnet.Groups, *vnet.Members) {
		c := s.Stack().View().Owner(at)
		switch {
		case at.None():
			s.multicast(is6, func(m *socket.Mcast) { m.If = 0 })
		case c == nil:
			e = syscall.EADDRNOTAVAIL
		case c.Flags&ifnet.Multicast == 0:
			e = mute
		default:
			s.multicast(is6, func(m *socket.Mcast) { m.If = c.Index })
		}
	})
	return e
}
