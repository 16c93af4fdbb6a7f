package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// hop is where a packet goes next.
type hop struct {
	out  *ifConf
	next netip.Addr // on out's link
	nb   *Neighbor  // next, if already known
	src  netip.Addr // preferred source, if the route has one
	mtu  int
	gw   bool // next is a gateway
	// transit says that the packet came from elsewhere.
	transit bool
}

// route finds the next hop for dst. It may be called without a lock.
func (st *Stack) route(v *View, table uint32, dst netip.Addr, h *hop) pkt.Reason {
	return h.follow(v, st.fibs.Table(int(table)).Lookup(dst), dst)
}

// follow makes the next hop for dst out of its route, which may be nil.
func (h *hop) follow(v *View, rt *fib.Route[*Neighbor], dst netip.Addr) pkt.Reason {
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
	out := v.conf(rt.IfIndex)
	if out == nil {
		return pkt.NoRoute
	}
	if !out.up() {
		return pkt.InterfaceDown
	}
	h.out, h.next, h.nb, h.gw, h.src, h.mtu = out, dst, nil, false, rt.Src, out.mtu
	if rt.MTU != 0 && int(rt.MTU) < h.mtu {
		h.mtu = int(rt.MTU)
	}
	if rt.Flags&fib.Gateway != 0 {
		h.next, h.nb, h.gw = rt.Gateway, rt.Adj, true
	}
	return pkt.NoReason
}

// routeErrno is what a local sender is told when route fails.
func routeErrno(why pkt.Reason) syscall.Errno {
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

// send takes a packet that begins with its IPv4 header, complete but for its
// way, and sends it to h: the tail of both the local and the forwarding path.
func (sh *shard) send(p *pass, b *pkt.Buf, ip wire.IPv4, h *hop) syscall.Errno {
	if p.v.filter != nil {
		var errno syscall.Errno
		if b, ip, errno = sh.filterOut(p, b, ip, h); b == nil {
			return errno
		}
	}
	if len(ip) > h.mtu {
		if b.GSO == pkt.GSONone {
			return sh.fragment(p, b, ip, h)
		}
		if segmentLen(ip, b) > h.mtu { // who makes these does not want them in pieces
			sh.errNeedFrag(p, b, ip, h)
			return syscall.EMSGSIZE
		}
	}
	return sh.resolve(p, b, h)
}

// segmentLen returns how long the packets are that a super-segment stands for.
func segmentLen(ip wire.IPv4, b *pkt.Buf) int {
	n := ip.HeaderLen() + int(b.GSOSize)
	if t, f := wire.ParseTCP(ip.Payload()); f == wire.OK && b.GSO == pkt.GSOTCP4 {
		n += t.HeaderLen()
	}
	return n
}

// resolve gives a packet its link header and sends it.
func (sh *shard) resolve(p *pass, b *pkt.Buf, h *hop) syscall.Errno {
	out := h.out
	if out.port == nil {
		sh.requeue(p, b, pkt.Meta{IfIndex: out.index, IfGen: out.gen, FIB: p.m.FIB, Depth: p.m.Depth}, pkt.WayInIP)
		return 0
	}
	nb := h.nb
	if nb == nil {
		if h.next.IsMulticast() {
			sh.outEther(p, b, out, wire.MulticastMAC(h.next))
			return 0
		}
		nb = out.neighbor(h.next)
	}
	if nb != nil && (sh.id == 0 || sh.handed.Load() == 0) {
		if hdr := nb.hdr.Load(); hdr != nil {
			if !nb.used.Load() {
				nb.used.Store(true)
			}
			copy(b.Push(wire.EtherLen), hdr[:])
			sh.tx(p, b, out)
			return 0
		}
	}
	return sh.unresolved(p, b, h)
}

// outEther sends a packet to a hardware address.
func (sh *shard) outEther(p *pass, b *pkt.Buf, out *ifConf, dst wire.MAC) {
	wire.PutEther(b.Push(wire.EtherLen), dst, out.mac, wire.EtherTypeIPv4)
	sh.tx(p, b, out)
}

// tx puts a frame into the link of an interface. The shard's lock is held, so
// that frames leave in the order in which they were made.
func (sh *shard) tx(p *pass, b *pkt.Buf, out *ifConf) {
	count := &out.count[sh.id]
	count.OutPackets++
	count.OutBytes += uint64(b.Len())
	if b.Bytes()[0]&1 != 0 {
		count.OutMcast++
	}
	if out.props.Raw && b.Sum == pkt.SumPartial {
		completeSum(b)
	}
	out.port.Put(p.r, b)
}

// completeSum fills in the transport checksum of a frame that leaves the
// process or may be damaged on its way.
func completeSum(b *pkt.Buf) {
	if wire.CompleteEther(b.Bytes()) {
		b.Sum = pkt.SumValid
	}
}

// sumIPv4 fills in the transport checksum of a whole packet.
func sumIPv4(ip wire.IPv4) { wire.CompleteIPv4(ip) }
