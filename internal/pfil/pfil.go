// Package pfil is how a stack and a packet filter talk: what the filter sees of a
// packet and what it may decide. Named after FreeBSD's hooks for the purpose.
package pfil

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// Filter looks at every packet that comes in, after its header was found sane,
// and at every packet that goes out, before it is cut into fragments. It is
// called under a shard's lock, by several shards at once.
type Filter interface {
	Filter(p *Packet) Verdict
}

// Packet is what a Filter sees. It must not be kept.
type Packet struct {
	IP      wire.Packet // read only
	In, Out string      // interface names; Out is empty on the way in
	FIB     uint32
	Rule    uint16 // continue after this rule; 0 means from the start
}

// Action is what is to be done with a packet.
type Action uint8

// Actions.
const (
	Pass    Action = iota
	Drop           // lose it; a local sender is told EACCES
	Deliver        // it is for this stack, whatever its destination
	Divert         // give it to the divert socket on Verdict.Port
	Tee            // give a copy to that socket and pass
	Reroute        // its next hop is Verdict.NextHop
	SetFIB         // route it by Verdict.FIB, without filtering it again
)

// Verdict is what a Filter decided. The zero value lets the packet pass.
type Verdict struct {
	Action  Action
	Port    uint16     // divert port
	Tag     uint16     // rule to resume after, given to the divert socket
	FIB     uint32     // one that does not exist means 0
	NextHop netip.Addr // for Reroute
}

// Diverter is a divert socket. Divert takes the packet, which begins with its
// IPv4 header and has complete checksums; it is called under a shard's lock
// and runs nothing.
type Diverter interface {
	Divert(r *netisr.Runner, b *pkt.Buf, m Diverted)
}

// Diverted is what a divert socket learns about a packet, and gives back with
// it when it is reinjected.
type Diverted struct {
	Rule     uint16
	FIB      uint32
	IfIndex  uint32 // arrival interface; 0 for a packet that was going out
	Outgoing bool
}

// Ports is the divert ports that somebody listens on, a value that is replaced.
type Ports []divertPort

type divertPort struct {
	port uint16
	to   Diverter
}

// Find returns who listens on a port, or nil.
func (p Ports) Find(port uint16) Diverter {
	for i := range p {
		if p[i].port == port {
			return p[i].to
		}
	}
	return nil
}

// With returns the ports with d listening on one, or nobody if d is nil.
func (p Ports) With(port uint16, d Diverter) Ports {
	next := make(Ports, 0, len(p)+1)
	for _, o := range p {
		if o.port != port {
			next = append(next, o)
		}
	}
	if d != nil {
		next = append(next, divertPort{port, d})
	}
	return next
}
