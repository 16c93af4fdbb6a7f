package vnet

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// inICMP takes a control message.
func (sh *shard) inICMP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	m, f := wire.ParseICMP4(ip.Payload())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	room := sh.icmpRoom(p)
	a := room.Input(p.r.Now(), &icmp.Received{
		Src: ip.Src(), Dst: ip.Dst(), Message: m, Verify: b.Sum == pkt.SumUnknown,
		ToMany: to != destUnicast || p.l2 == toMany, FromMany: sh.fromMany(p, ip.Src()),
	})
	if a.Raw {
		sh.inRaw(p, b, ip, to)
	}
	switch {
	case a.Action == icmp.Reply:
		sh.replyICMP(p, b, ip, to, &a)
		return
	case a.Action == icmp.Tell:
		sh.tell(p, &a.Report)
	case a.Drop != icmp.NotDropped:
		sh.drop(p, b, pkt.Refused)
		return
	}
	p.r.Cache.Free(b)
}

func (sh *shard) fromMany(p *pass, src netip.Addr) bool {
	l := p.v.Local.Find(src)
	return l != nil && l.Broadcast
}

// replyICMP turns a request into its reply and sends it by the table the
// request came by (behaviour 4.3, rule 5).
func (sh *shard) replyICMP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind, a *icmp.Answer) {
	src, dst, tos := ip.Dst(), ip.Src(), ip.TOS()
	if to != destUnicast {
		src = netip.Addr{}
	}
	hl := ip.HeaderLen()
	b, _ = sh.own(p, b, ip)
	b.Pull(hl)
	day := sh.st.world.Clock().Wall(p.r.Now()).UTC()
	a.Put(wire.ICMP4(b.Bytes()), uint32(day.Sub(day.Truncate(24*time.Hour)).Milliseconds()))
	b.Sum = pkt.SumValid
	sh.sendICMP(p, b, src, dst, tos)
}

// sendICMP takes a complete message and sends it. An invalid src leaves the
// choice to the route.
func (sh *shard) sendICMP(p *pass, b *pkt.Buf, src, dst netip.Addr, tos uint8) {
	var h ifnet.Hop
	local := p.v.IsOurs(dst)
	if !local {
		if why := p.v.Route(p.m.FIB, dst, &h); why != pkt.NoReason {
			sh.drop(p, b, why)
			return
		}
	}
	if !src.IsValid() || !p.v.IsOurs(src) {
		if src = dst; !local {
			src = h.Source()
		}
	}
	if !src.IsValid() {
		sh.drop(p, b, pkt.NoRoute)
		return
	}
	hd := wire.IPv4Header{TOS: tos, TTL: uint8(p.v.Tun.IP.TTL), Proto: wire.ProtoICMP, Src: src, Dst: dst}
	sh.outIPv4(p, b, &hd, &h, local, false)
}

// refuse takes a packet that is lost and tells its sender why, unless it must
// not be told.
func (sh *shard) refuse(p *pass, b *pkt.Buf, ip wire.IPv4, why pkt.Reason, kind icmp.Kind, mtu int) {
	if b.Sum == pkt.SumPartial && !b.Shared() {
		sumIPv4(ip) // the quote must be what a wire would have carried
	}
	sh.complain(p, ip, kind, mtu)
	sh.drop(p, b, why)
}

// complain tells the sender of a packet that came here what is wrong with it,
// unless it must not be told.
func (sh *shard) complain(p *pass, ip wire.IPv4, kind icmp.Kind, mtu int) {
	if p.in == nil {
		return
	}
	room := sh.icmpRoom(p)
	c := icmp.Cause{Kind: kind, Packet: ip, ToMany: p.l2 == toMany, FromMany: sh.fromMany(p, ip.Src()), MTU: mtu}
	n, suppressed := room.Error(p.r.Now(), &c)
	if suppressed != icmp.NotSuppressed {
		return
	}
	e := p.r.Cache.Get(n)
	c.Put(e.Extend(n))
	e.Sum = pkt.SumValid
	src := ip.Dst()
	if p.v.Tun.ICMP.ReplyFromInterface != 0 {
		src = p.in.Addrs.First()
	}
	sh.sendICMP(p, e, src, ip.Src(), icmp.ErrorTOS)
}

// errNoRoute takes a packet that cannot be forwarded.
func (sh *shard) errNoRoute(p *pass, b *pkt.Buf, ip wire.IPv4, why pkt.Reason) {
	if why == pkt.Blackhole {
		sh.drop(p, b, why)
		return
	}
	sh.refuse(p, b, ip, why, icmp.HostUnreachable, 0)
}

// errTTL takes a packet whose TTL ran out.
func (sh *shard) errTTL(p *pass, b *pkt.Buf, ip wire.IPv4) {
	sh.refuse(p, b, ip, pkt.TTLExceeded, icmp.TTLExceeded, 0)
}

// errNeedFrag takes a packet that must not be cut (RFC 1191 §4).
func (sh *shard) errNeedFrag(p *pass, b *pkt.Buf, ip wire.IPv4, h *ifnet.Hop) {
	if h.Transit {
		ip.UndoTTL()
	}
	sh.refuse(p, b, ip, pkt.NeedFrag, icmp.PacketTooBig, h.MTU)
}

// errNoPort takes a datagram nobody listens for.
func (sh *shard) errNoPort(p *pass, b *pkt.Buf, ip wire.IPv4) {
	if p.v.Tun.UDP.Blackhole != 0 {
		sh.drop(p, b, pkt.NoPort)
		return
	}
	sh.refuse(p, b, ip, pkt.NoPort, icmp.PortUnreachable, 0)
}

// inOther takes a packet of a protocol that is not the stack's own.
func (sh *shard) inOther(p *pass, b *pkt.Buf, ip wire.IPv4, taken bool) {
	if sh.inModule(p, ip) || taken {
		p.r.Cache.Free(b)
		return
	}
	sh.refuse(p, b, ip, pkt.NoProtocol, icmp.ProtoUnreachable, 0)
}

// tell passes an error about a packet of ours to the socket that sent it: a
// connected one, since no other has promised to listen (RFC 1122 §4.1.3.3).
func (sh *shard) tell(p *pass, r *icmp.Report) {
	if !r.Ports {
		return
	}
	local := netip.AddrPortFrom(r.Src, r.SrcPort)
	remote := netip.AddrPortFrom(r.Dst, r.DstPort)
	if seq, ok := r.TCPSeq(); ok {
		sh.tellTCP(p, tcpKey{local, remote}, wire.Seq(seq), r)
		return
	}
	if r.Proto != wire.ProtoUDP {
		return
	}
	s := sh.st.udp.Lookup(sh.st.world.seed, local, remote, p.inIndex())
	if s == nil || s.Addrs.Load().Remote != remote {
		return
	}
	s.report(p, r.Kind.Errno())
}
