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
	oldest   clock.Time // and of the one sent first
	once     bool       // there are such
	original bool       // something that was never sent again arrived after a timeout
	dsack    int        // bytes reported as arrived twice, of this episode
	covers   bool       // the tail loss probe is what arrived twice
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
	if s.una == s.nxt { // a late report of a duplicate may still undo
		if len(a.Blocks) > 0 && s.sack {
			s.selective(e, now, a, &d)
			d.Spurious = s.spurious(e, now, a, &d)
		}
		return d.Acked
	}
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
	q, twice := s.q, false
	for q.len() > 0 {
		p := &q.order[q.head]
		r := &q.recs[p.id]
		if a.Seq.AtMost(r.start) {
			break
		}
		n := min(a.Seq.Sub(r.start), r.size())
		if r.state&sacked == 0 {
			s.deliver(now, a, d, r, n)
			twice = twice || r.state&again != 0
		}
		q.count(r.state, -n)
		if n == r.size() {
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
	if twice { // Karn's algorithm (RFC 6298 §3): what this answers is not known
		d.once = false
	}
	d.Bytes = a.Seq.Sub(s.una)
	s.una, s.progress, s.backoffs = a.Seq, now, 0
	q.fack = wire.MaxSeq(q.fack, a.Seq)
}

// deliver notes that the first n bytes of r have arrived.
func (s *Sender) deliver(now clock.Time, a *Ack, d *delivery, r *record, n int) {
	q := s.q
	d.Delivered += n
	end := r.start.Add(n)
	if r.state&again == 0 {
		if !d.once {
			d.sent, d.oldest, d.once = r.sent, r.sent, true
		}
		d.sent, d.oldest = max(d.sent, r.sent), min(d.oldest, r.sent)
		if q.state == Loss && r.start.Less(s.recover) {
			d.original = true
		}
		if end.Less(q.fack) { // RFC 8985 §6.2, step 3
			s.reordered = true
			s.reordering = max(s.reordering, int32(q.fack.Sub(r.start)))
		}
	}
	q.fack = wire.MaxSeq(q.fack, end)
	if !d.rated || int32(r.delivered-d.rate.delivered) >= 0 {
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

// selective takes in SACK blocks (RFC 2018) and duplicate SACK (RFC 2883 §4).
func (s *Sender) selective(e *Env, now clock.Time, a *Ack, d *delivery) {
	e.S.SACKReceived++
	blocks := a.Blocks
	first := blocks[0]
	if first.End.AtMost(a.Seq) || len(blocks) > 1 && !first.Start.Less(blocks[1].Start) && first.End.AtMost(blocks[1].End) {
		s.dsack(e, a, d, first)
		blocks = blocks[1:]
	}
	// In the order of sequence, so that blocks that an earlier acknowledgement
	// told of in vain do not look like reordering.
	var sorted [wire.MaxSACK]wire.SACKBlock
	n := 0
	for _, b := range blocks {
		if !b.Start.Less(b.End) || s.nxt.Less(b.End) || b.Start.Less(s.una) {
			if s.nxt.Less(b.End) || b.End.Less(b.Start) {
				e.S.SACKBad++
			}
			continue
		}
		if n == len(sorted) {
			break
		}
		k := n
		for ; k > 0 && b.Start.Less(sorted[k-1].Start); k-- {
			sorted[k] = sorted[k-1]
		}
		sorted[k] = b
		n++
	}
	for _, b := range sorted[:n] {
		s.block(now, a, d, b)
	}
}

// block marks what a SACK block covers.
func (s *Sender) block(now clock.Time, a *Ack, d *delivery, b wire.SACKBlock) {
	q := s.q
	i := q.find(b.Start)
	if r := &q.recs[q.order[i].id]; r.start.Less(b.Start) {
		switch {
		case r.state&sacked == 0 && s.maySplit():
			i = q.split(i, b.Start)
		case !b.End.AtMost(r.end):
			i++
		default:
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
			if !s.maySplit() {
				break
			}
			left := q.split(i, b.End) - 1
			from, i = from+left-i, left
		}
		r := &q.recs[id]
		s.deliver(now, a, d, r, r.size())
		q.unlink(id)
		q.count(r.state, -r.size())
		r.state = sacked | r.state&again
		q.count(r.state, r.size())
		d.sacked = true
	}
	q.joinSacked(from, i)
}

// maySplit tells whether SACK may take one more record apart. A peer that
// reports every other byte would otherwise have us keep a record for each; what
// it reports in vain is held for missing.
func (s *Sender) maySplit() bool {
	n := s.q.len()
	return n < freelySplit || n < 4*(s.nxt.Sub(s.una)/s.win.MSS)
}

// freelySplit is up to how many records maySplit does not look.
const freelySplit = 256

// dsack deals with a report that something arrived twice: what was sent again
// was not lost (RFC 3708), or it was reordered further than allowed for.
func (s *Sender) dsack(e *Env, a *Ack, d *delivery, b wire.SACKBlock) {
	q := s.q
	if !b.Start.Less(b.End) || s.nxt.Less(b.End) {
		e.S.SACKBad++
		return
	}
	e.S.DSACK++
	if e.T.DSACK == 0 {
		return
	}
	if q.probing && q.probeAgain && b.End == q.probeEnd {
		d.covers = true // a probe says nothing of how far segments are reordered
		return
	}
	if !b.Start.Less(q.undoFrom) {
		d.dsack = b.End.Sub(b.Start)
	}
	if !s.dsackSeen || s.dsackRound.AtMost(s.una) { // RFC 8985 §6.2, step 4: once per round trip
		s.dsackSeen, s.dsackRound = true, s.nxt
		s.reoMult = uint8(min(int(s.reoMult)+1, 255))
		s.reoPersist = reoRounds
	}
}

// reoRounds is for how many recoveries a widened reordering window lasts (RFC
// 8985 §6.2, step 4).
const reoRounds = 16

// duplicates counts duplicate acknowledgements (RFC 5681 §2; with SACK, RFC
// 6675 §2).
func (s *Sender) duplicates(e *Env, a *Ack, d *delivery) {
	q := s.q
	if d.Bytes > 0 {
		q.dups = 0
		if q.state < CWR {
			q.dupBytes = 0
		}
		return
	}
	if !a.Dup || a.Seq != s.una || s.sack && !d.sacked {
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
		s.least.add(now, d.RTT)
		s.sample(e, now.Sub(d.oldest), many)
	case a.HasTime && d.Bytes > 0 && int32(ms(now)-a.TSEcr) >= 0: // Karn's doubt does not arise (RFC 7323 §4.1)
		d.RTT = max(time.Duration(ms(now)-a.TSEcr)*time.Millisecond, granularity)
		s.least.add(now, d.RTT)
		s.sample(e, d.RTT, many)
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
	if !s.sack && d.Bytes > 0 { // what duplicates stood for is now acknowledged itself
		known := min(q.dupBytes, max(d.Bytes-s.win.MSS, 0)) // a segment is the hole itself
		q.dupBytes -= known
		d.Delivered -= min(known, d.Delivered)
	}
	s.probeAcked(e, now, a, d)
	d.Spurious = s.spurious(e, now, a, d)
	reduced := q.state == CWR || q.state == Recovering
	if q.state >= CWR && s.recover.AtMost(s.una) {
		s.recovered()
	}
	before := q.lostBytes
	s.detect(e, now, d)
	d.Lost = q.lostBytes > before
	if q.lostBytes > 0 && q.state < Recovering {
		s.enterRecovery(e, now, d)
	}
	// Once CWR has arrived, an echo is of another mark (RFC 3168 §6.1.2).
	if a.ECE && s.ecn && q.state < CWR && (!s.reduced || s.recover.Less(s.una)) {
		s.marked(e, now, d)
	}
	if q.state > Disorder || !reduced { // the end of a recovery leaves the window at its threshold
		s.grow(e, now, d)
	}
	if q.state <= Disorder {
		q.state = Open
		if q.sackedBytes > 0 || q.dups > 0 {
			q.state = Disorder
		}
	}
}

// grow lets the window follow the acknowledgement: by congestion control, or, in
// recovery, by proportional rate reduction.
func (s *Sender) grow(e *Env, now clock.Time, d *delivery) {
	q := s.q
	n := d.Bytes // RFC 5681 §3.2: duplicates do not open the window
	if q.state == Loss {
		n = d.Delivered
	}
	switch {
	case q.state == CWR || q.state == Recovering:
		s.prr(d)
	case n > 0 && s.usesWindow():
		was := s.win.Ssthresh
		s.cc.Acked(&s.win, &cc.Ack{
			Now: now, Bytes: n, RTT: d.RTT, SRTT: s.srtt, Una: s.una, Nxt: s.nxt, HyStart: e.T.HyStart != 0,
		})
		if s.win.Ssthresh < was {
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
