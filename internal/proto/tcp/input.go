package tcp

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// seg is a segment on its way through a connection: what is left of it after
// trimming.
type seg struct {
	h    *wire.TCPHeader
	seq  wire.Seq // of the first byte of payload that is left
	from int      // where that is in the payload as it came
	n    int      // bytes of payload left
	len  int      // bytes of payload as it came
	fin  bool     // a FIN is left after it
	ecn  ECN
	wnd  int  // the window, scaled
	dup  bool // may be a duplicate acknowledgment
}

// Input deals with a segment of n bytes of payload that belongs to the
// connection (RFC 9293 §3.10.7.3 and .4) and tells in ev what came of it.
// Several segments in one, as GRO makes them, are one segment. h is not kept.
func (c *Conn) Input(e *Env, now clock.Time, h *wire.TCPHeader, n int, ecn ECN, ev *Event) {
	*ev = Event{}
	e.S.RcvTotal++
	c.rcvSegs++
	if c.state == ESTABLISHED && c.predicted(e, now, h, n, ecn, ev) {
		return
	}
	s := seg{h: h, seq: h.Seq, n: n, len: n, ecn: ecn, fin: h.Flags.Has(wire.FIN)}
	switch c.state {
	case CLOSED, TIMEWAIT:
	case SYNSENT:
		c.inSynSent(e, now, &s, ev)
	default:
		c.in(e, now, &s, ev)
	}
	ev.Readable = c.rcvOff
}

// in deals with a segment in every state but SYN-SENT: RFC 9293 §3.10.7.4, in
// its order, with the changes of RFC 7323 §5.3 and RFC 5961.
func (c *Conn) in(e *Env, now clock.Time, s *seg, ev *Event) {
	if !c.timely(e, now, s) {
		return
	}
	if s.h.Flags.Has(wire.SYN) && !s.h.Flags.Has(wire.RST) && !c.inSYN(e, now, s, ev) {
		return
	}
	if !c.trim(e, now, s) {
		return
	}
	if s.h.Flags.Has(wire.RST) {
		c.inRST(e, now, s, ev)
		return
	}
	c.lastRcv, c.probes = now, 0
	if !s.h.Flags.Has(wire.ACK) {
		return // RFC 9293 §3.10.7.4, fifth
	}
	if c.state == SYNRCVD && !c.complete(e, now, s, ev) {
		return
	}
	if !c.inAck(e, now, s, ev) || c.state == CLOSED {
		return
	}
	c.remember(now, s)
	c.inUrgent(e, s, ev)
	if s.n > 0 {
		c.inData(e, now, s, ev)
	}
	if s.fin && c.state != CLOSED {
		c.inFIN(e, now, s, ev)
	}
	c.congestionSeen(e, s)
}

// timely is the test of RFC 7323 §5.3 R1 against old duplicates: false where the
// segment is dropped. A reset is exempt (§5.2).
func (c *Conn) timely(e *Env, now clock.Time, s *seg) bool {
	o := &s.h.Options
	if !c.time || s.h.Flags.Has(wire.RST) {
		return true
	}
	if !o.HasTime {
		return s.h.Flags.Has(wire.SYN) // §3.2: silently dropped
	}
	if int32(o.TSVal-c.tsRecent) >= 0 {
		return true
	}
	if now.Sub(c.tsAge) > pawsIdle { // §5.5: too long ago to mean anything
		c.tsRecent, c.tsAge = o.TSVal, now
		return true
	}
	e.S.PAWSDrop++
	if s.n > 0 || s.h.Flags.Any(wire.SYN|wire.FIN) {
		c.ackNow()
	} else {
		c.challenge(e, now)
	}
	return false
}

// pawsIdle is after how long a timestamp says nothing any more (RFC 7323 §5.5).
const pawsIdle = 24 * 24 * time.Hour

// remember updates TS.Recent (RFC 7323 §4.3 (2)).
func (c *Conn) remember(now clock.Time, s *seg) {
	o := &s.h.Options
	if c.time && o.HasTime && s.h.Seq.AtMost(c.lastAck) && int32(o.TSVal-c.tsRecent) >= 0 {
		c.tsRecent, c.tsAge = o.TSVal, now
	}
}

// inSYN deals with a SYN on a connection that has had its own: false where that
// is all there is to do (RFC 5961 §4.2, RFC 9293 §3.10.7.4, fourth).
func (c *Conn) inSYN(e *Env, now clock.Time, s *seg, ev *Event) bool {
	if c.state == SYNRCVD && s.h.Seq == c.open.irs {
		if !s.h.Flags.Has(wire.ACK) {
			c.synAck = true // the peer has not seen our SYN-ACK
			return false
		}
		s.seq, s.n, s.fin = c.rcvNxt, 0, false // simultaneous open: the peer's SYN-ACK
		return true
	}
	e.S.BadSYN++
	if e.T.InsecureSYN != 0 && c.synchronized() && s.h.Seq.In(c.rcvNxt, c.rcvAdv.Sub(c.rcvNxt)) {
		c.reset(e, ev, syscall.ECONNRESET)
		return false
	}
	if c.state == SYNRCVD && c.passive && s.h.Seq.In(c.rcvNxt, c.rcvAdv.Sub(c.rcvNxt)) {
		c.drop(e, ev, syscall.ECONNRESET) // back to LISTEN
		return false
	}
	c.challenge(e, now)
	return false
}

