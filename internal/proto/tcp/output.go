package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// Next fills o with the next segment to send and tells whether there is one. It
// is called until it says no: once after a batch of calls to the others is
// enough, and makes for fewer acknowledgments than once after each.
func (c *Conn) Next(e *Env, now clock.Time, o *Out) bool {
	if c.rst || c.refused {
		return c.sendReset(e, now, o)
	}
	if !c.synchronized() {
		return c.open != nil && c.nextOpening(e, now, o)
	}
	nxt := c.snd.Nxt()
	if c.acks > 0 && c.held != nil && c.held.news() {
		c.sendAck(e, now, o, nxt)
		return true
	}
	if c.last() != nxt || c.snd.Outstanding() > 0 {
		new := c.sendable(nxt)
		var r loss.Range
		if c.snd.Outstanding() > 0 && c.snd.Next(&e.L, now, new, c.burst(), &r) {
			c.resend(e, now, o, &r)
			return true
		}
		if new > 0 {
			if new = c.allowed(e, now, nxt, new); new > 0 {
				c.send(e, now, o, nxt, new)
				return true
			}
		} else if c.persistAt == clock.Never {
			c.stalled(e, now, nxt)
		}
		if c.probed {
			c.sendProbe(e, now, o, nxt)
			return true
		}
	}
	if c.acks > 0 {
		c.sendAck(e, now, o, nxt)
		return true
	}
	if c.keepProbe {
		c.keepProbe = false
		o.bare()
		c.put(e, now, o, wire.ACK, c.snd.Una()-1) // RFC 9293 §3.8.4
		return true
	}
	return false
}

// last returns the number after everything that is to be sent: the bytes
// written, and FIN once there will be no more.
func (c *Conn) last() wire.Seq {
	if c.fin {
		return c.sndEnd.Add(1)
	}
	return c.sndEnd
}

// sendable returns how much, from nxt on, may be sent as far as the peer's
// window, Nagle's algorithm and silly window avoidance go (RFC 9293 §3.7.4,
// §3.8.6.2.1).
func (c *Conn) sendable(nxt wire.Seq) int {
	avail := c.last().Sub(nxt)
	n := min(avail, c.sndWl2.Add(int(c.sndWnd)).Sub(nxt))
	if n <= 0 {
		return 0
	}
	full := int(c.mss)
	switch {
	case c.forced: // the override timer of §3.8.6.2.1 has fired
		return n
	case n < avail: // the window is in the way
		if n >= full {
			return n - n%full
		}
		if n >= int(c.sndMaxWnd)/2 {
			return n
		}
		return 0
	case c.fin || n%full == 0 || c.urgOut:
		return n
	case c.cork, !c.noDelay && c.small && c.snd.Outstanding() > 0:
		// Deviation: as everywhere, a segment that is not full waits only for an
		// earlier one that was not (Minshall), not for all that is in flight.
		return n - n%full
	}
	return n
}

// burst returns the most payload one Out may have: full segments.
func (c *Conn) burst() int {
	return max(int(c.maxBurst)/int(c.mss), 1) * int(c.mss)
}

// allowed returns how much of the n bytes from nxt on goes into the next
// segment: what the congestion window allows, in a burst worth its cost. A
// burst that is not whole waits while enough is in flight that an
// acknowledgment will soon come, and nobody waits for the rest.
func (c *Conn) allowed(e *Env, now clock.Time, nxt wire.Seq, n int) int {
	full, burst, out := int(c.mss), c.snd.Burst(c.burst()), c.snd.Outstanding()
	room := c.snd.Room(&e.L, now)
	if room < n {
		if room < full {
			return 0
		}
		n = room - room%full
	}
	if n >= burst {
		return burst
	}
	if out < 2*full || c.fin || burst == full || c.troubled {
		return n
	}
	if c.last() != nxt.Add(n) { // a window is in the way
		if n < min(burst, out/4) {
			return 0
		}
		return n
	}
	if out >= burst && c.snd.SRTT() < shortTrip && !c.urgOut {
		return 0
	}
	return n
}

// shortTrip is a round trip so short that the tail of a burst can wait for it:
// more is likely to have been written by then.
const shortTrip = 500 * time.Microsecond

