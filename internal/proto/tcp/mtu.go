package tcp

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	defaultMSS = 536 // RFC 9293 §3.7.1: what every host takes
	minMSS     = 64  // nothing makes segments smaller
	timeOption = 12  // bytes that timestamps take
	headers4   = 40  // of IPv4 and TCP
	headers6   = 60  // of IPv6 and TCP
)

// setPeerMSS takes over the peer's MSS option, 0 for none (RFC 9293 §3.7.1).
func (c *Conn) setPeerMSS(e *Env, opt uint16) {
	if opt == 0 {
		opt = uint16(e.T.MSSDefault)
	} else if int32(opt) < e.T.MinMSS {
		e.S.MinMSSDrops++ // a peer that wants as many headers as possible
		opt = uint16(e.T.MinMSS)
	}
	c.peerMSS = opt
	c.fitMSS()
}

// fitMSS sets the payload of a full segment: what path and peer take, options
// deducted (RFC 6691).
func (c *Conn) fitMSS() {
	n := min(c.pathMSS, c.peerMSS)
	if c.time {
		n -= timeOption
	}
	c.mss = max(n, minMSS-timeOption)
}

// MSS returns the most payload of a segment now, its usual options taken off.
func (c *Conn) MSS() int { return int(c.mss) }

// SetMSS says that the path now takes segments of mss bytes without options, as
// Config.MSS does: the route or its MTU has changed. Said again it says nothing
// new, and leaves alone what has been learned of the path since.
func (c *Conn) SetMSS(mss int) {
	n := uint16(min(max(mss, minMSS), maxWindow))
	if n == c.toldMSS {
		return
	}
	c.toldMSS, c.pathMSS, c.fullMSS = n, n, 0
	c.fitMSS()
	if c.synchronized() {
		c.snd.SetMSS(int(c.mss))
	}
}

// TooBig deals with an ICMP error that says that the segment with sequence
// number seq is too large for a link of the given MTU (RFC 1191, RFC 8201, with
// the checks of RFC 5927 §7): segments shrink, and it is sent again. mss is
// that MTU less the same 40 or 60 as Config.MSS. It tells whether the error was
// believed.
func (c *Conn) TooBig(e *Env, now clock.Time, seq wire.Seq, mss int) bool {
	if e.T.PMTU == 0 || !c.inFlight(seq) {
		e.S.ICMPIgnored++
		return false
	}
	least := int(e.T.MinPMTU) - headers4
	if c.ipv6 {
		least = 1280 - headers6 // RFC 8200 §5
	}
	mss = max(mss, least)
	if mss >= int(c.pathMSS) {
		e.S.ICMPIgnored++
		return false
	}
	e.S.MTUUpdated++
	c.pathMSS, c.fullMSS = uint16(mss), 0
	before := c.mss
	c.fitMSS()
	if c.synchronized() && c.mss < before {
		c.snd.TooBig(&e.L, now, int(c.mss))
	}
	return true
}

// inFlight tells whether seq has been sent and not been acknowledged: what an
// ICMP error must quote to be believed (RFC 5927 §4.1).
func (c *Conn) inFlight(seq wire.Seq) bool {
	return c.state != CLOSED && c.state != TIMEWAIT && seq.In(c.snd.Una(), c.snd.Outstanding())
}

// Unreachable deals with an ICMP error that quotes a segment of this connection
// with sequence number seq. It is believed only where that is in flight (RFC
// 5927 §4); it ends an opening if hard (protocol, port unreachable), and is
// otherwise a Soft event (RFC 9293 §3.9.2.2, RFC 5461).
func (c *Conn) Unreachable(e *Env, now clock.Time, seq wire.Seq, err syscall.Errno, hard bool, ev *Event) {
	*ev = Event{Readable: c.rcvOff}
	if !c.inFlight(seq) {
		e.S.ICMPIgnored++
		return
	}
	if hard && !c.synchronized() && e.T.ICMPReset != 0 {
		c.drop(e, ev, err)
		return
	}
	ev.What, ev.Err = Soft, err
}

// blackHole looks, at the n-th timeout in a row, whether full segments vanish
// where smaller ones may not (RFC 4821 §7.7, RFC 2923 §2.1), and shrinks them
// in two steps. Where that does not help either, it was not that.
func (c *Conn) blackHole(e *Env, n int) {
	small := e.T.BlackMSS
	if c.ipv6 {
		small = e.T.BlackMSS6
	}
	full := c.pathMSS
	if c.fullMSS != 0 {
		full = c.fullMSS
	}
	switch {
	case n == 2 && c.snd.Outstanding() >= int(c.mss) && int32(c.pathMSS) > small:
		e.S.BlackHole++
		c.shrink(full, uint16(small))
	case n == 4 && c.snd.Outstanding() >= min(int(c.mss), defaultMSS) && c.pathMSS > defaultMSS && !c.ipv6:
		e.S.BlackHoleMn++
		c.shrink(full, defaultMSS)
	case n == 6 && c.fullMSS != 0:
		c.pathMSS = full
		c.fullMSS = 0
		c.fitMSS()
		c.snd.SetMSS(int(c.mss))
	}
}

// shrink makes segments smaller on suspicion.
func (c *Conn) shrink(full, mss uint16) {
	c.fullMSS, c.pathMSS = full, mss
	c.fitMSS()
	c.snd.SetMSS(int(c.mss))
}

// restoreMSS forgets the size before a suspicion that has been confirmed: the
// smaller segments were acknowledged.
func (c *Conn) restoreMSS() { c.fullMSS = 0 }
