package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
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
// RFC 6675 §4.
func (s *Sender) count() {
	q := s.q
	above := q.sackedBytes
	for _, p := range q.order[q.head:] {
		r := &q.recs[p.id]
		if !r.start.Less(q.fack) || above <= (dupThresh-1)*s.win.MSS {
			return
		}
		switch {
		case r.state&sacked != 0:
			above -= r.size()
		case r.state == 0:
			q.markLost(p.id)
		}
	}
}

// newReno finds losses by duplicate acknowledgements and, in recovery, by those
// that acknowledge a part (RFC 6582 §3.2).
func (s *Sender) newReno(d *delivery) {
	q := s.q
	switch {
	case q.state == Recovering && d.Bytes > 0:
		s.loseFirst() // step 3, partial acknowledgement
		q.force = true
	case q.state < Recovering && q.dups >= dupThresh && (!s.reduced || s.recover.AtMost(s.una)):
		s.loseFirst() // step 2
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