// trim is the acceptability test of RFC 9293 §3.10.7.4, first: it cuts off what
// is not in the window and tells whether the segment is to be looked at
// further. Where it is not, an acknowledgment says what is expected.
func (c *Conn) trim(e *Env, now clock.Time, s *seg) bool {
	if s.h.Flags.Has(wire.RST) {
		return c.trimRST(e, s)
	}
	wnd := c.rcvAdv.Sub(c.rcvNxt)
	if d := c.rcvNxt.Sub(s.seq); d > 0 && !c.trimLeft(e, now, s, d) {
		return false
	}
	// Deviation: what lies just behind the window and has no payload, an
	// acknowledgment or a FIN, takes no room and is let in.
	// At exactly half of all numbers away it is neither old nor new: at < 0.
	if at := s.seq.Sub(c.rcvNxt); at < 0 || at > wnd || s.n > 0 && at == wnd && wnd > 0 {
		e.S.RcvAfterWin++
		e.S.RcvAfterWB += uint64(s.n)
		c.unacceptable(e, now, s)
		return false
	}
	if over := s.seq.Add(s.n).Sub(c.rcvAdv); over > 0 {
		// RFC 9293 §3.10.7.4: with a window of zero the acknowledgment counts.
		if wnd == 0 {
			e.S.RcvWinProbe++
		} else {
			e.S.RcvAfterWin++
			e.S.RcvAfterWB += uint64(over)
		}
		s.n, s.fin = s.n-over, false
		if s.n == 0 || s.seq == c.rcvNxt {
			c.ackNow()
		}
	}
	return true
}

// trimLeft cuts off d sequence numbers that are known already. Of a segment
// that has nothing else the acknowledgment still counts, if it had payload:
// what is sent again says what is known now.
func (c *Conn) trimLeft(e *Env, now clock.Time, s *seg, d int) bool {
	if d < s.n || d == s.n && s.fin {
		if d > 0 && s.n > 0 {
			e.S.RcvPartDup++
			e.S.RcvPDupByte += uint64(d)
			c.duplicate(e, s.seq, c.rcvNxt)
			c.ackNow()
		}
		s.seq, s.from, s.n = c.rcvNxt, s.from+d, s.n-d
		return true
	}
	if s.n == 0 && !s.fin {
		c.unacceptable(e, now, s)
		return false
	}
	e.S.RcvDup++
	e.S.RcvDupByte += uint64(s.n)
	c.duplicate(e, s.seq, wire.MinSeq(s.seq.Add(s.n), c.rcvNxt))
	c.ackNow()
	s.seq, s.n, s.fin = c.rcvNxt, 0, false
	return true
}

// unacceptable answers a segment outside of the window. Data is always
// answered: its sender waits. What has none is limited, or two ends that
// disagree would acknowledge each other for ever.
func (c *Conn) unacceptable(e *Env, now clock.Time, s *seg) {
	if s.len > 0 || s.h.Flags.Has(wire.FIN) {
		c.ackNow()
		return
	}
	c.challenge(e, now)
}

// trimRST tells whether a reset is in the window.
func (c *Conn) trimRST(e *Env, s *seg) bool {
	if s.seq == c.rcvNxt || s.seq.In(c.rcvNxt, c.rcvAdv.Sub(c.rcvNxt)) {
		return true
	}
	e.S.BadRST++
	return false
}

// inRST deals with a reset in the window (RFC 9293 §3.10.7.4, second; RFC 5961
// §3.2: only one at exactly the next number is believed).
func (c *Conn) inRST(e *Env, now clock.Time, s *seg, ev *Event) {
	if s.seq != c.rcvNxt && e.T.InsecureRST == 0 {
		e.S.BadRST++
		c.challenge(e, now)
		return
	}
	switch c.state {
	case SYNRCVD:
		c.drop(e, ev, syscall.ECONNREFUSED)
	case CLOSING, LASTACK:
		c.drop(e, ev, 0)
	default:
		c.drop(e, ev, syscall.ECONNRESET)
	}
}

// challenge owes the peer an acknowledgment, unless there have been too many
// lately, of this connection or of all (RFC 5961 §7).
func (c *Conn) challenge(e *Env, now clock.Time) {
	if t := ms(e.T.AckWarTime); t > 0 {
		if now.Sub(c.warAt) >= t {
			c.warAt, c.war = now, 0
		}
		if int32(c.war) >= e.T.AckWarCount {
			e.S.ChallengeLm++
			return
		}
		c.war++
	}
	if !e.C.allow(now, e.T.Challenge) {
		e.S.ChallengeLm++
		return
	}
	e.S.Challenges++
	c.ackNow()
}
