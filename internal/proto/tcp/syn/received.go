package syn

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// challengeEvery is the least time between two challenge ACKs of one entry (RFC
// 5961 §7).
const challengeEvery = 500 * time.Millisecond

// received takes a segment for an entry, in the order of RFC 9293 §3.10.7.4.
func (c *Cache[L]) received(e *Env, now clock.Time, r *entry[L], p *Listen, h *wire.TCPHeader, n int, hs *Handshake) Verdict {
	nxt := r.irs.Add(1)
	if h.Flags.Has(wire.SYN) && !h.Flags.Any(wire.ACK|wire.RST) {
		return c.again(e, now, r, h)
	}
	// First: sequence number.
	if !acceptable(h, n, nxt, r.window) {
		if h.Flags.Has(wire.RST) {
			return Dropped
		}
		return c.challengeACK(e, now, r)
	}
	// Second: RST, which must hit the very next number (RFC 5961 §3.2).
	if h.Flags.Has(wire.RST) {
		if h.Seq != nxt {
			return c.challengeACK(e, now, r)
		}
		e.S.Reset++
		c.remove(r)
		return Ended
	}
	if h.Flags.Has(wire.SYN) {
		return c.challengeACK(e, now, r)
	}
	// Fifth: ACK.
	if !h.Flags.Has(wire.ACK) {
		return Dropped
	}
	if h.Ack != r.iss.Add(1) {
		e.S.BadACK++
		return c.reset(e, r.key, p.PacketFIB, h)
	}
	if r.agreed.traits.has(timed) {
		if v, ok := c.timestamp(e, now, r, h); !ok {
			return v
		}
	}
	if p.Full {
		return c.overflow(e, r, p, h)
	}
	c.handshake(now, r, h, hs)
	c.remove(r)
	e.S.Completed++
	return Accepted
}

// acceptable is the test of RFC 9293 §3.10.7.4, table 6.
func acceptable(h *wire.TCPHeader, n int, nxt wire.Seq, window uint16) bool {
	if h.Flags.Has(wire.SYN) {
		n++
	}
	if h.Flags.Has(wire.FIN) {
		n++
	}
	w := int(window)
	switch {
	case w == 0:
		return n == 0 && h.Seq == nxt
	case n == 0:
		return h.Seq.In(nxt, w)
	}
	return h.Seq.In(nxt, w) || h.Seq.Add(n-1).In(nxt, w)
}

// again answers a SYN for an entry: the same one, or another.
//
// Deviation: RFC 9293 §3.10.7.4 would return to LISTEN on a SYN in the window.
// Our SYN-ACK does as well, and nobody who cannot see it can make us forget a
// request: a peer that has begun anew answers it with the very reset that ends
// the entry (RFC 5961 §4.2).
//
// The peer's own retransmission gives the SYN-ACK that answers it time to be
// answered, as in Linux and FreeBSD: the entry's may be over in a moment.
func (c *Cache[L]) again(e *Env, now clock.Time, r *entry[L], h *wire.TCPHeader) Verdict {
	e.S.DupSYN++
	if h.Seq == r.irs {
		c.timers[r.level].remove(r)
		c.wait(now, r)
		if r.agreed.traits.has(timed) && h.Options.HasTime && int32(h.Options.TSVal-r.tsRecent) > 0 {
			r.tsRecent = h.Options.TSVal
		}
		if !h.Flags.Has(wire.ECE | wire.CWR) { // RFC 3168 §6.1.1.1: the peer has given ECN up
			r.agreed.traits &^= ecn
		}
	}
	return c.synAck(e, now, r, true)
}

// timestamp is PAWS (RFC 7323 §5.3), and the case that the peer leaves out what
// was agreed on (§3.2).
func (c *Cache[L]) timestamp(e *Env, now clock.Time, r *entry[L], h *wire.TCPHeader) (Verdict, bool) {
	o := &h.Options
	switch {
	case !o.HasTime && e.T.TolerateNoTime == 0:
		e.S.PAWSDropped++
		return Dropped, false
	case o.HasTime && int32(o.TSVal-r.tsRecent) < 0:
		e.S.PAWSDropped++
		return c.challengeACK(e, now, r), false
	}
	return Dropped, true
}

// overflow takes the end of a handshake for which the accept queue has no room.
//
// Deviation: RFC 9293 knows no such case. The request stays as it is, and the
// SYN-ACK that will be sent again makes the peer come back.
func (c *Cache[L]) overflow(e *Env, r *entry[L], p *Listen, h *wire.TCPHeader) Verdict {
	e.S.ListenDrop++
	if e.T.ResetOnFull != 0 {
		e.S.Aborted++
		c.reset(e, r.key, p.PacketFIB, h)
		c.remove(r)
	}
	return Overflow
}

// handshake describes the connection that r has become by h.
func (c *Cache[L]) handshake(now clock.Time, r *entry[L], h *wire.TCPHeader, hs *Handshake) {
	*hs = Handshake{
		ISS: r.iss, IRS: r.irs, TSOffset: r.tsOffset, TSRecent: r.tsRecent,
		Offered: r.window, Rexmits: r.level, FIB: r.fib, RTT: r.rtt(now, h),
	}
	hs.agree(&r.agreed)
	hs.completed(h)
}

func (hs *Handshake) agree(a *agreed) {
	hs.MSS, hs.SendScale, hs.RecvScale = a.mss, a.sendScale, a.recvScale
	hs.Scaled, hs.SACK = a.traits.has(scaled), a.traits.has(sacking)
	hs.Timestamps, hs.ECN = a.traits.has(timed), a.traits.has(ecn)
}

// completed takes what the last segment of the handshake says.
func (hs *Handshake) completed(h *wire.TCPHeader) {
	hs.Seq, hs.Ack = h.Seq, h.Ack
	hs.Window = uint32(h.Window) << hs.SendScale
	if hs.Timestamps && h.Options.HasTime && h.Seq.AtMost(hs.IRS.Add(1)) { // RFC 7323 §4.3
		hs.TSRecent = h.Options.TSVal
	}
}

// rtt returns how long the SYN-ACK took to be answered: not if it may have been
// another one (Karn's rule, RFC 6298 §3), but for timestamps (RFC 7323 §4.1).
func (r *entry[L]) rtt(now clock.Time, h *wire.TCPHeader) time.Duration {
	age := now.Sub(r.sent)
	if r.level == 0 && !r.agreed.traits.has(resent) {
		return age
	}
	if !r.agreed.traits.has(timed) || !h.Options.HasTime {
		return 0
	}
	d := time.Duration(int32(Timestamp(now, r.tsOffset)-h.Options.TSEcr)) * time.Millisecond
	if d < 0 || d > age+time.Millisecond {
		return 0
	}
	return max(d, time.Millisecond)
}
