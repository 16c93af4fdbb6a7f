package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
)

// timers sets the timers anew after an acknowledgement.
func (s *Sender) timers(e *Env, now clock.Time, d *delivery) {
	q := s.q
	if s.una == s.nxt {
		q.tailAt, q.reoAt, q.tail = clock.Never, clock.Never, false
		q.rtoAt = now.Add(s.RTO(e)) // when the memory is given back
		return
	}
	if d.Bytes > 0 { // RFC 6298 §5.3
		q.rtoAt = now.Add(s.RTO(e))
		s.armTail(e, now)
	}
	if q.state >= CWR || q.sackedBytes > 0 {
		q.tailAt = clock.Never
	}
}

// armTail sets the timer of a tail loss probe (RFC 8985 §7.2).
func (s *Sender) armTail(e *Env, now clock.Time) {
	q := s.q
	q.tailAt = clock.Never
	if e.T.TLP == 0 || !s.sack || !s.established || q.state >= CWR || q.sackedBytes > 0 || q.probing {
		return
	}
	wait := millis(e.T.RexmitInitial)
	if s.srtt > 0 {
		wait = 2*s.srtt + probeSlack
		if q.flightBytes <= s.win.MSS { // the peer may delay its acknowledgement
			wait += millis(e.T.RexmitMin) - probeSlack
		}
	}
	q.tailAt = min(now.Add(wait), q.rtoAt)
}

// probeSlack is added to the probe's time.
//
// Deviation: RFC 8985 §7.2 has twice the round trip alone, which on a path with
// one of microseconds would take the peer's scheduling for a loss.
const probeSlack = 2 * time.Millisecond

// Deadline returns when Expire wants to be called; clock.Never if nothing is
// outstanding, but for a last time to give memory back.
func (s *Sender) Deadline() clock.Time {
	q := s.q
	if q == nil {
		return clock.Never
	}
	at := min(q.rtoAt, q.tailAt, q.reoAt)
	if q.paced {
		at = min(at, s.paceAt)
	}
	return at
}

// Expire does what is due. It may be called early. The connection gives up by
// Backoffs (RFC 9293 §3.8.3 R1, R2) or Waiting (user timeout), and otherwise
// asks Next.
func (s *Sender) Expire(e *Env, now clock.Time) Event {
	q := s.q
	if q == nil {
		return Nothing
	}
	paced := q.paced && s.paceAt <= now
	if paced {
		q.paced = false
	}
	if s.una == s.nxt {
		if q.rtoAt <= now && !q.paced {
			s.q = nil
		}
	} else {
		switch {
		case q.reoAt <= now:
			return s.reorderTimer(e, now)
		case q.tailAt <= now: // even if the other is due as well: the probe goes first
			q.tailAt, q.tail = clock.Never, true
			q.rtoAt = now.Add(s.RTO(e)) // RFC 8985 §7.3
			return Tail
		case q.rtoAt <= now:
			s.timeout(e, now)
			return RTO
		}
	}
	if paced {
		return Paced
	}
	return Nothing
}

// reorderTimer looks for losses where nothing arrives that would (RFC 8985
// §6.3).
func (s *Sender) reorderTimer(e *Env, now clock.Time) Event {
	q := s.q
	s.rack(now)
	if q.lostBytes == 0 {
		return Nothing
	}
	if q.state < Recovering {
		d := delivery{}
		s.enterRecovery(e, now, &d)
		s.prr(&d)
	}
	return Reorder
}

// timeout is the retransmission timeout (RFC 6298 §5.4 to §5.7, RFC 5681 §3.1).
func (s *Sender) timeout(e *Env, now clock.Time) {
	q := s.q
	e.S.Timeouts++
	if s.backoffs < 255 {
		s.backoffs++
		s.shift = min(s.shift+1, 30)
	}
	q.tail, q.tailAt, q.probing = false, clock.Never, false
	q.rtoAt = now.Add(s.RTO(e))
	if !s.established {
		s.synResent = uint8(min(int(s.synResent)+1, 255))
		if first := &q.recs[q.order[q.head].id]; first.size() > 1 { // what goes with the SYN waits (RFC 7413 §4.2.1)
			q.split(q.head, first.start.Add(1))
		}
		q.markLost(q.order[q.head].id)
		q.state, q.why, q.force = Loss, Timeout, true
		return
	}
	if q.recs[q.order[q.head].id].state&sacked != 0 { // RFC 2018 §8
		e.S.SACKReneged++
		q.unsack()
	}
	fresh := q.state <= Disorder
	if q.state != Loss || s.backoffs == 1 { // once per segment (RFC 5681 §3.1)
		s.remember()
		q.undo = fresh
		s.reduce(now, cc.Timeout, &delivery{})
	}
	switch { // RFC 5682 §2.1, step 1: not while something else is being repaired
	case e.T.FRTO != 0 && (fresh || q.frto > 0):
		q.frto = 1
	default:
		q.frto = 0
	}
	q.state, q.why, q.force = Loss, Timeout, true
	q.dups, q.dupBytes = 0, 0
	s.loseLate(e, now)
	s.win.Cwnd = q.flightBytes + s.win.MSS // the loss window (RFC 5681 §3.1)
}

// loseLate holds for lost what a timeout says is: with RACK the first segment
// and all that are as late as it (RFC 8985 §6.3), otherwise everything.
func (s *Sender) loseLate(e *Env, now clock.Time) {
	q := s.q
	if e.T.RACK == 0 || !s.sack || q.rackRTT == 0 {
		s.loseAll()
		return
	}
	s.loseFirst()
	patience := q.rackRTT + s.reoWindow()
	for id := q.flight.head; id != none && q.recs[id].sent.Add(patience) <= now; id = q.flight.head {
		q.markLost(id)
	}
	q.reoAt = clock.Never
}

// loseAll holds everything in flight for lost.
func (s *Sender) loseAll() {
	q := s.q
	for id := q.flight.head; id != none; id = q.flight.head {
		q.markLost(id)
	}
	q.reoAt = clock.Never
}
