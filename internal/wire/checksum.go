package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Checksum returns the Internet checksum of b (RFC 1071): the number that
// belongs in a checksum field which holds zero in b, and 0 when b holds its
// own right checksum.
func Checksum(b []byte) uint16 { return Fold(Sum(b, 0)) }

// Sum adds the 16-bit words of b to the partial sum acc and returns the new
// partial sum, at most 0x10000. A last odd byte counts as if a zero followed
// it, so only the last part of a message may have an odd length.
func Sum(b []byte, acc uint32) uint32 {
	// One's complement addition does not care about byte order (RFC 1071
	// §2(B)), so eight bytes are added at a time as they lie in memory and the
	// sum is swapped once at the end. An addition that carries leaves at most
	// 2^64-2, so adding the carry to it cannot carry again.
	var s, c uint64
	for len(b) >= 64 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[56:]), c)
		s += c
		b = b[64:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
		s += c
		b = b[8:]
	}
	s, c = bits.Add64(s, tail(b), 0)
	s += c
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	le := fold16(uint32(s))
	return fold32(uint64(acc) + uint64(bits.ReverseBytes16(le)))
}

// tail returns up to seven bytes as a little-endian number.
func tail(b []byte) (v uint64) {
	var n uint
	if len(b) >= 4 {
		v, n = uint64(binary.LittleEndian.Uint32(b)), 32
		b = b[4:]
	}
	if len(b) >= 2 {
		v |= uint64(binary.LittleEndian.Uint16(b)) << n
		n += 16
		b = b[2:]
	}
	if len(b) > 0 {
		v |= uint64(b[0]) << n
	}
	return v
}

// Fold ends a partial sum: it returns the checksum to put into the header, or
// 0 when the sum covered a message with its right checksum.
func Fold(acc uint32) uint16 { return ^fold16(acc) }

func fold16(s uint32) uint16 {
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}

func fold32(s uint64) uint32 {
	s = s>>16 + s&0xffff
	return uint32(s>>16 + s&0xffff)
}

// PseudoSum returns the partial sum of the pseudo header that UDP, TCP (RFC
// 768, RFC 9293 §3.1) and ICMPv6 (RFC 8200 §8.1) cover: n is the length of the
// upper-layer header and payload in bytes. src tells the family; both
// addresses must be of it.
func PseudoSum(src, dst netip.Addr, proto uint8, n int) uint32 {
	acc := uint64(proto) + uint64(n)>>16 + uint64(n)&0xffff
	if src.Is4() {
		s, d := src.As4(), dst.As4()
		acc += uint64(binary.BigEndian.Uint32(s[:])) + uint64(binary.BigEndian.Uint32(d[:]))
		return fold32(acc>>32 + acc&0xffffffff)
	}
	// The sixteen bytes are added as wide words: 2^16 is 1 to the one's
	// complement sum, so any multiple of it can be cut into 16-bit words later
	// (RFC 1071 §2(C)).
	var c uint64
	hi, lo := words16(src)
	acc, c = bits.Add64(acc, hi, 0)
	acc, c = bits.Add64(acc, lo, c)
	hi, lo = words16(dst)
	acc, c = bits.Add64(acc, hi, c)
	acc, c = bits.Add64(acc, lo, c)
	acc, c = bits.Add64(acc, 0, c)
	acc += c
	return fold32(acc>>32 + acc&0xffffffff)
}

// UpdateChecksum returns the checksum of a message in which one aligned 16-bit
// word changed from was to is, without summing it again (RFC 1624 §3, eqn. 3).
func UpdateChecksum(sum, was, is uint16) uint16 {
	return ^fold16(uint32(^sum) + uint32(^was) + uint32(is))
}

// UpdateChecksum32 is UpdateChecksum for two neighbouring words, such as an
// IPv4 address.
func UpdateChecksum32(sum uint16, was, is uint32) uint16 {
	acc := uint64(^sum) + uint64(^was) + uint64(is)
	return ^fold16(fold32(acc))
}
