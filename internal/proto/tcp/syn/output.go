package syn

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	// maxQueued bounds what waits for Next: who asks for more at a time than a
	// few batches answer is a flood.
	maxQueued = 1024
	// keptQueue is the longest queue that is kept for the next batch.
	keptQueue = 64
)

// push returns a place at the end of what waits for Next, nil if there is no
// room. The options of its header are cleared.
func (c *Cache[L]) push(e *Env) *Out[L] {
	n := len(c.out)
	if n-c.head >= maxQueued {
		e.S.Dropped++
		return nil
	}
	if n == cap(c.out) {
		c.out = append(c.out, Out[L]{})
	} else {
		c.out = c.out[:n+1]
	}
	o := &c.out[n]
	o.Hdr.Options.Clear()
	o.Hdr.Urgent = 0
	return o
}

// pop takes the first of what waits.
func (c *Cache[L]) pop(out *Out[L]) {
	o := &c.out[c.head]
	*out = *o
	var none L
	o.Listener = none
	if c.head++; c.head == len(c.out) {
		c.head, c.out = 0, c.out[:0]
		if cap(c.out) > keptQueue {
			c.out = nil
		}
	}
}

// synAck queues the SYN-ACK of an entry.
func (c *Cache[L]) synAck(e *Env, now clock.Time, r *entry[L], retransmit bool) Verdict {
	o := c.push(e)
	if o == nil {
		return Dropped
	}
	o.Key, o.FIB, o.Listener, o.Retransmit = r.key, r.fib, r.listener, retransmit
	a := &r.agreed
	if retransmit {
		a.traits |= resent
	}
	fillSYNACK(&o.Hdr, r.key, a, r.iss, r.irs, r.window, r.offeredMSS)
	if a.traits.has(timed) {
		o.Hdr.Options.TSVal, o.Hdr.Options.TSEcr = Timestamp(now, r.tsOffset), r.tsRecent
	}
	if a.traits.has(fastOffer) {
		putFastCookie(&o.Hdr.Options, c.secret.fastCookie(fastGeneration(e.T, now), r.key))
	}
	return Answered
}

// fillSYNACK writes a SYN-ACK but for the values of its timestamps.
func fillSYNACK(h *wire.TCPHeader, key Key, a *agreed, iss, irs wire.Seq, window, mss uint16) {
	h.SrcPort, h.DstPort = key.Local.Port(), key.Remote.Port()
	h.Seq, h.Ack = iss, irs.Add(1)
	h.Flags, h.Window = wire.SYN|wire.ACK, window
	if a.traits.has(ecn) {
		h.Flags |= wire.ECE // RFC 3168 §6.1.1: an ECN-setup SYN-ACK has ECE, not CWR
	}
	h.Options.MSS = mss
	h.Options.HasScale, h.Options.Scale = a.traits.has(scaled), a.recvScale
	h.Options.SACKOK = a.traits.has(sacking)
	h.Options.HasTime = a.traits.has(timed)
}

// challengeACK queues an ACK that tells the peer where the entry stands, unless
// one has just left.
func (c *Cache[L]) challengeACK(e *Env, now clock.Time, r *entry[L]) Verdict {
	if now < r.challenge {
		return Dropped
	}
	o := c.push(e)
	if o == nil {
		return Dropped
	}
	r.challenge = now.Add(challengeEvery)
	e.S.Challenges++
	o.Key, o.FIB, o.Listener, o.Retransmit = r.key, r.fib, r.listener, false
	h := &o.Hdr
	h.SrcPort, h.DstPort = r.key.Local.Port(), r.key.Remote.Port()
	h.Seq, h.Ack = r.iss.Add(1), r.irs.Add(1)
	h.Flags = wire.ACK
	h.Window = r.window >> r.agreed.recvScale // RFC 7323 §2.2: scaled from here on
	if r.agreed.traits.has(timed) {
		h.Options.HasTime = true
		h.Options.TSVal, h.Options.TSEcr = Timestamp(now, r.tsOffset), r.tsRecent
	}
	return Answered
}

// reset queues the RST for an ACK that acknowledges nothing of ours: <SEQ=SEG.ACK>
// <CTL=RST> (RFC 9293 §3.10.7.2, §3.10.7.4).
func (c *Cache[L]) reset(e *Env, key Key, fib uint32, h *wire.TCPHeader) Verdict {
	o := c.push(e)
	if o == nil {
		return Dropped
	}
	var none L
	o.Key, o.FIB, o.Listener, o.Retransmit = key, fib, none, false
	o.Hdr.SrcPort, o.Hdr.DstPort = key.Local.Port(), key.Remote.Port()
	o.Hdr.Seq, o.Hdr.Ack = h.Ack, 0
	o.Hdr.Flags, o.Hdr.Window = wire.RST, 0
	return Answered
}
