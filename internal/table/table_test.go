package table

import (
	"encoding/binary"
	"math/rand"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

type conn struct {
	key   uint32
	value int
}

func (c *conn) Key() uint32 { return c.key }

type conns = Table[uint32, conn, *conn]

func keysOf(t *conns) []uint32 {
	var keys []uint32
	for c := range t.All() {
		keys = append(keys, c.key)
	}
	return keys
}

// checkShape tests what readers rely on: every entry is reached from its home
// slot, a quarter of the slots ends probes, and the counts are true.
func checkShape(t *testing.T, tab *conns) {
	t.Helper()
	a := tab.array.Load()
	if a == nil {
		if tab.live != 0 || tab.used != 0 {
			t.Fatalf("no array, but live %d, used %d", tab.live, tab.used)
		}
		return
	}
	var live, used int32
	for i := range a.slots {
		if a.slots[i].hash.Load() != 0 {
			used++
		}
		if e := a.slots[i].entry.Load(); e != nil {
			live++
			if tab.Get(a.slots[i].hash.Load(), e.key) != e {
				t.Fatalf("entry %d in slot %d is not found", e.key, i)
			}
		}
	}
	if live != tab.live || used != tab.used {
		t.Fatalf("counted %d live, %d used; table says %d, %d", live, used, tab.live, tab.used)
	}
	if live == 0 {
		t.Fatal("an empty table keeps its array")
	}
	if int(used)*4 > len(a.slots)*3 {
		t.Fatalf("%d of %d slots used", used, len(a.slots))
	}
	if len(a.slots) > minSlots && int(live)*8 < len(a.slots) {
		t.Fatalf("%d entries keep %d slots", live, len(a.slots))
	}
}

// run applies operations, three bytes each, to a table and to a map. The hash
// keeps only hashBits bits of the key, so that probes run into each other.
func run(t *testing.T, hashBits uint, ops []byte) []uint32 {
	var tab conns
	model := map[uint32]*conn{}
	hash := func(k uint32) uint32 { return k * 0x9e3779b1 >> (32 - hashBits) }
	for n := 0; len(ops) >= 3; n, ops = n+1, ops[3:] {
		k := uint32(binary.LittleEndian.Uint16(ops[1:])) % 300
		switch ops[0] % 8 {
		case 0, 1, 2:
			c := &conn{k, n}
			if old := tab.Put(hash(k), c); old != model[k] {
				t.Fatalf("op %d: Put(%d) returned %v, want %v", n, k, old, model[k])
			}
			model[k] = c
		case 3, 4, 5:
			if old := tab.Delete(hash(k), k); old != model[k] {
				t.Fatalf("op %d: Delete(%d) returned %v, want %v", n, k, old, model[k])
			}
			delete(model, k)
		case 6:
			for c := range tab.All() { // thin out from inside the loop
				if c.key%4 == k%4 {
					tab.Delete(hash(c.key), c.key)
				}
			}
			for key := range model {
				if key%4 == k%4 {
					delete(model, key)
				}
			}
		case 7:
			if ops[1] == 0 {
				tab.Clear()
				clear(model)
			}
		}
		if c := tab.Get(hash(k), k); c != model[k] {
			t.Fatalf("op %d: Get(%d) = %v, want %v", n, k, c, model[k])
		}
		checkShape(t, &tab)
	}
	keys := keysOf(&tab)
	sorted := slices.Sorted(slices.Values(keys))
	want := make([]uint32, 0, len(model))
	for k := range model {
		want = append(want, k)
	}
	slices.Sort(want)
	if !slices.Equal(sorted, want) || tab.Len() != len(want) {
		t.Fatalf("holds %v (Len %d), want %v", sorted, tab.Len(), want)
	}
	return keys
}

func randomOps(seed int64, n int) []byte {
	ops := make([]byte, 3*n)
	rand.New(rand.NewSource(seed)).Read(ops)
	return ops
}

func TestAgainstMap(t *testing.T) {
	for seed := range int64(20) {
		for _, hashBits := range []uint{1, 4, 8, 31} {
			ops := randomOps(seed, 1500)
			first := run(t, hashBits, ops)
			if again := run(t, hashBits, ops); !slices.Equal(first, again) {
				t.Fatalf("same operations, other order:\n%v\n%v", first, again)
			}
		}
	}
}

func FuzzAgainstMap(f *testing.F) {
	f.Add(uint8(3), []byte{0, 1, 0, 0, 2, 0, 3, 1, 0})
	f.Add(uint8(1), randomOps(1, 40))
	f.Add(uint8(8), randomOps(2, 200))
	f.Fuzz(func(t *testing.T, hashBits uint8, ops []byte) {
		run(t, 1+uint(hashBits)%31, ops[:min(len(ops), 6000)])
	})
}

func TestZeroTable(t *testing.T) {
	var tab conns
	if tab.Get(1, 1) != nil || tab.Delete(1, 1) != nil || tab.Len() != 0 || keysOf(&tab) != nil {
		t.Fatal("the zero table is not empty")
	}
}

// A table that is filled and emptied for ever, its probe runs full of
// tombstones, keeps its size.
func TestChurnKeepsSize(t *testing.T) {
	var tab conns
	s := NewSeed(1)
	for k := range uint32(100_000) {
		tab.Put(s.Word(uint64(k)), &conn{key: k})
		if k >= 100 {
			tab.Delete(s.Word(uint64(k-100)), k-100)
		}
	}
	checkShape(t, &tab)
	if n := len(tab.array.Load().slots); n > 512 {
		t.Errorf("100 entries in %d slots", n)
	}
}

// What loops over a table may empty it.
func TestDeleteInLoop(t *testing.T) {
	var tab conns
	for k := range uint32(1000) {
		tab.Put(k*7, &conn{key: k})
	}
	seen := 0
	for c := range tab.All() {
		tab.Delete(c.key*7, c.key)
		tab.Delete((c.key^1)*7, c.key^1)
		seen++
	}
	if seen != 500 || tab.Len() != 0 || tab.array.Load() != nil {
		t.Errorf("%d visited, %d left; want 500 and 0", seen, tab.Len())
	}
}

func TestAllocations(t *testing.T) {
	var tab conns
	entries := make([]conn, 100)
	for i := range entries {
		entries[i].key = uint32(i)
		tab.Put(uint32(i), &entries[i])
	}
	if n := testing.AllocsPerRun(100, func() {
		tab.Get(50, 50)
		tab.Delete(50, 50)
		tab.Put(50, &entries[50])
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Readers must find every entry that stays, and only what they ask for, while
// the table grows, shrinks, deletes and replaces around them.
func TestReadersDuringChurn(t *testing.T) {
	for _, hashBits := range []uint{3, 20} {
		var tab conns
		hash := func(k uint32) uint32 { return k * 0x9e3779b1 >> (32 - hashBits) }
		const stay = 20 // the keys below it stay
		for k := range uint32(stay) {
			tab.Put(hash(k), &conn{key: k})
		}
		var done atomic.Bool
		var readers sync.WaitGroup
		for r := range uint32(3) {
			readers.Go(func() {
				for k := r; !done.Load(); k = (k + 1) % 100 {
					c := tab.Get(hash(k), k)
					if c == nil && k < stay || c != nil && c.key != k {
						t.Errorf("Get(%d) = %v", k, c)
						return
					}
				}
			})
		}
		rnd := rand.New(rand.NewSource(int64(hashBits)))
		for n := range 30_000 {
			switch k := stay + uint32(rnd.Intn(80)); rnd.Intn(4) {
			case 0, 1:
				tab.Put(hash(k), &conn{k, n})
			case 2:
				tab.Delete(hash(k), k)
			case 3:
				k = uint32(rnd.Intn(stay))
				tab.Put(hash(k), &conn{k, n})
			}
			if n%1000 == 999 { // empty but for those that stay: shrinks
				for k := uint32(stay); k < 100; k++ {
					tab.Delete(hash(k), k)
				}
			}
		}
		done.Store(true)
		readers.Wait()
	}
}
