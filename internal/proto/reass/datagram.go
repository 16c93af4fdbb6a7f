package reass

import (
	"slices"

	"github.com/seed88948545/vimage/internal/clock"
)

// datagram is one that is not complete yet. Its pieces do not overlap and are
// sorted by offset.
type datagram[P any] struct {
	key       Key
	fam       family
	abandoned bool   // given up; kept to refuse what still comes
	reason    Reason // why it was given up, once it was
	seen      uint8  // bit n: a fragment with ECN bits n came
	first     uint8  // the first fragment's ECN bits
	total     int    // bytes of payload, -1 while the last fragment is missing
	have      int    // bytes held
	cost      int    // bytes of memory held
	hdr       int    // header bytes of the first fragment, 0 while it is missing
	expires   clock.Time
	pieces    []Piece[P]

	prev, next *datagram[P]
}

func (d *datagram[P]) complete() bool { return d.have == d.total }

// ecn returns the ECN bits of the whole: congestion if any fragment met it,
// else what the first has (RFC 3168 §5.3).
func (d *datagram[P]) ecn() uint8 {
	if d.seen&8 != 0 {
		return 3
	}
	return d.first
}

// place finds where f belongs among d's pieces and whether it may.
func (d *datagram[P]) place(f *Fragment[P], lim limits) (at int, r Reason) {
	end := f.Off + f.Len
	at = len(d.pieces)
	for at > 0 && d.pieces[at-1].Off >= f.Off {
		at--
	}
	if at < len(d.pieces) && d.pieces[at].Off == f.Off && d.pieces[at].Len == f.Len && f.More != (d.total == end) {
		return at, Duplicate
	}
	seen := d.seen | 1<<(f.ECN&3)
	switch {
	case at > 0 && d.pieces[at-1].Off+d.pieces[at-1].Len > f.Off,
		at < len(d.pieces) && d.pieces[at].Off < end,
		d.total >= 0 && end > d.total,
		d.total >= 0 && f.More == (end == d.total),
		!f.More && at < len(d.pieces):
		return at, Overlap
	case seen&1 != 0 && seen&8 != 0:
		return at, MixedECN
	case len(d.pieces) >= int(lim.fragments):
		return at, TooMany
	case f.Off == 0 && d.total+f.Hdr > MaxLen, !f.More && end+d.hdr > MaxLen:
		return at, TooLong
	}
	return at, None
}

// add puts f, which place has allowed, at its place.
func (d *datagram[P]) add(at int, f *Fragment[P]) {
	d.pieces = slices.Insert(d.pieces, at, Piece[P]{f.Off, f.Len, f.Packet})
	d.have += f.Len
	d.cost += f.cost()
	d.seen |= 1 << (f.ECN & 3)
	if !f.More {
		d.total = f.Off + f.Len
	}
	if f.Off == 0 {
		d.hdr, d.first = f.Hdr, f.ECN&3
	}
}

// queue is a list of datagrams in the order in which they were begun.
type queue[P any] struct {
	head, tail *datagram[P]
	len        int
	bytes      int // memory that their packets keep
}

func (q *queue[P]) push(d *datagram[P]) {
	d.prev, d.next = q.tail, nil
	if q.tail == nil {
		q.head = d
	} else {
		q.tail.next = d
	}
	q.tail = d
	q.len++
	q.bytes += d.cost
}

func (q *queue[P]) remove(d *datagram[P]) {
	if d.prev == nil {
		q.head = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		q.tail = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next = nil, nil
	q.len--
	q.bytes -= d.cost
}

// replace puts e, which holds nothing, where d was.
func (q *queue[P]) replace(d, e *datagram[P]) {
	e.prev, e.next = d.prev, d.next
	if d.prev == nil {
		q.head = e
	} else {
		d.prev.next = e
	}
	if d.next == nil {
		q.tail = e
	} else {
		d.next.prev = e
	}
	d.prev, d.next = nil, nil
	q.bytes -= d.cost
}

// few is how many datagrams are found by walking rather than by a map, which an
// idle table would have to keep or to make anew for each datagram.
const few = 8

// find returns the datagram with key k, nil if there is none.
func (t *Table[P]) find(k Key, fam family) *datagram[P] {
	if t.datagrams != nil {
		return t.datagrams[k]
	}
	d := t.queues[fam].tail
	for d != nil && d.key != k {
		d = d.prev
	}
	return d
}

// index makes d, which is in its queue already, known to find.
func (t *Table[P]) index(d *datagram[P]) {
	if t.datagrams != nil {
		t.datagrams[d.key] = d
		return
	}
	if t.Len() <= few {
		return
	}
	t.datagrams = make(map[Key]*datagram[P], 2*few)
	for f := range t.queues {
		for d := t.queues[f].head; d != nil; d = d.next {
			t.datagrams[d.key] = d
		}
	}
}
