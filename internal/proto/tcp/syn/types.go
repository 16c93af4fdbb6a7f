package syn

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Key names a connection that is being made. Addresses have no zone.
type Key struct {
	Local, Remote netip.AddrPort
	Scope         uint32 // interface index, where the addresses are link-local
}

// Listen is what the hall says of the listener a segment is for, at the time
// of the call.
type Listen struct {
	// MSS is the largest payload the interface's MTU has room for beside plain
	// headers (MTU-40 with IPv4, MTU-60 with IPv6): what the SYN-ACK offers, and
	// the most that Handshake.MSS will be.
	MSS uint16
	// Window is the receive buffer in bytes; the SYN-ACK offers up to 65535.
	Window int
	// Scale is the window shift that the buffer, as large as it may grow,
	// needs; at most 14 (RFC 7323 §2.3).
	Scale uint8
	// MSSDefault is the payload that a peer is taken to accept that names no
	// MSS; 0: 536 with IPv4, 1220 with IPv6 (RFC 9293 §3.7.1). MinMSS is the
	// least that it can bring us down to.
	MSSDefault, MinMSS uint16
	// What may be agreed on, if the peer wants it too: window scale, timestamps,
	// selective acknowledgment, ECN.
	Scaling, Timestamps, SACK, ECN bool
	// FIB is the listener's: entries and connections take it. PacketFIB is the
	// segment's: resets and SYN cookies are answered in it.
	FIB, PacketFIB uint32
	// Full says that the accept queue has no room.
	Full bool
	// FastPending is how many connections of this listener have begun by Fast
	// Open and are not established, FastLimit how many may be; 0: none at all,
	// and no cookie is given out.
	FastPending, FastLimit int
	// Floor, with HasFloor, is a number that the new connection's sequence
	// numbers must lie above: what the last connection in TIME-WAIT had sent.
	HasFloor bool
	Floor    wire.Seq
}

// Handshake is all that a connection must know of how it was agreed on.
//
// Without FastOpen the segment that completed the handshake was acceptable and
// acknowledges the SYN-ACK; it may have payload, or FIN, and is then to be given
// to the connection as its first. With FastOpen the connection begins in
// SYN-RECEIVED: it sends the SYN-ACK itself, acknowledging the SYN's payload.
type Handshake struct {
	ISS, IRS wire.Seq
	// Seq and Ack are those of the segment that completed the handshake.
	Seq, Ack wire.Seq
	// MSS is the largest payload the peer takes in a segment without options.
	MSS uint16
	// Offered is our receive window as the SYN-ACK offered it, in bytes.
	Offered uint16
	// SendScale shifts the peer's windows, RecvScale ours; both 0 without Scaled.
	SendScale, RecvScale          uint8
	Scaled, SACK, Timestamps, ECN bool
	Cookie, FastOpen              bool
	// Rexmits is how often the SYN-ACK was sent again for lack of an answer
	// (RFC 5681 §3.1: with any, the first window is one segment).
	Rexmits uint8
	// TSOffset is added to the time in milliseconds in what we send; TSRecent
	// is the peer's last (RFC 7323 §4.3).
	TSOffset, TSRecent uint32
	// Window is the peer's send window in bytes.
	Window uint32
	// FIB is the one that the listener had when the SYN came.
	FIB uint32
	// RTT is the time that the SYN-ACK took to be answered, 0 if it is not known.
	RTT time.Duration
	// NewCookie, with HasNewCookie, is for the SYN-ACK of a connection with
	// FastOpen: the client's will soon be too old (RFC 7413 §4.1.3.1).
	HasNewCookie bool
	NewCookie    [FastCookieLen]byte
}

// Verdict is what became of a segment.
type Verdict uint8

const (
	// Dropped: the segment did nothing.
	Dropped Verdict = iota
	// Answered: Next has a segment for its sender, of the handshake or a reset.
	Answered
	// Accepted: there is a connection now, Handshake describes it.
	Accepted
	// Overflow: there would be one, but the accept queue was full. The SYN-ACK
	// will be sent again, which makes the peer come back; or, as
	// rst_on_sock_fail says, Next has a reset.
	Overflow
	// Ended: the peer took its request back.
	Ended
)

// Out is a segment to send.
type Out[L comparable] struct {
	Key Key
	FIB uint32 // to route it in
	Hdr wire.TCPHeader
	// Listener is the one that the segment speaks for, so that its other
	// settings hold; zero for a reset.
	Listener L
	// Retransmit: it has been sent before.
	Retransmit bool
}
