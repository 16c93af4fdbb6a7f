package tcp

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Shutdown ends the send stream: a FIN follows the last byte written (RFC 9293
// §3.10.4). The receiving side stays open.
func (c *Conn) Shutdown() {
	if c.fin {
		return
	}
	switch c.state {
	case SYNRCVD, SYNSENT: // FIN-WAIT-1 once it is established
	case ESTABLISHED:
		c.state = FINWAIT1
	case CLOSEWAIT:
		c.state = LASTACK
	default:
		return
	}
	c.fin = true
}

// Close is Shutdown by a user who will not read either, nor ask again. Data
// that nobody has read, or that still comes, is answered with a reset (RFC 1122
// §4.2.2.13, RFC 2525 §2.17), and the peer's FIN is not waited for longer than
// the tunable finwait2_timeout. ev may say Closed at once.
func (c *Conn) Close(e *Env, now clock.Time, ev *Event) {
	*ev = Event{Readable: c.rcvOff}
	switch c.state {
	case CLOSED, TIMEWAIT:
		return
	case SYNSENT:
		c.drop(e, ev, 0)
		return
	}
	if c.rcvOff > c.read || c.held != nil && len(c.held.spans) > 0 {
		c.reset(e, ev, 0)
		return
	}
	c.orphan = true
	c.Shutdown()
	if c.state == FINWAIT2 {
		c.lifeAt = now.Add(ms(e.T.FinWait2))
	}
}

// Abort ends the connection at once (RFC 9293 §3.10.5): ev says Closed, and
// Next has a reset where the state asks for one.
func (c *Conn) Abort(e *Env, now clock.Time, ev *Event) {
	*ev = Event{Readable: c.rcvOff}
	if c.state != CLOSED && c.state != TIMEWAIT {
		c.reset(e, ev, 0)
	}
}

// finAcked moves on after the peer has acknowledged our FIN.
func (c *Conn) finAcked(e *Env, now clock.Time, ev *Event) {
	switch c.state {
	case FINWAIT1:
		c.state = FINWAIT2
		if c.orphan {
			c.lifeAt = now.Add(ms(e.T.FinWait2))
		}
	case CLOSING:
		c.timeWait(e, ev)
	case LASTACK:
		c.drop(e, ev, 0)
	}
}

// timeWait enters TIME-WAIT: the stack takes over.
func (c *Conn) timeWait(e *Env, ev *Event) {
	c.state = TIMEWAIT
	e.S.Closed++
	ev.What |= TimeWait
}

// drop ends the connection without a word to the peer.
func (c *Conn) drop(e *Env, ev *Event, err syscall.Errno) {
	switch {
	case !c.synchronized():
		e.S.ConnDrops++
	case err != 0:
		e.S.Drops++
	}
	e.S.Closed++
	c.state, c.held, c.acks = CLOSED, nil, 0
	c.synAck, c.probed, c.keepProbe = false, false, false
	ev.What |= Closed
	ev.Err = err
}

// reset ends the connection, and tells the peer so where it could not know
// (RFC 9293 §3.10.5).
func (c *Conn) reset(e *Env, ev *Event, err syscall.Errno) {
	switch c.state {
	case SYNRCVD, ESTABLISHED, FINWAIT1, FINWAIT2, CLOSEWAIT:
		c.rst = true
	case CLOSING, LASTACK:
		c.rst = err != 0
	}
	c.drop(e, ev, err)
}

// sendReset fills o with the reset that ends the connection, or that answers an
// acknowledgment of what was never sent.
func (c *Conn) sendReset(e *Env, now clock.Time, o *Out) bool {
	e.S.SndReset++
	e.S.SndTotal++
	c.sndSegs++
	*o = Out{Seg: int(c.mss)}
	if c.refused {
		c.refused = false
		o.Hdr.Seq, o.Hdr.Flags = c.refuse, wire.RST
		return true
	}
	c.rst = false
	o.Hdr.Seq, o.Hdr.Ack, o.Hdr.Flags = c.snd.Nxt(), c.rcvNxt, wire.RST|wire.ACK
	// The window as it was, or what crosses the reset looks sent against a closed one.
	o.Hdr.Window = uint16(min(max(c.rcvAdv.Sub(c.rcvNxt), 0)>>c.rcvScale, maxWindow))
	if c.time { // RFC 7323 §5.2
		o.Hdr.Options.HasTime = true
		o.Hdr.Options.TSVal, o.Hdr.Options.TSEcr = stamp(now)+c.tsOff, c.tsRecent
	}
	return true
}

// Remains is what is left of a connection in TIME-WAIT.
type Remains struct {
	SndNxt, RcvNxt wire.Seq
	RcvWnd         int    // the window in bytes
	Window         uint16 // the same as the header says it
	HasTime        bool
	TSRecent       uint32
	TSOffset       uint32
}

// Remains returns what tcp/wait needs, after Event.TimeWait.
func (c *Conn) Remains() Remains {
	wnd := c.rcvAdv.Sub(c.rcvNxt)
	return Remains{
		SndNxt: c.snd.Nxt(), RcvNxt: c.rcvNxt,
		RcvWnd: wnd, Window: uint16(min(wnd>>c.rcvScale, maxWindow)),
		HasTime: c.time, TSRecent: c.tsRecent, TSOffset: c.tsOff,
	}
}
