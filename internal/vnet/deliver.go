package vnet

import (
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
	ip, f := wire.ParseIPv4(b.Bytes())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	to := destUnicast
	if dst := ip.Dst(); dst.IsMulticast() {
		to = destMulticast
	} else if l := p.v.Local.Find(dst); l != nil && l.Broadcast || dst.As4() == [4]byte{255, 255, 255, 255} {
		to = destBroadcast
	}
	sh.deliver(p, b, ip, to)
}

// deliver takes a packet that is for this stack.
func (sh *shard) deliver(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
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
