package icmp

// MinMTU is the least MTU that IPv4 allows a link (RFC 791 §3.2); no estimate
// may go below it (RFC 1191 §3).
const MinMTU = 68

// MinMTU6 is the least MTU that IPv6 allows a link (RFC 8200 §5), and the length
// that no ICMPv6 error exceeds with its IPv6 header (RFC 4443 §2.4 (c)).
const MinMTU6 = 1280

// plateaus are the MTUs that are worth trying, RFC 1191 §7 table 7-1.
var plateaus = [...]int{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, MinMTU}

// Plateau returns the greatest MTU worth trying below mtu, MinMTU at least
// (RFC 1191 §7).
func Plateau(mtu int) int {
	for _, p := range plateaus {
		if p < mtu {
			return p
		}
	}
	return MinMTU
}

// pathMTU returns the MTU that a message tells about a packet of length n, from
// its next-hop field or, if an old router left that 0, by guessing; false if
// the message cannot be true (RFC 5927 §7.2: it must not raise the estimate nor
// lower it below the minimum).
func pathMTU(told, n int) (mtu int, ok bool) {
	if told == 0 {
		return Plateau(n), n > MinMTU
	}
	return told, told >= MinMTU && told < n
}

// pathMTU6 returns the MTU that a packet too big tells about a packet of length
// n; false if it is below the least that there is, which must be discarded, or
// would not have stopped the packet, so that it raises the estimate or is
// invented (RFC 8201 §4, RFC 5927 §7.2).
func pathMTU6(told uint32, n int) (mtu int, ok bool) {
	if told < MinMTU6 || told >= uint32(n) {
		return 0, false
	}
	return int(told), true
}
