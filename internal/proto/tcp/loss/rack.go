package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// dupThresh is DupThresh of RFC 5681 and RFC 6675.
const dupThresh = 3

// detect looks for losses that the acknowledgement reveals.
func (s *Sender) detect(e *Env, now clock.Time, d *delivery) {
	switch {
	case s.una == s.nxt:
	case !s.sack:
		s.newReno(d)
	case e.T.RACK != 0:
		s.rack(now)
	case d.Delivered > 0:
		s.count()
	}
}

// rack finds what must be lost because something sent later has arrived, a
// reordering window ago (RFC 8985 §6.2, step 5). flight is ordered by the time
// of sending, so the walk ends at the first that is not due.
func (s *Sender) rack(now clock.Time) {
	q := s.q
	q.reoAt = clock.Never
	if q.rackRTT == 0 {
		return
	}
	patience := q.rackRTT + s.reoWindow()
	for id := q.flight.head; id != none; {
		r := &q.recs[id]
		if r.sent > q.rackSent || r.sent == q.rackSent && !r.end.Less(q.rackEnd) {
			return
		}
		if due := r.sent.Add(patience); due > now {
			q.reoAt = due
			return
		}
		next := r.next
		q.markLost(id)
		id = next
	}
}

// reoWindow returns the reordering window (RFC 8985 §6.2, step 4).
func (s *Sender) reoWindow() time.Duration {
	q := s.q
	if !s.reordered && (q.state >= Recovering || q.sackedBytes >= dupThresh*s.win.MSS) {
		return 0
	}
	return min(time.Duration(s.reoMult)*s.least.get()/4, s.srtt)
}

// count finds what must be lost because enough behind it has arrived: IsLost of
// RFC 6675 §4, or three duplicates (§5 (1)). It looks down from what was SACKed
// last until that is enough, and from there at what it has not seen before.
func (s *Sender) count() {
	q := s.q
	if q.dups >= dupThresh && q.state < Recovering && q.recs[q.order[q.head].id].state == 0 {
		s.loseFirst()
	}
	if q.sackedBytes == 0 {
		return
	}
	above, spans := 0, 0
	i := q.find(q.fack.Add(-1))
	for ; i >= q.head; i-- {
		r := &q.recs[q.order[i].id]
		if r.state&sacked != 0 {
			above += r.size()
			spans++
		} else if spans >= dupThresh || above > (dupThresh-1)*s.win.MSS {
			break
		}
	}
	if i < q.head {
		return
	}
	for k := q.find(wire.MaxSeq(q.counted, s.una)); k <= i; k++ {
		if id := q.order[k].id; q.recs[id].state == 0 {
			q.markLost(id)
		}
	}
	q.counted = q.recs[q.order[i].id].end
}

// newReno finds losses by duplicate acknowledgements and, in recovery, by those
// that acknowledge a part (RFC 6582 §3.2).
func (s *Sender) newReno(d *delivery) {
	q := s.q
	switch {
	case q.state == Recovering && d.Bytes > 0:
		s.loseFirst() // step 3, partial acknowledgement
		q.force = true
	case q.state < Recovering && q.dups >= dupThresh && (!s.reduced || !q.resentAny || s.recover.Less(s.una)):
		s.loseFirst() // step 2: duplicates at recover may come of what was sent again
	}
}

// loseFirst marks the first segment that is in flight.
func (s *Sender) loseFirst() {
	q := s.q
	id := q.order[q.head].id
	if q.recs[id].state&lost != 0 {
		return
	}
	if r := &q.recs[id]; r.size() > s.win.MSS {
		q.split(q.head, r.start.Add(s.win.MSS))
		id = q.order[q.head].id
	}
	q.markLost(id)
}
