package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/pmtu"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// Output takes what a socket sends, a transport message, and sends it to hd.Dst
// behind the header hd, by the way that o says: from hd.Src, or where that is no
// address of one host from the one that suits the way. v is the stack's view.
// The errors are those of sendto(2).
func (s *Sock) Output(r *netisr.Runner, v *ifnet.View, b *pkt.Buf, hd *wire.IPHeader, o *socket.Options) syscall.Errno {
	st := s.st
	h := ifnet.Hop{Zone: o.OutIf}
	local := v.IsOursOn(hd.Dst, o.OutIf)
	f := ifnet.Flow{Src: netip.AddrPortFrom(hd.Src, 0), Dst: netip.AddrPortFrom(hd.Dst, 0)}
	if !s.Raw {
		u := wire.UDP(b.Bytes())
		f.Src, f.Dst = netip.AddrPortFrom(hd.Src, u.SrcPort()), netip.AddrPortFrom(hd.Dst, u.DstPort())
	}
	if e := v.Plan(o, hd, &f, &h, local); e != 0 || !local && h.Out == nil { // or a blackhole route
		r.Cache.Free(b)
		return e
	}
	if s.Raw && hd.Dst.Is6() {
		s.PutChecksum(o, b.Bytes(), hd.Src, hd.Dst)
	}
	sh := st.shardAt(0)
	if !s.Raw {
		sh = st.flowShard(hd.Src, hd.Dst, f.Src.Port(), f.Dst.Port(), wire.ProtoUDP)
		if hd.Dst.Is6() && v.V().IP6.FlowLabel != 0 {
			if a := s.Addrs.Load(); a.Label != 0 {
				hd.FlowLabel = a.Label
			} else {
				hd.FlowLabel = st.world.seed.FlowLabel(hd.Src, hd.Dst, f.Src.Port(), f.Dst.Port())
			}
		}
	}
	p := pass{r: r}
	sh.lock(&p)
	if !s.Raw {
		sh.hot.UDPOut++
	}
	p.m.FIB = o.FIB
	e := sh.outIP(&p, b, hd, &h, local, o.Loops(hd.Dst.Is6(), v.V().Mcast.Loops(hd.Dst.Is6())))
	sh.unlock(&p)
	return e
}

// outIP takes a transport message made here, puts its IP header in front
// and sends it: to ourselves if local, else to h.
func (sh *shard) outIP(p *pass, b *pkt.Buf, hd *wire.IPHeader, h *ifnet.Hop, local, loop bool) syscall.Errno {
	if !local && p.v.Arrival(h.Out.Index, h.Out.Gen) == nil {
		// It was removed after the sender had chosen it, before the shard was locked.
		sh.drop(p, b, pkt.NoInterface)
		return syscall.ENETDOWN
	}
	n := b.Len()
	hl := hd.Len()
	is6 := hd.Dst.Is6()
	if is6 && !local && hl+n > pmtu.Least && hd.Proto != wire.ProtoTCP { // TCP knows better
		h.MTU = sh.st.mtus.Limit(p.r.Now(), hd.Dst, h)
	}
	switch {
	case !is6 && hl+n > 65535, is6 && hl+n-wire.IPv6Len > 65535:
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	case is6 && hd.DF && !local && hl+n > h.MTU && b.GSO == pkt.GSONone:
		sh.drop(p, b, pkt.NeedFrag)
		return syscall.EMSGSIZE
	case is6:
		sh.rooms.Six().OutRequests++
	default:
		if hd.ID == 0 && (!hd.DF || !local && hl+n > h.MTU) {
			hd.ID = sh.nextID()
		}
		sh.hot.OutRequests++
	}
	ip := wire.PutIP(b.Push(hl), hd, n)
	if local {
		return sh.outLocal(p, b, ip, h.Zone)
	}
	if hd.Dst.IsMulticast() {
		return sh.outMulticast(p, b, ip, h, loop)
	}
	if h.IsBroadcast(p.v) {
		sh.loopCopy(p, b, h)
	}
	return sh.send(p, b, ip, h)
}

// nextID returns an identification for a packet that may be cut into
// fragments; shards draw from disjoint numbers (RFC 6864 §4.1 asks for nothing
// of packets that cannot be).
func (sh *shard) nextID() uint16 {
	n := uint16(sh.st.Shards())
	sh.ipID += n
	return sh.ipID + uint16(sh.id)
}

// outLocal sends a packet to an address of our own: it passes the filter as
// one that leaves by the loopback interface and comes in there.
func (sh *shard) outLocal(p *pass, b *pkt.Buf, ip wire.Packet, zone uint32) syscall.Errno {
	h := p.v.ToSelf(ip.Dst(), zone)
	return sh.send(p, b, ip, &h)
}

// loopCopy gives a copy of a packet that leaves by h to ourselves, as received
// on that interface.
func (sh *shard) loopCopy(p *pass, b *pkt.Buf, h *ifnet.Hop) {
	c := p.r.Cache.Clone(b)
	sh.rare().LoopbackCopy++
	sh.requeue(p, c, pkt.Meta{IfIndex: h.Out.Index, IfGen: h.Out.Gen, FIB: p.m.FIB}, pkt.WayInIP)
}

// MTUs returns what is known of paths.
func (st *Stack) MTUs() *ifnet.PathMTUs { return &st.mtus }
