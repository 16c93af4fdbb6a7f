package tcp

import (
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Connect begins an active open (RFC 9293 §3.10.1): the SYN is what Next gives
// first. With Fast Open, what is Wrote before that Next goes with it.
func (c *Conn) Connect(e *Env, now clock.Time, g *Config) {}

// Accept begins where a passive open has come to: in SYN-RECEIVED, with our
// SYN-ACK sent. The segment that completes the handshake is given to Input
// next, which says Established. With Fast Open the SYN-ACK has yet to be sent,
// and ev tells of the data that came with the SYN. Of g, ISS and TSOffset are
// those of the Handshake.
func (c *Conn) Accept(e *Env, now clock.Time, g *Config, hs *Handshake, ev *Event) {}

// Input deals with a segment of n bytes of payload that belongs to the
// connection (RFC 9293 §3.10.7.3 and .4) and tells in ev what came of it.
// Several segments in one, as GRO makes them, are one segment. h is not kept.
func (c *Conn) Input(e *Env, now clock.Time, h *wire.TCPHeader, n int, ecn ECN, ev *Event) {}

// Next fills o with the next segment to send and tells whether there is one. It
// is called until it says no: once after a batch of calls to the others is
// enough, and makes for fewer acknowledgments than once after each.
func (c *Conn) Next(e *Env, now clock.Time, o *Out) bool { return false }

// Deadline returns when Expire is to be called if nothing else happens before:
// clock.Never if never.
func (c *Conn) Deadline() clock.Time { return clock.Never }

// Expire deals with the timers that have come due at now. It does nothing when
// called early.
func (c *Conn) Expire(e *Env, now clock.Time, ev *Event) {}

// Wrote adds n bytes to the end of the send stream (RFC 9293 §3.10.2). Where the
// user writes in one go what comes as several calls, only the last should be
// followed by Next. It must not be called after Shutdown.
func (c *Conn) Wrote(n int) {}

// WroteUrgent is Wrote, and the last of the n bytes is urgent (RFC 6093).
func (c *Conn) WroteUrgent(n int) {}

// Read says that the user has taken the receive stream up to offset total, and
// tells whether Next has a window update to send for it.
func (c *Conn) Read(total uint64) bool { return false }

// Shutdown ends the send stream: a FIN follows the last byte written (RFC 9293
// §3.10.4). The receiving side stays open.
func (c *Conn) Shutdown() {}

// Close is Shutdown by a user who will not read either, nor ask again. Data
// that nobody has read, or that still comes, is answered with a reset (RFC 1122
// §4.2.2.13, RFC 2525 §2.17), and the peer's FIN is not waited for longer than
// the tunable finwait2_timeout. ev may say Closed at once.
func (c *Conn) Close(e *Env, now clock.Time, ev *Event) {}

// Abort ends the connection at once (RFC 9293 §3.10.5): ev says Closed, and
// Next has a reset where the state asks for one.
func (c *Conn) Abort(e *Env, now clock.Time, ev *Event) {}

// Unreachable deals with an ICMP error that quotes a segment of this connection
// with sequence number seq. It is believed only where that is in flight (RFC
// 5927 §4); it ends an opening if hard (protocol, port unreachable), and is
// otherwise a Soft event (RFC 9293 §3.9.2.2, RFC 5461).
func (c *Conn) Unreachable(e *Env, now clock.Time, seq wire.Seq, err syscall.Errno, hard bool, ev *Event) {
}

// TooBig deals with an ICMP error that says that the segment with sequence
// number seq is too large for a link of the given MTU (RFC 1191, RFC 8201, with
// the checks of RFC 5927 §7): segments shrink, and it is sent again. mss is
// that MTU less the same 40 or 60 as Config.MSS. It tells whether the error was
// believed.
func (c *Conn) TooBig(e *Env, now clock.Time, seq wire.Seq, mss int) bool { return false }

// SetMSS says that the path now takes segments of mss bytes without options, as
// Config.MSS does: the route or its MTU has changed.
func (c *Conn) SetMSS(mss int) {}

// SetNoDelay turns Nagle's algorithm off or on (TCP_NODELAY).
func (c *Conn) SetNoDelay(on bool) {}

// SetCork holds back partial segments, or lets them go (TCP_NOPUSH).
func (c *Conn) SetCork(on bool) {}

// SetKeepAlive turns keepalive on or off (SO_KEEPALIVE) and sets its times and
// count, where 0 leaves each as it is.
func (c *Conn) SetKeepAlive(now clock.Time, on bool, idle, intvl time.Duration, count int) {}

// SetUserTimeout sets Config.UserTimeout (TCP_USER_TIMEOUT).
func (c *Conn) SetUserTimeout(d time.Duration) {}

// SetRcvBuf fixes the receive buffer's size, SetSndBuf the send buffer's.
func (c *Conn) SetRcvBuf(n int) {}

// SetSndBuf fixes the send buffer's size.
func (c *Conn) SetSndBuf(n int) {}

// SetCC changes the congestion control (TCP_CONGESTION) and tells whether there
// is one of that name.
func (c *Conn) SetCC(now clock.Time, name string) bool { return false }

// SndLimit returns how many bytes may have been written and not acknowledged:
// the size of the send buffer. It moves with the connection.
func (c *Conn) SndLimit(t *Tunables) int { return 0 }

// RcvLimit returns the size of the receive buffer: what may have been kept and
// not read.
func (c *Conn) RcvLimit() int { return 0 }

// State returns the state.
func (c *Conn) State() State { return c.state }

// MSS returns the most payload of a segment now, its usual options taken off.
func (c *Conn) MSS() int { return 0 }

// OOO returns how many bytes the connection keeps out of order.
func (c *Conn) OOO() int { return 0 }

// Info describes the connection.
func (c *Conn) Info(now clock.Time, i *Info) {}

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
func (c *Conn) Remains() Remains { return Remains{} }
