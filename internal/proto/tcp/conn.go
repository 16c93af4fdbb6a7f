package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// Conn is one end of a connection. The zero value is closed: Connect or Accept
// comes first. Its owner serialises all calls. After every call but Info and
// the limits, Next may have segments, and Deadline may have changed.
type Conn struct {
	held *held    // what came out of order; nil while nothing has
	open *opening // what only an opening needs; nil later
	keep *keep    // keepalive, where a socket has settings of its own
	snd  loss.Sender

	// What we send.
	sndOff    uint64   // stream offset of snd.Una, or of the first byte while SYN is
	sndEnd    wire.Seq // after the last byte written; where FIN goes
	sndWnd    int32    // the peer's window, from sndWl2
	sndMaxWnd int32    // the largest it has been
	sndPeak   int32    // the most that was in flight
	sndWl1    wire.Seq // sequence and acknowledgment number of the segment that
	sndWl2    wire.Seq // last updated the window (RFC 9293 §3.3.1)
	sndSmall  wire.Seq // end of the last segment that was not full
	sndUp     wire.Seq // after the last urgent byte written
	calm      wire.Seq // what must be acknowledged for a loss to be over, where troubled

	// What we receive.
	refuse  wire.Seq // sequence number of a reset that answers, where refused
	rcvNxt  wire.Seq
	rcvAdv  wire.Seq // right edge of the window announced
	rcvUp   wire.Seq // after the last urgent byte announced to us
	lastAck wire.Seq // Last.ACK.sent (RFC 7323 §4.3)
	rcvOff  uint64   // stream offset of rcvNxt
	read    uint64   // what the user has taken
	rcvBuf  int32
	sndBuf  int32

	tsRecent uint32
	tsOff    uint32
	tsAge    clock.Time // when tsRecent was set

	ackAt     clock.Time // delayed acknowledgment
	persistAt clock.Time // window probe, or override of silly window avoidance
	lifeAt    clock.Time // opening, keepalive, FIN-WAIT-2
	userAt    clock.Time // user timeout, while something is overdue
	lastRcv   clock.Time // last acceptable segment
	lastData  clock.Time // last one with data
	warAt     clock.Time // since when war counts challenge ACKs

	autoAt   clock.Time // receive buffer: when this round trip began,
	autoRead uint64     // and what was read by then
	autoTook int32      // bytes read in the round trip before
	rcvRTT   uint32     // round-trip time in µs as timestamps say it,
	baseRTT  uint32     // at least that of the handshake
	tsRTT    uint32     // least timestamp round trip of this round, ms+1; 0: none

	pathMSS  uint16 // what the path takes, options not deducted
	toldMSS  uint16 // what the route was last said to take
	peerMSS  uint16 // what the peer takes
	advMSS   uint16 // what we announced
	rcvMSS   uint16 // the largest segment of the peer
	mss      uint16 // payload of a full segment, timestamps deducted
	fullMSS  uint16 // mss before a black hole was suspected; 0: none is
	maxBurst uint16

	userTimeout uint32 // ms, 0: none
	war         uint16
	acks        uint8 // acknowledgments owed now
	quick       uint8 // acknowledgments not to delay
	probes      uint8 // keepalive or window probes unanswered
	persist     uint8 // back-off of window probes
	sndScale    uint8
	rcvScale    uint8
	state       State
	small       bool // sndSmall is not acknowledged yet
	troubled    bool // something was sent again, and what was in flight then still is

	ipv6, noDelay, cork       bool
	sack, time, scale, ecn    bool
	echo, ecnSeen             bool // congestion to be echoed; a CE was seen
	fin, finRcvd              bool // the user will write no more; the peer has
	orphan                    bool // no user any more
	passive, fastOpen         bool
	rcvFixed, sndFixed        bool // buffers that do not follow
	urgOut, urgIn, probed     bool
	forced, keepProbe, synAck bool
	rst, refused              bool // a reset ends the connection; one answers a segment

	rcvSegs, rcvDataSegs uint32
	sndSegs, sndDataSegs uint32
	ooos                 uint32
	sndBytes             uint64
}

// opening is what a connection needs until it is established.
type opening struct {
	iss, irs wire.Seq
	timeout  time.Duration
	cc       string
	sentAt   clock.Time // of the SYN, or SYN-ACK
	rexmits  int        // of the SYN, or the SYN cache's of the SYN-ACK
	rtt      time.Duration
	askECN   bool
	fastOpen bool
	ncookie  uint8
	cookie   [wire.MaxFastOpenCookie]byte
}

// Connect begins an active open (RFC 9293 §3.10.1): the SYN is what Next gives
// first. With Fast Open, what is Wrote before that Next goes with it.
func (c *Conn) Connect(e *Env, now clock.Time, g *Config) {
	c.begin(e, now, g)
	c.state = SYNSENT
	e.S.ConnAttempt++
	o := c.open
	o.iss, o.timeout = g.ISS, g.ConnTimeout
	if o.timeout == 0 {
		o.timeout = ms(e.T.KeepInit)
	}
	c.lifeAt = now.Add(o.timeout)
	c.tsOff = g.TSOffset
	c.sack, c.time, c.scale = e.L.T.SACK != 0, e.T.RFC1323 != 0, e.T.RFC1323 != 0
	c.rcvScale = ScaleFor(max(int(c.rcvBuf), int(e.T.RcvMax)))
	o.askECN = e.T.ECN == 1
	if g.FastOpen && e.T.FastOpen != 0 {
		o.fastOpen = true
		o.ncookie = uint8(copy(o.cookie[:], g.Cookie))
	}
	c.sndEnd = g.ISS.Add(1)
	c.snd.Open(&e.L, g.ISS, o.cc)
}

