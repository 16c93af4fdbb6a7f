package fib

import (
	"math/rand"
	"net/netip"
	"slices"
	"testing"
)

// near returns an address in one of so many cells, and a prefix of it as long as
// those that cells hold, or a bit shorter.
func near(rnd *rand.Rand, inCells int) (netip.Addr, netip.Prefix) {
	a := addr6(uint64(0x2400_0000+rnd.Intn(inCells))<<32|rnd.Uint64()>>32, rnd.Uint64())
	bits := 26 + rnd.Intn(40)
	if rnd.Intn(10) == 0 {
		bits = 66 + rnd.Intn(63)
	}
	return a, netip.PrefixFrom(a, bits)
}

// TestCells compares with the golden table while cells fill, some beyond what
// they hold, and empty again, one by one and in transactions.
func TestCells(t *testing.T) {
	for _, inCells := range []int{1, 4, 60} {
		rnd := rand.New(rand.NewSource(int64(inCells)))
		var tab Table[int]
		var g golden
		var kept []netip.Prefix
		for n := range 1200 {
			a, p := near(rnd, inCells)
			add := rnd.Intn(3) > 0
			if n > 600 {
				add = !add
			}
			r := Route[int]{Prefix: p, Adj: n}
			switch {
			case add && rnd.Intn(8) == 0 && len(kept) > 0:
				r.Prefix = kept[rnd.Intn(len(kept))]
				tab.Change(r)
				g.change(r)
			case add:
				if tab.Insert(r) == nil {
					g.insert(r)
					kept = append(kept, p.Masked())
				}
			case len(kept) > 0:
				i := rnd.Intn(len(kept))
				if _, err := tab.Delete(kept[i]); err != nil {
					t.Fatal(err)
				}
				g.delete(kept[i])
				kept = slices.Delete(kept, i, i+1)
			}
			checkNear(t, rnd, &tab, g, a, inCells)
		}
		checkCells(t, &tab)
	}
}

func checkNear(t *testing.T, rnd *rand.Rand, tab *Table[int], g golden, a netip.Addr, inCells int) {
	t.Helper()
	dst := []netip.Addr{a}
	for range 9 {
		a, _ := near(rnd, inCells)
		dst = append(dst, a)
	}
	dst = append(dst, addr4(rnd.Uint32()), netip.Addr{})
	for i := range g[:min(len(g), 5)] {
		dst = append(dst, g[len(g)-1-i].Prefix.Addr())
	}
	routes := make([]*Route[int], len(dst))
	tab.LookupBatch(dst, routes)
	for i, a := range dst {
		want := -1
		if a.IsValid() {
			want = g.lookup(a)
		}
		if one, batch := adj(tab.Lookup(a)), adj(routes[i]); one != want || batch != want {
			t.Fatalf("%v: alone %d, in a batch %d, want %d", a, one, batch, want)
		}
	}
}

// checkCells makes every cell anew.
func checkCells(t *testing.T, tab *Table[int]) {
	t.Helper()
	v := tab.v6.Load()
	if v == nil || v.cells == nil {
		return
	}
	used, left := 0, 0
	places := *v.cells.places.Load()
	for i := range places {
		c := places[i].Load()
		if c == nil {
			continue
		}
		used++
		if c.empty() {
			left++
		}
		want := newCell(v.routes, c.key)
		if c.first != want.first || c.under != want.under || !slices.Equal(c.rest, want.rest) {
			t.Errorf("cell %08x: %+v, want %+v", c.key, c, want)
		}
		if places.find(c.key) != c {
			t.Errorf("cell %08x is not found", c.key)
		}
	}
	if used != v.cells.used || left != v.cells.left {
		t.Errorf("%d cells, %d of them empty; counted %d and %d", used, left, v.cells.used, v.cells.left)
	}
}

// TestCellsKnowNothingShort: what is in no cell is found by LookupBatch all the same.
func TestCellsKnowNothingShort(t *testing.T) {
	var tab Table[int]
	for i := range most + 1 {
		if err := tab.Insert(Route[int]{Prefix: netip.PrefixFrom(addr6(uint64(0x20+i)<<56, 0), 20), Adj: i}); err != nil {
			t.Fatal(err)
		}
	}
	if c := tab.v6.Load().cells; c == nil || c.used != 0 {
		t.Fatalf("cells for routes of 20 bits: %+v", c)
	}
	dst := []netip.Addr{addr6(0x21<<56|5, 1)}
	routes := make([]*Route[int], 1)
	if tab.LookupBatch(dst, routes); adj(routes[0]) != 1 {
		t.Errorf("found %v", routes[0])
	}
}
