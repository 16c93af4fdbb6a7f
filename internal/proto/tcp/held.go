package tcp

import "github.com/seed88948545/vimage/internal/wire"

// held is what a receiver must remember while data is out of order, and what
// its acknowledgments report (RFC 2018 §4).
type held struct {
	spans []span // in order, apart from each other
	bytes int
	clock uint32 // counts arrivals

	fin   bool     // the peer's FIN has arrived,
	finAt wire.Seq // here

	dsack wire.SACKBlock // arrived twice, not reported yet (RFC 2883), if twice
	twice bool
}

// span is a stretch that has arrived beyond a hole.
type span struct {
	from, to wire.Seq
	at       uint32 // of held.clock, when it last grew
}

// keepSpans is for how many spans memory is kept when a hole has been filled.
const keepSpans = 16

// news tells whether an acknowledgment has something to report.
func (q *held) news() bool { return q.twice || len(q.spans) > 0 }

// overlap returns how many of the bytes of [from, to) are held, and the first
// and the last span that touch it: first > last where none does.
func (q *held) overlap(from, to wire.Seq) (first, last, n int) {
	last = len(q.spans) - 1
	for last >= 0 && to.Less(q.spans[last].from) {
		last--
	}
	first = last + 1
	for first > 0 && from.AtMost(q.spans[first-1].to) {
		first--
		s := &q.spans[first]
		n += max(0, wire.MinSeq(to, s.to).Sub(wire.MaxSeq(from, s.from)))
	}
	return first, last, n
}

// add records that [from, to) has arrived; n bytes of it were held, in the
// spans from first to last, as overlap says.
func (q *held) add(from, to wire.Seq, first, last, n int) {
	q.bytes += to.Sub(from) - n
	q.clock++
	if first > last {
		q.spans = append(q.spans, span{})
		copy(q.spans[first+1:], q.spans[first:])
		q.spans[first] = span{from, to, q.clock}
		return
	}
	q.spans[first] = span{wire.MinSeq(from, q.spans[first].from), wire.MaxSeq(to, q.spans[last].to), q.clock}
	q.spans = append(q.spans[:first+1], q.spans[last+1:]...)
}

// advance drops what is in order once everything before next is, and returns
// how far the stream is in order then.
func (q *held) advance(next wire.Seq) wire.Seq {
	k := 0
	for k < len(q.spans) && q.spans[k].from.AtMost(next) {
		q.bytes -= q.spans[k].to.Sub(q.spans[k].from)
		next = wire.MaxSeq(next, q.spans[k].to)
		k++
	}
	q.spans = q.spans[:copy(q.spans, q.spans[k:])]
	if len(q.spans) == 0 && cap(q.spans) > keepSpans {
		q.spans = nil
	}
	return next
}

// blocks fills the SACK option of an acknowledgment of next with what is held,
// at most room blocks (RFC 2018 §4): the stretch that grew last comes first,
// then the ones before. What arrived twice goes before all (RFC 2883 §4).
func (q *held) blocks(o *wire.TCPOptions, room int) {
	n := 0
	if q.twice {
		o.SACK[0], n = q.dsack, 1
		q.twice = false
		if k := q.around(q.dsack); k != nil && room > 1 {
			o.SACK[1], n = wire.SACKBlock{Start: k.from, End: k.to}, 2 // RFC 2883 §4.2
			q.clock++
			k.at = q.clock
		}
	}
	before := ^uint32(0)
	for n < min(room, wire.MaxSACK) {
		k := q.latest(before)
		if k == nil {
			break
		}
		before = k.at
		b := wire.SACKBlock{Start: k.from, End: k.to}
		if n == 2 && o.SACK[1] == b {
			continue
		}
		o.SACK[n] = b
		n++
	}
	o.NSACK = uint8(n)
}

// latest returns the span that grew last before the given moment.
func (q *held) latest(before uint32) *span {
	var best *span
	for i := range q.spans {
		if s := &q.spans[i]; s.at < before && (best == nil || s.at > best.at) {
			best = s
		}
	}
	return best
}

// around returns the span that b lies in, if there is one.
func (q *held) around(b wire.SACKBlock) *span {
	for i := range q.spans {
		if s := &q.spans[i]; s.from.AtMost(b.Start) && b.End.AtMost(s.to) {
			return s
		}
	}
	return nil
}
