package vnet

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Stack returns the stack the socket belongs to.
func (s *Sock) Stack() *Stack { return s.st }

// Closed tells whether the socket has been closed.
func (s *Sock) Closed() bool { return s.addrs.Load().closed }

// SetRecvSpace sets how many bytes of packets the socket keeps for a reader.
func (s *Sock) SetRecvSpace(n int) { s.option(func(o *sockOpts) { o.recvSpace = n }) }

// SetBroadcast allows sending to broadcast addresses (SO_BROADCAST).
func (s *Sock) SetBroadcast(on bool) { s.option(func(o *sockOpts) { o.broadcast = on }) }

// SetDontRoute sends to directly connected networks only (SO_DONTROUTE).
func (s *Sock) SetDontRoute(on bool) { s.option(func(o *sockOpts) { o.dontRoute = on }) }

// SetDontFrag forbids fragments on the way (IP_DONTFRAG).
func (s *Sock) SetDontFrag(on bool) { s.option(func(o *sockOpts) { o.dontFrag = on }) }

// SetHeaderIncluded says that what is written to a raw socket begins with an
// IPv4 header (IP_HDRINCL).
func (s *Sock) SetHeaderIncluded(on bool) { s.option(func(o *sockOpts) { o.hdrIncl = on }) }

// SetRouterAlert sends raw packets with the Router Alert option.
func (s *Sock) SetRouterAlert(on bool) { s.option(func(o *sockOpts) { o.routerAlert = on }) }

// SetIgnoreSourceFilters lets the socket hear all sources of its groups: to
// show what source filters are for.
func (s *Sock) SetIgnoreSourceFilters(on bool) { s.option(func(o *sockOpts) { o.mcastAll = on }) }

// SetICMPFilter lets a raw ICMP socket receive only types whose bit is set.
func (s *Sock) SetICMPFilter(allow [8]uint32) {
	s.option(func(o *sockOpts) { o.icmpFilter, o.icmpAllow = true, allow })
}

// ICMPFilter returns the types a raw ICMP socket receives, one bit each.
func (s *Sock) ICMPFilter() (allow [8]uint32) {
	o := s.opts.Load()
	if o.icmpFilter {
		return o.icmpAllow
	}
	for i := range allow {
		allow[i] = 1<<32 - 1
	}
	return allow
}

// Proto returns the IP protocol of the socket, and whether it is a raw one.
func (s *Sock) Proto() (proto uint8, raw bool) { return s.proto, s.raw }

// SetFIB changes the routing table the socket uses (SO_SETFIB). EINVAL where
// there is no such table.
func (s *Sock) SetFIB(n int) syscall.Errno {
	if n < 0 || n >= s.st.fibs.Len() {
		return syscall.EINVAL
	}
	s.option(func(o *sockOpts) { o.fib = uint32(n) })
	return 0
}

// FIB returns the routing table the socket uses.
func (s *Sock) FIB() int { return int(s.opts.Load().fib) }

// SetTTL sets the TTL of unicast packets, 1 to 255; -1 means the stack's.
func (s *Sock) SetTTL(n int) syscall.Errno {
	if n == 0 || n < -1 || n > 255 {
		return syscall.EINVAL
	}
	s.option(func(o *sockOpts) { o.ttl = n })
	return 0
}

// TTL returns the TTL of unicast packets.
func (s *Sock) TTL() int {
	if n := s.opts.Load().ttl; n >= 0 {
		return n
	}
	return int(s.st.view.Load().tun.IP.TTL)
}

// SetTOS sets the type of service of packets sent, 0 to 255.
func (s *Sock) SetTOS(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	s.option(func(o *sockOpts) { o.tos = uint8(n) })
	return 0
}

// TOS returns the type of service of packets sent.
func (s *Sock) TOS() int { return int(s.opts.Load().tos) }

// multicast makes the socket's own multicast options count from now on. The
// loop default is the stack's at this moment (behaviour 6.1).
func (s *Sock) multicast(edit func(o *sockOpts)) {
	loop := s.st.view.Load().tun.Mcast.Loop != 0
	s.option(func(o *sockOpts) {
		if !o.mcast {
			o.mcast, o.mcastLoop = true, loop
		}
		edit(o)
	})
}

// SetMulticastTTL sets the TTL of multicast packets, 0 to 255; 0 keeps them on
// this host.
func (s *Sock) SetMulticastTTL(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	s.multicast(func(o *sockOpts) { o.mcastTTL = n })
	return 0
}

// MulticastTTL returns the TTL of multicast packets.
func (s *Sock) MulticastTTL() int { return s.opts.Load().mcastTTL }

// SetMulticastLoop says whether this host's members hear what the socket sends.
func (s *Sock) SetMulticastLoop(on bool) { s.multicast(func(o *sockOpts) { o.mcastLoop = on }) }

// MulticastLoop tells whether this host's members hear what the socket sends.
func (s *Sock) MulticastLoop() bool { return s.opts.Load().loops(s.st.view.Load()) }

// SetMulticastIf chooses the interface of multicast packets; 0 leaves it to the
// route. EADDRNOTAVAIL for an unknown index, EOPNOTSUPP for an interface that
// cannot multicast.
func (s *Sock) SetMulticastIf(index uint32) syscall.Errno {
	if index != 0 {
		c := s.st.view.Load().conf(index)
		switch {
		case c == nil:
			return syscall.EADDRNOTAVAIL
		case c.flags&FlagMulticast == 0:
			return syscall.EOPNOTSUPP
		}
	}
	s.multicast(func(o *sockOpts) { o.mcastIf = index })
	return 0
}

// MulticastIf returns the index of the interface of multicast packets, 0 if
// the route decides.
func (s *Sock) MulticastIf() uint32 { return s.opts.Load().mcastIf }

// SourceFilter returns the filter of a membership (RFC 3678 §4.2.2): its mode
// and a sorted list. EINVAL for what is no group or interface, EADDRNOTAVAIL
// where the socket is not a member.
func (s *Sock) SourceFilter(ifIndex uint32, group netip.Addr) (mcast.Filter, syscall.Errno) {
	if !group.Is4() || !group.IsMulticast() {
		return mcast.Filter{}, syscall.EINVAL
	}
	st := s.st
	st.sh.mu.Lock()
	defer st.sh.mu.Unlock()
	if st.view.Load().conf(ifIndex) == nil {
		ifIndex = 0
	}
	f, err := st.groups.Filter(&s.members, group, int32(ifIndex))
	if err != nil {
		return mcast.Filter{}, err.(syscall.Errno)
	}
	f.Sources = slices.Clone(f.Sources)
	return f, 0
}
