package loss

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// none is the index of no record.
const none int32 = -1

// State of a record. A record that is none of them is in flight.
const (
	sacked uint8 = 1 << iota // the peer has it, as it says
	lost                     // held for lost and not sent again
	again                    // was sent more than once
)

// record is a range of numbers that were last sent at the same moment and fared
// alike since: what is sent in one go is one record, until SACK or a
// retransmission takes it apart.
type record struct {
	start, end wire.Seq
	sent       clock.Time // when last sent
	firstSent  clock.Time // the sender's rateFrom then
	rateAt     clock.Time // when delivered was last counted, then
	delivered  uint32     // bytes delivered, then
	next, prev int32      // in the list that its state says; next in the free list
	state      uint8
}

func (r *record) size() int { return r.end.Sub(r.start) }

// list is a list of records through next and prev.
type list struct{ head, tail int32 }

// place is where a record stands in the order of sequence.
type place struct {
	start wire.Seq
	id    int32
}

// board is the scoreboard: every record, ordered by sequence in order[head:],
// and by the moment of sending in flight. Those held for lost are in lost,
// ordered by sequence; SACKed ones are in neither, and neighbours among them
// are made one.
type board struct {
	recs   []record
	free   int32
	order  []place
	head   int
	flight list
	lost   list
	hint   int32 // the record last put into lost, where it still is there

	flightBytes, sackedBytes, lostBytes int
	spans                               int // SACKed records: ranges that do not touch each other
}

func (b *board) init() {
	b.free, b.hint = none, none
	b.flight, b.lost = list{none, none}, list{none, none}
}

// len returns how many records there are.
func (b *board) len() int { return len(b.order) - b.head }

func (b *board) alloc() int32 {
	if id := b.free; id != none {
		b.free = b.recs[id].next
		return id
	}
	b.recs = append(b.recs, record{})
	return int32(len(b.recs) - 1)
}

func (b *board) release(id int32) {
	b.recs[id].next = b.free
	b.free = id
}

// add appends a new record at the end of both orders.
func (b *board) add(r record) {
	id := b.alloc()
	b.recs[id] = r
	if len(b.order) == cap(b.order) && b.head > len(b.order)/2 {
		n := copy(b.order, b.order[b.head:])
		b.order, b.head = b.order[:n], 0
	}
	b.order = append(b.order, place{r.start, id})
	b.push(&b.flight, id, b.flight.tail)
	b.flightBytes += r.size()
}

// push puts id into l behind after; none: in front.
func (b *board) push(l *list, id, after int32) {
	r := &b.recs[id]
	r.prev = after
	if after == none {
		r.next, l.head = l.head, id
	} else {
		a := &b.recs[after]
		r.next, a.next = a.next, id
	}
	if r.next == none {
		l.tail = id
	} else {
		b.recs[r.next].prev = id
	}
}

// unlink takes id out of the list that its state says.
func (b *board) unlink(id int32) {
	r := &b.recs[id]
	l := &b.flight
	switch {
	case r.state&sacked != 0:
		return
	case r.state&lost != 0:
		l = &b.lost
		if b.hint == id {
			b.hint = r.prev
		}
	}
	if r.prev == none {
		l.head = r.next
	} else {
		b.recs[r.prev].next = r.next
	}
	if r.next == none {
		l.tail = r.prev
	} else {
		b.recs[r.next].prev = r.prev
	}
}

// count adds n to the sum that a record of that state belongs to.
func (b *board) count(state uint8, n int) {
	switch {
	case state&sacked != 0:
		b.sackedBytes += n
	case state&lost != 0:
		b.lostBytes += n
	default:
		b.flightBytes += n
	}
}

// find returns the index in order of the record that has seq, which must be
// outstanding.
func (b *board) find(seq wire.Seq) int {
	lo, hi := b.head, len(b.order)
	for hi-lo > 1 {
		if m := int(uint(lo+hi) / 2); seq.Less(b.order[m].start) {
			hi = m
		} else {
			lo = m
		}
	}
	return lo
}

