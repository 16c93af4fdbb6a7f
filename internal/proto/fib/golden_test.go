package fib

import (
	"cmp"
	"math/bits"
	"math/rand"
	"net/netip"
	"slices"
	"syscall"
	"testing"
)

// golden is the slow table that says what is right: a list.
type golden []Route[int]

func (g *golden) find(p netip.Prefix) int {
	return slices.IndexFunc(*g, func(r Route[int]) bool { return r.Prefix == p.Masked() })
}

func (g *golden) insert(r Route[int]) error {
	if g.find(r.Prefix) >= 0 {
		return syscall.EEXIST
	}
	r.Prefix = r.Prefix.Masked()
	*g = append(*g, r)
	return nil
}

func (g *golden) change(r Route[int]) error {
	i := g.find(r.Prefix)
	if i < 0 {
		return syscall.ESRCH
	}
	if (*g)[i].Flags&Pinned != 0 {
		return syscall.EEXIST
	}
	r.Prefix = r.Prefix.Masked()
	(*g)[i] = r
	return nil
}

func (g *golden) delete(p netip.Prefix) error {
	i := g.find(p)
	if i < 0 {
		return syscall.ESRCH
	}
	*g = slices.Delete(*g, i, i+1)
	return nil
}

// lookup returns the Adj of the longest match, -1 if there is none.
func (g golden) lookup(a netip.Addr) int {
	bits, adj := -1, -1
	for _, r := range g {
		if r.Prefix.Contains(a.WithZone("")) && r.Prefix.Bits() > bits {
			bits, adj = r.Prefix.Bits(), r.Adj
		}
	}
	return adj
}

func (g golden) sorted() []Route[int] {
	s := slices.Clone(g)
	slices.SortFunc(s, func(a, b Route[int]) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), a.Prefix.Bits()-b.Prefix.Bits())
	})
	return s
}

// world makes addresses and prefixes that often cover each other.
type world struct {
	*rand.Rand
	v6 bool
}

func (w world) addr() netip.Addr {
	// Few values per byte, the byte borders among them.
	pick := func() byte { return []byte{0, 1, 2, 127, 128, 254, 255, byte(w.Intn(256))}[w.Intn(8)] }
	if !w.v6 {
		return netip.AddrFrom4([4]byte{10 + byte(w.Intn(2)), pick() & 3, pick(), pick()})
	}
	b := [16]byte{0x20, 1, 0xd, 0xb8 + byte(w.Intn(2))*0x11, 4: pick() & 3, 7: pick(), 8: pick(), 15: pick()}
	return netip.AddrFrom16(b)
}

func (w world) prefix() netip.Prefix {
	a := w.addr()
	bits := w.Intn(a.BitLen() + 1)
	if w.Intn(2) == 0 { // where the levels meet, and the host routes
		bits = []int{0, 1, 8, 15, 16, 17, 23, 24, 25, 27, 28, 29, 31, 32, 33, 48, 64, 127, 128}[w.Intn(19)]
		bits = min(bits, a.BitLen())
	}
	return netip.PrefixFrom(a, bits) // with host bits
}

func (w world) route(n int) Route[int] {
	r := Route[int]{Prefix: w.prefix(), Adj: n, Flags: Up}
	if w.Intn(10) == 0 {
		r.Flags |= Pinned
	}
	return r
}

func adj(r *Route[int]) int {
	if r == nil {
		return -1
	}
	return r.Adj
}

func check(t *testing.T, tab *Table[int], g golden, w world, n int) {
	t.Helper()
	if tab.Len() != len(g) {
		t.Fatalf("Len %d, want %d", tab.Len(), len(g))
	}
	dst, routes := make([]netip.Addr, n), make([]*Route[int], n)
	for i := range dst {
		dst[i] = w.addr()
		if w.Intn(20) == 0 {
			dst[i] = world{w.Rand, !w.v6}.addr()
		}
	}
	tab.LookupBatch(dst, routes)
	for i, a := range dst {
		want := g.lookup(a)
		if got := adj(tab.Lookup(a)); got != want {
			t.Fatalf("Lookup(%v) = %d, want %d", a, got, want)
		}
		if got := adj(routes[i]); got != want {
			t.Fatalf("LookupBatch: %v = %d, want %d", a, got, want)
		}
	}
}

