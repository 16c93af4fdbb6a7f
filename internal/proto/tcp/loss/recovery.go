package loss

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
)

// pipe returns how many bytes are in the network.
func (s *Sender) pipe() int { return max(s.q.flightBytes-s.q.dupBytes, 0) }

// remember keeps what an undo restores.
func (s *Sender) remember() {
	q := s.q
	q.priorCwnd, q.priorSsthresh = s.win.Cwnd, s.win.Ssthresh
	q.undo, q.undoFrom = true, s.una
	q.resentAny, q.unproven = false, 0
}

// enterRecovery begins fast recovery (RFC 5681 §3.2, RFC 6675 §5 (4)).
func (s *Sender) enterRecovery(e *Env, now clock.Time, d *delivery) {
	q := s.q
	e.S.Recoveries++
	if q.state != CWR { // which has reduced already, for this window
		s.remember()
		s.reduce(now, cc.Loss, d)
	}
	q.state, q.why, q.force = Recovering, Recovery, true
	q.tail, q.tailAt = false, clock.Never
}

// marked reacts to an ECN echo, once for each window (RFC 3168 §6.1.2).
func (s *Sender) marked(e *Env, now clock.Time, d *delivery) {
	q := s.q
	e.S.ECNReduced++
	s.remember()
	q.undo = false // nothing was sent again that could prove it wrong
	s.reduce(now, cc.Mark, d)
	q.state = CWR
	q.tail, q.tailAt = false, clock.Never
}

// reduce has congestion control set a threshold, towards which proportional rate
// reduction will bring the window. d is what the acknowledgement that is the
// cause delivered: it was in flight, too.
func (s *Sender) reduce(now clock.Time, why cc.Cause, d *delivery) {
	q := s.q
	pipe := s.pipe()
	// What limited transmit has sent beyond the window does not count (RFC 5681 §3.2).
	flight := min(s.nxt.Sub(s.una)+d.Bytes, max(s.win.Cwnd, pipe+d.Delivered))
	s.cc.Congestion(&s.win, now, flight, why)
	q.prrDelivered, q.prrOut, q.prrFlight = 0, 0, max(pipe+q.lostBytes+d.Delivered, 1)
	s.recover, s.reduced = s.nxt, true
	s.cwr = s.ecn // RFC 3168 §6.1.2: for every reduction
}

// prr sets the window for one acknowledgement of a recovery (RFC 6937bis §5).
func (s *Sender) prr(d *delivery) {
	q := s.q
	if d.Delivered == 0 && !q.force {
		return
	}
	pipe, mss := s.pipe(), s.win.MSS
	q.prrDelivered += d.Delivered
	n := 0
	if pipe > s.win.Ssthresh {
		n = (q.prrDelivered*s.win.Ssthresh+q.prrFlight-1)/q.prrFlight - q.prrOut
	} else {
		n = max(q.prrDelivered-q.prrOut, d.Delivered)
		if d.Bytes > 0 && !d.Lost {
			n += mss
		}
		n = min(s.win.Ssthresh-pipe, n)
	}
	if q.prrOut == 0 {
		n = max(n, mss)
	}
	s.win.Cwnd = pipe + max(n, 0)
}

// recovered ends a recovery, a reduction or what followed a timeout: everything
// that was in flight when it began has been acknowledged. What was sent again
// may yet turn out to have been sent for nothing.
func (s *Sender) recovered() {
	q := s.q
	if q.state != Loss {
		s.win.Cwnd = max(s.win.Ssthresh, s.win.MSS)
	}
	if q.state != CWR && s.reoPersist > 0 { // RFC 8985 §6.2, step 4
		if s.reoPersist--; s.reoPersist == 0 {
			s.reoMult = 1
		}
	}
	q.state, q.frto, q.force = Open, 0, false
	q.dups, q.dupBytes = 0, 0
}

// spurious tells whether the acknowledgement proves that the reduction was for
// nothing, and takes it back if so.
func (s *Sender) spurious(e *Env, now clock.Time, a *Ack, d *delivery) bool {
	q := s.q
	if !q.undo || q.state == CWR {
		return false
	}
	proof := false
	if q.resentAny && d.dsack > 0 { // RFC 3708 §2
		q.unproven -= d.dsack
		proof = q.unproven <= 0
	}
	if q.state >= Recovering && d.Bytes > 0 {
		proof = proof || s.early(e, a)
		q.advanced = q.advanced || q.resentAny
	}
	if q.state == Loss && q.frto > 0 {
		proof = s.frtoStep(d) || proof
	}
	if proof {
		s.takeBack(e, now)
	}
	return proof
}

// early tells whether an acknowledgement of something new arrived for what was
// sent first: before anything was sent again, or, as its timestamp says, in
// answer to an earlier segment (RFC 3522 §3.2).
func (s *Sender) early(e *Env, a *Ack) bool {
	q := s.q
	if !q.resentAny {
		return s.recover.AtMost(s.una)
	}
	return !q.advanced && e.T.Eifel != 0 && a.HasTime && int32(a.TSEcr-q.resentMS) < 0
}

// takeBack undoes a reduction (RFC 4015 §3.2).
//
// Deviation: the window returns at once, not by slow start: what was held for
// lost is in flight again, so no burst follows.
func (s *Sender) takeBack(e *Env, now clock.Time) {
	q := s.q
	e.S.BadTimeouts++
	q.unmark()
	s.win.Cwnd = max(s.win.Cwnd, q.priorCwnd)
	s.win.Ssthresh = max(s.win.Ssthresh, q.priorSsthresh)
	s.cc.Undo()
	s.reordered = s.reordered || q.state == Recovering
	q.state, q.frto, q.undo, q.force = Open, 0, false, false
	q.dups, q.dupBytes = 0, 0
	s.reduced, s.backoffs, s.shift = false, 0, 0
	q.rtoAt = now.Add(s.RTO(e))
}

// frtoStep goes on with RFC 5682 after the first retransmission of a timeout,
// and tells whether the timeout was spurious. An acknowledgement of something
// new lets new data test the network (step 2); if the next one acknowledges
// what was never sent again, the network has had it all the time (step 3).
func (s *Sender) frtoStep(d *delivery) bool {
	q := s.q
	step := q.frto
	switch {
	case step == 1 && d.Bytes > 0:
		q.frto, q.frtoSent = 2, 0
	case step == 1 && !s.sack && q.dups > 0: // §2.1, step 2a
		q.frto = 0
	case step == 2 && s.sack && s.recover.Less(q.fack), step == 2 && !s.sack && q.dups > 0: // step 3a
		q.frto = 0
		s.win.Cwnd = min(s.win.Cwnd, 3*s.win.MSS)
	case step == 2:
		return d.original // step 3b
	}
	return false
}

// probeAcked ends a tail loss probe, and reacts where it repaired a loss (RFC
// 8985 §7.4).
func (s *Sender) probeAcked(e *Env, now clock.Time, a *Ack, d *delivery) {
	q := s.q
	if !q.probing || a.Seq.Less(q.probeEnd) {
		return
	}
	switch {
	case !q.probeAgain, d.covers, a.HasTime && int32(a.TSEcr-q.probeMS) < 0:
		q.probing = false // the original has arrived, too
	case q.probeEnd.Less(a.Seq):
		q.probing = false
		e.S.ProbesRepair++
		if q.state < CWR {
			s.remember()
			s.reduce(now, cc.Loss, d)
			q.state, q.undo = CWR, false
		}
	case d.Bytes == 0 && a.Dup && len(a.Blocks) == 0:
		q.probing = false
	}
}
