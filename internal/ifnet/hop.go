package ifnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
)

// Hop is where a packet goes next.
type Hop struct {
	Out      *Conf
	Next     netip.Addr // on Out's link
	Neighbor *Neighbor  // Next, if already known
	Src      netip.Addr // preferred source, if the route has one
	MTU      int
	Gateway  bool // Next is a gateway
	Transit  bool // the packet came from elsewhere
}

// Route finds the next hop for dst. It may be called without a lock.
func (v *View) Route(table uint32, dst netip.Addr, h *Hop) pkt.Reason {
	return h.Follow(v, v.FIBs.Table(int(table)).Lookup(dst), dst)
}

// Follow makes the next hop for dst out of its route, which may be nil.
func (h *Hop) Follow(v *View, rt *fib.Route[*Neighbor], dst netip.Addr) pkt.Reason {
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
	if !out.Up() {
		return pkt.InterfaceDown
	}
	h.Out, h.Next, h.Neighbor, h.Gateway, h.Src, h.MTU = out, dst, nil, false, rt.Src, out.MTU
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

// Source returns the address to send from over h.
func (h *Hop) Source() netip.Addr {
	if h.Src.IsValid() {
		return h.Src
	}
	return h.Out.Addrs.SourceFor(h.Next)
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

// Cached is a way that was looked up before, valid as long as view, table and
// the table's generation are what they were (behaviour 4.1).
type Cached struct {
	v       *View
	fib     uint32
	gen     uint32
	Why     pkt.Reason
	IsLocal bool // to ourselves
	Hop
}

// To returns the route to dst in a table, looked up again if something has
// changed, and whether it was.
func (c *Cached) To(v *View, table uint32, dst netip.Addr) (fresh bool) {
	gen := v.FIBs.Table(int(table)).Generation()
	if c.v == v && c.fib == table && c.gen == gen {
		return false
	}
	*c = Cached{v: v, fib: table, gen: gen, IsLocal: v.IsOurs(dst)}
	if c.IsLocal {
		c.Hop = Hop{Out: v.Conf(LoIndex), Next: dst, MTU: v.Conf(LoIndex).MTU}
		return true
	}
	c.Why = v.Route(table, dst, &c.Hop)
	return true
}
