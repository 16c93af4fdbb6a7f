package tcp

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// inSynSent deals with a segment in SYN-SENT (RFC 9293 §3.10.7.3).
func (c *Conn) inSynSent(e *Env, now clock.Time, s *seg, ev *Event) {
	h := s.h
	acks := h.Flags.Has(wire.ACK)
	if acks && (h.Ack.AtMost(c.open.iss) || c.snd.Nxt().Less(h.Ack)) {
		if !h.Flags.Has(wire.RST) {
			c.refused, c.refuse = true, h.Ack
		}
		return
	}
	if h.Flags.Has(wire.RST) {
		if acks {
			c.drop(e, ev, syscall.ECONNREFUSED)
		}
		return
	}
	if !h.Flags.Has(wire.SYN) {
		return
	}
	c.settle(e, now, s, acks)
	c.lastRcv = now
	if !acks { // simultaneous open (RFC 9293 §3.5, figure 8)
		c.state, c.synAck = SYNRCVD, true
		c.open.irs = h.Seq
		c.open.fastOpen = false
		return
	}
	if h.Options.HasFastOpen && h.Options.Cookie > 0 {
		ev.What |= Cookie
	}
	s.seq = h.Seq.Add(1)
	c.window0(int(h.Window), h)
	c.establish(e, now, s, ev)
	c.ackNow()
	if s.n > 0 && c.trim(e, now, s) && s.n > 0 {
		c.inData(e, now, s, ev)
	}
	if s.fin {
		c.inFIN(e, now, s, ev)
	}
}

// settle takes over what the peer's SYN says: which options are in use is
// decided here for an active open.
func (c *Conn) settle(e *Env, now clock.Time, s *seg, acks bool) {
	h, o := s.h, &s.h.Options
	c.rcvNxt = h.Seq.Add(1)
	c.rcvAdv = c.rcvNxt.Add(min(int(c.rcvBuf), maxWindow))
	c.lastAck = c.rcvNxt
	c.sack = c.sack && o.SACKOK
	c.time = c.time && o.HasTime
	c.scale = c.scale && o.HasScale
	if c.time {
		c.tsRecent, c.tsAge = o.TSVal, now
	}
	if c.scale {
		c.sndScale = min(o.Scale, maxScale) // RFC 7323 §2.3
	} else {
		c.rcvScale, c.sndScale = 0, 0
	}
	c.setPeerMSS(e, o.MSS)
	// RFC 3168 §6.1.1: a SYN that asks has both bits, a SYN-ACK that grants one.
	if acks {
		c.ecn = c.open.askECN && h.Flags&(wire.ECE|wire.CWR) == wire.ECE
	} else {
		c.ecn = e.T.ECN != 0 && h.Flags.Has(wire.ECE|wire.CWR)
	}
	c.window0(int(h.Window), h)
}

// window0 sets the peer's window from a SYN: it is never scaled (RFC 7323 §2.2).
func (c *Conn) window0(wnd int, h *wire.TCPHeader) {
	c.sndWnd, c.sndMaxWnd = int32(wnd), max(c.sndMaxWnd, int32(wnd))
	c.sndWl1, c.sndWl2 = h.Seq, c.open.iss.Add(1)
	if h.Flags.Has(wire.ACK) {
		c.sndWl2 = h.Ack
	}
}

// complete deals with the acknowledgment that ends SYN-RECEIVED (RFC 9293
// §3.10.7.4, fifth) and tells whether it was one.
func (c *Conn) complete(e *Env, now clock.Time, s *seg, ev *Event) bool {
	if s.h.Ack.AtMost(c.open.iss) || c.snd.Nxt().Less(s.h.Ack) {
		c.refused, c.refuse = true, s.h.Ack
		return false
	}
	c.sndWnd = int32(c.scaled(s.h))
	c.sndMaxWnd = max(c.sndMaxWnd, c.sndWnd)
	c.sndWl1, c.sndWl2 = s.h.Seq, s.h.Ack
	c.establish(e, now, s, ev)
	return true
}

// establish opens the connection: s acknowledges our SYN.
func (c *Conn) establish(e *Env, now clock.Time, s *seg, ev *Event) {
	o := c.open
	c.open = nil
	c.state = ESTABLISHED
	if c.fin {
		c.state = FINWAIT1
	}
	c.synAck = false
	e.S.Connects++
	if c.ecn {
		e.S.ECNSHS++
	}
	if !(c.passive && c.fastOpen) {
		ev.What |= Established
	}
	rexmits := o.rexmits
	if c.snd.Una() == o.iss { // the SYN was the sender's
		a := loss.Ack{Seq: s.h.Ack}
		if c.time && s.h.Options.HasTime {
			a.HasTime, a.TSEcr = true, s.h.Options.TSEcr-c.tsOff
		}
		did := c.snd.Ack(&e.L, now, &a)
		o.rtt, rexmits = did.RTT, 0
		ev.Acked += did.Bytes - 1
		c.sndOff += uint64(did.Bytes - 1)
		c.fastOpenResult(e, o, did.Bytes)
	}
	c.snd.Establish(&e.L, now, &loss.Config{MSS: int(c.mss), SACK: c.sack, Time: c.time, ECN: c.ecn, Rexmits: rexmits})
	if o.rtt > 0 {
		if c.passive && !c.fastOpen {
			c.snd.Sample(&e.L, now, o.rtt)
		}
		c.baseRTT = uint32(min(int64(o.rtt)/1000+1, 1<<30))
		c.rcvRTT = c.baseRTT
	}
	c.autoAt, c.autoRead = now, c.read
	c.quick = uint8(e.T.QuickAcks)
	c.lifeAt = clock.Never
	if c.orphan && c.state == FINWAIT2 {
		c.lifeAt = now.Add(ms(e.T.FinWait2))
	} else if on, idle, _, _ := c.keepSettings(e.T); on {
		c.lifeAt = now.Add(idle)
	}
}

