package loss

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

// delivery is what one acknowledgement delivers, as it is gathered.
type delivery struct {
	Acked
	sent     clock.Time // of the segment sent last among those never sent again
	once     bool       // there is such a one
	original bool       // something held for lost, and not sent again, arrived after all
	dsack    int        // bytes reported as arrived twice
	covers   bool       // the report covers the tail loss probe
	sacked   bool       // SACK told of something new
	rate     record     // the one that the delivery rate is measured by
	rated    bool
}

// Ack takes in an acknowledgement. Its cost is that of what it changes.
func (s *Sender) Ack(e *Env, now clock.Time, a *Ack) Acked {
	s.lastAck = now
	q := s.q
	if q == nil {
		return Acked{}
	}
	d := delivery{}
	una, flight := s.una, q.flightBytes
	if una.Less(a.Seq) {
		s.cumulative(now, a, &d)
	}
	if len(a.Blocks) > 0 && s.sack {
		s.selective(e, now, a, &d)
	}
	s.duplicates(e, a, &d)
	s.measure(e, now, a, &d, flight)
	s.judge(e, now, a, &d)
	s.timers(e, now, &d)
	return d.Acked
}

// cumulative takes out what a.Seq acknowledges.
func (s *Sender) cumulative(now clock.Time, a *Ack, d *delivery) {
	q, resent := s.q, false
	for q.len() > 0 {
		p := &q.order[q.head]
		r := &q.recs[p.id]
		if a.Seq.AtMost(r.start) {
			break
		}
		n := min(a.Seq.Sub(r.start), r.size())
		if r.state&sacked == 0 {
			resent = resent || r.state&again != 0
			s.deliver(now, a, d, r, n)
		}
		q.count(r.state, -n)
		if n == r.size() {
			if r.state&sacked != 0 {
				q.spans--
			}
			q.unlink(p.id)
			q.release(p.id)
			q.head++
			continue
		}
		r.start = r.start.Add(n)
		p.start = r.start
		break
	}
	if q.len() == 0 {
		q.order, q.head = q.order[:0], 0
	}
	if resent { // it may have waited for what was sent again (RFC 6298 §3)
		d.once = false
		d.original = d.original && s.sack // SACK would have told of what waited
	}
	d.Bytes = a.Seq.Sub(s.una)
	s.una, s.progress, s.timeouts = a.Seq, now, 0
	q.fack = wire.MaxSeq(q.fack, a.Seq)
}

// deliver notes that the first n bytes of r have arrived.
func (s *Sender) deliver(now clock.Time, a *Ack, d *delivery, r *record, n int) {
	q := s.q
	d.Delivered += n
	end := r.start.Add(n)
	if r.state&again == 0 {
		if !d.once || d.sent < r.sent {
			d.sent, d.once = r.sent, true
		}
		d.original = d.original || r.state&lost != 0
		if end.Less(q.fack) { // RFC 8985 §6.2, step 3
			s.reordered = true
			s.reordering = max(s.reordering, int32(q.fack.Sub(r.start)))
		}
	}
	q.fack = wire.MaxSeq(q.fack, end)
	if !d.rated || d.rate.delivered <= r.delivered {
		d.rate, d.rated = *r, true
	}
	// RFC 8985 §6.2, steps 1 and 2: what was sent again says nothing where it
	// may have been the first transmission that arrived.
	rtt := now.Sub(r.sent)
	if r.state&again != 0 && (a.HasTime && int32(a.TSEcr-ms(r.sent)) < 0 || rtt < s.least.get()) {
		return
	}
	if q.rackSent < r.sent || q.rackSent == r.sent && q.rackEnd.Less(end) || q.rackRTT == 0 {
		q.rackSent, q.rackEnd, q.rackRTT = r.sent, end, max(rtt, 1)
	}
}

