package tunnel

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// side is the side of a tunnel or tun that the interface is on: the part of a
// link.Port that they have in common.
type side struct {
	props link.Props
	to    atomic.Pointer[netisr.Lender]
	at    atomic.Pointer[place]
	lost  atomic.Uint64 // packets that no stack could be told of
}

// place is the interface in its stack.
type place struct {
	st    *vnet.Stack
	index uint32
}

// Attach implements link.Port.
func (s *side) Attach(to netisr.Lender) { s.to.Store(&to) }

// Props implements link.Port.
func (s *side) Props() link.Props { return s.props }

// Accept implements link.Port.
func (s *side) Accept(wire.MAC, bool) {}

// SetAddr implements link.Port.
func (s *side) SetAddr(wire.MAC) {}

// SetPromisc implements link.Port.
func (s *side) SetPromisc(bool) {}

// Placed says in which stack, and which there, the interface is that the link was
// plugged into: that stack is told of what is lost.
func (s *side) Placed(st *vnet.Stack, index uint32) { s.at.Store(&place{st, index}) }

// Lost returns how many packets were lost of which no stack was told: because the
// link's own queue was full, or while its interface was in none.
func (s *side) Lost() uint64 { return s.lost.Load() }

func (s *side) detach() {
	s.to.Store(nil)
	s.at.Store(nil)
}

// give takes a packet or frame for the interface.
func (s *side) give(r *netisr.Runner, b *pkt.Buf) {
	if to := s.to.Load(); to != nil {
		(*to).Put(r, b)
		return
	}
	s.lose(r, b, pkt.NoPeer)
}

// lose takes a packet that is lost for a reason. No lock is held.
func (s *side) lose(r *netisr.Runner, b *pkt.Buf, why pkt.Reason) {
	if at := s.at.Load(); at != nil {
		at.st.Lose(r, at.index, b, why)
		return
	}
	s.lost.Add(1)
	r.Cache.Free(b)
}

// parts takes a super-segment and gives f the packets that it stands for, as complete
// does: cut is how it is taken apart.
func (s *side) parts(r *netisr.Runner, b *pkt.Buf, cut func(*netisr.Runner, *pkt.Buf, func(*pkt.Buf)) int, f func(*pkt.Buf)) {
	if cut(r, b, func(c *pkt.Buf) { c.Meta = b.Meta; f(s.complete(r, c)) }) == 0 {
		s.lose(r, b, pkt.TooBig)
		return
	}
	r.Cache.Free(b)
}

// complete takes a packet and returns one whose headers may be written and that has
// its checksum.
func (s *side) complete(r *netisr.Runner, b *pkt.Buf) *pkt.Buf {
	b = r.Cache.UnshareHeader(b)
	if b.Sum != pkt.SumPartial {
		return b
	}
	if s.props.Bare {
		if ip, f := wire.ParseIP(b.Bytes()); f == wire.OK {
			wire.CompletePacket(ip)
		}
	} else {
		wire.CompleteEther(b.Bytes())
	}
	b.Sum = pkt.SumValid
	return b
}
