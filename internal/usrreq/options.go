package usrreq

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// SetFIB changes the routing table the socket uses (SO_SETFIB). EINVAL where
// there is no such table.
func (s Sock) SetFIB(n int) syscall.Errno {
	if n < 0 || n >= s.Stack().FIBs() {
		return syscall.EINVAL
	}
	s.Option(func(o *socket.Options) { o.FIB = uint32(n) })
	return 0
}

// TTL returns the TTL of unicast packets.
func (s Sock) TTL() int {
	if n := s.Opts.Load().TTL; n >= 0 {
		return n
	}
	return int(s.Stack().View().Tunables().IP.TTL)
}

// multicast makes the socket's own multicast options count from now on. The
// loop default is the stack's at this moment (behaviour 6.1).
func (s Sock) multicast(edit func(o *socket.Options)) {
	loop := s.Stack().View().Tunables().Mcast.Loop != 0
	s.Option(func(o *socket.Options) {
		if !o.Mcast {
			o.Mcast, o.McastLoop = true, loop
		}
		edit(o)
	})
}

// SetMulticastTTL sets the TTL of multicast packets, 0 to 255; 0 keeps them on
// this host.
func (s Sock) SetMulticastTTL(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	s.multicast(func(o *socket.Options) { o.McastTTL = n })
	return 0
}

// SetMulticastLoop says whether this host's members hear what the socket sends.
func (s Sock) SetMulticastLoop(on bool) { s.multicast(func(o *socket.Options) { o.McastLoop = on }) }

// MulticastLoop tells whether this host's members hear what the socket sends.
func (s Sock) MulticastLoop() bool {
	return s.Opts.Load().Loops(s.Stack().View().Tunables().Mcast.Loop)
}

// SetMulticastIf chooses the interface of multicast packets; 0 leaves it to the
// route. EADDRNOTAVAIL for an unknown index, EOPNOTSUPP for an interface that
// cannot multicast.
func (s Sock) SetMulticastIf(index uint32) syscall.Errno {
	if index != 0 {
		c, ok := s.Stack().Interface(index)
		switch {
		case !ok:
			return syscall.EADDRNOTAVAIL
		case c.Flags&ifnet.Multicast == 0:
			return syscall.EOPNOTSUPP
		}
	}
	s.multicast(func(o *socket.Options) { o.McastIf = index })
	return 0
}

// SourceFilter returns the filter of a membership (RFC 3678 §4.2.2): its mode
// and a sorted list. EINVAL for what is no group or interface, EADDRNOTAVAIL
// where the socket is not a member.
func (s Sock) SourceFilter(ifIndex uint32, group netip.Addr) (mcast.Filter, syscall.Errno) {
	if !group.Is4() || !group.IsMulticast() {
		return mcast.Filter{}, syscall.EINVAL
	}
	var f mcast.Filter
	var err error
	if _, ok := s.Stack().Interface(ifIndex); !ok {
		ifIndex = 0
	}
	s.Memberships(func(g *vnet.Groups, m *vnet.Members) {
		f, err = g.Filter(m, group, int32(ifIndex))
		f.Sources = slices.Clone(f.Sources)
	})
	if err != nil {
		return mcast.Filter{}, err.(syscall.Errno)
	}
	return f, 0
}
