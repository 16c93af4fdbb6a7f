package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// FlowHashIP is FlowHash4 or FlowHash6, as the version of the unchecked packet
// says; 0 for another version.
func FlowHashIP(p []byte) uint32 {
	if len(p) > 0 && p[0]>>4 == 6 {
		return FlowHash6(p)
	}
	return FlowHash4(p)
}

// FlowHashAddr is FlowHashIP of a packet that is about to be made, with
// addresses of one family. An IPv4 address in its IPv6 form is IPv4: so are the
// packets.
func FlowHashAddr(src, dst netip.Addr, sport, dport uint16, proto uint8) uint32 {
	src, dst = src.Unmap(), dst.Unmap()
	if src.Is4() && dst.Is4() {
		return FlowHash(src.As4(), dst.As4(), sport, dport, proto)
	}
	shi, slo := words16(src)
	dhi, dlo := words16(dst)
	return flowHash16(shi^dhi, slo^dlo, sport, dport, proto)
}

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

// FlowHash6 is FlowHash4 for an IPv6 packet. One with extension headers has no
// flow.
func FlowHash6(p []byte) uint32 {
	if len(p) >= IPv6Len+ICMP6Len && p[6] == ProtoICMPv6 && p[IPv6Len] < 128 {
		p = p[IPv6Len+ICMP6Len:]
	}
	if len(p) < IPv6Len+4 || p[0]>>4 != 6 || p[6] != ProtoUDP && p[6] != ProtoTCP {
		return 0
	}
	hi := binary.BigEndian.Uint64(p[8:]) ^ binary.BigEndian.Uint64(p[24:])
	lo := binary.BigEndian.Uint64(p[16:]) ^ binary.BigEndian.Uint64(p[32:])
	return flowHash16(hi, lo, binary.BigEndian.Uint16(p[IPv6Len:]), binary.BigEndian.Uint16(p[IPv6Len+2:]), p[6])
}

// flowHash16 takes the exclusive or of both addresses.
func flowHash16(hi, lo uint64, sport, dport uint16, proto uint8) uint32 {
	h := hi*0x9e3779b97f4a7c15 ^ bits.RotateLeft64(lo, 16) ^ uint64(sport^dport) ^ uint64(proto)<<48
	h *= 0x9e3779b97f4a7c15
	return max(uint32(h>>32), 1)
}
