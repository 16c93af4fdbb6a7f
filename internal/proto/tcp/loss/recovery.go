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
	q.tailAt, q.tail = clock.Never, false
}

// marked reacts to an ECN echo, once for each window (RFC 3168 §6.1.2).
func (s *Sender) marked(e *Env, now clock.Time, d *delivery) {
	q := s.q
	e.S.ECNReduced++
	s.remember()
	q.undo = false // nothing was sent again that could prove it wrong
	s.reduce(now, cc.Mark, d)
	s.slowDown()
}

// slowDown has the window shrink to its new threshold where nothing is lost.
func (s *Sender) slowDown() {
	if s.una == s.nxt { // there will be no acknowledgements to do it by
		s.win.Cwnd = min(s.win.Cwnd, s.win.Ssthresh)
		return
	}
	s.q.state = CWR
}

// reduce has congestion control set a threshold, towards which proportional rate
// reduction will bring the window. d is what the acknowledgement delivered that
// tells of the congestion: until then it was in flight.
func (s *Sender) reduce(now clock.Time, why cc.Cause, d *delivery) {
	q := s.q
	out := s.nxt.Sub(s.una) + d.Bytes
	s.cc.Congestion(&s.win, now, min(out, max(s.win.Cwnd, s.pipe())), why)
	q.prrDelivered, q.prrOut, q.prrFlight = 0, 0, max(out-d.Bytes-q.sackedBytes+d.Delivered, 1) // RecoverFS
	s.recover, s.reduced, s.probing = s.nxt, true, false
	s.cwr = s.cwr || s.ecn // RFC 3168 §6.1.2: for every reduction
}

// prr sets the window for one acknowledgement of a recovery (RFC 9937, which was
// 6937bis, §6.2).
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
	s.win.Cwnd = max(pipe+max(n, 0), mss) // so that a pipe that is empty does not stay so
}

// keepRoom has what was found lost, of so much in the network before, make no room
// in a recovery: there it is what arrives that does (RFC 9937 §6.2). The first of
// it goes out all the same.
func (s *Sender) keepRoom(pipe int) {
	if q := s.q; q.state == Recovering {
		s.win.Cwnd = s.pipe() + max(s.win.Cwnd-pipe, s.win.MSS)
	}
}

// recovered ends a recovery, a reduction or what followed a timeout: everything
// that was in flight when it began has been acknowledged.
func (s *Sender) recovered(d *delivery) {
	q := s.q
	if q.state != Loss {
		s.win.Cwnd = max(s.win.Ssthresh, s.win.MSS) // RFC 9937 §6.2
	}
	if q.state >= Recovering && s.reoPersist > 0 && d.dsack == 0 { // RFC 8985 §6.2, step 4
		if s.reoPersist--; s.reoPersist == 0 {
			s.reoMult = 1
		}
	}
	q.state, q.frto, q.force = Open, 0, false
	q.dups, q.dupBytes = 0, 0
}

// spurious tells whether the acknowledgement proves that what was sent again
// need not have been, and takes the reduction back if so.
func (s *Sender) spurious(e *Env, now clock.Time, a *Ack, d *delivery) bool {
	q := s.q
	if !q.undo || q.state == CWR {
		return false
	}
	proof := false
	// RFC 3708 §2. The reports come a round trip after what was sent again, when
	// the recovery has mostly ended.
	if q.resentAny && d.dsack > 0 {
		q.unproven -= d.dsack
		proof = q.unproven <= 0
	}
	// RFC 3522 §3.2: the first acknowledgement of something new echoes the time
	// of a segment sent before the first retransmission.
	if d.Bytes > 0 && q.resentAny && !q.advanced && q.resentFrom.Less(a.Seq) && e.T.Eifel != 0 && a.HasTime && int32(a.TSEcr-q.resentMS) < 0 {
		proof = true
		s.reordered = s.reordered || q.state == Recovering
	}
	// RFC 5682 §3.1 (3b): what was never sent again has arrived.
	if q.state == Loss && q.frto > 0 && d.original {
		proof = true
	}
	if q.resentAny && q.resentFrom.Less(a.Seq) {
		q.advanced = true
	}
	if proof {
		s.takeBack(e, now)
	}
	return proof
}

// takeBack undoes a reduction (RFC 4015 §3.2).
func (s *Sender) takeBack(e *Env, now clock.Time) {
	q := s.q
	e.S.BadTimeouts++
	q.unmark()
	q.counted = s.una
	s.win.Cwnd = max(s.win.Cwnd, q.priorCwnd)
	s.win.Ssthresh = max(s.win.Ssthresh, q.priorSsthresh)
	s.cc.Undo()
	q.state, q.frto, q.undo, q.force = Open, 0, false, false
	q.dups, q.dupBytes = 0, 0
	s.reduced = false
	q.rtoAt = now.Add(s.RTO(e))
}

// frtoStep goes on with RFC 5682 after the first retransmission of a timeout: an
// acknowledgement of something new lets new data test the network (step 2b).
// What proves nothing then means that the timeout was right; and before it,
// without SACK, a duplicate (§2.1, step 2a; §3.1, step 2, waits).
func (s *Sender) frtoStep(d *delivery) {
	q := s.q
	switch {
	case q.frto == 1 && d.Bytes > 0 && s.una.Less(s.recover):
		q.frto, q.frtoSent = 2, 0
	case q.frto == 1 && !s.sack && q.dups > 0, q.frto == 2 && (d.Bytes > 0 || q.dups > 0):
		q.frto = 0
	}
}

// probeAcked ends a tail loss probe, and reacts where it repaired a loss (RFC
// 8985 §7.4).
func (s *Sender) probeAcked(e *Env, now clock.Time, a *Ack, d *delivery) {
	q := s.q
	if !s.probing || a.Seq.Less(s.probeEnd) {
		return
	}
	switch {
	case !s.probeAgain, d.covers:
		s.probing = false
	case s.probeEnd.Less(a.Seq):
		s.probing = false
		e.S.ProbesRepair++
		if q.state < CWR {
			s.remember()
			s.reduce(now, cc.Loss, d)
			q.undo = false
			s.slowDown()
		}
	case a.Dup && len(a.Blocks) == 0:
		s.probing = false
	}
}
