package igmp

import "net/netip"

// TTL is the time to live of every IGMP message (RFC 3376 §4).
const TTL = 1

// Out is one message to send: IP protocol 2, TTL 1, from the interface's address
// (0.0.0.0 if it has none), not fragmented.
type Out struct {
	Buf         []byte     // the caller's, as long as a message may be: the MTU less 24
	N           int        // bytes of the message in Buf
	Dst         netip.Addr // the group to send to
	TOS         uint8      // 0xC0, Internetwork Control, in version 3 (RFC 3376 §4)
	RouterAlert bool       // with the Router Alert option
}

const precedence = 0xc0
