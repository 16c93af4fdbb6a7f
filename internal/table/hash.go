package table

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Seed keys the hashes, so that who does not know it cannot choose addresses
// and ports that collide. A world draws one and gives it to all its tables;
// with the same seed every run hashes alike on every machine.
//
// The zero Seed works and protects nothing.
type Seed struct{ k0, k1 uint64 }

// NewSeed spreads one random number over a Seed.
func NewSeed(random uint64) Seed {
	return Seed{splitmix(random), splitmix(random + golden)}
}

// Word hashes one word.
func (s Seed) Word(w uint64) uint32 {
	return fold(mix(w^s.k0, s.k1|1))
}

// String hashes a name.
func (s Seed) String(name string) uint32 {
	h := mix(uint64(len(name))^s.k0, s.k1|1)
	for i := 0; i < len(name); i += 8 {
		var w uint64
		for j := i; j < min(i+8, len(name)); j++ {
			w = w<<8 | uint64(name[j])
		}
		h = mix(h^w, s.k0|1)
	}
	return fold(h ^ s.k1)
}

// Addr hashes an address and a word with whatever belongs to it: ports, a
// protocol, an interface index.
func (s Seed) Addr(a netip.Addr, w uint64) uint32 {
	if a.Is4() { // As16 alone would cost four times as much as all of this
		return fold(mix(word4(a)^s.k0, w^s.k1))
	}
	return fold(mix(s.word16(a)^s.k1, w^s.k0))
}

// Pair hashes two addresses, which it tells apart, and a word.
func (s Seed) Pair(a, b netip.Addr, w uint64) uint32 {
	if a.Is4() && b.Is4() {
		return fold(mix((word4(a)<<32|word4(b))^s.k0, w^s.k1))
	}
	return fold(mix(s.word16(a)^s.k1, bits.RotateLeft64(s.word16(b), 32)^w^s.k0))
}

// Ports packs two ports and an interface index, as keys of sockets have them,
// into a word to hash.
func Ports(local, remote uint16, ifIndex uint32) uint64 {
	return uint64(local)<<48 | uint64(remote)<<32 | uint64(ifIndex)
}

func word4(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

func (s Seed) word16(a netip.Addr) uint64 {
	var b [16]byte
	if a.Is4() {
		b = a.As16()
	} else { // a copy of what As16 returns costs four times as much
		a.AppendBinary(b[:0]) // it cannot fail
	}
	return mix(binary.BigEndian.Uint64(b[:8])^s.k0, binary.BigEndian.Uint64(b[8:])^s.k1)
}

// mix is the 128-bit product folded to 64 bits. A factor of zero would make the
// other one irrelevant, hence a secret is on both sides everywhere.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// fold brings all bits of the word down to those that index. One product
// alone spreads keys in even steps less well than chance would.
func fold(h uint64) uint32 { return uint32((h ^ h>>32) * golden >> 32) }

const golden = 0x9e3779b97f4a7c15

// splitmix is a step of SplitMix64 (Steele, Lea, Flood 2014).
func splitmix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// FlowLabel returns the label of the packets of an IPv6 flow: the same for all of
// them, and not to be guessed by others (RFC 6437 §3).
func (s Seed) FlowLabel(src, dst netip.Addr, sport, dport uint16) uint32 {
	return s.Pair(src, dst, Ports(sport, dport, 0)) & 0xfffff
}
