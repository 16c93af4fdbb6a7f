package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Config is what a connection is made with. Where a field's zero value says so,
// the stack's tunables decide.
type Config struct {
	ISS      wire.Seq // initial sequence number of an active open (RFC 9293 §3.4.1)
	TSOffset uint32   // added to the clock of an active open's timestamps (RFC 7323 §5.4)

	// MSS is the largest payload, in bytes, that a segment without options may
	// have on the path as it is known now: its MTU less 40 (IPv4) or 60 (IPv6).
	MSS int
	// LinkMSS is what is announced to the peer (RFC 9293 §3.7.1): the MTU of the
	// interface less 40 or 60. 0: MSS.
	LinkMSS int
	// MaxBurst is the most payload one Out may have, in bytes: above MSS it
	// allows super-segments. 0: one segment at a time.
	MaxBurst int
	IPv6     bool

	// RcvBuf and SndBuf are the sizes of the buffers in bytes. 0 starts with the
	// tunables' and follows the connection's needs; other values stay.
	RcvBuf, SndBuf int

	CC          string // congestion control: "cubic", "newreno"; "": the tunables'
	NoDelay     bool   // no Nagle (RFC 9293 §3.7.4)
	KeepAlive   bool   // or the tunable always_keepalive
	KeepIdle    time.Duration
	KeepIntvl   time.Duration
	KeepCount   int           // these three: 0 takes the tunables'
	UserTimeout time.Duration // how long data may stay unacknowledged (RFC 9293 §3.8.3); 0: as long as retransmission lasts
	ConnTimeout time.Duration // how long an active open may take; 0: the tunable keepinit

	// FastOpen asks for Fast Open (RFC 7413 §4.2.1). Cookie is what the server
	// gave before: without one the SYN asks for one, with one it takes along
	// what has been Wrote before the first Next.
	FastOpen bool
	Cookie   []byte
}

// Handshake is what a passive open has agreed on before there is a connection:
// the stack fills it from the SYN cache, a cookie, or, with Fast Open, a SYN.
type Handshake struct {
	ISS, IRS wire.Seq // our and the peer's initial sequence numbers

	MSS      uint16 // the peer's MSS option; 0: none came
	HasScale bool   // window scaling is in use, with these shifts
	RcvScale uint8  // of the windows we send
	SndScale uint8  // of the windows the peer sends
	SACK     bool   // SACK is permitted, both ways
	HasTime  bool   // timestamps are in use
	TSRecent uint32 // the TSval of the peer's SYN
	TSOffset uint32 // what our SYN-ACK's timestamp was the clock's plus
	ECN      bool   // ECN was negotiated (RFC 3168 §6.1.1)

	RcvWnd int           // the window that our SYN-ACK announced, in bytes
	Rexmit int           // how often the SYN-ACK was sent again
	RTT    time.Duration // from SYN-ACK to its ACK; 0 where that is not known

	// FastOpen says that the SYN had a good cookie, and Data bytes that are to
	// be delivered (RFC 7413 §4.2.2): nothing has been answered yet, the
	// connection sends the SYN-ACK itself. Window is the SYN's.
	FastOpen bool
	Data     int
	Window   uint16
}

// ScaleFor returns the window shift to offer for buffers of up to max bytes
// (RFC 7323 §2.3): the smallest one that can announce them, at most 14.
func ScaleFor(limit int) uint8 {
	s := uint8(0)
	for s < maxScale && limit > maxWindow<<s {
		s++
	}
	return s
}

const (
	maxScale  = 14     // RFC 7323 §2.3
	maxWindow = 0xffff // what the header can say, unscaled
)
