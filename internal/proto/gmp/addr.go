package gmp

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/table"
)

// Address is an address in the bytes it needs: groups and sources of IPv4 take
// four, and only IPv6 pays for sixteen.
type Address interface{ [4]byte | [16]byte }

// AddrOf returns the address, which must be of A's family.
func AddrOf[A Address](ip netip.Addr) (a A) {
	switch p := any(&a).(type) {
	case *[4]byte:
		*p = ip.As4()
	case *[16]byte:
		*p = ip.As16()
	}
	return a
}

// NetIP returns the address as others know it.
func NetIP[A Address](a A) netip.Addr {
	switch p := any(&a).(type) {
	case *[4]byte:
		return netip.AddrFrom4(*p)
	case *[16]byte:
		return netip.AddrFrom16(*p)
	}
	return netip.Addr{}
}

// Hash hashes an address and a word that belongs to it. With the zero Seed
// addresses of IPv6 that end in 64 zeros collide.
func Hash[A Address](seed table.Seed, a A, w uint32) uint32 {
	switch p := any(&a).(type) {
	case *[4]byte:
		return seed.Word(uint64(w)<<32 | uint64(binary.BigEndian.Uint32(p[:])))
	case *[16]byte:
		return seed.Addr(netip.AddrFrom16(*p), uint64(w)<<1|1) // a factor must not be zero
	}
	return 0
}

// IsSSM reports whether a group is for source-specific multicast only: 232/8 and
// ff3x::/32 (RFC 4607 §1).
func IsSSM[A Address](group A) bool {
	switch p := any(&group).(type) {
	case *[4]byte:
		return p[0] == 232
	case *[16]byte:
		return p[0] == 0xff && p[1]>>4 == 3 && p[2] == 0 && p[3] == 0
	}
	return false
}

// Compare orders addresses as numbers.
func Compare[A Address](a, b A) int { return bytes.Compare(raw(&a), raw(&b)) }

// raw returns the bytes of an address.
func raw[A Address](a *A) []byte {
	switch p := any(a).(type) {
	case *[4]byte:
		return p[:]
	case *[16]byte:
		return p[:]
	}
	return nil
}

// Sources is a list of addresses as a message holds it.
type Sources[A Address] []byte

// Len returns how many there are.
func (s Sources[A]) Len() int {
	var a A
	return len(s) / len(a)
}

// At returns number i, 0 <= i < Len.
func (s Sources[A]) At(i int) (a A) {
	copy(raw(&a), s[i*len(a):])
	return a
}
