package reass

import "github.com/seed88948545/vimage/internal/clock"

// OutKind says what is to be done with an Out.
type OutKind uint8

// What Next hands out.
const (
	Free         OutKind = iota // Packet is to be freed; counted already
	TimeExceeded                // Packet is the first fragment of a datagram that timed out: answer it with time exceeded in reassembly, then free it
)

// Out is a packet that the table gives up.
type Out[P any] struct {
	Kind   OutKind
	Reason Reason
	Key    Key
	Packet P
}

// Next hands out the next packet that is given up, first what Input and Clear
// have left, then what time has made due: all of a datagram together, in order,
// the oldest datagram first. It returns false, and leaves out alone, when there
// is nothing at this moment. A datagram that timed out yields TimeExceeded only
// if its first fragment came (RFC 792 "Time Exceeded Message").
func (t *Table[P]) Next(now clock.Time, out *Out[P]) bool {
	for t.dead.head == nil {
		if !t.expire(now) {
			return false
		}
	}
	d := t.dead.head
	p := &d.pieces[d.have]
	*out = Out[P]{Reason: d.reason, Key: d.key, Packet: p.Packet}
	if d.reason == TimedOut && p.Off == 0 {
		out.Kind = TimeExceeded
	}
	if d.have++; d.have == len(d.pieces) {
		t.dead.remove(d)
		t.recycle(d)
	}
	return true
}

// expire gives up the oldest datagram whose time is over, IPv4's first.
func (t *Table[P]) expire(now clock.Time) bool {
	for f := range t.queues {
		d := t.queues[f].head
		if d == nil || d.expires > now {
			continue
		}
		if !d.abandoned {
			d.fam.count(&t.stats.Timeouts, &t.stats.Timeouts6, 1)
		}
		t.give(d, TimedOut)
		return true
	}
	return false
}

// Deadline returns when the next datagram times out, or clock.Never. After the
// time-out was shortened it may lie later than the newest datagrams' own.
func (t *Table[P]) Deadline() clock.Time {
	next := clock.Never
	for f := range t.queues {
		if d := t.queues[f].head; d != nil {
			next = min(next, d.expires)
		}
	}
	return next
}
