package vnet

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// inICMP takes a control message.
func (sh *shard) inICMP(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	m, f := wire.ParseICMP4(ip.Payload())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	if to == destMulticast && p.in != nil && !sh.isMember(p.v, ip.Dst(), p.in) {
		sh.drop(p, b, pkt.NotMember)
		return
	}
	room := sh.rooms.ICMP(p.v.V())
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

// inICMP6 takes a control message of IPv6: one for the neighbours of an
// interface, for its groups, or for all.
func (sh *shard) inICMP6(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	m, f := wire.ParseICMP6(ip.Payload())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	switch m.Type() {
	case wire.ICMP6RouterSolicit, wire.ICMP6RouterAdvert, wire.ICMP6NeighborSolicit, wire.ICMP6NeighborAdvert, wire.ICMP6Redirect:
		sh.inND(p, b, ip, to, m)
		return
	case wire.ICMP6MLDQuery, wire.ICMP6MLDv1Report, wire.ICMP6MLDDone, wire.ICMP6MLDv2Report:
		sh.inGroup(p, b, ip, to)
		return
	}
	if to == destMulticast && p.in != nil && !sh.isMember(p.v, ip.Dst(), p.in) {
		sh.drop(p, b, pkt.NotMember)
		return
	}
	a := sh.rooms.ICMP6(p.v.V()).Input(p.r.Now(), &icmp.Received6{Src: ip.Src(), Dst: ip.Dst(), Message: m, Verify: b.Sum == pkt.SumUnknown})
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

// replyICMP turns a request into its reply and sends it by the table the
// request came by (behaviour 4.3, rule 5).
func (sh *shard) replyICMP(p *pass, b *pkt.Buf, ip wire.Packet, to destKind, a *icmp.Answer) {
	src, dst, tos := ip.Dst(), ip.Src(), ip.TOS()
	if to != destUnicast {
		src = netip.Addr{}
	}
	b, ip = sh.own(p, b, ip)
	b.Pull(ip.HeaderLen())
	if ip.Is6() {
		a.Put6(wire.ICMP6(b.Bytes()))
	} else {
		day := sh.st.world.Clock().Wall(p.r.Now()).UTC()
		a.Put(wire.ICMP4(b.Bytes()), uint32(day.Sub(day.Truncate(24*time.Hour)).Milliseconds()))
	}
	b.Sum = pkt.SumValid
	sh.sendICMP(p, b, src, dst, tos, nil)
}

// sendICMP takes a message, of ICMPv6 one without a checksum or with that of its
// addresses, and sends it. An invalid src leaves the choice to the route. about is the
// packet that it is about, whose flow's way it takes, if there is one.
func (sh *shard) sendICMP(p *pass, b *pkt.Buf, src, dst netip.Addr, tos uint8, about []byte) {
	h := ifnet.Hop{Zone: p.scope()}
	local := p.v.IsOursOn(dst, p.scope())
	if !local {
		f := ifnet.Flow{Packet: about, Src: netip.AddrPortFrom(src, 0), Dst: netip.AddrPortFrom(dst, 0)}
		if why := p.v.Route(p.m.FIB, dst, p.scope(), &f, &h); why != pkt.NoReason {
			sh.drop(p, b, why)
			return
		}
	}
	if l := p.v.Local.FindOn(src, p.scope()); l == nil || l.Broadcast || l.Flags&ifaddr.Anycast != 0 {
		if src = dst; !local {
			src = p.v.Source(&h, dst)
		}
	}
	if !src.IsValid() {
		sh.drop(p, b, pkt.NoRoute)
		return
	}
	hd := wire.IPHeader{TOS: tos, TTL: p.v.TTL(&h, dst), Proto: wire.ProtoICMP, Src: src, Dst: dst}
	if dst.Is6() {
		hd.Proto = wire.ProtoICMPv6
		wire.ICMP6(b.Bytes()).SetChecksum(src, dst)
	}
	sh.outIP(p, b, &hd, &h, local, false)
}

// refuse takes a packet that is lost and tells its sender why, unless it must
// not be told.
func (sh *shard) refuse(p *pass, b *pkt.Buf, why pkt.Reason, c *icmp.Cause) {
	if b.Sum == pkt.SumPartial && !b.Shared() {
		wire.CompletePacket(c.Packet) // the quote must be what a wire would have carried
	}
	sh.complain(p, c)
	sh.drop(p, b, why)
}

// complain tells the sender of a packet that came here what is wrong with it,
// unless it must not be told.
func (sh *shard) complain(p *pass, c *icmp.Cause) {
	if p.in == nil {
		return
	}
	from, src := c.Packet.Src(), c.Packet.Dst()
	c.ToMany = p.l2 == toMany
	var n int
	var suppressed icmp.Suppressed
	tos := uint8(icmp.ErrorTOS)
	if c.Packet.Is6() {
		tos = 0
		n, suppressed = sh.rooms.ICMP6(p.v.V()).Error(p.r.Now(), c)
	} else {
		c.FromMany = sh.fromMany(p, from)
		n, suppressed = sh.rooms.ICMP(p.v.V()).Error(p.r.Now(), c)
		if p.v.V().ICMP.ReplyFromInterface != 0 {
			src = p.in.Addrs.First()
		}
	}
	if suppressed != icmp.NotSuppressed {
		return
	}
	e := p.r.Cache.Get(n)
	c.Put(e.Extend(n))
	e.Sum = pkt.SumValid
	sh.sendICMP(p, e, src, from, tos, c.Packet.Bytes())
}

// errNoRoute takes a packet that cannot be forwarded.
func (sh *shard) errNoRoute(p *pass, b *pkt.Buf, ip wire.Packet, why pkt.Reason) {
	if why == pkt.Blackhole {
		sh.drop(p, b, why)
		return
	}
	sh.refuse(p, b, why, &icmp.Cause{Kind: ifnet.RouteKind(why, ip.Is6()), Packet: ip})
}

// errScope takes a packet one of whose addresses does not reach beyond its link.
func (sh *shard) errScope(p *pass, b *pkt.Buf, ip wire.Packet) {
	if ip.Is6() && ifaddr.IsLinkLocal(ip.Src()) && ifnet.Routable(ip.Dst()) { // RFC 4443 §3.1, code 2
		sh.refuse(p, b, pkt.BadSource, &icmp.Cause{Kind: icmp.BeyondScope, Packet: ip})
		return
	}
	sh.drop(p, b, pkt.BadDest)
}

// errNeedFrag takes a packet that must not be cut (RFC 1191 §4, RFC 8201 §3).
func (sh *shard) errNeedFrag(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) {
	if h.Transit {
		ip.UndoTTL()
	}
	sh.refuse(p, b, pkt.NeedFrag, &icmp.Cause{Kind: icmp.PacketTooBig, Packet: ip, MTU: h.MTU})
}

// errNoPort takes a datagram nobody listens for.
func (sh *shard) errNoPort(p *pass, b *pkt.Buf, ip wire.Packet) {
	if p.v.V().UDP.Blackhole != 0 {
		sh.drop(p, b, pkt.NoPort)
		return
	}
	sh.refuse(p, b, pkt.NoPort, &icmp.Cause{Kind: icmp.PortUnreachable, Packet: ip})
}

// inOther takes a packet of a protocol that is not the stack's own.
func (sh *shard) inOther(p *pass, b *pkt.Buf, ip wire.Packet, taken bool) {
	if sh.inModule(p, ip) || taken {
		p.r.Cache.Free(b)
		return
	}
	c := icmp.Cause{Kind: icmp.ProtoUnreachable, Packet: ip}
	if ip.Is6() { // RFC 4443 §3.4: what named it
		x := ip.V6().Walk(&wire.ExtLimits{}, wire.WalkDest)
		c.Pointer = uint32(x.NextOff)
	}
	sh.refuse(p, b, pkt.NoProtocol, &c)
}

// tell passes an error about a packet of ours to the socket that sent it: a
// connected one, since no other has promised to listen (RFC 1122 §4.1.3.3).
func (sh *shard) tell(p *pass, r *icmp.Report) {
	local := netip.AddrPortFrom(r.Src, r.SrcPort)
	remote := netip.AddrPortFrom(r.Dst, r.DstPort)
	var s *Sock
	if r.Ports && r.Proto == wire.ProtoUDP {
		s = sh.st.udp.Lookup(sh.st.world.seed, local, remote, p.link(r.Src))
	}
	seq, ok := r.TCPSeq()
	believed := s != nil || !r.Ports && p.v.IsOursOn(r.Src, p.scope()) // it is about what can be ours
	switch {
	case ok && r.Ports:
		believed = sh.tellTCP(p, p.tcpKey(local, remote), wire.Seq(seq), r)
	case s != nil && s.Addrs.Load().Remote == remote:
		s.report(p, r.Kind.Errno())
	}
	if believed && r.Kind == icmp.PacketTooBig && r.Dst.Is6() {
		sh.st.mtus.TooBig(p.r.Now(), p.v, sh.st.world.seed, r.Dst, p.scope(), r.MTU)
	}
}
