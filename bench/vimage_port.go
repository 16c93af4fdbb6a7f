package main

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// vmPort is a wire for an interface of vimage at whose far end frames come
// from nowhere and are swallowed: those for the gateway are counted, and ARP
// requests and neighbour solicitations for it are answered.
type vmPort struct {
	family
	to     netisr.Lender
	frames uint64
	all    atomic.Uint64 // timers send, too
}

var _ link.Port = (*vmPort)(nil)

// receive hands the interface a copy of a frame.
func (p *vmPort) receive(r *netisr.Runner, frame []byte) {
	b := r.Cache.Get(len(frame))
	copy(b.Extend(len(frame)), frame)
	p.to.Put(r, b)
}

// Put implements link.Port.
func (p *vmPort) Put(r *netisr.Runner, b *pkt.Buf) {
	p.all.Add(1)
	if f, fault := wire.ParseEther(b.Bytes()); fault == wire.OK {
		switch {
		case f.Type() == wire.EtherTypeIPv6 && f.Payload()[6] == wire.ProtoICMPv6:
			p.advertise(r, f)
		case f.Dst() == wire.MAC(gatewayMAC()):
			p.frames++
		case f.Type() == wire.EtherTypeARP:
			p.answer(r, f)
		}
	}
	r.Cache.Free(b)
}

func (p *vmPort) answer(r *netisr.Runner, f wire.Ether) {
	q, fault := wire.ParseARP(f.Payload())
	if fault != wire.OK || q.Op() != wire.ARPRequest || q.TargetIP() != p.gateway() {
		return
	}
	var a [wire.EtherLen + wire.ARPLen]byte
	wire.PutEther(a[:], q.SenderMAC(), wire.MAC(gatewayMAC()), wire.EtherTypeARP)
	wire.PutARP(a[wire.EtherLen:], wire.ARPReply, wire.MAC(gatewayMAC()), p.gateway(), q.SenderMAC(), q.SenderIP())
	p.receive(r, a[:])
}

// advertise answers a neighbour solicitation (RFC 4861 §7.2.4).
func (p *vmPort) advertise(r *netisr.Runner, f wire.Ether) {
	ip, fault := wire.ParseIPv6(f.Payload())
	if fault != wire.OK || !p.is6() {
		return
	}
	q, fault := wire.ParseNeighborSolicit(wire.ICMP6(ip.Payload()))
	if fault != wire.OK || q.Target() != p.gateway() {
		return
	}
	m := wire.AppendNA(nil, wire.NASolicited|wire.NAOverride, p.gateway())
	m = wire.AppendNDLinkAddr(m, wire.NDTargetLinkAddr, wire.MAC(gatewayMAC()))
	wire.ICMP6(m).SetChecksum(p.gateway(), ip.Src())
	a := make([]byte, wire.EtherLen+wire.IPv6Len+len(m))
	wire.PutEther(a, f.Src(), wire.MAC(gatewayMAC()), wire.EtherTypeIPv6)
	copy(a[wire.EtherLen+wire.IPv6Len:], m)
	wire.PutIP(a[wire.EtherLen:], &wire.IPHeader{Src: p.gateway(), Dst: ip.Src(), TTL: 255, Proto: wire.ProtoICMPv6}, len(m))
	p.receive(r, a)
}

// Attach implements link.Port.
func (p *vmPort) Attach(rx netisr.Lender) { p.to = rx }

// Detach implements link.Port. Nothing is fed by then.
func (p *vmPort) Detach() {}

// Props implements link.Port.
func (p *vmPort) Props() link.Props { return link.Props{MTU: wireMTU} }

// Accept implements link.Port.
func (p *vmPort) Accept(wire.MAC, bool) {}

// SetAddr implements link.Port.
func (p *vmPort) SetAddr(wire.MAC) {}

// SetPromisc implements link.Port.
func (p *vmPort) SetPromisc(bool) {}