func checkAll(t *testing.T, tab *Table[int], g golden) {
	t.Helper()
	want := g.sorted()
	i := 0
	for r := range tab.All() {
		if i == len(want) || *r != want[i] {
			t.Fatalf("route %d of All is %v, want %v", i, *r, want)
		}
		if tab.Get(r.Prefix) != r {
			t.Fatalf("Get(%v) does not find it", r.Prefix)
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("All gave %d routes, want %d", i, len(want))
	}
}

// checkDir compares the dir with one that is made at once of the same routes.
func checkDir(t *testing.T, tab *Table[int]) {
	t.Helper()
	v := tab.v4.Load()
	if v == nil || v.dir == nil {
		return
	}
	got, want := v.dir, newDir[int]()
	got.all(func(r *Route[int]) bool { want.put(r); return true })
	if got.n != want.n {
		t.Fatalf("counted %v, want %v", got.n, want.n)
	}
	same := func(what string, i int, a, b *chunk) {
		t.Helper()
		if (a == nil) != (b == nil) {
			t.Fatalf("%s %#x: %v, want %v", what, i, a, b)
		}
		for j := range a {
			if a != nil && (a[j] < isLow) != (b[j] < isLow) {
				t.Fatalf("%s %#x, %d: %#x, want %#x", what, i, j, a[j], b[j])
			}
		}
	}
	lows := 0
	for i := range got.long {
		a, b := got.long[i].Load(), want.long[i].Load()
		if (a == nil) != (b == nil) {
			t.Fatalf("%d: half is %v, want %v", i, a, b)
		}
		for j := 0; a != nil && j < 256; j++ {
			c := a.chunks[j].Load()
			same("place", i<<8+j, c, b.chunks[j].Load())
			if a.n[j] != b.n[j] {
				t.Fatalf("%d.%d: counted %d, want %d", i, j, a.n[j], b.n[j])
			}
			for k := range c {
				if c != nil && c[k] >= isLow {
					lows++
				}
			}
		}
	}
	if n := len(*got.lows.Load()) - len(got.freeLows); n != lows {
		t.Fatalf("%d lows, want %d", n, lows)
	}
	checkSlabs(t, got)
}

// checkSlabs tests that the routes are where the numbers say, and that slabs are
// not kept for nothing.
func checkSlabs(t *testing.T, d *dir[int]) {
	t.Helper()
	slabs := *d.slabs.Load()
	live, there := 0, 0
	for i := range slabs {
		live += bits.OnesCount64(d.live[i])
		if slabs[i].Load() != nil {
			there++
		} else if d.live[i] != 0 || !slices.Contains(d.free, uint32(i)) {
			t.Fatalf("slab %d is not there and has routes %b", i, d.live[i])
		}
	}
	if live != d.len()+1 || there+len(d.free) != len(slabs) {
		t.Fatalf("%d numbers for %d routes, %d slabs, %d of them free", live, d.len(), len(slabs), len(d.free))
	}
	if most := 2 + len(d.leave) + d.len()/slabLeast; there > most || len(d.leave) > 2+d.len()/64 {
		t.Fatalf("%d slabs for %d routes, %d to be left", there, d.len(), len(d.leave))
	}
	for p, w := range d.rib.All4() {
		if d.live[w/slabLen]>>(w%slabLen)&1 == 0 || d.route(w).Prefix != p {
			t.Fatalf("%v has number %d, which is that of %v", p, w, d.route(w))
		}
	}
}

// TestAgainstGolden drives tables up and down through both forms.
func TestAgainstGolden(t *testing.T) {
	for seed := range int64(12) {
		var tab Table[int]
		var g golden
		w := world{rand.New(rand.NewSource(seed)), seed%2 == 1}
		size := []int{10, 70, 300}[seed%3]
		for n := range 1500 {
			r := w.route(n)
			grow := len(g) < size
			if n/250%2 == 1 { // every other while it shrinks
				grow = w.Intn(4) == 0
			}
			var got, want error
			switch {
			case w.Intn(5) == 0:
				got, want = tab.Change(r), g.change(r)
			case grow:
				got, want = tab.Insert(r), g.insert(r)
			default:
				if len(g) > 0 && w.Intn(4) > 0 {
					r.Prefix = g[w.Intn(len(g))].Prefix
				}
				i, old := g.find(r.Prefix), (*Route[int])(nil)
				if old, got = tab.Delete(r.Prefix); i >= 0 && adj(old) != g[i].Adj {
					t.Fatalf("Delete(%v) returned %v", r.Prefix, old)
				}
				want = g.delete(r.Prefix)
			}
			if got != want {
				t.Fatalf("seed %d, op %d, %v: %v, want %v", seed, n, r.Prefix, got, want)
			}
			check(t, &tab, g, w, 10)
		}
		checkAll(t, &tab, g)
		checkDir(t, &tab)
		checkCells(t, &tab)
	}
}

// A transaction must give what its changes give one by one.
func TestUpdateAgainstGolden(t *testing.T) {
	for seed := range int64(10) {
		var tab Table[int]
		var g golden
		both := rand.New(rand.NewSource(seed))
		for n := range 20 {
			tab.Update(func(tx *Txn[int]) {
				for range both.Intn(200) {
					w := world{both, both.Intn(2) == 0}
					r := w.route(n)
					var got, want error
					switch n % 3 {
					case 0:
						got, want = tx.Insert(r), g.insert(r)
					case 1:
						if len(g) > 0 {
							r.Prefix = g[w.Intn(len(g))].Prefix
						}
						_, got = tx.Delete(r.Prefix)
						want = g.delete(r.Prefix)
					case 2:
						got, want = tx.Change(r), g.change(r)
					}
					if got != want {
						t.Fatalf("seed %d, %v: %v, want %v", seed, r.Prefix, got, want)
					}
					after := -1
					if i := g.find(r.Prefix); i >= 0 {
						after = g[i].Adj
					}
					if got := adj(tx.Get(r.Prefix)); got != after {
						t.Fatalf("Get(%v) within the transaction: %d, want %d", r.Prefix, got, after)
					}
				}
			})
			check(t, &tab, g, world{both, false}, 60)
			check(t, &tab, g, world{both, true}, 60)
			checkDir(t, &tab)
			checkCells(t, &tab)
		}
		checkAll(t, &tab, g)
	}
}
