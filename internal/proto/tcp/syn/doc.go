// Package syn answers connection requests: everything that happens between the
// SYN and the moment when a connection exists.
//
// A Cache remembers requests in little memory (RFC 4987 §3.4), and answers
// without any memory, by SYN cookies (§3.6), when there are too many. It
// settles the options of a connection (RFC 9293 §3.7.1, RFC 7323, RFC 2018,
// RFC 3168 §6.1.1), sends the SYN-ACK again, judges the segment that is to
// complete the handshake (RFC 9293 §3.10.7, RFC 5961), and hands out a
// Handshake, of which the hall makes a connection. A Secret makes initial
// sequence numbers (RFC 6528) and timestamp offsets, for active opens too, and
// Fast Open cookies (RFC 7413, the server's side); a Jar keeps those of servers.
//
// The engine is pure: it is told the time, is handed segments, and is asked for
// segments until there is none. All that is random comes out of the Secret.
//
// Not done: buckets with a limit of their own (one bound for the whole cache
// instead), TCP-MD5 and TCP-AO, ECN on the SYN-ACK itself (RFC 5562).
package syn
