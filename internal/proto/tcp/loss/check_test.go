package loss

import (
	"fmt"

	"github.com/seed88948545/vimage/internal/wire"
)

// check tells whether a Sender's scoreboard agrees with itself.
func check(s *Sender) error {
	q := s.q
	if q == nil {
		if s.una != s.nxt {
			return fmt.Errorf("outstanding without memory")
		}
		return nil
	}
	at, last := s.una, uint8(0)
	var flight, sack, gone, n int
	for i, p := range q.order[q.head:] {
		r := &q.recs[p.id]
		switch {
		case r.start != p.start || r.start != at || !r.start.Less(r.end):
			return fmt.Errorf("record %d is %d-%d, place %d, want start %d", i, r.start, r.end, p.start, at)
		case r.state&sacked != 0 && last&sacked != 0:
			return fmt.Errorf("SACKed neighbours at %d", r.start)
		case r.state&sacked != 0:
			sack += r.size()
		case r.state&lost != 0:
			gone += r.size()
		default:
			flight += r.size()
		}
		if r.state&sacked == 0 {
			n++
		}
		at, last = r.end, r.state
	}
	if at != s.nxt || flight != q.flightBytes || sack != q.sackedBytes || gone != q.lostBytes {
		return fmt.Errorf("ends at %d of %d; %d %d %d counted, %d %d %d there", at, s.nxt, q.flightBytes, q.sackedBytes, q.lostBytes, flight, sack, gone)
	}
	prev := none
	for id := q.flight.head; id != none; id = q.recs[id].next {
		r := &q.recs[id]
		if r.state&(sacked|lost) != 0 || r.prev != prev || prev != none && r.sent < q.recs[prev].sent {
			return fmt.Errorf("flight list at %d", r.start)
		}
		prev, n = id, n-1
	}
	if q.flight.tail != prev {
		return fmt.Errorf("flight list's tail")
	}
	prev = none
	var seq wire.Seq
	for id := q.lost.head; id != none; id = q.recs[id].next {
		r := &q.recs[id]
		if r.state&lost == 0 || r.prev != prev || prev != none && !seq.Less(r.start) {
			return fmt.Errorf("lost list at %d", r.start)
		}
		prev, seq, n = id, r.start, n-1
	}
	if q.lost.tail != prev || n != 0 {
		return fmt.Errorf("lists miss %d records", n)
	}
	return nil
}
