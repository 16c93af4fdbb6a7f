package mcast

import (
	"net/netip"
	"runtime"
	"testing"
)

// TestMembershipSize measures what one source-specific membership of one socket
// costs when a stack has many: group, snapshot, source list and table slot.
func TestMembershipSize(t *testing.T) {
	const n = 3000
	tun := Defaults()
	var g Groups[*int]
	sockets := make([]Memberships[*int], n)
	ids := make([]int, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range sockets {
		sockets[i].Socket = &ids[i]
		tx, err := g.JoinSource(&sockets[i], netip.AddrFrom4([4]byte{232, 0, byte(i >> 8), byte(i)}), eth0, src(1), &tun)
		must(t, err)
		tx.Commit()
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes per membership", per)
	if per > 208 {
		t.Errorf("%d bytes per membership", per)
	}
	runtime.KeepAlive(sockets)
	runtime.KeepAlive(&g)
}

// BenchmarkJoinSameGroup joins ever more sockets to one group: the time per
// join must not grow with their number.
func BenchmarkJoinSameGroup(b *testing.B) {
	tun := Defaults()
	var g Groups[int]
	sockets := make([]Memberships[int], b.N)
	b.ReportAllocs()
	for i := range b.N {
		sockets[i].Socket = i
		tx, err := g.JoinSource(&sockets[i], group, eth0, src(1), &tun)
		if err != nil {
			b.Fatal(err)
		}
		tx.Commit()
	}
}

func BenchmarkLookupAndMatch(b *testing.B) {
	tun := Defaults()
	var g Groups[int]
	m := Memberships[int]{}
	for i := range 100 {
		tx, err := g.JoinSource(&m, netip.AddrFrom4([4]byte{232, 0, 0, byte(i)}), eth0, src(1), &tun)
		if err != nil {
			b.Fatal(err)
		}
		tx.Commit()
	}
	to, from := netip.AddrFrom4([4]byte{232, 0, 0, 7}), src(1)
	b.ReportAllocs()
	for b.Loop() {
		s := g.Lookup(to, eth0)
		if !s.Members[0].Match(from) {
			b.Fatal("no match")
		}
	}
}
