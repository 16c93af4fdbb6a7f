package tcp

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// inAck deals with the acknowledgment of a synchronized connection (RFC 9293
// §3.10.7.4, fifth) and tells whether the segment is to be looked at further.
func (c *Conn) inAck(e *Env, now clock.Time, s *seg, ev *Event) bool {
	una, nxt, ack := c.snd.Una(), c.snd.Nxt(), s.h.Ack
	if nxt.Less(ack) {
		e.S.RcvAckTooMu++
		c.challenge(e, now) // RFC 5961 §5.2
		return false
	}
	if ack.Less(una) && una.Sub(ack) > max(int(c.sndMaxWnd), maxWindow) {
		c.challenge(e, now) // RFC 5961 §5.2: further back than any window reached
		return false
	}
	s.wnd = c.scaled(s.h)
	s.dup = ack == una && s.len == 0 && !s.h.Flags.Any(wire.SYN|wire.FIN) && s.wnd == int(c.sndWnd)
	c.acknowledge(e, now, s, ev)
	c.window(now, s)
	if c.fin && c.snd.Una() == c.finEnd() {
		c.finAcked(e, now, ev)
	}
	return true
}

// acknowledge tells the sender what the segment says, and counts what it did.
func (c *Conn) acknowledge(e *Env, now clock.Time, s *seg, ev *Event) {
	a := loss.Ack{Seq: s.h.Ack, Dup: s.dup}
	if o := &s.h.Options; c.time && o.HasTime {
		a.HasTime, a.TSEcr = true, o.TSEcr-c.tsOff
		c.stampRTT(now, a.TSEcr)
	}
	if c.sack {
		a.Blocks = s.h.Options.SACK[:s.h.Options.NSACK]
	}
	if c.ecn && s.h.Flags.Has(wire.ECE) {
		a.ECE, c.ecnSeen = true, true
	}
	did := c.snd.Ack(&e.L, now, &a)
	if did.Bytes == 0 {
		return
	}
	n := did.Bytes
	if c.fin && c.snd.Una() == c.finEnd() {
		n--
	}
	e.S.RcvAck++
	e.S.RcvAckByte += uint64(n)
	c.sndOff += uint64(n)
	ev.Acked += n
	c.userAt = clock.Never
	if c.small && c.sndSmall.AtMost(c.snd.Una()) {
		c.small = false
	}
	if c.troubled && c.calm.AtMost(c.snd.Una()) {
		c.troubled = false
	}
	if c.urgOut && c.sndUp.AtMost(c.snd.Una()) {
		c.urgOut = false
	}
	c.restoreMSS()
}

// scaled returns the window that a segment announces; a SYN's is not scaled (RFC
// 7323 §2.2).
func (c *Conn) scaled(h *wire.TCPHeader) int {
	if h.Flags.Has(wire.SYN) {
		return int(h.Window)
	}
	return int(h.Window) << c.sndScale
}

// window takes over the peer's window if the segment is newer than the one that
// set it (RFC 9293 §3.10.7.4: SND.WL1 and SND.WL2).
func (c *Conn) window(now clock.Time, s *seg) {
	seq, ack := s.h.Seq, s.h.Ack
	if !c.sndWl1.Less(seq) && (c.sndWl1 != seq || ack.Less(c.sndWl2)) {
		return
	}
	if ack == c.sndWl2 && s.wnd == int(c.sndWnd) {
		c.sndWl1 = seq
		return
	}
	grew := ack.Add(s.wnd).Sub(c.sndWl2.Add(int(c.sndWnd))) > 0
	c.sndWl1, c.sndWl2, c.sndWnd = seq, ack, int32(s.wnd)
	c.sndMaxWnd = max(c.sndMaxWnd, c.sndWnd)
	if grew {
		c.persistAt, c.persist, c.forced = clock.Never, 0, false
	}
}

// finEnd returns the number after our FIN.
func (c *Conn) finEnd() wire.Seq { return c.sndEnd.Add(1) }
