package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// forward takes a packet for somebody else (RFC 1812 §5.2).
func (sh *shard) forward(p *pass, b *pkt.Buf, ip wire.Packet) {
	if !p.v.Forwards(ip.Is6()) || p.l2 == toMany || p.in == nil {
		sh.drop(p, b, pkt.NotForwarding)
		return
	}
	if !ifnet.Routable(ip.Dst()) || !ifnet.Routable(ip.Src()) {
		sh.errScope(p, b, ip)
		return
	}
	if ip.TTL() <= 1 {
		sh.refuse(p, b, pkt.TTLExceeded, &icmp.Cause{Kind: icmp.TTLExceeded, Packet: ip})
		return
	}
	dst := ip.Dst()
	next := dst
	if p.m.NextHop.IsValid() {
		next = p.m.NextHop
	}
	var h ifnet.Hop
	f := ifnet.Flow{Packet: ip.Bytes()}
	var why pkt.Reason
	if rt, ok := sh.ahead().Route(p.nth, p.m.FIB, next); ok {
		why = h.Follow(p.v, rt, &f, next)
	} else {
		why = p.v.Route(p.m.FIB, next, p.in.Index, &f, &h)
	}
	if why != pkt.NoReason {
		sh.errNoRoute(p, b, ip, why)
		return
	}
	if ip.Is6() && h.Out.Iface == p.in.Iface {
		sh.redirect(p, ip, &h)
	}
	b, ip = sh.own(p, b, ip)
	ip.DecTTL()
	if ip.Is6() {
		sh.rooms.Six().Forwarded++
	} else {
		sh.rare().Forwarded++
	}
	h.Transit = true
	sh.send(p, b, ip, &h)
}

// own makes a packet that begins with its network header out of a frame, for
// the path out to write to: unshared, and without the link header.
func (sh *shard) own(p *pass, b *pkt.Buf, ip wire.Packet) (*pkt.Buf, wire.Packet) {
	at, n := b.Offset(ip.Bytes()), ip.Len()
	b = p.r.Cache.UnshareHeader(b)
	b.Pull(at - b.Head())
	b.Trim(n)
	return b, ip.In(b.Bytes())
}