// fastOpenResult counts whether the data of the SYN was taken (RFC 7413 §4.2.1).
func (c *Conn) fastOpenResult(e *Env, o *opening, acked int) {
	if c.passive || !o.fastOpen || c.snd.Nxt().Sub(o.iss) <= 1 {
		return
	}
	if acked > 1 {
		c.fastOpen = true
		e.S.FastOpenOK++
	} else {
		e.S.FastOpenNo++
	}
}

// nextOpening is Next before the connection is established.
func (c *Conn) nextOpening(e *Env, now clock.Time, out *Out) bool {
	o := c.open
	if c.state == SYNSENT {
		if c.snd.Nxt() == o.iss {
			c.sendSYN(e, now, out)
			return true
		}
		return c.resendSYN(e, now, out)
	}
	if c.snd.Nxt() == o.iss { // Fast Open: the SYN-ACK
		c.snd.Sent(&e.L, now, o.iss, o.iss.Add(1))
		o.sentAt = now
		c.putSYN(e, now, out, wire.SYN|wire.ACK)
		return true
	}
	if c.synAck || c.snd.Una() == o.iss && c.resendSYN(e, now, out) {
		out.Retransmit = true
		c.putSYN(e, now, out, wire.SYN|wire.ACK)
		return true
	}
	if c.acks > 0 {
		c.sendAck(e, now, out, c.snd.Nxt())
		return true
	}
	return false
}

// sendSYN fills out with the first SYN, with data where Fast Open allows it.
func (c *Conn) sendSYN(e *Env, now clock.Time, out *Out) {
	o := c.open
	o.sentAt = now
	c.snd.Sent(&e.L, now, o.iss, o.iss.Add(1))
	c.putSYN(e, now, out, wire.SYN)
	if !o.fastOpen {
		return
	}
	h := &out.Hdr
	h.Options.HasFastOpen, h.Options.Cookie, h.Options.FastOpen = true, o.ncookie, o.cookie
	if o.ncookie == 0 {
		return
	}
	// RFC 7413 §4.2.1: no more than what any peer takes.
	n := min(c.sndEnd.Sub(c.snd.Nxt()), int(min(c.pathMSS, defaultMSS))-h.Options.Len())
	if n > 0 {
		out.Len = n
		e.S.SndPack++
		e.S.SndByte += uint64(n)
		c.sndBytes += uint64(n)
		c.snd.Sent(&e.L, now, c.snd.Nxt(), c.snd.Nxt().Add(n))
	}
}

// resendSYN fills out with the SYN again, when its time has come, and without
// what may be the reason that there is no answer: data (RFC 7413 §4.2.1) and
// ECN (RFC 3168 §6.1.1.1).
func (c *Conn) resendSYN(e *Env, now clock.Time, out *Out) bool {
	var r loss.Range
	if !c.snd.Next(&e.L, now, 0, 1, &r) {
		return false
	}
	c.open.rexmits++
	if c.open.rexmits > 1 {
		c.open.askECN = false
	}
	c.putSYN(e, now, out, wire.SYN)
	out.Retransmit = true
	return true
}

// putSYN fills out with a SYN or SYN-ACK.
func (c *Conn) putSYN(e *Env, now clock.Time, out *Out, flags wire.TCPFlags) {
	o := c.open
	*out = Out{Seg: int(c.pathMSS), Retransmit: out.Retransmit}
	h := &out.Hdr
	h.Seq, h.Flags = o.iss, flags
	wnd := min(int(c.rcvBuf), maxWindow)
	if flags.Has(wire.ACK) {
		h.Ack = c.rcvNxt
		c.acks, c.synAck, c.lastAck = 0, false, c.rcvNxt
		wnd = min(c.rcvAdv.Sub(c.rcvNxt), maxWindow)
		if c.ecn {
			h.Flags |= wire.ECE
		}
	} else if o.askECN {
		h.Flags |= wire.ECE | wire.CWR
	}
	h.Window = uint16(wnd)
	h.Options.MSS = c.advMSS
	h.Options.SACKOK = c.sack
	h.Options.HasScale, h.Options.Scale = c.scale, c.rcvScale
	if c.time {
		h.Options.HasTime, h.Options.TSVal = true, stamp(now)+c.tsOff
		if flags.Has(wire.ACK) {
			h.Options.TSEcr = c.tsRecent
		}
	}
	c.sndSegs++
	e.S.SndTotal++
	e.S.SndCtrl++
}
