package bridge

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

// TestFilterTableAgainstSets does random things to a FilterTable and to counts.
func TestFilterTableAgainstSets(t *testing.T) {
	const ports, macs = 6, 4
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		var tab FilterTable
		var want [ports][macs]int
		var promiscuous [ports]bool
		handles := map[[2]int][]Handle{}
		for range 2000 {
			n, m := r.IntN(ports), r.IntN(macs)
			k := [2]int{n, m}
			switch x := r.IntN(20); {
			case x < 9:
				handles[k] = append(handles[k], tab.Add(int32(n), hostMAC(m)))
				want[n][m]++
			case x < 17:
				l := handles[k]
				if x&1 != 0 {
					tab.Drop(int32(n), hostMAC(m))
				} else if len(l) > 0 {
					tab.Remove(l[len(l)-1])
				}
				if len(l) > 0 {
					handles[k] = l[:len(l)-1]
					want[n][m]--
				}
			case x < 19:
				promiscuous[n] = !promiscuous[n]
				tab.SetPromiscuous(int32(n), promiscuous[n])
			default:
				tab.ForgetPort(int32(n))
				want[n], promiscuous[n] = [macs]int{}, false
				for m := range macs {
					delete(handles, [2]int{n, m})
				}
			}
			compareFilters(t, &tab, want[:], promiscuous[:])
		}
	}
}

func compareFilters(t *testing.T, tab *FilterTable, want [][4]int, promiscuous []bool) {
	t.Helper()
	entries := 0
	for m := range 4 {
		var list, all []int32
		for n := range want {
			if want[n][m] > 0 {
				entries++
			}
			accepts := promiscuous[n] || want[n][m] > 0
			if got := tab.Accepts(int32(n), hostMAC(m)); got != accepts {
				t.Fatalf("port %d accepts %v: %v, want %v", n, hostMAC(m), got, accepts)
			}
			switch {
			case promiscuous[n]:
				all = append(all, int32(n))
			case accepts:
				list = append(list, int32(n))
			}
		}
		a, p := tab.Ports(hostMAC(m))
		if a, p = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(p)); !slices.Equal(a, list) || !slices.Equal(p, all) {
			t.Fatalf("%v: %v and %v, want %v and %v", hostMAC(m), a, p, list, all)
		}
	}
	if tab.entries.Len() != entries {
		t.Fatalf("%d entries, want %d", tab.entries.Len(), entries)
	}
}

func TestBroadcastIsAcceptedByAll(t *testing.T) {
	var tab FilterTable
	if !tab.Accepts(3, wire.BroadcastMAC()) || tab.Accepts(3, hostMAC(1)) {
		t.Error("an empty table takes broadcast and nothing else")
	}
	tab.Remove(Handle{})
}

// BenchmarkFilterAddRemove: 10,000 ports accept one group; one leaves and joins.
func BenchmarkFilterAddRemove(b *testing.B) {
	var tab FilterTable
	var h Handle
	for n := range int32(10000) {
		h = tab.Add(n, hostMAC(1))
	}
	b.ReportAllocs()
	for b.Loop() {
		tab.Remove(h)
		h = tab.Add(9999, hostMAC(1))
	}
}

// BenchmarkFilterNewGroup: a port joins a group that no other has, and leaves.
func BenchmarkFilterNewGroup(b *testing.B) {
	var tab FilterTable
	for n := range 10000 {
		tab.Add(0, hostMAC(n))
	}
	b.ReportAllocs()
	for b.Loop() {
		tab.Remove(tab.Add(1, hostMAC(10001)))
	}
}