// Accept begins where a passive open has come to: in SYN-RECEIVED, with our
// SYN-ACK sent. The segment that completes the handshake is given to Input
// next, which says Established. With Fast Open the SYN-ACK has yet to be sent,
// and ev tells of the data that came with the SYN and says Established. Of g,
// ISS and TSOffset are those of the Handshake.
func (c *Conn) Accept(e *Env, now clock.Time, g *Config, hs *Handshake, ev *Event) {
	*ev = Event{}
	c.begin(e, now, g)
	c.state, c.passive = SYNRCVD, true
	e.S.Accepts++
	o := c.open
	o.iss, o.irs, o.rexmits, o.rtt = hs.ISS, hs.IRS, hs.Rexmit, hs.RTT
	o.timeout = ms(e.T.KeepInit)
	c.lifeAt = now.Add(o.timeout)
	c.sack, c.time, c.scale, c.ecn = hs.SACK, hs.HasTime, hs.HasScale, hs.ECN
	if c.scale {
		c.rcvScale, c.sndScale = hs.RcvScale, min(hs.SndScale, maxScale)
	}
	c.tsOff, c.tsRecent, c.tsAge = hs.TSOffset, hs.TSRecent, now
	c.setPeerMSS(e, hs.MSS)
	c.rcvNxt = hs.IRS.Add(1)
	c.lastAck, c.rcvAdv = c.rcvNxt, c.rcvNxt.Add(hs.RcvWnd)
	c.sndWl1, c.sndWl2 = hs.IRS, hs.ISS.Add(1)
	c.sndEnd, c.sndUp = hs.ISS.Add(1), hs.ISS.Add(1)
	if !hs.FastOpen {
		c.snd.Open(&e.L, hs.ISS.Add(1), o.cc)
		return
	}
	c.snd.Open(&e.L, hs.ISS, o.cc)
	c.fastOpen = true
	c.rcvAdv = c.rcvNxt.Add(max(hs.Data, min(int(c.rcvBuf), maxWindow)))
	c.sndWnd, c.sndMaxWnd = int32(hs.Window), int32(hs.Window)
	e.S.FastOpenOK++
	ev.What = Established
	c.accept(hs.Data)
	ev.To, ev.Readable = hs.Data, c.rcvOff
}

// begin sets what both kinds of opening have in common.
func (c *Conn) begin(e *Env, now clock.Time, g *Config) {
	*c = Conn{ackAt: clock.Never, persistAt: clock.Never, lifeAt: clock.Never, userAt: clock.Never}
	c.open = &opening{cc: g.CC}
	c.ipv6, c.noDelay = g.IPv6, g.NoDelay
	c.pathMSS = uint16(min(max(g.MSS, minMSS), maxWindow))
	c.advMSS, c.toldMSS = c.pathMSS, c.pathMSS
	if g.LinkMSS > 0 {
		c.advMSS = uint16(min(g.LinkMSS, maxWindow))
	}
	c.maxBurst = uint16(min(g.MaxBurst, maxWindow))
	c.rcvMSS = defaultMSS
	c.rcvFixed, c.sndFixed = g.RcvBuf > 0, g.SndBuf > 0
	c.rcvBuf, c.sndBuf = e.T.RcvSpace, e.T.SndSpace
	if c.rcvFixed {
		c.rcvBuf = int32(g.RcvBuf)
	}
	if c.sndFixed {
		c.sndBuf = int32(g.SndBuf)
	}
	c.userTimeout = uint32(g.UserTimeout / time.Millisecond)
	if g.KeepAlive || g.KeepIdle != 0 || g.KeepIntvl != 0 || g.KeepCount != 0 {
		c.keep = &keep{on: g.KeepAlive, idle: g.KeepIdle, intvl: g.KeepIntvl, count: g.KeepCount}
	}
	c.lastRcv, c.lastData = now, now
	c.peerMSS = uint16(e.T.MSSDefault)
	c.fitMSS()
}

// State returns the state.
func (c *Conn) State() State { return c.state }

// OOO returns how many bytes the connection keeps out of order.
func (c *Conn) OOO() int {
	if c.held == nil {
		return 0
	}
	return c.held.bytes
}

// ms makes a duration of a tunable.
func ms(n int32) time.Duration { return time.Duration(n) * time.Millisecond }

// stamp returns the clock of our timestamps, in milliseconds, without offset.
func stamp(now clock.Time) uint32 { return uint32(uint64(now) / uint64(time.Millisecond)) }

// sndNxtOff returns the stream offset of s, which is not before snd.Una.
func (c *Conn) sndNxtOff(s wire.Seq) uint64 { return c.sndOff + uint64(s.Sub(c.snd.Una())) }

// synchronized tells whether the connection has been established (RFC 9293
// §3.3.2).
func (c *Conn) synchronized() bool { return c.state >= ESTABLISHED }
