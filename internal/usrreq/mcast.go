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

// McastOp is a request of the delta API of RFC 3678.
type McastOp uint8

// Requests.
const (
	McastJoin McastOp = iota
	McastLeave
	McastJoinSource
	McastLeaveSource
	McastBlock
	McastUnblock
)

// McastIf is how a request about a membership names its interface: by index,
// by one of its addresses (struct ip_mreq), or not at all.
//
// Any lets the stack choose where nothing is named. A join is on the interface of
// the route to the group in the socket's table, else on the first that can
// multicast and has an address; other requests are about the membership of the
// group that came first. An address that no interface has means Any too, but to
// joins and SetSourceFilter.
//
// Without Any, nothing named is EADDRNOTAVAIL for a group of IPv4; for one of IPv6
// it is the interface of the route to the group.
type McastIf = ifnet.MemberAt

// Mcast changes one membership of s. The errors are those of behaviour tables 6.3
// and 6.5. EINVAL where the socket does not speak the family of the group.
func (s Sock) Mcast(op McastOp, at McastIf, group, source netip.Addr) syscall.Errno {
	group = s.group(group)
	return s.change(group, func(v *ifnet.View, g *vnet.Groups, m *vnet.Members) (vnet.McastTxn, error) {
		tun := &v.V().Mcast
		switch op {
		case McastJoin:
			return g.Join(m, group, s.joinIf(v, at, group), tun)
		case McastJoinSource:
			return g.JoinSource(m, group, s.joinIf(v, at, group), source, tun)
		case McastLeave:
			return g.Leave(m, group, s.memberIf(v, at, group), tun)
		case McastLeaveSource:
			return g.LeaveSource(m, group, s.memberIf(v, at, group), source, tun)
		case McastBlock:
			return g.Block(m, group, s.memberIf(v, at, group), source, tun)
		default:
			return g.Unblock(m, group, s.memberIf(v, at, group), source, tun)
		}
	})
}

// SetSourceFilter replaces the whole filter of a membership (RFC 3678 §4.2.1).
func (s Sock) SetSourceFilter(at McastIf, group netip.Addr, mode mcast.Mode, sources []netip.Addr) syscall.Errno {
	group = s.group(group)
	return s.change(group, func(v *ifnet.View, g *vnet.Groups, m *vnet.Members) (vnet.McastTxn, error) {
		return g.SetFilter(m, group, s.filterIf(v, at, group), mode, sources, &v.V().Mcast)
	})
}

// SourceFilter returns the filter of a membership (RFC 3678 §4.2.2): its mode
// and a sorted list. EADDRNOTAVAIL where the socket has no multicast options, no
// interface has the address, or the socket is no member; EINVAL for what is no
// group or no index of an interface.
func (s Sock) SourceFilter(at McastIf, group netip.Addr) (mcast.Filter, syscall.Errno) {
	return s.sourceFilter(group.Is6(), at, group)
}

// sourceFilter is SourceFilter by options of a family, of which group may not be.
func (s Sock) sourceFilter(is6 bool, at McastIf, group netip.Addr) (f mcast.Filter, e syscall.Errno) {
	if !s.Opts.Load().Multicast(is6).Own {
		return f, syscall.EADDRNOTAVAIL
	}
	s.Memberships(func(g *vnet.Groups, m *vnet.Members) {
		v := s.Stack().View()
		index := s.filterIf(v, at, group)
		if index == 0 && at.Index == 0 && !at.None() {
			e = syscall.EADDRNOTAVAIL
			return
		}
		var err error
		if f, err = g.Filter(m, group, index); err != nil {
			e = err.(syscall.Errno)
		}
	})
	f.Sources = slices.Clone(f.Sources)
	return f, e
}

// joinIf returns the interface of a join, 0 where there is none.
func (s Sock) joinIf(v *ifnet.View, at McastIf, group netip.Addr) int32 {
	if !group.IsMulticast() {
		return 0 // refused before interfaces are looked at
	}
	index, _ := v.MemberIf(s.Opts.Load().FIB, at, group)
	return int32(index)
}

// memberIf returns the interface of a membership that is there, 0 where what is
// named is none. By an address it is only hinted at: of an address that no
// interface has, 4.4BSD takes no notice.
func (s Sock) memberIf(v *ifnet.View, at McastIf, group netip.Addr) int32 {
	if at.Index == 0 && !at.None() && v.Owner(at) == nil {
		return mcast.AnyIf
	}
	return s.filterIf(v, at, group)
}

// filterIf is memberIf where an address is more than a hint.
func (s Sock) filterIf(v *ifnet.View, at McastIf, group netip.Addr) int32 {
	switch c := v.Owner(at); {
	case c != nil:
		return int32(c.Index)
	case !at.None():
		return 0
	case at.Any:
		return mcast.AnyIf
	case group.Is6():
		return s.joinIf(v, at, group)
	}
	return 0
}

// change makes one change of a membership. From then on the socket's own multicast
// options count.
func (s Sock) change(group netip.Addr, request vnet.McastRequest) syscall.Errno {
	e := s.Member(request)
	if e == 0 && !s.Opts.Load().Multicast(group.Is6()).Own {
		s.multicast(group.Is6(), func(*socket.Mcast) {})
	}
	return e
}

// group returns a group as the socket knows it: none of a family that it does not
// speak, which is then refused where another would be.
func (s Sock) group(a netip.Addr) netip.Addr {
	if a.Is4In6() || !s.Speaks(a.Is6()) {
		return netip.Addr{}
	}
	return a
}

// Speaks tells whether the socket is for a family: one for IPv6 that is not for
// that alone has the options of IPv4 as well.
func (s Sock) Speaks(is6 bool) bool {
	if is6 || !s.Is6 {
		return is6 == s.Is6
	}
	return !s.Raw && !s.Opts.Load().V6Only
}
