package tcp

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/wire"
)

// ECN is the ECN field of an IP header (RFC 3168 §5).
type ECN uint8

// ECN codepoints.
const (
	NotECT ECN = iota
	ECT1
	ECT0
	CE
)

// What tells what has happened to a connection, apart from data.
type What uint8

const (
	// Established: the connection is open. A passive one belongs onto the accept
	// queue now, an active one's user can go on.
	Established What = 1 << iota
	// PeerClosed: the peer sends no more; the stream ends at Event.Readable.
	PeerClosed
	// TimeWait: the connection has closed in order and only has to be
	// remembered (RFC 9293 §3.6). Pull Next until false, hand Remains over to
	// tcp/wait and forget the Conn.
	TimeWait
	// Closed: the connection is gone; Err tells why, 0 where both ends closed.
	// Pull Next until false (there may be a reset) and forget the Conn.
	Closed
	// Urgent: there is urgent data up to Event.Mark, which has moved.
	Urgent
	// Cookie: the SYN-ACK's header has a Fast Open cookie to remember.
	Cookie
	// Soft: Err is a passing failure (RFC 9293 §3.9.2.2) that a user who asks
	// may be told; the connection goes on.
	Soft
)

// Event is what came of a segment, a deadline or an ICMP error. Every verb that
// takes one overwrites it.
type Event struct {
	// From and To are the part of the segment's payload that is to be kept, at
	// offset At of the receive stream. Some of it may have been kept before:
	// either copy will do. Nothing is to be kept where From == To.
	From, To int
	At       uint64
	// Readable is the offset up to which the receive stream is in order, and may
	// be read. What was kept beyond it is waiting for a hole to fill.
	Readable uint64
	// Acked is how many more bytes of the send stream the peer has: they can be
	// freed.
	Acked int
	// Mark is, with Urgent, the offset behind the last urgent byte (RFC 6093).
	Mark uint64
	What What
	Err  syscall.Errno // with Closed or Soft; otherwise 0
}

// Has tells whether all of the given things have happened.
func (v *Event) Has(w What) bool { return v.What&w == w }

// Out is a segment to send: the header, and the bytes [Off, Off+Len) of the send
// stream.
type Out struct {
	Hdr wire.TCPHeader // all but the ports
	Off uint64
	Len int
	// Seg is the most payload one segment on the wire may have. Len > Seg makes
	// it a super-segment: every Seg bytes are a segment with the same options,
	// FIN and PSH on the last, CWR on the first (RFC 3168 §6.1.2).
	Seg        int
	ECT        bool // mark it ECT(0)
	Retransmit bool // some of it has been sent before
}
