package socket

import (
	"net/netip"
	"syscall"
)

// Options is a socket's options: a new value for every change.
type Options struct {
	FIB         uint32
	TTL         int   // hop limit in IPv6; -1: the stack's
	TOS         uint8 // traffic class in IPv6
	RecvSpace   int   // 0: the stack's
	Broadcast   bool
	DontRoute   bool
	DontFrag    bool
	Mcast       bool // the multicast options below count
	McastIf     uint32
	OutIf       uint32 // of one packet, which the sender named
	McastTTL    int
	McastLoop   bool
	McastAll    bool // source filters are not applied: to show that they matter
	HdrIncl     bool
	ICMPAllow   [8]uint32 // raw ICMP: bit per type to be delivered, if ICMPFilter
	ICMPFilter  bool
	RouterAlert bool
	SumAt       int32      // raw IPv6: where the checksum is, plus 1; 0: the stack does not care
	NextHop     netip.Addr // of one packet, a neighbour that the sender named
	V6Only      bool       // bound to ::, hears no IPv4; counts until the socket is bound
}

// Defaults returns the options of a new socket.
func Defaults() Options { return Options{TTL: -1, McastTTL: 1, McastLoop: true} }

// TTLFor returns the TTL of packets to dst, on a stack where ttl is usual. One
// of 0, which IPv6 allows, is none for IPv4.
func (o *Options) TTLFor(dst netip.Addr, ttl int32) uint8 {
	switch {
	case dst.IsMulticast():
		return uint8(o.McastTTL)
	case o.TTL > 0 || o.TTL == 0 && dst.Is6():
		return uint8(o.TTL)
	}
	return uint8(ttl)
}

// Loops tells whether the socket's multicast comes back to its own host, on a
// stack where loop says what is usual.
func (o *Options) Loops(loop int32) bool {
	if o.Mcast {
		return o.McastLoop
	}
	return loop != 0
}

// Send is what a sender may say about a packet beside its bytes: the zero
// value of each field means the socket's own choice.
type Send struct {
	Src     netip.Addr
	IfIndex uint32
	TTL     int
	TOS     int        // -1 means zero
	NextHop netip.Addr // a neighbour
}

// Over returns the options with what the sender said about one packet.
func (how *Send) Over(o *Options) *Options {
	n := *o
	if how.TTL > 0 {
		n.TTL, n.McastTTL = how.TTL, how.TTL
	}
	if how.TOS > 0 {
		n.TOS = uint8(how.TOS)
	} else if how.TOS < 0 {
		n.TOS = 0
	}
	if how.IfIndex != 0 {
		n.McastIf, n.OutIf = how.IfIndex, how.IfIndex
	}
	n.NextHop = how.NextHop
	return &n
}

// Option changes the socket's options.
func (s *Datagram) Option(edit func(o *Options)) {
	for {
		old := s.Opts.Load()
		next := *old
		edit(&next)
		if s.Opts.CompareAndSwap(old, &next) {
			return
		}
	}
}

// SetRecvSpace sets how many bytes of packets the socket keeps for a reader.
func (s *Datagram) SetRecvSpace(n int) { s.Option(func(o *Options) { o.RecvSpace = n }) }

// SetBroadcast allows sending to broadcast addresses (SO_BROADCAST).
func (s *Datagram) SetBroadcast(on bool) { s.Option(func(o *Options) { o.Broadcast = on }) }

// SetDontRoute sends to directly connected networks only (SO_DONTROUTE).
func (s *Datagram) SetDontRoute(on bool) { s.Option(func(o *Options) { o.DontRoute = on }) }

// SetDontFrag forbids fragments on the way (IP_DONTFRAG).
func (s *Datagram) SetDontFrag(on bool) { s.Option(func(o *Options) { o.DontFrag = on }) }

// SetHeaderIncluded says that what is written to a raw socket begins with an
// IPv4 header (IP_HDRINCL).
func (s *Datagram) SetHeaderIncluded(on bool) { s.Option(func(o *Options) { o.HdrIncl = on }) }

// SetRouterAlert sends raw packets with the Router Alert option.
func (s *Datagram) SetRouterAlert(on bool) { s.Option(func(o *Options) { o.RouterAlert = on }) }

// SetIgnoreSourceFilters lets the socket hear all sources of its groups: to
// show what source filters are for.
func (s *Datagram) SetIgnoreSourceFilters(on bool) { s.Option(func(o *Options) { o.McastAll = on }) }

// SetICMPFilter lets a raw ICMP socket receive only types whose bit is set.
func (s *Datagram) SetICMPFilter(allow [8]uint32) {
	s.Option(func(o *Options) { o.ICMPFilter, o.ICMPAllow = true, allow })
}

// ICMPFilter returns the types a raw ICMP socket receives, one bit each.
func (s *Datagram) ICMPFilter() (allow [8]uint32) {
	o := s.Opts.Load()
	if o.ICMPFilter {
		return o.ICMPAllow
	}
	for i := range allow {
		allow[i] = 1<<32 - 1
	}
	return allow
}

// FIB returns the routing table the socket uses.
func (s *Datagram) FIB() int { return int(s.Opts.Load().FIB) }

// SetTTL sets the TTL of unicast packets, 1 to 255; -1 means the stack's.
func (s *Datagram) SetTTL(n int) syscall.Errno {
	if n == 0 || n < -1 || n > 255 {
		return syscall.EINVAL
	}
	s.Option(func(o *Options) { o.TTL = n })
	return 0
}

// SetHopLimit sets the hop limit of unicast packets, 0 to 255; -1 means the
// stack's (IPV6_UNICAST_HOPS, RFC 3493 §5.1).
func (s *Datagram) SetHopLimit(n int) syscall.Errno {
	if n < -1 || n > 255 {
		return syscall.EINVAL
	}
	s.Option(func(o *Options) { o.TTL = n })
	return 0
}

// SetV6Only says that a socket for IPv6 is for that alone, or that it takes
// IPv4 as well (IPV6_V6ONLY, RFC 3493 §5.3). EINVAL once the socket is bound.
func (s *Datagram) SetV6Only(on bool) syscall.Errno {
	if s.LocalAddr().IsValid() {
		return syscall.EINVAL
	}
	s.Option(func(o *Options) { o.V6Only = on })
	return 0
}

// SetTOS sets the type of service of packets sent, 0 to 255: in IPv6 the
// traffic class (IPV6_TCLASS, RFC 3542 §6.5).
func (s *Datagram) SetTOS(n int) syscall.Errno {
	if n < 0 || n > 255 {
		return syscall.EINVAL
	}
	s.Option(func(o *Options) { o.TOS = uint8(n) })
	return 0
}

// TOS returns the type of service of packets sent.
func (s *Datagram) TOS() int { return int(s.Opts.Load().TOS) }

// MulticastTTL returns the TTL of multicast packets.
func (s *Datagram) MulticastTTL() int { return s.Opts.Load().McastTTL }

// MulticastIf returns the index of the interface of multicast packets, 0 if
// the route decides.
func (s *Datagram) MulticastIf() uint32 { return s.Opts.Load().McastIf }
