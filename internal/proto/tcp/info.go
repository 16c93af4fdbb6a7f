package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
)

// Info is what there is to know of a connection: the content of Linux's
// TCP_INFO, and of what ss -ti and netstat -T print. Loss is the sender's part.
type Info struct {
	State State
	Loss  loss.Info

	SACK, Timestamps, Scaling, ECN bool // agreed on
	ECNSeen                        bool // a CE mark or an echo has been seen
	FastOpen                       bool // data on the SYN was taken
	SndScale, RcvScale             uint8

	Probes                 int           // keepalive or window probes unanswered
	ATO                    time.Duration // until the delayed acknowledgment; 0: none is due
	SndMSS, RcvMSS, AdvMSS int
	PathMTU                int  // as MSS plus headers
	BlackHole              bool // segments are small on the suspicion of a black hole
	RcvRTT                 time.Duration
	SndWnd, RcvWnd         int // bytes: what the peer, and what we have announced
	RcvSpace, SndSpace     int // bytes: the buffers
	OOO, OOORanges         int // bytes and stretches kept out of order
	NotSent                int // bytes written and not sent yet

	LastRcvd, LastDataRcvd time.Duration // ago

	BytesAcked, BytesReceived, BytesSent           uint64
	SegsOut, SegsIn, DataSegsOut, DataSegsIn, OOOs uint32 // OOOs came out of order

	// UserTimeout, and the keepalive settings in force.
	UserTimeout         time.Duration
	KeepAlive           bool
	KeepIdle, KeepIntvl time.Duration
	KeepCount           int
}

// Info describes the connection.
func (c *Conn) Info(e *Env, now clock.Time, i *Info) {
	*i = Info{
		State: c.state, SACK: c.sack, Timestamps: c.time, Scaling: c.scale, ECN: c.ecn, ECNSeen: c.ecnSeen,
		FastOpen: c.fastOpen, SndScale: c.sndScale, RcvScale: c.rcvScale, Probes: int(c.probes),
		SndMSS: int(c.mss), RcvMSS: int(c.rcvMSS), AdvMSS: int(c.advMSS),
		PathMTU: int(c.pathMSS) + headers4, BlackHole: c.fullMSS != 0,
		RcvRTT: time.Duration(c.rcvRTT) * time.Microsecond,
		SndWnd: int(c.sndWnd), RcvWnd: c.rcvAdv.Sub(c.rcvNxt),
		RcvSpace: int(c.rcvBuf), SndSpace: c.SndLimit(e.T), OOO: c.OOO(),
		BytesAcked: c.sndOff, BytesReceived: c.rcvOff, BytesSent: c.sndBytes,
		SegsOut: c.sndSegs, SegsIn: c.rcvSegs, DataSegsOut: c.sndDataSegs, DataSegsIn: c.rcvDataSegs, OOOs: c.ooos,
		LastRcvd: now.Sub(c.lastRcv), LastDataRcvd: now.Sub(c.lastData),
		UserTimeout: time.Duration(c.userTimeout) * time.Millisecond,
	}
	if c.ipv6 {
		i.PathMTU = int(c.pathMSS) + headers6
	}
	if c.held != nil {
		i.OOORanges = len(c.held.spans)
	}
	if c.ackAt != clock.Never {
		i.ATO = c.ackAt.Sub(now)
	}
	if c.synchronized() {
		i.NotSent = max(c.sndEnd.Sub(c.snd.Nxt()), 0)
	}
	i.KeepAlive, i.KeepIdle, i.KeepIntvl, i.KeepCount = c.keepSettings(e.T)
	c.snd.Info(&e.L, now, &i.Loss)
}
