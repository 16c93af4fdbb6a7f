// Package tcp is one end of a TCP connection (RFC 9293): Conn is told of
// segments, of what the user does and of the time, and is asked for segments
// until it has none.
//
// It never touches a byte of payload. What arrives is described by an Event:
// which part of the segment to keep, at which offset of the stream, and how far
// the stream is in order. What is to be sent is described by an Out: a header
// and the range of the send stream that goes with it. Offsets are 64 bits wide,
// 0 being the first byte after SYN, so they do not wrap.
//
// What is in flight, what of it was lost and how much more may be sent is the
// business of tcp/loss. Passive opens up to the last segment of the handshake
// are that of tcp/syn, and TIME-WAIT that of tcp/wait: the stack hands over in
// both cases, with Handshake and Remains.
//
// Obeyed: RFC 9293, RFC 5961 (blind attacks), RFC 7323 (timestamps, PAWS, window
// scaling), RFC 2018 and 2883 (SACK and D-SACK, what a receiver does), RFC 1122
// and 5482 in their timeouts, RFC 6093 (urgent data), RFC 7413 (Fast Open), RFC
// 3168 (ECN), RFC 5927 (ICMP), RFC 4821 in its detection of black holes, RFC
// 6691 (MSS), RFC 2525 §2.17.
//
// Not done: the security option and precedence of RFC 793, which RFC 9293 §3.10.7
// keeps for those who need them; data before the handshake is complete on the
// passive side of Fast Open (it is accepted, not sent); RFC 5482's option; accurate
// ECN (RFC 9768); the search for a larger path MTU (RFC 4821 §7.3), which is the
// route's to allow.
package tcp
