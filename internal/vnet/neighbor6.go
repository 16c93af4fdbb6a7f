package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/wire"
)

// hopsND is the hop limit of neighbour discovery: no router lets it through
// (RFC 4861 §7.1).
const hopsND = 255

// inND takes a message of neighbour discovery. They are of no flow, so they come
// to shard 0.
func (sh *shard) inND(p *pass, b *pkt.Buf, ip wire.Packet, to destKind, m wire.ICMP6) {
	if p.in == nil || p.in.Port == nil || p.in.V6 == nil || p.m.Way == pkt.WayInIP { // not from ourselves
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	sumOK := b.Sum != pkt.SumUnknown || m.ChecksumOK(ip.Src(), ip.Dst())
	// What was in fragments has been put together and delivered (RFC 6980 §5).
	x := ip.V6().Walk(&wire.ExtLimits{}, wire.WalkDest)
	pieces := p.m.Way == pkt.WayDeliver || x.Atomic
	ok := false
	switch m.Type() {
	case wire.ICMP6RouterAdvert:
		var heard bool
		if ok, heard = p.in.V6.InputRA(p.r.Now(), m, ip, sumOK, pieces); heard {
			sh.st.Reconfigure()
		}
	case wire.ICMP6RouterSolicit:
		ok = p.in.V6.InputRS(p.r.Now(), m, ip, sumOK, pieces)
	default:
		ok = sh.inNeighbor(p, b, ip, &nd.Received{
			ICMP: m, Src: ip.Src(), Dst: ip.Dst(), HopLimit: ip.TTL(), SumOK: sumOK, Fragment: pieces,
		})
	}
	sh.pullV6(p, p.in)
	if !ok {
		sh.drop(p, b, pkt.BadND)
		return
	}
	sh.inRaw(p, b, ip, to)
	p.r.Cache.Free(b)
}

// inNeighbor takes a solicitation, an advertisement or a redirect, and adds what
// routes know about it.
func (sh *shard) inNeighbor(p *pass, b *pkt.Buf, ip wire.Packet, m *nd.Received) bool {
	if e, f := wire.ParseEther(b.Bytes()); f == wire.OK && p.m.Way == pkt.WayIn {
		m.SrcMAC = e.Src()
	}
	switch m.ICMP.Type() {
	case wire.ICMP6NeighborSolicit:
		m.OffLink = !m.Src.IsUnspecified() && !p.v.IsNeighbor(p.in, m.Src)
	case wire.ICMP6NeighborAdvert:
		if a, f := wire.ParseNeighborAdvert(m.ICMP); f == wire.OK {
			m.OffLink = !p.v.IsNeighbor(p.in, a.Target())
		}
	case wire.ICMP6Redirect:
		if r, f := wire.ParseRedirect(m.ICMP); f == wire.OK {
			m.FirstHop = p.v.IsFirstHop(p.in, m.Src, r.Dst())
		}
	}
	v6 := p.in.V6
	answer := v6.ND.Input(p.r.Now(), m)
	if answer.Reply {
		sh.sendND(p, p.in, &answer.Message)
	}
	if answer.Redirect && v6.Redirect(ifnet.Redirect{Dst: answer.Dst, Next: answer.Next}) {
		sh.st.Reconfigure()
	}
	return answer.Drop == nd.NotDropped
}

// unresolved6 is unresolved for IPv6. Who sends to a neighbour that does not
// answer hears of it when the table gives up.
func (sh *shard) unresolved6(p *pass, b *pkt.Buf, h *ifnet.Hop) syscall.Errno {
	if sh.id != 0 {
		sh.handOver(p, b, h)
		return 0
	}
	out := h.Out
	if out.V6 == nil {
		sh.drop(p, b, pkt.Unresolved)
		return syscall.ENETUNREACH
	}
	b.Meta = pkt.Meta{FIB: p.m.FIB}
	if h.Transit && p.in != nil {
		b.Meta.IfIndex, b.Meta.IfGen = p.in.Index, p.in.Gen
	}
	src := wire.IPv6(b.Bytes()).Src()
	if !p.v.IsOursOn(src, out.Index) {
		src = netip.Addr{}
	}
	res := out.V6.ND.Resolve(p.r.Now(), h.Next, src, b, h.Gateway)
	if res.HasDropped {
		sh.drop(p, res.Dropped, pkt.HoldFull)
	}
	switch res.Verdict {
	case nd.Send:
		sh.outEther(p, b, out, res.MAC)
	case nd.Refused:
		sh.drop(p, b, pkt.Unresolved)
	}
	sh.pullND(p, out)
	return res.Errno
}

// pullV6 does what the rooms of IPv6 want done on an interface.
func (sh *shard) pullV6(p *pass, c *ifnet.Conf) {
	sh.pullND(p, c)
	if c.V6.Radv == nil {
		return
	}
	var o radv.Out
	for c.V6.Radv.Next(p.r.Now(), &o) {
		m := c.V6.Radv.AppendAdvert(p.r.Scratch[:0], &o)
		sh.outICMP6(p, c, m, o.Src, o.Dst, hopsND)
	}
}

// pullND does what a neighbour table wants done.
func (sh *shard) pullND(p *pass, c *ifnet.Conf) {
	sh.stale = true
	v6 := c.V6
	var o nd.Out[*pkt.Buf]
	for v6.ND.Next(p.r.Now(), &o) {
		switch o.Kind {
		case nd.SendMessage:
			sh.sendND(p, c, &o.Message)
		case nd.SendPacket:
			sh.outEther(p, o.Packet, c, o.MAC)
		case nd.DropPacket:
			sh.undeliverable(p, c, o.Packet, o.First)
		case nd.Changed:
			if c.NeighborChanged6(&sh.st.events, &o); o.Event == nd.Resolved {
				v6.Auto.RouterFound(p.r.Now(), o.IP)
			}
		case nd.RouterUnreachable:
			v6.Auto.RouterLost(p.r.Now(), o.IP)
			sh.st.Reconfigure()
		case nd.RouterLost:
			v6.Auto.RouterResigned(p.r.Now(), o.IP)
			sh.st.Reconfigure()
		case nd.AddressReady, nd.AddressDuplicate:
			v6.Disabled = v6.Disabled || o.Disable
			sh.st.Reconfigure()
		}
	}
}

// undeliverable takes a packet whose next hop on c did not answer, and tells
// whoever sent it if told is set: another host by a message, one of our sockets in
// the shard of its flow.
func (sh *shard) undeliverable(p *pass, c *ifnet.Conf, b *pkt.Buf, told bool) {
	ip, f := wire.ParseIP(b.Bytes())
	switch {
	case !told || f != wire.OK:
		sh.drop(p, b, pkt.Unresolved)
	case b.Meta.IfIndex == 0:
		sh.requeue(p, b, pkt.Meta{IfIndex: c.Index, IfGen: c.Gen, FIB: b.Meta.FIB}, pkt.WayReturn)
	default:
		at := *p
		p.in, p.l2, p.m = p.v.Arrival(b.Meta.IfIndex, b.Meta.IfGen), toUs, pkt.Meta{FIB: b.Meta.FIB}
		ip.UndoTTL()
		sh.refuse(p, b, pkt.Unresolved, &icmp.Cause{Kind: icmp.HostUnreachable, Packet: ip}) // RFC 4443 §3.1, code 3
		*p = at
	}
}

// returned takes a packet made here that no neighbour on the interface at hand has
// taken.
func (sh *shard) returned(p *pass, b *pkt.Buf) {
	if ip, f := wire.ParseIP(b.Bytes()); f == wire.OK {
		r := icmp.Local(&icmp.Cause{Kind: icmp.HostUnreachable, Packet: ip})
		sh.tell(p, &r)
	}
	sh.drop(p, b, pkt.Unresolved)
}

// sendND sends a solicitation or an advertisement.
func (sh *shard) sendND(p *pass, c *ifnet.Conf, m *nd.Message) {
	if !c.Carries(true) {
		return
	}
	b := p.r.Cache.Get(m.Len())
	m.Put(b.Extend(m.Len()))
	wire.CompleteIPv6(wire.IPv6(b.Bytes()))
	b.Sum = pkt.SumValid
	sh.rooms.Six().OutRequests++
	sh.outEther(p, b, c, m.DstMAC)
}

// outICMP6 sends a message, which is copied, of neighbour discovery or the like
// on an interface.
func (sh *shard) outICMP6(p *pass, c *ifnet.Conf, m []byte, src, dst netip.Addr, hops uint8) {
	if !c.Carries(true) {
		return
	}
	b := p.r.Cache.Get(wire.IPv6Len + len(m))
	copy(b.Extend(len(m)), m)
	wire.ICMP6(b.Bytes()).SetChecksum(src, dst)
	b.Sum = pkt.SumValid
	h := ifnet.Hop{Out: c, Next: dst, MTU: c.PacketMTU(true)}
	sh.outIP(p, b, &wire.IPHeader{TTL: hops, Proto: wire.ProtoICMPv6, Src: src, Dst: dst}, &h, false, false)
}

// redirect tells the sender of a packet that leaves where it came in about the
// better next hop (RFC 4861 §8.2).
func (sh *shard) redirect(p *pass, ip wire.Packet, h *ifnet.Hop) {
	src := p.in.Addrs.LinkLocal()
	if p.v.V().IP6.Redirect == 0 || p.in.Props.Bare || !src.IsValid() || !p.v.IsNeighbor(p.in, ip.Src()) ||
		h.Gateway && !ifaddr.IsLinkLocal(h.Next) || !sh.rooms.ICMP6(p.v.V()).Allow(p.r.Now(), icmp.ClassRedirect) {
		return
	}
	var mac wire.MAC
	if sh.id == 0 && p.in.V6 != nil {
		e, _ := p.in.V6.ND.Lookup(h.Next)
		mac = e.MAC
	}
	b := p.r.Cache.Get(nd.MaxRedirectLen)
	b.Trim(nd.PutRedirect(b.Extend(nd.MaxRedirectLen), src, h.Next, mac, ip.V6()))
	wire.CompleteIPv6(wire.IPv6(b.Bytes()))
	b.Sum = pkt.SumValid
	sh.rooms.Six().Redirects++
	back := ifnet.Hop{Out: p.in, Next: ip.Src(), MTU: p.in.PacketMTU(true)}
	sh.resolve(p, b, &back)
}
