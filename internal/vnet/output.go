package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// send takes a packet that begins with its IP header, complete but for its
// way, and sends it to h: the tail of both the local and the forwarding path.
func (sh *shard) send(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) syscall.Errno {
	if p.v.Filter != nil {
		var errno syscall.Errno
		if b, ip, errno = sh.filterOut(p, b, ip, h); b == nil {
			return errno
		}
	}
	if ip.Len() > h.MTU {
		if b.GSO == pkt.GSONone {
			return sh.fragment(p, b, ip, h)
		}
		if ip.SegmentLen(int(b.GSOSize), b.GSO != pkt.GSOUDP) > h.MTU { // who makes these does not want them in pieces
			sh.errNeedFrag(p, b, ip, h)
			return syscall.EMSGSIZE
		}
	}
	return sh.resolve(p, b, h)
}

// resolve gives a packet its link header and sends it.
func (sh *shard) resolve(p *pass, b *pkt.Buf, h *ifnet.Hop) syscall.Errno {
	out := h.Out
	if out.Port == nil {
		if z := p.v.Conf(h.Zone); z != nil {
			out = z
		}
		sh.requeue(p, b, pkt.Meta{IfIndex: out.Index, IfGen: out.Gen, FIB: p.m.FIB, Depth: p.m.Depth}, pkt.WayInIP)
		return 0
	}
	nb := h.Neighbor
	if nb == nil {
		if h.Next.IsMulticast() || out.Props.Bare {
			sh.outEther(p, b, out, wire.MulticastMAC(h.Next))
			return 0
		}
		nb = out.Neighbor(h.Next)
	}
	if nb != nil && (sh.id == 0 || sh.handed.Load() == 0) {
		if hdr := nb.Header.Load(); hdr != nil {
			if !nb.Used.Load() {
				nb.Used.Store(true)
			}
			copy(b.Push(wire.EtherLen), hdr[:])
			sh.tx(p, b, out)
			return 0
		}
	}
	return sh.unresolved(p, b, h)
}

// outEther sends a packet to a hardware address, or as it is where a link has none.
func (sh *shard) outEther(p *pass, b *pkt.Buf, out *ifnet.Conf, dst wire.MAC) {
	if out.Props.Bare {
		sh.tx(p, b, out)
		return
	}
	typ := uint16(wire.EtherTypeIPv4)
	if b.Bytes()[0]>>4 == 6 {
		typ = wire.EtherTypeIPv6
	}
	wire.PutEther(b.Push(wire.EtherLen), dst, out.MAC, typ)
	sh.tx(p, b, out)
}

// tx puts a frame into the link of an interface. The shard's lock is held, so
// that frames leave in the order in which they were made.
func (sh *shard) tx(p *pass, b *pkt.Buf, out *ifnet.Conf) {
	count := out.Count(sh.id)
	count.OutPackets++
	count.OutBytes += uint64(b.Len())
	if b.Bytes()[0]&1 != 0 && !out.Props.Bare {
		count.OutMcast++
	}
	if out.Props.Raw && b.Sum == pkt.SumPartial && wire.CompleteEther(b.Bytes()) {
		b.Sum = pkt.SumValid // it leaves the process, or may be damaged on its way
	}
	b.Meta.Depth = p.m.Depth // out may be a tunnel's
	if t := out.Tee.Load(); t != nil {
		t.Sent(p.r, b)
	}
	out.Port.Put(p.r, b)
}