// send fills o with n new numbers from nxt on: bytes, and FIN if it is among
// them.
func (c *Conn) send(e *Env, now clock.Time, o *Out, nxt wire.Seq, n int) {
	c.snd.Sent(&e.L, now, nxt, nxt.Add(n))
	c.forced = false
	c.persistAt, c.persist = clock.Never, 0
	flags := wire.ACK
	if c.ecn && c.snd.CWR() {
		flags |= wire.CWR
	}
	n = c.payload(o, nxt, n, &flags)
	c.put(e, now, o, flags, nxt)
	o.ECT = c.ecn
	c.quick = 0
	if n%int(c.mss) != 0 {
		c.small, c.sndSmall = true, nxt.Add(n)
	}
	c.sndPeak = max(c.sndPeak, int32(c.snd.Outstanding()))
	e.S.SndPack++
	e.S.SndByte += uint64(n)
	c.sndBytes += uint64(n)
	c.sndDataSegs++
}

// resend fills o with a range that the sender wants sent again.
func (c *Conn) resend(e *Env, now clock.Time, o *Out, r *loss.Range) {
	flags := wire.ACK
	c.payload(o, r.Start, r.End.Sub(r.Start), &flags)
	c.put(e, now, o, flags, r.Start)
	o.Retransmit = true
	c.sndDataSegs++
	c.trouble()
}

// trouble ends the collecting of bursts until all that is in flight has been
// acknowledged: the sender, in recovery, counts on what it allows being sent.
func (c *Conn) trouble() { c.troubled, c.calm = true, c.snd.Nxt() }

// payload sets the part of o that says which bytes go with it, takes FIN out of
// n numbers from seq on, and returns how many bytes there are.
func (c *Conn) payload(o *Out, seq wire.Seq, n int, flags *wire.TCPFlags) int {
	end := seq.Add(n)
	if c.fin && end == c.finEnd() {
		*flags |= wire.FIN
		n--
	}
	if end == c.last() && n > 0 || c.sndEnd == end {
		*flags |= wire.PSH // RFC 9293 §3.9.1.2: the end of what there is
	}
	o.Len, o.Off, o.ECT, o.Retransmit = n, c.sndNxtOff(seq), false, false
	return n
}

// sendAck fills o with an acknowledgment without data.
func (c *Conn) sendAck(e *Env, now clock.Time, o *Out, nxt wire.Seq) {
	more, old := c.acks-1, c.rcvAdv
	update := c.lastAck == c.rcvNxt
	o.bare()
	c.put(e, now, o, wire.ACK, nxt)
	c.acks = more
	if update && c.rcvAdv != old {
		e.S.SndWinUp++
	} else {
		e.S.SndAcks++
	}
}

// bare makes o a segment without payload.
func (o *Out) bare() { o.Off, o.Len, o.ECT, o.Retransmit = 0, 0, false, false }

// put fills the header of o; payload or bare has said what goes with it.
func (c *Conn) put(e *Env, now clock.Time, o *Out, flags wire.TCPFlags, seq wire.Seq) {
	h := &o.Hdr
	h.SrcPort, h.DstPort, h.Urgent = 0, 0, 0
	h.Seq, h.Ack = seq, c.rcvNxt
	h.Window = c.announce(e)
	opts := &h.Options
	opts.Clear()
	o.Seg = int(c.mss)
	if c.time {
		opts.HasTime, opts.TSVal, opts.TSEcr = true, stamp(now)+c.tsOff, c.tsRecent
	}
	if o.Len == 0 && c.held != nil && c.sack {
		c.report(e, opts)
	}
	if c.echo {
		flags |= wire.ECE
	}
	if c.urgOut && seq.Less(c.sndUp) && c.sndUp.Sub(seq) <= maxWindow {
		flags |= wire.URG // RFC 6093 §4
		h.Urgent = uint16(c.sndUp.Sub(seq))
		e.S.SndURG++
	}
	h.Flags = flags
	c.acks, c.ackAt, c.lastAck = 0, clock.Never, c.rcvNxt
	c.sndSegs++
	e.S.SndTotal++
}

// report adds SACK blocks, as many as fit.
//
// Deviation: RFC 2018 §4 would have them in data segments too, which would have
// to be shorter for it. The acknowledgment goes ahead of them instead, which
// also counts as a duplicate where data would not (RFC 5681 §2).
func (c *Conn) report(e *Env, opts *wire.TCPOptions) {
	room := wire.MaxSACK
	if c.time {
		room--
	}
	if c.held.blocks(opts, room); opts.NSACK > 0 {
		e.S.SackSent++
	}
}
