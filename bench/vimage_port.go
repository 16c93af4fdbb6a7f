package main

import (
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// vmPort is a wire for an interface of vimage at whose far end frames come
// from nowhere and are swallowed: those for the gateway are counted, and ARP
// requests for it are answered.
type vmPort struct {
	to     netisr.Lender
	frames uint64
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
	if f, fault := wire.ParseEther(b.Bytes()); fault == wire.OK {
		switch {
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
	if fault != wire.OK || q.Op() != wire.ARPRequest || q.TargetIP() != gateway() {
		return
	}
	var a [wire.EtherLen + wire.ARPLen]byte
	wire.PutEther(a[:], q.SenderMAC(), wire.MAC(gatewayMAC()), wire.EtherTypeARP)
	wire.PutARP(a[wire.EtherLen:], wire.ARPReply, wire.MAC(gatewayMAC()), gateway(), q.SenderMAC(), q.SenderIP())
	p.receive(r, a[:])
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
