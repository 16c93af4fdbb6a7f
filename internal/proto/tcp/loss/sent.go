package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// begin returns the transfer's memory, made if need be.
func (s *Sender) begin() *transfer {
	if s.q == nil {
		s.q = &transfer{rtoAt: clock.Never, tailAt: clock.Never, reoAt: clock.Never}
		s.q.init()
	}
	return s.q
}

// Sent records that [start, end), all of it new, is sent now. start is Nxt.
// A zero-window probe counts once its byte is new.
func (s *Sender) Sent(e *Env, now clock.Time, start, end wire.Seq) {
	q := s.begin()
	if s.una == s.nxt {
		s.resumed(e, now)
		q.rateFrom, q.rateAt, q.rtoAt = now, now, clock.Never
		q.round, q.fack, q.counted = end, start, start
		q.dups, q.dupBytes = 0, 0
		s.progress = now
	}
	n := end.Sub(start)
	if last := q.last(); last != nil && last.sent == now && last.state == 0 && last.end == start && q.tailIs(last) {
		last.end = end
		q.flightBytes += n
	} else {
		q.add(record{start: start, end: end, sent: now, firstSent: q.rateFrom, rateAt: q.rateAt, delivered: uint32(s.delivered)})
	}
	s.nxt = end
	s.sent(e, now, n)
	if q.tail {
		q.tail, s.probing, s.probeEnd, s.probeAgain = false, true, end, false
		e.S.Probes++
		q.rtoAt = now.Add(s.RTO(e))
	}
	if q.rtoAt == clock.Never {
		q.rtoAt = now.Add(s.RTO(e))
	}
	if q.frto == 2 {
		q.frtoSent += n
	}
	q.peak = max(q.peak, q.flightBytes)
	s.armTail(e, now)
}

// sent counts n bytes that leave now, new or again.
func (s *Sender) sent(e *Env, now clock.Time, n int) {
	s.lastSent = now
	if q := s.q; q.state == CWR || q.state == Recovering {
		q.prrOut += n
	}
	if rate := s.paceRate(e); rate > 0 {
		s.paceAt = max(s.paceAt, now).Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	}
}

// last returns the record with the highest numbers, or nil.
func (b *board) last() *record {
	if b.len() == 0 {
		return nil
	}
	return &b.recs[b.order[len(b.order)-1].id]
}

// tailIs tells whether r was the last to be sent.
func (b *board) tailIs(r *record) bool {
	return b.flight.tail != none && &b.recs[b.flight.tail] == r
}

// resumed follows a time in which nothing was in flight: what the window says
// of the path gets old.
func (s *Sender) resumed(e *Env, now clock.Time) {
	if s.lastSent == 0 || !s.established {
		return
	}
	idle := now.Sub(s.lastSent)
	rto := s.RTO(e)
	if idle <= rto {
		return
	}
	initial := min(s.initial(e), s.win.Cwnd) // RFC 5681 §4.1
	if e.T.NewCWV != 0 {                     // RFC 7661 §4.4.1
		if idle > nonValidated {
			s.win.Ssthresh = max(s.win.Ssthresh, s.win.Cwnd*3/4)
			s.win.Cwnd = max(s.win.Cwnd/2, initial)
		}
		return
	}
	s.win.Ssthresh = max(s.win.Ssthresh, s.win.Cwnd*3/4) // RFC 2861 §3.1
	for ; idle > rto && s.win.Cwnd > initial; idle -= rto {
		s.win.Cwnd = max(s.win.Cwnd/2, initial)
	}
}

// nonValidated is how long an unused window is preserved (RFC 7661 §4.4).
const nonValidated = 5 * time.Minute

// paceRate returns the rate of sending in bytes per second, 0 where nothing is
// paced.
func (s *Sender) paceRate(e *Env) int {
	if e.T.Pacing == 0 || s.srtt <= 0 {
		return 0
	}
	return s.rate()
}

// rate returns somewhat more bytes per second than the window asks for, so that
// it is not what limits it.
func (s *Sender) rate() int {
	gain := 1.2
	if s.win.Cwnd < s.win.Ssthresh/2 {
		gain = 2
	}
	return max(int(gain*float64(s.win.Cwnd)/s.srtt.Seconds()), 1)
}

// Burst returns how many of limit bytes are worth collecting to be sent at once:
// what leaves in about a millisecond, in full segments, at least two of them.
// Larger pieces would meet at once in the queue of a slow bottleneck, and one of
// a dozen packets overflow long before the window fills the path. A round trip of
// less than that is in no need: there the whole window is a burst.
func (s *Sender) Burst(limit int) int {
	if s.srtt <= burstTime {
		return limit
	}
	mss := s.win.MSS
	return min(limit, max(s.rate()/int(time.Second/burstTime)/mss, 2)*mss)
}

// burstTime is what a burst takes of the round-trip time.
const burstTime = time.Millisecond
