package tcp

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// predicted deals with the two segments that an established connection nearly
// always gets, and tells whether this was one: the next data, which
// acknowledges nothing new, and an acknowledgment of new data, which brings
// none. Everything that is not quite like that goes the long way.
func (c *Conn) predicted(e *Env, now clock.Time, h *wire.TCPHeader, n int, ecn ECN, ev *Event) bool {
	o := &h.Options
	if h.Flags&^wire.PSH != wire.ACK || h.Seq != c.rcvNxt || o.NSACK != 0 || ecn == CE ||
		o.HasTime != c.time || c.time && int32(o.TSVal-c.tsRecent) < 0 ||
		c.held != nil && len(c.held.spans) > 0 || c.orphan || c.urgIn {
		return false
	}
	una := c.snd.Una()
	if n > 0 {
		if h.Ack != una || int32(h.Window)<<c.sndScale != c.sndWnd || n > c.rcvAdv.Sub(c.rcvNxt) {
			return false
		}
		e.S.PredDat++
		c.rcvDataSegs++
		if c.time {
			c.stampRTT(now, o.TSEcr-c.tsOff)
		}
		c.stampFresh(now, o)
		c.lastRcv, c.probes = now, 0
		c.sndWl1, c.sndWl2 = h.Seq, h.Ack
		c.inOrder(e, now, n)
		ev.To, ev.At, ev.Readable = n, c.rcvOff-uint64(n), c.rcvOff
		return true
	}
	if k := h.Ack.Sub(una); k <= 0 || k > c.snd.Outstanding() || c.fin {
		return false
	}
	e.S.PredAck++
	c.stampFresh(now, o)
	c.lastRcv, c.probes = now, 0
	s := seg{h: h, seq: h.Seq, wnd: int(h.Window) << c.sndScale}
	c.acknowledge(e, now, &s, ev)
	c.window(now, &s)
	ev.Readable = c.rcvOff
	return true
}

// stampFresh is remember for a segment that begins at rcvNxt.
func (c *Conn) stampFresh(now clock.Time, o *wire.TCPOptions) {
	if c.time && c.lastAck == c.rcvNxt {
		c.tsRecent, c.tsAge = o.TSVal, now
	}
}
