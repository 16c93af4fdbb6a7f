package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// forward takes a packet for somebody else (RFC 1812 §5.2).
func (sh *shard) forward(p *pass, b *pkt.Buf, ip wire.IPv4) {
	if p.v.Tun.IP.Forwarding == 0 || p.l2 == toMany || p.in == nil {
		sh.drop(p, b, pkt.NotForwarding)
		return
	}
	if !routable(ip.Dst4()) || !routable(ip.Src4()) {
		sh.drop(p, b, pkt.BadDest)
		return
	}
	if ip.TTL() <= 1 {
		sh.errTTL(p, b, ip)
		return
	}
	dst := ip.Dst()
	next := dst
	if p.m.NextHop.IsValid() {
		next = p.m.NextHop
	}
	var h ifnet.Hop
	var why pkt.Reason
	if rt, ok := sh.ahead.route(p, next); ok {
		why = h.Follow(p.v, rt, next)
	} else {
		why = p.v.Route(p.m.FIB, next, &h)
	}
	if why != pkt.NoReason {
		sh.errNoRoute(p, b, ip, why)
		return
	}
	b, ip = sh.own(p, b, ip)
	ip.DecTTL()
	sh.hot.Forwarded++
	h.Transit = true
	sh.send(p, b, ip, &h)
}

// routable tells whether an address may be in a forwarded packet: the
// link-local and the reserved ones may not (RFC 3927 §2.7, RFC 1812 §5.3.7).
func routable(a [4]byte) bool { return a[0] < 240 && (a[0] != 169 || a[1] != 254) }

// own makes a packet that begins with its network header out of a frame, for
// the path out to write to: unshared, and without the link header.
func (sh *shard) own(p *pass, b *pkt.Buf, ip wire.IPv4) (*pkt.Buf, wire.IPv4) {
	at, n := b.Offset(ip), len(ip)
	b = p.r.Cache.UnshareHeader(b)
	b.Pull(at - b.Head())
	b.Trim(n)
	return b, wire.IPv4(b.Bytes())
}