// selective takes in SACK blocks (RFC 2018) and duplicate SACK (RFC 2883).
func (s *Sender) selective(e *Env, now clock.Time, a *Ack, d *delivery) {
	e.S.SACKReceived++
	blocks := a.Blocks
	first := blocks[0]
	if first.Start.Less(a.Seq) || len(blocks) > 1 && !first.Start.Less(blocks[1].Start) && first.End.AtMost(blocks[1].End) {
		blocks = blocks[1:]
		if first.Start.Less(first.End) && first.End.AtMost(s.nxt) {
			s.dsack(e, a, d, first)
		}
	}
	// In the order of sequence, so that a block that an earlier acknowledgement
	// had too, which was lost, is not taken for reordering.
	var sorted [wire.MaxSACK]wire.SACKBlock
	n := 0
	for _, b := range blocks[:min(len(blocks), len(sorted))] {
		k := n
		for ; k > 0 && b.Start.Less(sorted[k-1].Start); k-- {
			sorted[k] = sorted[k-1]
		}
		sorted[k] = b
		n++
	}
	for _, b := range sorted[:n] {
		if !b.Start.Less(b.End) || s.nxt.Less(b.End) || b.Start.Less(s.una) {
			if s.nxt.Less(b.End) || b.End.Less(b.Start) {
				e.S.SACKBad++
			}
			continue
		}
		s.block(now, a, d, b)
	}
}

// block marks what a SACK block covers.
func (s *Sender) block(now clock.Time, a *Ack, d *delivery, b wire.SACKBlock) {
	q := s.q
	i := q.find(b.Start)
	if r := &q.recs[q.order[i].id]; r.start.Less(b.Start) {
		if r.state&sacked == 0 {
			i = q.split(i, b.Start)
		} else if i++; i == len(q.order) {
			return
		}
	}
	from := i
	for ; i < len(q.order) && q.order[i].start.Less(b.End); i++ {
		id := q.order[i].id
		if q.recs[id].state&sacked != 0 {
			continue
		}
		if b.End.Less(q.recs[id].end) {
			k := q.split(i, b.End) - 1
			from -= i - k // what is before it may have moved
			i, id = k, q.order[k].id
		}
		r := &q.recs[id]
		s.deliver(now, a, d, r, r.size())
		q.unlink(id)
		q.count(r.state, -r.size())
		r.state = sacked | r.state&again
		q.count(r.state, r.size())
		q.spans++
		d.sacked = true
	}
	s.joinSacked(from, i)
}

// joinSacked makes neighbouring SACKed records, of order[i:j] and at its edges,
// one.
func (s *Sender) joinSacked(i, j int) {
	q := s.q
	is := func(k int) bool { return q.recs[q.order[k].id].state&sacked != 0 }
	if i > q.head && is(i-1) {
		i--
	}
	if j < len(q.order) && is(j) {
		j++
	}
	if i < j && is(i) && is(j-1) {
		q.merge(i, j)
	}
}

// dsack deals with a report that something arrived twice: what was sent again
// was not lost (RFC 3708), or it was reordered further than allowed for.
func (s *Sender) dsack(e *Env, a *Ack, d *delivery, b wire.SACKBlock) {
	e.S.DSACK++
	if e.T.DSACK == 0 {
		return
	}
	d.dsack = s.sentTwice(a, b)
	d.covers = s.probing && s.probeAgain && b.End == s.probeEnd
	if d.covers {
		return // that was no recovery begun too early
	}
	if !s.dsackSeen || s.dsackRound.AtMost(s.una) { // RFC 8985 §6.2, step 4: once per round trip
		s.dsackSeen, s.dsackRound = true, s.nxt
		s.reoMult = uint8(min(int(s.reoMult)+1, 255))
		s.reoPersist = reoRounds
	}
}

// sentTwice returns how many bytes of b were sent again since the last reduction:
// only those can prove it wrong.
func (s *Sender) sentTwice(a *Ack, b wire.SACKBlock) int {
	q := s.q
	if s.una.Less(b.End) && q.recs[q.order[q.find(wire.MaxSeq(b.Start, s.una))].id].state&again == 0 {
		return 0
	}
	return max(wire.MinSeq(b.End, s.recover).Sub(wire.MaxSeq(b.Start, q.undoFrom)), 0)
}

// reoRounds is for how many recoveries a widened reordering window lasts (RFC
// 8985 §6.2, step 4).
const reoRounds = 16

// duplicates counts duplicate acknowledgements (RFC 5681 §2; with SACK, RFC
// 6675 §2, whatever else they bring).
func (s *Sender) duplicates(e *Env, a *Ack, d *delivery) {
	q := s.q
	if d.Bytes > 0 {
		q.dups = 0
		s.undouble(d)
	}
	dup := d.sacked
	if !s.sack && s.una != s.nxt {
		dup = a.Dup && d.Bytes == 0 && a.Seq == s.una
	}
	if !dup {
		return
	}
	e.S.DupAcks++
	q.dups++
	if !s.sack {
		n := min(s.win.MSS, max(q.flightBytes-q.dupBytes, 0))
		q.dupBytes += n
		d.Delivered += n
	}
}

