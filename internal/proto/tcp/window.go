package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// space returns the right edge that the receive buffer has room for, and that
// the header can say.
func (c *Conn) space() wire.Seq {
	return c.rcvNxt.Add(min(max(int(c.rcvBuf)-int(c.rcvOff-c.read), 0), maxWindow<<c.rcvScale))
}

// announce returns what the window field of the next segment says, and
// remembers it. The right edge never moves left (RFC 9293 §3.8.6.2.2); and it
// moves right only by steps worth sending for.
func (c *Conn) announce(e *Env) uint16 {
	edge := c.space()
	if gain := edge.Sub(c.rcvAdv); gain < min(int(c.rcvBuf)/2, int(c.advMSS)) {
		edge = c.rcvAdv
	}
	if c.finRcvd {
		edge = wire.MaxSeq(c.rcvAdv, c.rcvNxt)
	}
	wnd := edge.Sub(c.rcvNxt)
	v := wnd >> c.rcvScale
	// Rounding down would move the edge left (RFC 7323 §2.4): round up, but not
	// so often that it creeps past the buffer's end.
	if c.rcvNxt.Add(v<<c.rcvScale).Less(c.rcvAdv) && c.rcvNxt.Add((v+1)<<c.rcvScale).Sub(c.space()) < 1<<c.rcvScale {
		v++
	}
	v = min(v, maxWindow)
	c.rcvAdv = wire.MaxSeq(c.rcvAdv, c.rcvNxt.Add(v<<c.rcvScale))
	return uint16(v)
}

// Read says that the user has taken the receive stream up to offset total, and
// tells whether Next has a window update to send for it.
func (c *Conn) Read(total uint64) bool {
	c.read = min(max(c.read, total), c.rcvOff)
	if c.finRcvd || !c.synchronized() {
		return false
	}
	gain := c.space().Sub(c.rcvAdv)
	if gain <= 0 {
		return false
	}
	wnd, buf, full := c.rcvAdv.Sub(c.rcvNxt), min(int(c.rcvBuf), maxWindow<<c.rcvScale), int(c.advMSS)
	worth := 2*gain >= buf || gain >= 2*full && (4*gain >= buf || 8*wnd <= buf || buf <= 8*full)
	if worth {
		c.ackNow()
	}
	return worth
}

// followRate lets the receive buffer follow twice what the user takes per round
// trip (dynamic right-sizing): a sender in slow start doubles in each. While it
// does, and what is taken grows as well, there is room for one doubling more:
// the loss that ends slow start is repaired a round trip after it is seen, and
// the sender must be able to go on meanwhile. Else all that the window holds
// back follows in one burst when the hole is filled.
//
// A trip so short that the buffer is worth more than a gigabyte per second
// asks for nothing: a larger one would only leave the processor's cache. Nor does
// one that was short in the handshake: what has made it longer is waiting for a
// processor, and larger windows would only wait longer.
func (c *Conn) followRate(e *Env, now clock.Time) {
	if c.tsRTT > 1 && (c.baseRTT == 0 || c.baseRTT >= 1000) { // the least of this round; its clock ticks once a millisecond
		c.rcvRTT = max(c.baseRTT, (c.tsRTT-2)*1000)
	}
	us := int64(now.Sub(c.autoAt) / time.Microsecond)
	took := int64(c.read - c.autoRead)
	c.autoAt, c.autoRead, c.tsRTT = now, c.read, 0
	if c.rcvFixed || e.T.RcvAuto == 0 || us == 0 || c.rcvRTT == 0 || int64(c.rcvBuf) >= 1000*int64(c.rcvRTT) {
		return
	}
	took = min(took*int64(c.rcvRTT)/us, maxWindow<<maxScale)
	want := 2 * took
	if was := int64(c.autoTook); took > was && was > 0 {
		want += want * min(took-was, was) / was
	}
	c.autoTook = int32(took)
	if want = min(want, int64(e.T.RcvMax), int64(maxWindow)<<c.rcvScale); want > int64(c.rcvBuf) {
		c.rcvBuf = int32(want)
		e.S.RcvGrown++
	}
}

// stampRTT learns the round trip from an echoed timestamp: what a receiver that
// never sends data has no other way to know.
func (c *Conn) stampRTT(now clock.Time, echo uint32) {
	if d := stamp(now) - echo; d < 1<<20 && (c.tsRTT == 0 || d+1 < c.tsRTT) {
		c.tsRTT = d + 1
	}
}

// RcvLimit returns the size of the receive buffer: what may have been kept and
// not read.
func (c *Conn) RcvLimit() int { return int(c.rcvBuf) }

// SndLimit returns how many bytes may have been written and not acknowledged:
// the size of the send buffer. It follows twice what has been in flight, so
// that a round trip's worth is at hand while another is being repaired.
func (c *Conn) SndLimit(t *Tunables) int {
	if c.sndFixed || t.SndAuto == 0 {
		return int(c.sndBuf)
	}
	return int(max(c.sndBuf, min(2*c.sndPeak, t.SndMax)))
}

// SetRcvBuf fixes the receive buffer's size.
func (c *Conn) SetRcvBuf(n int) { c.rcvBuf, c.rcvFixed = int32(max(n, 1)), true }

// SetSndBuf fixes the send buffer's size.
func (c *Conn) SetSndBuf(n int) { c.sndBuf, c.sndFixed = int32(max(n, 1)), true }
