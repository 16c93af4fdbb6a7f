package link

import (
	"slices"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/link/pcapng"
)

// Tee is the captures of an interface, or of a place where links are joined, that
// began while it was in use. Whoever sends and receives there asks an atomic pointer to
// one for each frame; it is nil while nobody captures. A Tee never changes: With and
// Without return others.
type Tee struct{ sides []side }

type side struct {
	c  *Capture
	as Side
}

// Side says where a Capture is in relation to what it looks at.
type Side uint8

// Sides.
const (
	Here  Side = iota // what is sent is outbound
	There             // at the other end: what is sent is inbound
	Drops             // only what is lost is recorded
)

// With returns t, which may be nil, with a capture more.
func (t *Tee) With(c *Capture, as Side) *Tee {
	next := new(Tee)
	if t != nil {
		next.sides = slices.Clone(t.sides)
	}
	next.sides = append(next.sides, side{c, as})
	return next
}

// Without returns t, which may be nil, without a capture: nil where there is no other.
func (t *Tee) Without(c *Capture) *Tee {
	if t == nil || !t.Has(c) {
		return t
	}
	next := &Tee{slices.DeleteFunc(slices.Clone(t.sides), func(s side) bool { return s.c == c })}
	if len(next.sides) == 0 {
		return nil
	}
	return next
}

// Has tells whether a capture is one of t's, which may be nil.
func (t *Tee) Has(c *Capture) bool {
	return t != nil && slices.ContainsFunc(t.sides, func(s side) bool { return s.c == c })
}

// Sent records a frame that is sent. It borrows b.
func (t *Tee) Sent(r *netisr.Runner, b *pkt.Buf) { t.pass(r, b, pcapng.Out, pcapng.In) }

// Received records a frame that has come. It borrows b.
func (t *Tee) Received(r *netisr.Runner, b *pkt.Buf) { t.pass(r, b, pcapng.In, pcapng.Out) }

func (t *Tee) pass(r *netisr.Runner, b *pkt.Buf, here, there pcapng.Direction) {
	for _, s := range t.sides {
		switch s.as {
		case Here:
			s.c.rec.pass(r, s.c, b, here)
		case There:
			s.c.rec.pass(r, s.c, b, there)
		}
	}
}

// Drop is Capture.Drop for all of t's.
func (t *Tee) Drop(b *pkt.Buf, why pkt.Reason) {
	for _, s := range t.sides {
		s.c.Drop(b, why)
	}
}

// Joint is a Port in front of another one, with a place for a Tee. It is for where two
// links are joined, and no interface has one; so it also counts, as an interface does.
type Joint struct {
	Port
	Tee     atomic.Pointer[Tee]
	In, Out Passed // what came out of the Port, and what was put into it
}

// Passed is how much has passed a place, in one direction.
type Passed struct{ packets, bytes atomic.Uint64 }

// Load returns how many packets, a super-segment being one, and how many bytes.
func (p *Passed) Load() (packets, bytes uint64) { return p.packets.Load(), p.bytes.Load() }

func (p *Passed) add(b *pkt.Buf) {
	p.packets.Add(1)
	p.bytes.Add(uint64(b.Len()))
}

// Put implements Port.
func (j *Joint) Put(r *netisr.Runner, b *pkt.Buf) {
	j.Out.add(b)
	if t := j.Tee.Load(); t != nil {
		t.Sent(r, b)
	}
	j.Port.Put(r, b)
}

// Attach implements Port.
func (j *Joint) Attach(to netisr.Lender) { j.Port.Attach(teed{j, to}) }

// teed is the receiver that a Joint's link sees.
type teed struct {
	j  *Joint
	to netisr.Lender
}

// Put implements netisr.Sink.
func (x teed) Put(r *netisr.Runner, b *pkt.Buf) {
	x.j.In.add(b)
	if t := x.j.Tee.Load(); t != nil {
		t.Received(r, b)
	}
	x.to.Put(r, b)
}

// Lend implements netisr.Lender, as joint does.
func (teed) Lend(*netisr.Runner, *pkt.Buf) bool { return false }
