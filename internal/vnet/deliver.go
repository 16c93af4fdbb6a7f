package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// destKind says what kind of address a packet for us was sent to.
type destKind uint8

const (
	destUnicast destKind = iota
	destBroadcast
	destMulticast
)

// deliverHere takes a packet that is for this stack: put together of fragments
// that were, or claimed by a filter.
func (sh *shard) deliverHere(p *pass, b *pkt.Buf) {
	ip, f := wire.ParseIP(b.Bytes())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	to := destUnicast
	if dst := ip.Dst(); dst.IsMulticast() {
		to = destMulticast
	} else if l := p.v.Local.Find(dst); l != nil && l.Broadcast || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		to = destBroadcast
	}
	sh.deliver(p, b, ip, to)
}

// deliver takes a packet that is for this stack.
func (sh *shard) deliver(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	is6 := ip.Is6()
	if is6 && !ip.IsPlain6() {
		var ok bool
		if ip, ok = sh.walk(p, b, ip, wire.WalkDest); !ok {
			return
		}
	}
	if ip.IsFragment() {
		sh.inFragment(p, b, ip)
		return
	}
	if is6 {
		sh.rooms.Six().InDelivers++
	} else {
		sh.hot.InDelivers++
	}
	if to := p.v.End(ip); to != nil {
		b, _ = sh.own(p, b, ip)
		b.Meta = pkt.Meta{IfIndex: p.inIndex(), Way: pkt.WayDeliver}
		to.Put(p.r, b)
		return
	}
	switch proto := ip.Proto(); {
	case proto == wire.ProtoUDP:
		sh.inRaw(p, b, ip, to)
		sh.inUDP(p, b, ip, to)
	case proto == wire.ProtoTCP:
		sh.inRaw(p, b, ip, to)
		sh.inTCP(p, b, ip, to)
	case proto == wire.ProtoICMP && !is6: // raw sockets see what the engines let them
		sh.inICMP(p, b, ip, to)
	case proto == wire.ProtoICMPv6 && is6:
		sh.inICMP6(p, b, ip, to)
	case proto == wire.ProtoIGMP && !is6:
		sh.inGroup(p, b, ip, to)
	case proto == wire.ProtoNoNext && is6:
		p.r.Cache.Free(b) // RFC 8200 §4.7
	default:
		sh.inOther(p, b, ip, sh.inRaw(p, b, ip, to))
	}
}
