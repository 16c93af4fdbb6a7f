package vnet

import (
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// inEther takes a frame, or a packet where the link has no header of its own.
func (sh *shard) inEther(p *pass, b *pkt.Buf) {
	if !p.in.Up() {
		sh.drop(p, b, pkt.InterfaceDown)
		return
	}
	p.m.FIB = p.in.FIB // FIB rules 2, 6b and 7: the arrival interface's
	count := &p.in.Count[sh.id]
	count.InPackets++
	count.InBytes += uint64(b.Len())
	if p.in.Props.Bare {
		sh.inIP(p, b)
		return
	}
	e, f := wire.ParseEther(b.Bytes())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadEther)
		return
	}
	switch dst := e.Dst(); {
	case dst == p.in.MAC:
		p.l2 = toUs
	case dst.IsMulticast():
		p.l2 = toMany
		count.InMcast++
	default:
		p.l2 = toOther
	}
	if p.l2 == toOther {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	switch e.Type() {
	case wire.EtherTypeIPv4:
		sh.inIPv4(p, b, e.Payload())
	case wire.EtherTypeIPv6:
		sh.inIPv6(p, b, e.Payload())
	case wire.EtherTypeARP:
		sh.inARP(p, b, e.Payload())
	default:
		sh.inUnknown(p, b, e)
	}
}

// inIP takes a packet that is as if received.
func (sh *shard) inIP(p *pass, b *pkt.Buf) {
	if raw := b.Bytes(); len(raw) > 0 && raw[0]>>4 == 6 {
		sh.inIPv6(p, b, raw)
	} else {
		sh.inIPv4(p, b, raw)
	}
}

// inIPv4 takes a packet whose IPv4 header begins at raw, in the order of
// FreeBSD's ip_input: sanity, filter, options, ours, broadcast, multicast,
// forward.
func (sh *shard) inIPv4(p *pass, b *pkt.Buf, raw []byte) {
	sh.hot.InReceives++
	ip4, f := wire.ParseIPv4(raw)
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	if b.Sum == pkt.SumUnknown && !ip4.ChecksumOK() {
		sh.drop(p, b, pkt.BadChecksum)
		return
	}
	if why := p.v.Sane4(p.from(), ip4); why != pkt.NoReason {
		sh.drop(p, b, why)
		return
	}
	ip := wire.Packet4(ip4)
	if p.v.Filter != nil {
		if b, ip = sh.filterIn(p, b, ip); b == nil {
			return
		}
	}
	if ip.HeaderLen() > wire.IPv4Len {
		if why := p.v.Options4(ip.V4()); why != pkt.NoReason {
			sh.drop(p, b, why)
			return
		}
	}
	sh.dispatch(p, b, ip)
}

// dispatch decides whether a packet is ours.
func (sh *shard) dispatch(p *pass, b *pkt.Buf, ip wire.Packet) {
	dst := ip.V4().Dst4()
	switch {
	case p.m.NextHop.IsValid() && p.v.IsOurs(p.m.NextHop):
		sh.deliver(p, b, ip, destUnicast)
	case p.m.NextHop.IsValid(): // a filter has decided where it goes
		sh.forward(p, b, ip)
	case dst[0]&0xf0 == 0xe0:
		sh.inMulticast(p, b, ip)
	case dst == [4]byte{255, 255, 255, 255}:
		sh.deliver(p, b, ip, destBroadcast)
	default:
		l := p.v.Local.Find(ip.Dst())
		switch {
		case l == nil || !l.Broadcast && sh.elsewhere(p, l):
			sh.forward(p, b, ip)
		case sh.elsewhere(p, l): // another subnet's broadcast (RFC 2644 §4)
			sh.drop(p, b, pkt.BadDest)
		case l.Broadcast:
			sh.deliver(p, b, ip, destBroadcast)
		default:
			sh.deliver(p, b, ip, destUnicast)
		}
	}
}

// elsewhere tells whether a local address does not count here: a subnet's
// broadcast that came by another interface, or any in the strong model
// (RFC 1122 §3.3.4.2).
func (sh *shard) elsewhere(p *pass, l *ifaddr.Local) bool {
	if p.in == nil || l.Index == p.in.Index {
		return false
	}
	return l.Broadcast && !p.in.Broadcasts(l.Addr) || !l.Broadcast && p.v.V().IP.StrongES != 0 && p.in.Flags&ifnet.Loopback == 0
}
