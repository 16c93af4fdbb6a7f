package table

import (
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
)

// sockKey is 32 bytes, as a socket's key is.
type sockKey struct {
	addr    netip.Addr
	port    uint16
	ifIndex uint32
}

type sock struct {
	key sockKey
	_   [64]byte // entries are seldom smaller
}

func (s *sock) Key() sockKey { return s.key }

func sockets(n int) ([]sock, []uint32) {
	socks, hashes, seed := make([]sock, n), make([]uint32, n), NewSeed(1)
	for i, j := range rand.New(rand.NewSource(1)).Perm(n) {
		socks[i].key = sockKey{addr4(0x0a000000 + uint32(j)), uint16(j), 1}
		hashes[i] = seed.Addr(socks[i].key.addr, Ports(uint16(j), 0, 1))
	}
	return socks, hashes
}

var sink *sock

func BenchmarkGet(b *testing.B) {
	for _, n := range []int{4, 64, 1 << 10, 1 << 17} {
		socks, hashes := sockets(n)
		var tab Table[sockKey, sock, *sock]
		model := map[sockKey]*sock{}
		for i := range socks {
			tab.Put(hashes[i], &socks[i])
			model[socks[i].key] = &socks[i]
		}
		b.Run(fmt.Sprintf("%d/table", n), func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				sink = tab.Get(hashes[i&(n-1)], socks[i&(n-1)].key)
			}
		})
		b.Run(fmt.Sprintf("%d/miss", n), func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				sink = tab.Get(hashes[i&(n-1)]*5+1, sockKey{})
			}
		})
		b.Run(fmt.Sprintf("%d/map", n), func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				sink = model[socks[i&(n-1)].key]
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	socks, _ := sockets(64)
	seed, sum := NewSeed(1), uint32(0)
	b.Run("addr4", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			sum += seed.Addr(socks[i&63].key.addr, 7)
		}
	})
	b.Run("pair4", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			sum += seed.Pair(socks[i&63].key.addr, socks[0].key.addr, 7)
		}
	})
	b.Run("addr6", func(b *testing.B) {
		a := addr6(1)
		for i := 0; i < b.N; i++ {
			sum += seed.Addr(a, uint64(i))
		}
	})
	b.Run("pair6", func(b *testing.B) {
		a := addr6(1)
		for i := 0; i < b.N; i++ {
			sum += seed.Pair(a, a, uint64(i))
		}
	})
	if sum == 0 {
		b.Log("unlikely")
	}
}

func BenchmarkPutDelete(b *testing.B) {
	const n = 1 << 12
	socks, hashes := sockets(n)
	var tab Table[sockKey, sock, *sock]
	for i := range n / 2 {
		tab.Put(hashes[i], &socks[i])
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		in, out := (i+n/2)&(n-1), i&(n-1)
		tab.Put(hashes[in], &socks[in])
		tab.Delete(hashes[out], socks[out].key)
	}
}
