package wire

import "encoding/binary"

// FlowHash4 returns a hash of the flow that an IPv4 packet belongs to, the same
// for both directions: never 0 for UDP and TCP, 0 for what has no flow (other
// protocols, fragments). An ICMP error belongs to the flow of the packet it
// quotes. It takes unchecked bytes and looks no further than they reach.
func FlowHash4(p []byte) uint32 {
	if len(p) >= IPv4Len && p[9] == ProtoICMP {
		p = quotedIn(p)
	}
	if len(p) < IPv4Len || p[0]>>4 != 4 || p[9] != ProtoUDP && p[9] != ProtoTCP {
		return 0
	}
	hl := int(p[0]&15) * 4
	if binary.BigEndian.Uint16(p[6:])&0x3fff != 0 || len(p) < hl+4 {
		return 0
	}
	return FlowHash([4]byte(p[12:16]), [4]byte(p[16:20]), binary.BigEndian.Uint16(p[hl:]), binary.BigEndian.Uint16(p[hl+2:]), p[9])
}

// FlowHash is FlowHash4 of a packet that is about to be made.
func FlowHash(src, dst [4]byte, sport, dport uint16, proto uint8) uint32 {
	a := binary.BigEndian.Uint32(src[:]) ^ binary.BigEndian.Uint32(dst[:])
	h := uint64(a)<<16 ^ uint64(sport^dport) ^ uint64(proto)<<48
	h *= 0x9e3779b97f4a7c15
	return max(uint32(h>>32), 1)
}

// quotedIn returns the packet that an ICMP error quotes, or nil.
func quotedIn(p []byte) []byte {
	hl := int(p[0]&15) * 4
	if p[0]>>4 != 4 || binary.BigEndian.Uint16(p[6:])&0x3fff != 0 || len(p) < hl+8 {
		return nil
	}
	switch p[hl] {
	case ICMP4Unreachable, ICMP4TimeExceeded, ICMP4ParamProblem, ICMP4Redirect, ICMP4SourceQuench:
		return p[hl+8:]
	}
	return nil
}
