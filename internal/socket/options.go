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
	Mcast4      Mcast
	Mcast6      Mcast
	OutIf       uint32 // of one packet, which the sender named
	McastAll    bool   // source filters are not applied: to show that they matter
	HdrIncl     bool
	ICMPAllow   [8]uint32 // raw ICMP: bit per type to be delivered, if ICMPFilter
	ICMPFilter  bool
	RouterAlert bool
	SumAt       int32      // raw IPv6: where the checksum is, plus 1; 0: the stack does not care
	NextHop     netip.Addr // of one packet, a neighbour that the sender named
	V6Only      bool       // bound to ::, hears no IPv4; counts until the socket is bound
	Limit       *Limit     // which addresses may be used; nil: all
}

// Mcast is a socket's multicast options for one family: RFC 3493 §5.2 gives a
// socket for IPv6 options of its own, beside those of IPv4.
type Mcast struct {
	If   uint32 // interface by which multicast leaves; 0: the route decides
	TTL  uint8  // hop limit in IPv6
	Loop bool
	Own  bool // they are the socket's own; until then Loop is the stack's
}

// Defaults returns the options of a new socket.
func Defaults() Options {
	m := Mcast{TTL: 1, Loop: true}
	return Options{TTL: -1, Mcast4: m, Mcast6: m}
}

// Multicast returns the multicast options for a family.
func (o *Options) Multicast(is6 bool) *Mcast {
	if is6 {
		return &o.Mcast6
	}
	return &o.Mcast4
}

// TTLFor returns the TTL of packets to dst, on a stack where ttl is usual. One
// of 0, which IPv6 allows, is none for IPv4.
func (o *Options) TTLFor(dst netip.Addr, ttl int32) uint8 {
	switch {
	case dst.IsMulticast():
		return o.Multicast(dst.Is6()).TTL
	case o.TTL > 0 || o.TTL == 0 && dst.Is6():
		return uint8(o.TTL)
	}
	return uint8(ttl)
}

// Loops tells whether the socket's multicast comes back to its own host, on a
// stack where usual says what is usual in this family.
func (o *Options) Loops(is6, usual bool) bool {
	if m := o.Multicast(is6); m.Own {
		return m.Loop
	}
	return usual
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
		n.TTL, n.Mcast4.TTL, n.Mcast6.TTL = how.TTL, uint8(how.TTL), uint8(how.TTL)
	}
	if how.TOS > 0 {
		n.TOS = uint8(how.TOS)
	} else if how.TOS < 0 {
		n.TOS = 0
	}
	if how.IfIndex != 0 {
		n.Mcast4.If, n.Mcast6.If, n.OutIf = how.IfIndex, how.IfIndex, how.IfIndex
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

// MulticastTTL returns the TTL of multicast packets of IPv4.
func (s *Datagram) MulticastTTL() int { return int(s.Opts.Load().Mcast4.TTL) }

// MulticastHops returns the hop limit of multicast packets of IPv6.
func (s *Datagram) MulticastHops() int { return int(s.Opts.Load().Mcast6.TTL) }

// MulticastLoop tells whether this host's members hear what the socket sends by
// IPv4. Like BSD it says yes where the socket has no options of its own, whatever
// the stack's default is.
func (s *Datagram) MulticastLoop() bool { return s.Opts.Load().Mcast4.Loop }

// MulticastLoop6 is MulticastLoop for IPv6.
func (s *Datagram) MulticastLoop6() bool { return s.Opts.Load().Mcast6.Loop }

// MulticastIf returns the index of the interface of IPv4's multicast packets, 0
// if the route decides.
func (s *Datagram) MulticastIf() uint32 { return s.Opts.Load().Mcast4.If }

// MulticastIf6 is MulticastIf for IPv6.
func (s *Datagram) MulticastIf6() uint32 { return s.Opts.Load().Mcast6.If }

// ForgetIf undoes the choice of an interface that goes away.
func (s *Datagram) ForgetIf(index uint32) {
	if o := s.Opts.Load(); o.Mcast4.If != index && o.Mcast6.If != index {
		return
	}
	s.Option(func(o *Options) {
		for _, m := range []*Mcast{&o.Mcast4, &o.Mcast6} {
			if m.If == index {
				m.If = 0
			}
		}
	})
}
