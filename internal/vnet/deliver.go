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

// deliver takes a packet that is for this stack.
func (sh *shard) deliver(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	if ip.IsFragment() {
		sh.inFragment(p, b, ip, to)
		return
	}
	sh.hot.InDelivers++
	if sh.st.raws.any() {
		sh.inRaw(p, b, ip, to)
	}
	switch ip.Proto() {
	case wire.ProtoUDP:
		sh.inUDP(p, b, ip, to)
	case wire.ProtoICMP:
		sh.inICMP(p, b, ip, to)
	case wire.ProtoIGMP:
		sh.inIGMP(p, b, ip)
	default:
		sh.inOther(p, b, ip, to)
	}
}
