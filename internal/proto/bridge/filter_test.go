package bridge

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed88948545/vimage/internal/wire"
)

const (
	modelPorts = 6
	modelMACs  = 24 // more than a port's chain is searched for
)

// filterModel is what a FilterTable should say, counted.
type filterModel struct {
	refs        [modelPorts][modelMACs]int
	own         [modelPorts]int // 1 + address
	promiscuous [modelPorts]bool
}

// address is a host's or a group's.
func address(m int) wire.MAC {
	if m%3 == 0 {
		return wire.MAC{0x01, 0x00, 0x5e, 0, 0, byte(m)}
	}
	return hostMAC(m)
}

// TestFilterTableAgainstSets does random things to a FilterTable and to counts.
func TestFilterTableAgainstSets(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 4))
		var tab FilterTable
		var want filterModel
		for range 3000 {
			n, m := r.IntN(modelPorts), r.IntN(modelMACs)
			switch x := r.IntN(200); {
			case x < 90:
				tab.Add(int32(n), address(m))
				want.refs[n][m]++
			case x < 160:
				tab.Drop(int32(n), address(m))
				want.refs[n][m] = max(want.refs[n][m]-1, 0)
			case x < 180:
				m := m / 8 * 8 // few, so that several ports have the same
				tab.SetOwn(int32(n), hostMAC(m+1))
				want.own[n] = m + 2
			case x < 185:
				tab.SetOwn(int32(n), wire.MAC{})
				want.own[n] = 0
			case x < 198:
				want.promiscuous[n] = !want.promiscuous[n]
				tab.SetPromiscuous(int32(n), want.promiscuous[n])
			default:
				tab.SetPromiscuous(int32(n), true)
				tab.ForgetPort(int32(n))
				want.refs[n], want.promiscuous[n], want.own[n] = [modelMACs]int{}, false, 0
			}
			compareFilters(t, &tab, &want)
		}
	}
}

func compareFilters(t *testing.T, tab *FilterTable, want *filterModel) {
	t.Helper()
	entries := 0
	for m := range modelMACs {
		var list, all []int32
		for n := range modelPorts {
			if want.refs[n][m] > 0 {
				entries++
			}
			accepts := want.promiscuous[n] || want.refs[n][m] > 0 || want.own[n] != 0 && hostMAC(want.own[n]-1) == address(m)
			if got := tab.Accepts(int32(n), address(m)); got != accepts {
				t.Fatalf("port %d accepts %v: %v, want %v", n, address(m), got, accepts)
			}
			switch {
			case want.promiscuous[n]:
				all = append(all, int32(n))
			case accepts:
				list = append(list, int32(n))
			}
		}
		a, p := tab.Ports(address(m))
		if a, p = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(p)); !slices.Equal(a, list) || !slices.Equal(p, all) {
			t.Fatalf("%v: %v and %v, want %v and %v", address(m), a, p, list, all)
		}
	}
	free := 0
	for i := tab.filters.free; i != 0; i = tab.filters.at(i).next {
		free++
	}
	if got := int(tab.filters.used) - free; got != entries {
		t.Fatalf("%d filters, want %d", got, entries)
	}
	indexed := 0
	for n := range tab.ports.Len() {
		if p := tab.ports.At(int32(n)); p.count > manyFilters {
			indexed += int(p.count)
		}
	}
	if len(tab.index) != indexed {
		t.Fatalf("%d filters found by hash, want %d", len(tab.index), indexed)
	}
}

func TestBroadcastIsAcceptedByAll(t *testing.T) {
	var tab FilterTable
	if !tab.Accepts(3, wire.BroadcastMAC()) || tab.Accepts(3, hostMAC(1)) || tab.Accepts(3, wire.MAC{}) {
		t.Error("an empty table takes broadcast and nothing else")
	}
	tab.Drop(3, hostMAC(1))
	if a, p := tab.Ports(hostMAC(1)); len(a)+len(p) != 0 {
		t.Error("an empty table has ports")
	}
}

// TestFilterMemory: a host with an address of its own and two groups that all have
// takes no more than 128 bytes of the table.
func TestFilterMemory(t *testing.T) {
	const hosts = 1 << 15
	var tab FilterTable
	for n := range int32(hosts) {
		tab.SetOwn(n, hostMAC(int(n)))
		tab.Add(n, address(0))
		tab.Add(n, address(3))
	}
	size := tab.filters.list.Len()*28 + tab.ports.Len()*20 + len(tab.owners.slots)*4
	for l := range tab.lists.All() {
		size += 4*cap(l.ports) + 4*cap(l.filters)
	}
	if each := size / hosts; each > 128 {
		t.Errorf("%d bytes for each host", each)
	}
}

// BenchmarkFilterAddRemove: 10,000 ports accept one group; one leaves and joins.
func BenchmarkFilterAddRemove(b *testing.B) {
	var tab FilterTable
	for n := range int32(10000) {
		tab.Add(n, hostMAC(1))
	}
	b.ReportAllocs()
	for b.Loop() {
		tab.Drop(9999, hostMAC(1))
		tab.Add(9999, hostMAC(1))
	}
}

// BenchmarkFilterNewGroup: a port that listens to 10,000 groups joins one that no
// other has, and leaves.
func BenchmarkFilterNewGroup(b *testing.B) {
	var tab FilterTable
	for n := range 10000 {
		tab.Add(0, hostMAC(n))
	}
	b.ReportAllocs()
	for b.Loop() {
		tab.Add(0, hostMAC(10001))
		tab.Drop(0, hostMAC(10001))
	}
}