// split parts the record at index i at seq, which lies inside it, and returns
// the index of the right part, which follows the left one in every order.
// Indices from before are stale.
func (b *board) split(i int, seq wire.Seq) int {
	id := b.order[i].id
	nid := b.alloc()
	r, n := &b.recs[id], &b.recs[nid]
	*n = *r
	n.start, r.end = seq, seq
	switch {
	case r.state&sacked != 0:
	case r.state&lost != 0:
		b.push(&b.lost, nid, id)
	default:
		b.push(&b.flight, nid, id)
	}
	return b.insert(i+1, place{seq, nid})
}

// insert puts p before index i of order, moving the shorter side, and returns
// where it is.
func (b *board) insert(i int, p place) int {
	if b.head > 0 && i-b.head < len(b.order)-i {
		copy(b.order[b.head-1:], b.order[b.head:i])
		b.head--
		b.order[i-1] = p
		return i - 1
	}
	b.order = append(b.order, place{})
	copy(b.order[i+1:], b.order[i:])
	b.order[i] = p
	return i
}

// remove takes order[i:j] out, moving the shorter side.
func (b *board) remove(i, j int) {
	if i-b.head < len(b.order)-j {
		copy(b.order[b.head+j-i:], b.order[b.head:i])
		b.head += j - i
		return
	}
	b.order = append(b.order[:i], b.order[j:]...)
}

// merge makes the SACKed records of order[i:j] one.
func (b *board) merge(i, j int) {
	if j-i < 2 {
		return
	}
	r := &b.recs[b.order[i].id]
	if r.state&sacked != 0 {
		b.spans -= j - i - 1
	}
	r.end = b.recs[b.order[j-1].id].end
	for _, p := range b.order[i+1 : j] {
		r.state |= b.recs[p.id].state
		b.release(p.id)
	}
	b.remove(i+1, j)
}

// markLost moves a record in flight to those held for lost.
func (b *board) markLost(id int32) {
	b.unlink(id)
	r := &b.recs[id]
	r.state |= lost
	n := r.size()
	b.flightBytes -= n
	b.lostBytes += n
	b.pushLost(id)
}

// pushLost puts id where it belongs in lost. Records are mostly found lost in
// the order of sequence, so the place is next to the last one's.
func (b *board) pushLost(id int32) {
	start := b.recs[id].start
	at := b.lost.tail
	switch {
	case at == none || !start.Less(b.recs[at].start):
	case start.Less(b.recs[b.lost.head].start):
		at = none
	default:
		if b.hint != none {
			at = b.hint
		}
		for start.Less(b.recs[at].start) {
			at = b.recs[at].prev
		}
		for n := b.recs[at].next; n != none && b.recs[n].start.Less(start); n = b.recs[at].next {
			at = n
		}
	}
	b.push(&b.lost, id, at)
	b.hint = id
}

// unmark puts everything held for lost back into flight, as it was when it
// was sent. Both lists are nearly in the order of sending, so they are merged.
func (b *board) unmark() {
	at := none
	for id := b.lost.head; id != none; id = b.lost.head {
		b.unlink(id)
		r := &b.recs[id]
		r.state &^= lost
		n := r.size()
		b.lostBytes -= n
		b.flightBytes += n
		for at != none && b.recs[at].sent > r.sent {
			at = b.recs[at].prev
		}
		next := b.flight.head
		if at != none {
			next = b.recs[at].next
		}
		for next != none && b.recs[next].sent <= r.sent {
			at, next = next, b.recs[next].next
		}
		b.push(&b.flight, id, at)
		at = id
	}
}

// unsack makes everything SACKed lost: the peer has taken it back.
func (b *board) unsack() {
	for _, p := range b.order[b.head:] {
		r := &b.recs[p.id]
		if r.state&sacked == 0 {
			continue
		}
		r.state = lost | again // when it was sent is no longer known for all of it
		n := r.size()
		b.sackedBytes -= n
		b.lostBytes += n
		b.pushLost(p.id)
	}
	b.spans = 0
}