// undouble takes out what duplicates stood for and is now acknowledged itself:
// all but the first segment, which filled the hole.
func (s *Sender) undouble(d *delivery) {
	q := s.q
	known := min(q.dupBytes, max(d.Bytes-s.win.MSS, 0))
	d.Delivered -= min(known, d.Delivered)
	if q.dupBytes -= known; q.state < Recovering {
		q.dupBytes = 0
	}
}

// measure takes the samples that the acknowledgement gives: round-trip time,
// delivery rate.
func (s *Sender) measure(e *Env, now clock.Time, a *Ack, d *delivery, flight int) {
	s.delivered += uint64(d.Delivered)
	if d.Delivered == 0 {
		return
	}
	q := s.q
	many := flight / max(d.Delivered, 2*s.win.MSS)
	switch {
	case d.once:
		d.RTT = max(now.Sub(d.sent), 1)
		s.sample(e, now, d.RTT, many)
	case a.HasTime && d.Bytes > 0 && int32(ms(now)-a.TSEcr) >= 0: // Karn's doubt does not arise (RFC 7323 §4.1)
		d.RTT = max(time.Duration(ms(now)-a.TSEcr)*time.Millisecond, granularity)
		s.sample(e, now, d.RTT, many)
	}
	if d.rated {
		r := &d.rate
		took := max(r.sent.Sub(r.firstSent), now.Sub(r.rateAt))
		if took > 0 {
			s.rateBytes, s.rateTime = int(uint32(s.delivered)-r.delivered), took
		}
		q.rateFrom = r.sent
	}
	q.rateAt = now
}

// judge decides what the acknowledgement says of the network.
func (s *Sender) judge(e *Env, now clock.Time, a *Ack, d *delivery) {
	q := s.q
	if !s.established {
		if s.una == s.nxt {
			q.state = Open
		}
		return
	}
	s.probeAcked(e, now, a, d)
	if s.spurious(e, now, a, d) {
		d.Spurious = true
	}
	if q.state == Loss && q.frto > 0 {
		s.frtoStep(d)
	}
	if (q.state == Recovering || q.state == Loss || q.state == CWR) && s.recover.AtMost(s.una) {
		s.recovered(d)
	}
	before, pipe := q.lostBytes, s.pipe()
	s.detect(e, now, d)
	if d.Lost = q.lostBytes > before; d.Lost {
		s.keepRoom(pipe)
	}
	if q.lostBytes > 0 && q.state < Recovering {
		s.enterRecovery(e, now, d)
	}
	// RFC 3168 §6.1.2: echoes go on until the peer has seen CWR, which goes with
	// what begins at recover.
	if a.ECE && s.ecn && q.state < CWR && (!s.reduced || s.recover.Less(s.una)) {
		s.marked(e, now, d)
	}
	s.grow(e, now, a, d)
	if q.state <= Disorder {
		q.state = Open
		if q.sackedBytes > 0 || q.dups > 0 {
			q.state = Disorder
		}
	}
}

// grow lets the window follow the acknowledgement: by congestion control, or, in
// recovery, by proportional rate reduction.
func (s *Sender) grow(e *Env, now clock.Time, a *Ack, d *delivery) {
	q := s.q
	switch {
	case q.state == CWR || q.state == Recovering:
		s.prr(d)
	case a.ECE && s.ecn: // RFC 3168 §6.1.2: no reason to grow
	case d.Bytes > 0 && d.Delivered > 0 && s.usesWindow(): // RFC 5681 §3.2, step 1: not by duplicates
		thresh := s.win.Ssthresh
		s.cc.Acked(&s.win, &cc.Ack{
			Now: now, Bytes: d.Delivered, RTT: d.RTT, SRTT: s.srtt, Una: s.una, Nxt: s.nxt, HyStart: e.T.HyStart != 0,
		})
		if s.win.Ssthresh != thresh {
			e.S.SlowStartEnds++
		}
	}
	if q.round.AtMost(s.una) {
		q.lastPeak, q.peak, q.round = q.peak, q.flightBytes, s.nxt
	}
}

// usesWindow tells whether the sender has lately filled at least half of its
// window: only then does success say that there could be more (RFC 7661 §4.3).
func (s *Sender) usesWindow() bool {
	q := s.q
	return 2*max(q.peak, q.lastPeak) > s.win.Cwnd || q.state == Loss
}
