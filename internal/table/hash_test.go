package table

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
)

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func addr6(n uint64) netip.Addr {
	b := [16]byte{0x20, 0x01, 0xd, 0xb8}
	binary.BigEndian.PutUint64(b[8:], n)
	return netip.AddrFrom16(b)
}

// Keys as networks have them (neighbours in address, port or group, in steps of
// a power of two) must fall on slots about as evenly as random ones.
func TestHashSpreads(t *testing.T) {
	const n, slots = 1 << 14, 1 << 14
	local := addr4(0x0a000001)
	kinds := map[string]func(s Seed, i int) uint32{
		"word":          func(s Seed, i int) uint32 { return s.Word(uint64(i)) },
		"word<<40":      func(s Seed, i int) uint32 { return s.Word(uint64(i) << 40) },
		"addr4":         func(s Seed, i int) uint32 { return s.Addr(addr4(uint32(i)), 7) },
		"addr4 *256":    func(s Seed, i int) uint32 { return s.Addr(addr4(uint32(i)<<8), 7) },
		"addr4 *65536":  func(s Seed, i int) uint32 { return s.Addr(addr4(uint32(i)<<16), 7) },
		"addr4 port":    func(s Seed, i int) uint32 { return s.Addr(local, Ports(uint16(i), 0, 1)) },
		"addr4 ifindex": func(s Seed, i int) uint32 { return s.Addr(local, Ports(0, 0, uint32(i))) },
		"addr6":         func(s Seed, i int) uint32 { return s.Addr(addr6(uint64(i)), 7) },
		"addr6 <<40":    func(s Seed, i int) uint32 { return s.Addr(addr6(uint64(i)<<40), 7) },
		"pair4 remote":  func(s Seed, i int) uint32 { return s.Pair(local, addr4(uint32(i)), Ports(80, 1000, 0)) },
		"pair4 local":   func(s Seed, i int) uint32 { return s.Pair(addr4(uint32(i)), local, Ports(80, 1000, 0)) },
		"pair4 port":    func(s Seed, i int) uint32 { return s.Pair(local, local, Ports(80, uint16(i), 0)) },
		"pair6 remote":  func(s Seed, i int) uint32 { return s.Pair(addr6(1), addr6(uint64(i)), Ports(80, 1000, 0)) },
		"pair6 port":    func(s Seed, i int) uint32 { return s.Pair(addr6(1), addr6(2), Ports(80, uint16(i), 0)) },
	}
	for name, hash := range kinds {
		for seed := range uint64(20) {
			s := NewSeed(seed)
			var hits [slots]int
			for i := range n {
				hits[hash(s, i)%slots]++
			}
			worst, collisions := 0, 0
			for _, h := range hits {
				worst = max(worst, h)
				if h > 1 {
					collisions += h - 1
				}
			}
			// Random keys: n/e = 6,027 collisions, 7 or 8 in the fullest slot.
			if collisions > 6_800 || worst > 16 {
				t.Errorf("%s, seed %d: %d collisions, %d in one slot", name, seed, collisions, worst)
			}
		}
	}
}

// Who knows the function but not the seed must not know what collides.
func TestSeedDecides(t *testing.T) {
	same := 0
	for i := range uint32(1000) {
		k := i * 977
		a, b := NewSeed(1), NewSeed(2)
		if a.Addr(addr4(k), 1)%256 == b.Addr(addr4(k), 1)%256 {
			same++
		}
		if a.Addr(addr4(k), 1) != NewSeed(1).Addr(addr4(k), 1) {
			t.Fatal("the same seed hashes differently")
		}
	}
	if same > 20 {
		t.Errorf("%d of 1,000 keys in the same of 256 slots under another seed", same)
	}
}

func TestHashTellsApart(t *testing.T) {
	s := NewSeed(3)
	a4, b4, a6, b6 := addr4(1), addr4(2), addr6(1), addr6(2)
	seen := map[uint32]string{}
	for name, h := range map[string]uint32{
		"a4": s.Addr(a4, 0), "a4 1": s.Addr(a4, 1), "b4": s.Addr(b4, 0), "a6": s.Addr(a6, 0), "a6 1": s.Addr(a6, 1),
		"none": s.Addr(netip.Addr{}, 0), "a4 b4": s.Pair(a4, b4, 0), "b4 a4": s.Pair(b4, a4, 0),
		"a6 b6": s.Pair(a6, b6, 0), "b6 a6": s.Pair(b6, a6, 0), "a4 a6": s.Pair(a4, a6, 0),
	} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s hash alike", name, other)
		}
		seen[h] = name
	}
}

// Names that differ in one letter, or in their length, must not collide more often
// than chance has it.
func TestHashOfNames(t *testing.T) {
	s, seen, twice := NewSeed(4), map[uint32]bool{}, 0
	for i := range 1 << 16 {
		h := s.String(fmt.Sprintf("host%d", i))
		if seen[h] {
			twice++
		}
		seen[h] = true
	}
	if twice > 4 { // of 65,536 random numbers of 32 bits a half is expected
		t.Errorf("%d collisions", twice)
	}
	if s.String("") == s.String("\x00") || s.String("a") == NewSeed(5).String("a") {
		t.Error("length or seed does not count")
	}
}
