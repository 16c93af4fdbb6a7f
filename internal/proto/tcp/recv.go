package tcp

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// inData takes in payload that is in the window (RFC 9293 §3.10.7.4, seventh).
func (c *Conn) inData(e *Env, now clock.Time, s *seg, ev *Event) {
	if c.finRcvd {
		return // must not happen, says RFC 9293: ignored
	}
	if c.orphan {
		e.S.RcvAfterCl++ // RFC 1122 §4.2.2.13: nobody will read it
		c.reset(e, ev, syscall.ECONNRESET)
		return
	}
	c.rcvDataSegs++
	if s.seq != c.rcvNxt {
		c.outOfOrder(e, now, s, ev)
		return
	}
	ev.From, ev.To, ev.At = s.from, s.from+s.n, c.rcvOff
	if c.held == nil || len(c.held.spans) == 0 {
		c.inOrder(e, now, s.n)
		return
	}
	e.S.RcvPack++
	e.S.RcvByte += uint64(s.n)
	end := s.seq.Add(s.n)
	if _, _, n := c.held.overlap(s.seq, end); n > 0 {
		e.S.RcvPartDup++
		e.S.RcvPDupByte += uint64(n)
		c.duplicate(e, c.held.spans[0].from, wire.MinSeq(end, c.held.spans[0].to))
	}
	c.accept(c.held.advance(end).Sub(c.rcvNxt))
	c.lastData = now
	if c.held.fin && c.held.finAt == c.rcvNxt {
		c.takeFIN(e, now, ev)
		return
	}
	c.ackNow() // RFC 5681 §4.2: a hole was filled
}

// inOrder takes in n bytes that are next, with none held beyond them.
func (c *Conn) inOrder(e *Env, now clock.Time, n int) {
	e.S.RcvPack++
	e.S.RcvByte += uint64(n)
	c.accept(n)
	if n > int(c.rcvMSS) && c.rcvMSS < c.advMSS {
		c.rcvMSS = uint16(min(n, int(c.advMSS)))
	}
	if now.Sub(c.lastData) > quickAfter {
		c.quick = uint8(e.T.QuickAcks)
	}
	c.lastData = now
	switch {
	case c.quick > 0:
		c.quick--
		c.ackNow()
	case c.rcvNxt.Sub(c.lastAck) >= 2*int(c.rcvMSS) || e.T.DelayedAck == 0: // RFC 9293 §3.8.6.3
		c.ackNow()
	case c.ackAt == clock.Never:
		c.ackAt = now.Add(ms(e.T.DelackTime))
	}
	if now.Sub(c.autoAt) >= time.Duration(c.rcvRTT)*time.Microsecond {
		c.followRate(e, now)
	}
}

// quickAfter is after how long a silence acknowledgments are quick again: the
// sender may be in slow start.
const quickAfter = time.Second

// accept moves on in the stream by n bytes.
func (c *Conn) accept(n int) {
	c.rcvNxt = c.rcvNxt.Add(n)
	c.rcvOff += uint64(n)
}

// ackNow owes the peer an acknowledgment at once.
func (c *Conn) ackNow() {
	if c.acks == 0 {
		c.acks = 1
	}
}

// outOfOrder takes in payload behind a hole, if there is room, and owes an
// acknowledgment for it (RFC 5681 §4.2). A peer without SACK counts those: it
// gets one for each.
func (c *Conn) outOfOrder(e *Env, now clock.Time, s *seg, ev *Event) {
	if c.acks == 0 || !c.sack {
		c.acks = min(c.acks+1, maxDups)
	}
	c.ooos++
	e.S.RcvOOO++
	e.S.RcvOOOByte += uint64(s.n)
	if c.held == nil {
		c.held = new(held)
	}
	q, end := c.held, s.seq.Add(s.n)
	first, last, n := q.overlap(s.seq, end)
	if s.n-n > e.OOO || first > last && len(q.spans) >= int(e.T.OOORanges) {
		e.S.OOODrop++
		s.fin = false
		return
	}
	if n > 0 {
		k := q.spans[first]
		if !s.seq.Less(k.from) || n == s.n {
			c.duplicate(e, wire.MaxSeq(s.seq, k.from), wire.MinSeq(end, k.to))
		} else {
			c.duplicate(e, k.from, wire.MinSeq(end, k.to))
		}
	}
	q.add(s.seq, end, first, last, n)
	if n == s.n {
		e.S.RcvDup++
		return
	}
	ev.From, ev.To = s.from, s.from+s.n
	ev.At = c.rcvOff + uint64(s.seq.Sub(c.rcvNxt))
	c.lastData = now
}

// maxDups is how many acknowledgments can be owed at once.
const maxDups = 64

// duplicate remembers that [from, to) has arrived again (RFC 2883 §4): the next
// acknowledgment says so.
func (c *Conn) duplicate(e *Env, from, to wire.Seq) {
	if !c.sack || e.L.T.DSACK == 0 || !from.Less(to) {
		return
	}
	if c.held == nil {
		c.held = new(held)
	}
	c.held.dsack, c.held.twice = wire.SACKBlock{Start: from, End: to}, true
	e.S.DSackSent++
}

// inFIN takes in the peer's FIN (RFC 9293 §3.10.7.4, eighth), or remembers it
// until everything before it is here.
func (c *Conn) inFIN(e *Env, now clock.Time, s *seg, ev *Event) {
	c.ackNow()
	if c.finRcvd {
		return
	}
	at := s.seq.Add(s.n)
	if at != c.rcvNxt {
		if c.held == nil {
			c.held = new(held)
		}
		c.held.fin, c.held.finAt = true, at
		return
	}
	c.takeFIN(e, now, ev)
}

// takeFIN ends the receive stream.
func (c *Conn) takeFIN(e *Env, now clock.Time, ev *Event) {
	c.finRcvd = true
	c.rcvNxt = c.rcvNxt.Add(1)
	c.rcvAdv = wire.MaxSeq(c.rcvAdv, c.rcvNxt)
	c.held = nil
	c.ackNow()
	ev.What |= PeerClosed
	switch c.state {
	case ESTABLISHED:
		c.state = CLOSEWAIT
	case FINWAIT1:
		c.state = CLOSING // our FIN is not acknowledged, or the state would be FIN-WAIT-2
	case FINWAIT2:
		c.timeWait(e, ev)
	}
}

// congestionSeen keeps the ECN echo (RFC 3168 §6.1.3): from a CE mark on every
// acknowledgment has it, until the peer says that it has reduced its window.
func (c *Conn) congestionSeen(e *Env, s *seg) {
	if !c.ecn {
		return
	}
	if s.h.Flags.Has(wire.CWR) {
		c.echo = false
	}
	if s.ecn == CE {
		e.S.ECNCE++
		c.echo, c.ecnSeen = true, true
		c.ackNow()
	}
}
