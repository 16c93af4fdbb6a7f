package tcp

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// maxBackoffs is R2 of RFC 9293 §3.8.3: so many timeouts in a row end a
// connection.
const maxBackoffs = 12

// Deadline returns when Expire is to be called if nothing else happens before:
// clock.Never if never.
func (c *Conn) Deadline() clock.Time {
	if c.state == CLOSED || c.state == TIMEWAIT {
		return clock.Never
	}
	return min(c.snd.Deadline(), c.ackAt, c.persistAt, c.lifeAt, c.userAt)
}

// Expire deals with the timers that have come due at now. It does nothing when
// called early.
func (c *Conn) Expire(e *Env, now clock.Time, ev *Event) {
	*ev = Event{Readable: c.rcvOff}
	if c.state == CLOSED || c.state == TIMEWAIT {
		return
	}
	if c.ackAt <= now {
		c.ackAt = clock.Never
		e.S.DelAck++
		c.ackNow()
	}
	if c.snd.Deadline() <= now {
		switch c.snd.Expire(&e.L, now) {
		case loss.Tail:
			c.trouble()
		case loss.RTO:
			c.trouble()
			c.timedOut(e, now, ev)
		}
	}
	if c.userAt <= now && c.state != CLOSED {
		c.giveUp(e, ev)
	}
	if c.persistAt <= now && c.state != CLOSED {
		c.persistExpired(e, now, ev)
	}
	if c.lifeAt <= now && c.state != CLOSED {
		c.lifeExpired(e, now, ev)
	}
}

// timedOut follows a retransmission timeout: the connection may have to give up
// (RFC 9293 §3.8.3), or segments to be smaller.
func (c *Conn) timedOut(e *Env, now clock.Time, ev *Event) {
	if !c.synchronized() {
		return // keepinit decides
	}
	n := c.snd.Backoffs()
	if n > maxBackoffs && (c.sndWnd > 0 || now.Sub(c.lastRcv) > 2*ms(e.T.PersMax)) {
		// A peer that has taken its window back and answers may go on (§3.8.6.1).
		c.giveUp(e, ev)
		return
	}
	if c.userTimeout > 0 {
		left := time.Duration(c.userTimeout)*time.Millisecond - c.snd.Waiting(now)
		if left <= 0 {
			c.giveUp(e, ev)
			return
		}
		c.userAt = now.Add(left)
	}
	if e.T.BlackHole != 0 {
		c.blackHole(e, n)
	}
}

// giveUp ends a connection whose peer acknowledges nothing any more.
func (c *Conn) giveUp(e *Env, ev *Event) {
	e.S.TimeoutDrop++
	c.reset(e, ev, syscall.ETIMEDOUT)
}

// lifeExpired deals with the timer that watches over openings, over silent
// peers, and over connections that nobody uses.
func (c *Conn) lifeExpired(e *Env, now clock.Time, ev *Event) {
	switch {
	case !c.synchronized():
		e.S.KeepTimeo++
		c.drop(e, ev, syscall.ETIMEDOUT)
	case c.state == FINWAIT2 && c.orphan:
		e.S.FinWait2++
		c.drop(e, ev, 0)
	default:
		c.keepExpired(e, now, ev)
	}
}

// stalled arms the persist timer where there is something to send, nothing in
// flight that would bring an acknowledgment, and too little window (RFC 9293
// §3.8.6.1, and the override timer of §3.8.6.2.1).
func (c *Conn) stalled(e *Env, now clock.Time, nxt wire.Seq) {
	if c.snd.Outstanding() > 0 || c.forced || c.last().Sub(nxt) <= c.sndWl2.Add(int(c.sndWnd)).Sub(nxt) {
		return
	}
	if c.persist == 0 && c.userTimeout > 0 && c.userAt == clock.Never {
		c.userAt = now.Add(time.Duration(c.userTimeout) * time.Millisecond)
	}
	wait := c.snd.RTO(&e.L) << min(c.persist, maxBackoffs)
	c.persistAt = now.Add(min(max(wait, ms(e.T.PersMin)), ms(e.T.PersMax)))
}

// persistExpired has what there is window for sent, or the window probed.
func (c *Conn) persistExpired(e *Env, now clock.Time, ev *Event) {
	c.persistAt = clock.Never
	nxt := c.snd.Nxt()
	if c.last().Sub(nxt) <= 0 || c.snd.Outstanding() > 0 {
		return
	}
	if c.sndWl2.Add(int(c.sndWnd)).Sub(nxt) > 0 {
		c.forced = true
		return
	}
	// RFC 9293 §3.8.6.1: as long as the peer answers, it may keep its window
	// closed; but not towards a connection that nobody uses any more (RFC 6429).
	if now.Sub(c.lastRcv) >= ms(e.T.PersIdle) || c.orphan && c.persist > orphanProbes || c.probes >= maxBackoffs {
		e.S.PersistDrop++
		c.reset(e, ev, syscall.ETIMEDOUT)
		return
	}
	e.S.PersistTime++
	c.persist++
	c.probes++
	c.probed = true
}

// orphanProbes is how often the closed window of a peer is probed for a
// connection that nobody uses.
const orphanProbes = 8

// sendProbe fills o with a window probe: a segment without data and in front of
// the window, which the peer must answer (RFC 9293 §3.10.7.4, first).
//
// Deviation: RFC 9293 §3.8.6.1 sends an octet beyond the window, or one again.
// Linux's form needs no account of an octet that may or may not have been taken,
// and every peer knows it.
func (c *Conn) sendProbe(e *Env, now clock.Time, o *Out, nxt wire.Seq) {
	c.probed = false
	o.bare()
	c.put(e, now, o, wire.ACK, c.snd.Una()-1)
	e.S.SndProbe++
	c.stalled(e, now, nxt)
}
