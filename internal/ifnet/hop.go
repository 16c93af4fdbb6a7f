package ifnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/proto/icmp"
)

// Hop is where a packet goes next.
type Hop struct {
	Out      *Conf
	Next     netip.Addr // on Out's link
	Neighbor *Neighbor  // Next, if already known
	Src      netip.Addr // preferred source, if the route has one
	MTU      int
	Zone     uint32 // interface that a packet to our own link-local address comes in by, 0: lo0
	Gateway  bool   // Next is a gateway
	Transit  bool   // the packet came from elsewhere
}

// Route finds the next hop for dst in a table; for a link-local address of IPv6,
// on the link of the interface with index scope, or with 0 on the only one there
// is. Packets of flow f, which may be nil, take the same way where there are several.
// It may be called without a lock.
func (v *View) Route(table uint32, dst netip.Addr, scope uint32, f *Flow, h *Hop) pkt.Reason {
	if ifaddr.IsLinkLocal(dst) {
		return v.onLink(dst, scope, h)
	}
	return h.Follow(v, v.FIBs.Lookup(int(table), dst), f, dst)
}

// ToSelf returns the way to an address of our own, as it is meant on the interface
// with index scope, if that is not 0.
func (v *View) ToSelf(dst netip.Addr, scope uint32) Hop {
	lo := v.Conf(LoIndex)
	h := Hop{Out: lo, Next: dst, MTU: lo.MTU}
	if ifaddr.IsLinkLocal(dst) {
		h.Zone = scope
	}
	return h
}

// onLink takes dst to be a neighbour on an interface.
func (v *View) onLink(dst netip.Addr, scope uint32, h *Hop) pkt.Reason {
	out := v.Conf(scope)
	if scope == 0 {
		out = v.onlyLink()
	}
	switch {
	case out == nil:
		return pkt.NoRoute
	case !out.Carries(true):
		return pkt.InterfaceDown
	}
	*h = Hop{Out: out, Next: dst, MTU: out.PacketMTU(true)}
	return pkt.NoReason
}

// LinkOf returns the index of the interface on which a link-local address without
// a zone is meant: the one that has it, or the only one there is; 0 if there are
// several.
func (v *View) LinkOf(a netip.Addr) uint32 {
	if l := v.Local.Find(a); l != nil {
		return l.Index
	}
	if c := v.onlyLink(); c != nil {
		return c.Index
	}
	return 0
}

// onlyLink returns the interface that leads to a link, if there is but one.
func (v *View) onlyLink() (only *Conf) {
	for _, c := range v.Ifs {
		if c == nil || c.Port == nil {
			continue
		}
		if only != nil {
			return nil
		}
		only = c
	}
	return only
}

// Follow makes the next hop for dst out of its route, which may be nil, or of that of
// several which is the flow's.
func (h *Hop) Follow(v *View, rt *fib.Route[*Neighbor], f *Flow, dst netip.Addr) pkt.Reason {
	if rt != nil && rt.Next != nil {
		rt = v.pick(rt, f)
	}
	switch {
	case rt == nil:
		return pkt.NoRoute
	case rt.Flags&fib.Reject != 0 && rt.Flags&fib.Host == 0:
		return pkt.NetRejected
	case rt.Flags&fib.Reject != 0:
		return pkt.NoRoute
	}
	if rt.Flags&fib.Blackhole != 0 {
		return pkt.Blackhole
	}
	out := v.Conf(rt.IfIndex)
	if out == nil {
		return pkt.NoRoute
	}
	if !out.Carries(dst.Is6()) {
		return pkt.InterfaceDown
	}
	h.Out, h.Next, h.Neighbor, h.Gateway, h.Src, h.MTU = out, dst, nil, false, rt.Src, out.PacketMTU(dst.Is6())
	if rt.MTU != 0 && int(rt.MTU) < h.MTU {
		h.MTU = int(rt.MTU)
	}
	if rt.Flags&fib.Gateway != 0 {
		h.Next, h.Neighbor, h.Gateway = rt.Gateway, rt.Adj, true
	}
	return pkt.NoReason
}

// RouteErrno is what a local sender is told when Route fails.
func RouteErrno(why pkt.Reason) syscall.Errno {
	switch why {
	case pkt.NoReason, pkt.Blackhole:
		return 0
	case pkt.InterfaceDown:
		return syscall.ENETDOWN
	case pkt.NetRejected: // behaviour 4.1
		return syscall.ENETUNREACH
	}
	return syscall.EHOSTUNREACH
}

// RouteKind is what the sender of a packet that cannot be forwarded is told.
func RouteKind(why pkt.Reason, is6 bool) icmp.Kind {
	switch {
	case !is6:
		return icmp.HostUnreachable
	case why == pkt.NetRejected:
		return icmp.RejectRoute
	}
	return icmp.NoRoute // RFC 4443 §3.1, code 0
}

// DownErrno is what a sender is told whose packet another shard resolves: what
// that one found out with earlier packets.
func (h *Hop) DownErrno() syscall.Errno {
	n := h.Out.Neighbor(h.Next)
	switch {
	case n == nil || !n.Down.Load():
		return 0
	case h.Gateway:
		return syscall.EHOSTUNREACH
	}
	return syscall.EHOSTDOWN
}

// TTL returns the TTL or hop limit of packets to dst over h, which may lead
// nowhere yet.
func (v *View) TTL(h *Hop, dst netip.Addr) uint8 {
	switch {
	case dst.Is4():
		return uint8(v.V().IP.TTL)
	case h.Out != nil && h.Out.Hops != 0:
		return h.Out.Hops // RFC 4861 §6.3.2
	}
	return uint8(v.V().IP6.HopLimit)
}

// IsBroadcast tells whether h leads to all of a link.
func (h *Hop) IsBroadcast(v *View) bool {
	if h.Out.Flags&Broadcast == 0 {
		return false
	}
	if h.Next == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	l := v.Local.Find(h.Next)
	return l != nil && l.Broadcast && h.Out.Broadcasts(h.Next)
}

// Cached is the way of a flow that was looked up before, valid as long as view, table
// and the table's generation are what they were (behaviour 4.1).
type Cached struct {
	v       *View
	fib     uint32
	gen     uint32
	Why     pkt.Reason
	IsLocal bool // to ourselves
	Hop
}

// To finds the way from src to dst in a table, looked up again if something has
// changed, and tells whether it was: by the interface with index scope if that is not
// 0. It is for one flow only.
func (c *Cached) To(v *View, table uint32, src, to netip.AddrPort, scope uint32) (fresh bool) {
	gen := v.FIBs.Generation(int(table))
	if c.v == v && c.fib == table && c.gen == gen {
		return false
	}
	dst := to.Addr()
	*c = Cached{v: v, fib: table, gen: gen, IsLocal: v.IsOursOn(dst, scope)}
	if c.IsLocal {
		c.Hop = v.ToSelf(dst, scope)
		return true
	}
	c.Why = v.Route(table, dst, scope, &Flow{Src: src, Dst: to}, &c.Hop)
	if scope != 0 && (c.Why != pkt.NoReason || c.Out.Index != scope) { // our own address is link-local
		if c.Why = pkt.NoReason; v.wayBy(scope, dst, &c.Hop) != 0 {
			c.Why = pkt.InterfaceDown
		}
	}
	return true
}
