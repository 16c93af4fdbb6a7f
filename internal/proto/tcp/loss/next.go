package loss

import (
	"github.com/seed88948545/vimage/internal/clock"
)

// Next tells what to send again now, at most limit bytes at a time (a
// multiple of the segment size, or less than one at the end of a record), and
// counts it as sent. fresh is how many new bytes the connection could send at
// once (data waiting, within the peer's window): tail loss probes and F-RTO
// prefer those, and then Room has them. It returns false when there is
// nothing, or the window does not allow it now.
func (s *Sender) Next(e *Env, now clock.Time, fresh, limit int, r *Range) bool {
	q := s.q
	if q == nil || s.una == s.nxt {
		return false
	}
	if q.tail {
		return fresh == 0 && s.probe(e, now, limit, r)
	}
	id := q.lost.head
	if id == none || q.frto == 2 && (q.frtoSent > 0 || fresh > 0) {
		return false
	}
	n := s.allowed(e, now, q.stretch(id, limit))
	if n == 0 {
		return false
	}
	q.take(id, n)
	if q.frto == 2 {
		q.frto = 0 // no new data to test with: RFC 5682 §3.1, step 2a
	}
	s.again(e, now, id, q.why, r)
	q.force = false
	return true
}

// stretch returns how many bytes are lost from the record id on without a gap, up
// to limit: what was written in small pieces is sent again in full segments.
func (b *board) stretch(id int32, limit int) int {
	n := b.recs[id].size()
	for end := b.recs[id].end; n < limit; end = b.recs[id].end {
		if id = b.recs[id].next; id == none || b.recs[id].start != end {
			break
		}
		n += b.recs[id].size()
	}
	return min(n, limit)
}

// take makes the record id just the n bytes from its start on, all of them lost.
// What is beyond them keeps what is known of it.
func (b *board) take(id int32, n int) {
	i := b.find(b.recs[id].start)
	end := b.recs[id].start.Add(n)
	j := i
	for ; ; j++ {
		c := &b.recs[b.order[j].id]
		if end.Less(c.end) {
			k := b.split(j, end) - 1
			i, j = i-(j-k), k
		}
		if j > i {
			b.unlink(b.order[j].id)
		}
		if end.AtMost(b.recs[b.order[j].id].end) {
			break
		}
	}
	b.merge(i, j+1)
}

// frtoNew is how many new segments test the network after a timeout (RFC 5682
// §3.1, step 2b).
const frtoNew = 2

// allowed returns how many of n bytes may be sent again now.
func (s *Sender) allowed(e *Env, now clock.Time, n int) int {
	q, mss := s.q, s.win.MSS
	if !s.established {
		return n
	}
	room := s.win.Cwnd - s.pipe()
	if q.force {
		room = max(room, mss)
	} else if s.held(e, now) {
		return 0
	}
	switch {
	case n <= room:
		return n
	case room < mss:
		return 0
	}
	return room - room%mss
}

// again counts a record, which is in the order of lost ones or in flight, as
// sent now.
func (s *Sender) again(e *Env, now clock.Time, id int32, why Why, r *Range) {
	q := s.q
	q.unlink(id)
	c := &q.recs[id]
	n := c.size()
	q.count(c.state, -n)
	c.state = again
	c.sent, c.firstSent, c.rateAt, c.delivered = now, q.rateFrom, q.rateAt, uint32(s.delivered)
	q.count(c.state, n)
	q.push(&q.flight, id, q.flight.tail)
	*r = Range{c.start, c.end, why}

	segs := (n + s.win.MSS - 1) / s.win.MSS
	e.S.Resent += uint64(segs)
	e.S.ResentBytes += uint64(n)
	if why == Recovery && s.sack {
		e.S.SACKResent += uint64(segs)
	}
	s.resent += uint32(segs)
	s.resentBytes += uint64(n)
	if !q.resentAny {
		q.resentAny, q.advanced, q.resentFrom, q.resentMS = true, false, c.start, ms(now)
	}
	q.unproven += n
	s.sent(e, now, n)
	if c.start == s.una || q.rtoAt == clock.Never {
		q.rtoAt = now.Add(s.RTO(e))
	}
	q.peak = max(q.peak, q.flightBytes)
}

// probe sends the last segment again (RFC 8985 §7.3).
func (s *Sender) probe(e *Env, now clock.Time, limit int, r *Range) bool {
	q := s.q
	q.tail = false
	i := len(q.order) - 1
	c := &q.recs[q.order[i].id]
	if c.state&sacked != 0 {
		return false
	}
	if n := min(s.win.MSS, limit); c.size() > n {
		i = q.split(i, c.end.Add(-n))
	}
	id := q.order[i].id
	undo, any := q.unproven, q.resentAny
	s.again(e, now, id, Probe, r)
	q.unproven, q.resentAny = undo, any // a probe is no part of a recovery
	e.S.Probes++
	s.probing, s.probeEnd, s.probeAgain = true, s.nxt, true
	q.tailAt, q.rtoAt = clock.Never, now.Add(s.RTO(e))
	return true
}

// Room returns how many new bytes the congestion window, limited transmit and
// pacing allow now. Nothing that Next has waits for it. A sender that sends
// less than a full segment because Room is less does itself harm: it should
// wait until Room is a segment.
func (s *Sender) Room(e *Env, now clock.Time) int {
	q := s.q
	if q == nil || s.una == s.nxt {
		return s.firstRoom(e, now)
	}
	if q.tail {
		return s.win.MSS
	}
	if q.frto == 2 {
		return max(frtoNew*s.win.MSS-q.frtoSent, 0)
	}
	if q.lostBytes > 0 || s.held(e, now) {
		return 0
	}
	pipe := s.pipe()
	if q.state <= Disorder {
		if e.T.Limited == 0 {
			pipe = q.flightBytes + q.sackedBytes
		} else if q.dups > 0 && !s.sack { // RFC 3042 §2: two segments beyond the window; RFC 6675 §5 (3) has no such bound
			pipe = max(pipe, q.flightBytes+q.sackedBytes-2*s.win.MSS)
		}
	}
	return max(s.win.Cwnd-pipe, 0)
}

// firstRoom is Room where nothing is in flight.
func (s *Sender) firstRoom(e *Env, now clock.Time) int {
	if e.T.Pacing != 0 && s.paceAt > now {
		if s.q == nil {
			s.begin().rtoAt = s.paceAt
		}
		s.q.paced = true
		return 0
	}
	return s.win.Cwnd
}

// held tells whether pacing holds back what could be sent now, and has Expire
// tell when no longer.
func (s *Sender) held(e *Env, now clock.Time) bool {
	if e.T.Pacing == 0 || s.paceAt <= now {
		return false
	}
	s.q.paced = true
	return true
}

// CWR tells whether the next segment with new data carries CWR (RFC 3168
// §6.1.2), once per reduction.
func (s *Sender) CWR() bool {
	was := s.cwr
	s.cwr = false
	return was
}
