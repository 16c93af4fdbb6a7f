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
	if ip.Is6() {
		sh.deliver6(p, b, ip, to)
		return
	}
	if ip.IsFragment() {
		sh.inFragment(p, b, ip)
		return
	}
	sh.hot.InDelivers++
	switch ip.Proto() {
	case wire.ProtoUDP:
		sh.inRaw(p, b, ip, to)
		sh.inUDP(p, b, ip, to)
	case wire.ProtoTCP:
		sh.inRaw(p, b, ip, to)
		sh.inTCP(p, b, ip, to)
	case wire.ProtoICMP: // raw sockets see what the engine lets them
		sh.inICMP(p, b, ip, to)
	case wire.ProtoIGMP:
		sh.inIGMP(p, b, ip, to)
	default:
		sh.inOther(p, b, ip, sh.inRaw(p, b, ip, to))
	}
}

// deliver6 is deliver for IPv6, whose transport is behind the extension headers.
func (sh *shard) deliver6(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	ip, ok := sh.walk(p, b, ip)
	if !ok {
		return
	}
	if ip.IsFragment() {
		sh.inFragment(p, b, ip)
		return
	}
	sh.six().InDelivers++
	switch ip.Proto() {
	case wire.ProtoUDP:
		sh.inRaw(p, b, ip, to)
		sh.inUDP(p, b, ip, to)
	case wire.ProtoTCP:
		sh.inRaw(p, b, ip, to)
		sh.inTCP(p, b, ip, to)
	case wire.ProtoICMPv6: // raw sockets see what the engines let them
		sh.inICMP6(p, b, ip, to)
	case wire.ProtoNoNext:
		p.r.Cache.Free(b) // RFC 8200 §4.7
	default:
		sh.inOther(p, b, ip, sh.inRaw(p, b, ip, to))
	}
}
