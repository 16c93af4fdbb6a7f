package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// inUDP takes a datagram.
func (sh *shard) inUDP(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	sh.hot.UDPIn++
	u, f := wire.ParseUDP(ip.Payload())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	none := u.Checksum() == 0 && !ip.Is6() // RFC 8200 §8.1: in IPv6 there must be one
	if b.Sum == pkt.SumUnknown && !none && !u.ChecksumOK(ip.Src(), ip.Dst()) {
		sh.drop(p, b, pkt.BadTransportSum)
		return
	}
	local := netip.AddrPortFrom(ip.Dst(), u.DstPort())
	remote := netip.AddrPortFrom(ip.Src(), u.SrcPort())
	switch to {
	case destMulticast:
		sh.inUDPMulticast(p, b, ip, u)
	case destBroadcast:
		sh.inUDPBroadcast(p, b, ip, u, local, remote)
	default:
		s := sh.st.udp.Lookup(sh.st.world.seed, local, remote, p.link(local.Addr()))
		if s == nil {
			sh.errNoPort(p, b, ip)
			return
		}
		sh.toSock(p, s, b, ip, u)
		p.r.Cache.Free(b)
	}
}

// toSock hands a datagram to one socket. It borrows b.
func (sh *shard) toSock(p *pass, s *Sock, b *pkt.Buf, ip wire.Packet, u wire.UDP) {
	if !s.enqueue(p, b, ip, u.Payload()) {
		sh.rare().SocketFull++
		sh.lose(p, b, pkt.SocketFull)
		return
	}
	sh.hot.UDPDelivered++
}

// inUDPBroadcast gives a broadcast to every socket it suits, up to the first
// that does not share its port.
func (sh *shard) inUDPBroadcast(p *pass, b *pkt.Buf, ip wire.Packet, u wire.UDP, local, remote netip.AddrPort) {
	sh.rare().Broadcasts++
	found := false
	socks := sh.st.udp.Port(sh.st.world.seed, local.Port())
	for i := range socks {
		o := &socks[i]
		if !o.HearsFrom(local.Addr(), remote, p.inIndex()) {
			continue
		}
		found = true
		sh.toSock(p, o.Sock, b, ip, u)
		if o.Sock.PCB().Reuse == 0 {
			break
		}
	}
	if !found {
		sh.drop(p, b, pkt.NoPort)
		return
	}
	p.r.Cache.Free(b)
}
