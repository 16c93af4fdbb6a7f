package tcp

import "github.com/seed88948545/vimage/internal/wire"

// inUrgent moves the mark of urgent data (RFC 9293 §3.10.7.4, sixth). The
// pointer is taken to point behind the last urgent byte, as all senders mean it
// (RFC 6093 §3.1); the bytes stay in the stream (§4).
func (c *Conn) inUrgent(e *Env, s *seg, ev *Event) {
	if c.urgIn && c.rcvUp.AtMost(c.rcvNxt) {
		c.urgIn = false
	}
	if !s.h.Flags.Has(wire.URG) || s.h.Urgent == 0 || c.finRcvd {
		return
	}
	up := s.h.Seq.Add(int(s.h.Urgent))
	if up.AtMost(c.rcvNxt) || c.urgIn && up.AtMost(c.rcvUp) {
		return
	}
	c.rcvUp, c.urgIn = up, true
	ev.What |= Urgent
	ev.Mark = c.rcvOff + uint64(up.Sub(c.rcvNxt))
}

// Wrote adds n bytes to the end of the send stream (RFC 9293 §3.10.2). Where the
// user writes in one go what comes as several calls, only the last should be
// followed by Next. It must not be called after Shutdown.
func (c *Conn) Wrote(n int) { c.sndEnd = c.sndEnd.Add(n) }

// WroteUrgent is Wrote, and the last of the n bytes is urgent (RFC 6093).
func (c *Conn) WroteUrgent(n int) {
	c.Wrote(n)
	c.sndUp, c.urgOut = c.sndEnd, true
}
