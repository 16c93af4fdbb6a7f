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
	if q.state >= Recovering || q.sackedBytes > 0 {
		q.tailAt = clock.Never
	}
}

// armTail sets the timer of a tail loss probe (RFC 8985 §7.2).
func (s *Sender) armTail(e *Env, now clock.Time) {
	q := s.q
	q.tailAt = clock.Never
	if e.T.TLP == 0 || !s.sack || !s.established || q.state >= Recovering || q.sackedBytes > 0 || s.probing {
		return
	}
	wait := millis(e.T.RexmitInitial)
	if s.srtt > 0 {
		wait = 2*s.srtt + probeSlack
		if q.flightBytes <= s.win.MSS { // the peer may delay its acknowledgement
			wait += millis(e.T.RexmitMin) - probeSlack
		}
	}
	q.tailAt = min(now.Add(wait), q.rtoAt) // instead of the timeout where that is earlier
}

// probeSlack is added to the probe's time, so that the jitter of a path with a
// round trip of microseconds is not taken for a loss.
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
		switch {
		case q.rtoAt > now:
		case q.paced: // a little longer
			q.rtoAt = s.paceAt
		default:
			s.q = nil
		}
	} else {
		switch {
		case q.rtoAt <= now && q.rtoAt < min(q.reoAt, q.tailAt):
			s.timeout(e, now)
			return RTO
		case q.reoAt <= now:
			return s.reorderTimer(e, now)
		case q.tailAt <= now:
			q.tailAt, q.tail = clock.Never, true
			q.rtoAt = max(q.rtoAt, now+1) // the probe will set it
			return Tail
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
	before := s.pipe()
	s.rack(now)
	if q.lostBytes == 0 {
		return Nothing
	}
	s.keepRoom(before)
	if q.state < Recovering {
		s.enterRecovery(e, now, &delivery{})
		s.prr(&delivery{})
	}
	return Reorder
}

// timeout is the retransmission timeout (RFC 6298 §5.4 to §5.7, RFC 5681 §3.1).
func (s *Sender) timeout(e *Env, now clock.Time) {
	q := s.q
	e.S.Timeouts++
	s.backoffs, s.timeouts = min(s.backoffs, 254)+1, min(s.timeouts, 254)+1
	q.tail, q.tailAt, s.probing = false, clock.Never, false
	q.rtoAt = now.Add(s.RTO(e))
	if !s.established {
		s.synResent = uint8(min(int(s.synResent)+1, 255))
		if first := &q.recs[q.order[q.head].id]; first.size() > 1 { // what goes with the SYN waits (RFC 7413 §4.2.1)
			q.split(q.head, first.start.Add(1))
		}
		s.loseFirst()
		q.state, q.why, q.force = Loss, Timeout, true
		return
	}
	if q.recs[q.order[q.head].id].state&sacked != 0 { // RFC 2018 §8
		e.S.SACKReneged++
		q.unsack()
		q.counted = s.una
	}
	// RFC 5681 §3.1, RFC 5682 §3.1, step 1: not while an earlier timeout is being
	// repaired.
	if q.state != Loss || q.why != Timeout {
		s.remember()
		s.reduce(now, cc.Timeout, &delivery{})
		q.frto = uint8(e.T.FRTO)
	} else {
		q.frto, s.recover = 0, s.nxt // RFC 6582 §3.2, step 4
	}
	q.state, q.why, q.force = Loss, Timeout, true
	s.win.Cwnd = s.win.MSS
	q.dups, q.dupBytes = 0, 0
	s.loseLate(e, now)
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
