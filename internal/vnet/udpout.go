package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// way finds the next hop for a packet that a socket sends from src to dst:
// by the interface the sender named, else by the socket's table.
func (st *Stack) way(v *View, o *socket.Options, src, dst netip.Addr, h *hop) syscall.Errno {
	if dst.IsMulticast() {
		return st.wayMulticast(v, o, dst, h)
	}
	if dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return wayBroadcast(v, o, src, dst, h)
	}
	why := st.route(v, o.FIB, dst, h)
	if o.OutIf != 0 && (why != pkt.NoReason || h.out.index != o.OutIf) {
		if e := wayBy(v, o.OutIf, dst, h); e != 0 {
			return e
		}
		why = pkt.NoReason
	}
	if why == pkt.Blackhole {
		h.out = nil
	}
	if e := routeErrno(why); e != 0 {
		return e
	}
	if o.DontRoute && h.gw {
		return syscall.ENETUNREACH
	}
	if !o.Broadcast && h.out != nil && !h.gw {
		if l := v.local.Find(dst); l != nil && l.Broadcast {
			return syscall.EACCES
		}
	}
	return 0
}

// wayBy takes the interface the sender named, though no route leaves by it: the
// destination is taken to be on its link.
func wayBy(v *View, index uint32, dst netip.Addr, h *hop) syscall.Errno {
	c := v.conf(index)
	switch {
	case c == nil:
		return syscall.EADDRNOTAVAIL
	case !c.up():
		return syscall.ENETDOWN
	}
	*h = hop{out: c, next: dst, mtu: c.mtu}
	return 0
}

// wayBroadcast sends a limited broadcast out of the interface that the sender
// named, else the one that has the sender's address, else the first that can
// broadcast.
func wayBroadcast(v *View, o *socket.Options, src, dst netip.Addr, h *hop) syscall.Errno {
	if !o.Broadcast {
		return syscall.EACCES
	}
	if o.OutIf != 0 {
		return wayBy(v, o.OutIf, dst, h)
	}
	if l := v.local.Find(src); l != nil {
		*h = hop{out: v.conf(l.Index), next: dst}
	} else {
		for _, c := range v.ifs {
			if c != nil && c.up() && c.flags&FlagBroadcast != 0 && len(c.addrs) > 0 {
				*h = hop{out: c, next: dst}
				break
			}
		}
	}
	switch {
	case h.out == nil:
		return syscall.EHOSTUNREACH
	case !h.out.up():
		return syscall.ENETDOWN
	}
	h.mtu = h.out.mtu
	return 0
}

// Output takes what a socket sends, a transport message, and sends it to hd.Dst
// behind the header hd, by the way that o says: from hd.Src, or where that is no
// address of one host from the one that suits the way. v is the stack's view.
// The errors are those of sendto(2).
func (s *Sock) Output(r *netisr.Runner, v *View, b *pkt.Buf, hd *wire.IPv4Header, o *socket.Options) syscall.Errno {
	st := s.st
	var h hop
	local := v.IsOurs(hd.Dst)
	e := syscall.Errno(0)
	if !local {
		if e = st.way(v, o, hd.Src, hd.Dst, &h); e != 0 || h.out == nil { // or a blackhole route
			r.Cache.Free(b)
			return e
		}
	}
	if hd.Src.IsUnspecified() || hd.Src.IsMulticast() {
		if hd.Src = hd.Dst; !local {
			hd.Src = h.source()
		}
	}
	if !hd.Src.IsValid() {
		r.Cache.Free(b)
		return syscall.EADDRNOTAVAIL
	}
	sh := st.shardAt(0)
	if st.more != nil && !s.Raw {
		u := wire.UDP(b.Bytes())
		sh = st.shardAt(int(wire.FlowHash(hd.Src.As4(), hd.Dst.As4(), u.SrcPort(), u.DstPort(), wire.ProtoUDP)) % (1 + len(st.more)))
	}
	p := pass{r: r}
	sh.lock(&p)
	if !s.Raw {
		sh.hot.UDPOut++
	}
	p.m.FIB = o.FIB
	e = sh.outIPv4(&p, b, hd, &h, local, o.Loops(v.tun.Mcast.Loop))
	sh.unlock(&p)
	return e
}

// outIPv4 takes a transport message made here, puts its IPv4 header in front
// and sends it: to ourselves if local, else to h.
func (sh *shard) outIPv4(p *pass, b *pkt.Buf, hd *wire.IPv4Header, h *hop, local, loop bool) syscall.Errno {
	if !local && p.v.arrival(h.out.index, h.out.gen) == nil {
		// It was removed after the sender had chosen it, before the shard was locked.
		sh.drop(p, b, pkt.NoInterface)
		return syscall.ENETDOWN
	}
	n := b.Len()
	hl := hd.Len()
	if hl+n > 65535 {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	if hd.ID == 0 && (!hd.DF || !local && hl+n > h.mtu) {
		hd.ID = sh.nextID()
	}
	wire.PutIPv4(b.Push(hl), hd, n)
	ip := wire.IPv4(b.Bytes())
	sh.hot.OutRequests++
	if local {
		return sh.outLocal(p, b, ip)
	}
	if hd.Dst.IsMulticast() {
		return sh.outMulticast(p, b, ip, h, loop)
	}
	if h.out.flags&FlagBroadcast != 0 && sh.isBroadcast(p.v, h) {
		sh.loopCopy(p, b, h)
	}
	return sh.send(p, b, ip, h)
}

// nextID returns an identification for a packet that may be cut into
// fragments; shards draw from disjoint numbers (RFC 6864 §4.1 asks for nothing
// of packets that cannot be).
func (sh *shard) nextID() uint16 {
	n := uint16(1 + len(sh.st.more))
	sh.ipID += n
	return sh.ipID + uint16(sh.id)
}

// outLocal sends a packet to an address of our own: it passes the filter as
// one that leaves by the loopback interface and comes in there.
func (sh *shard) outLocal(p *pass, b *pkt.Buf, ip wire.IPv4) syscall.Errno {
	lo := p.v.conf(loIndex)
	h := hop{out: lo, next: ip.Dst(), mtu: lo.mtu}
	return sh.send(p, b, ip, &h)
}

// loIndex is the index of lo0, which every stack has.
const loIndex = 1

// loopCopy gives a copy of a packet that leaves by h to ourselves, as received
// on that interface.
func (sh *shard) loopCopy(p *pass, b *pkt.Buf, h *hop) {
	c := p.r.Cache.Clone(b)
	sh.rare().LoopbackCopy++
	sh.requeue(p, c, pkt.Meta{IfIndex: h.out.index, IfGen: h.out.gen, FIB: p.m.FIB}, pkt.WayInIP)
}
