// Package table is the one hash table of the packet path: protocol control
// blocks, neighbours, memberships and connections are looked up in it.
//
// Any number of readers look up without a lock while one writer at a time,
// serialised by its owner's lock, changes the table. A reader never misses an
// entry that stays in the table while others come, go, or make it grow: an
// entry is not moved inside an array, deletion leaves a tombstone until the end
// of its probe run is reached, and growing fills a new array before publishing it.
//
// The table holds pointers to entries that its owner allocates, so a lookup
// copies nothing and an insertion allocates only when the array grows. The key
// of an entry must not change while the entry is in the table, nor afterwards
// as long as a reader may still be looking at it.
//
// Nothing is random and nothing depends on addresses: the same operations with
// the same hashes give the same order of iteration in every run.
package table

import (
	"iter"
	"sync/atomic"
)

// Entry is what a table holds: a pointer to E that tells the key it is found by.
type Entry[K comparable, E any] interface {
	*E
	Key() K
}

// Table maps keys to entries by open addressing with linear probing. The zero
// value is an empty table and owns no memory; a table that becomes empty owns
// none again. It is written as Table[Key, Conn, *Conn].
//
// Get may be called at any time by anyone; every other method belongs to the
// writer. A Table must not be copied after first use.
type Table[K comparable, E any, P Entry[K, E]] struct {
	array atomic.Pointer[array[E]]
	live  int32 // entries
	used  int32 // entries and tombstones
}

type array[E any] struct {
	slots []slot[E]
}

// slot is empty while hash is 0, a tombstone when hash is set and the entry is
// nil. A run of slots that are not empty is what a probe walks.
type slot[E any] struct {
	entry atomic.Pointer[E]
	hash  atomic.Uint32
}

const (
	minSlots = 2
	taken    = 1 << 31 // set in every stored hash, so that 0 means empty
)

// Get returns the entry with the key, or nil. The hash must be the one the
// entry was put in with.
func (t *Table[K, E, P]) Get(hash uint32, key K) P {
	a := t.array.Load()
	if a == nil {
		return nil
	}
	hash |= taken
	mask := uint32(len(a.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &a.slots[i]
		h := s.hash.Load()
		if h == hash {
			// The slot may have been reused since its hash was read, so only
			// the entry itself can say whose it is.
			if e := P(s.entry.Load()); e != nil && e.Key() == key {
				return e
			}
		}
		if h == 0 {
			return nil
		}
	}
}

// Put adds the entry, or puts it in the place of the one with the same key,
// which it returns (nil if there was none). A reader sees the old or the new
// one, never neither. Amortised O(1).
func (t *Table[K, E, P]) Put(hash uint32, e P) (old P) {
	hash |= taken
	a := t.array.Load()
	if a == nil {
		a = t.rebuild(1)
	}
	s, found := probe[K, E, P](a, hash, e.Key())
	if found {
		old = P(s.entry.Load())
		s.entry.Store(e)
		return old
	}
	if s.hash.Load() == 0 {
		if int(t.used+1)*4 > len(a.slots)*3 {
			s, _ = probe[K, E, P](t.rebuild(t.live+1), hash, e.Key())
		}
		t.used++
	}
	t.live++
	s.entry.Store(e)
	s.hash.Store(hash)
	return nil
}

// Delete removes the entry with the key and returns it, or nil if there is
// none. Amortised O(1).
func (t *Table[K, E, P]) Delete(hash uint32, key K) (old P) {
	a := t.array.Load()
	if a == nil {
		return nil
	}
	s, found := probe[K, E, P](a, hash|taken, key)
	if !found {
		return nil
	}
	old = P(s.entry.Load())
	s.entry.Store(nil)
	t.live--
	switch {
	case t.live == 0:
		t.array.Store(nil)
		t.used = 0
	case len(a.slots) > minSlots && int(t.live)*8 < len(a.slots):
		t.rebuild(t.live)
	default:
		t.used -= sweep(a, s, hash)
	}
	return old
}

// Len returns the number of entries.
func (t *Table[K, E, P]) Len() int { return int(t.live) }

// Clear removes all entries.
func (t *Table[K, E, P]) Clear() {
	t.array.Store(nil)
	t.live, t.used = 0, 0
}

// All ranges over the entries, in an order that depends only on the operations
// that made the table. The loop may change the table: an entry it deletes is
// not visited any more, one it adds may or may not be.
func (t *Table[K, E, P]) All() iter.Seq[P] {
	return func(yield func(P) bool) {
		a := t.array.Load()
		if a == nil {
			return
		}
		for i := range a.slots {
			s := &a.slots[i]
			e := P(s.entry.Load())
			if e == nil {
				continue
			}
			if t.array.Load() != a && t.Get(s.hash.Load(), e.Key()) != e {
				continue // the table was rebuilt meanwhile, and this one has left it
			}
			if !yield(e) {
				return
			}
		}
	}
}

// probe finds the slot of the key, or the one where it should be added: the
// first tombstone on its way, else the empty slot that ends it.
func probe[K comparable, E any, P Entry[K, E]](a *array[E], hash uint32, key K) (s *slot[E], found bool) {
	var free *slot[E]
	mask := uint32(len(a.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s = &a.slots[i]
		h := s.hash.Load()
		e := P(s.entry.Load())
		switch {
		case h == 0:
			if free != nil {
				s = free
			}
			return s, false
		case e == nil:
			if free == nil {
				free = s
			}
		case h == hash && e.Key() == key:
			return s, true
		}
	}
}

// rebuild publishes a new array for n entries, at most half full, with what
// the old one holds and without its tombstones.
func (t *Table[K, E, P]) rebuild(n int32) *array[E] {
	size := minSlots
	for size < int(n)*2 {
		size *= 2
	}
	a := &array[E]{slots: make([]slot[E], size)}
	if old := t.array.Load(); old != nil {
		for i := range old.slots {
			s := &old.slots[i]
			if e := s.entry.Load(); e != nil {
				add(a, s.hash.Load(), e)
			}
		}
	}
	t.used = t.live
	t.array.Store(a)
	return a
}

// add puts an entry that is known to be new into an array without tombstones.
func add[E any](a *array[E], hash uint32, e *E) {
	mask := uint32(len(a.slots) - 1)
	i := hash & mask
	for a.slots[i].hash.Load() != 0 {
		i = (i + 1) & mask
	}
	a.slots[i].entry.Store(e)
	a.slots[i].hash.Store(hash)
}

// sweep makes the tombstone s, and those just before it, empty again if no
// probe has to walk over them: if the slot after them is empty. It returns how
// many it emptied.
func sweep[E any](a *array[E], s *slot[E], hash uint32) (n int32) {
	mask := uint32(len(a.slots) - 1)
	i := hash & mask
	for &a.slots[i] != s {
		i = (i + 1) & mask
	}
	if a.slots[(i+1)&mask].hash.Load() != 0 {
		return 0
	}
	for {
		s = &a.slots[i]
		if s.hash.Load() == 0 || s.entry.Load() != nil {
			return n
		}
		s.hash.Store(0)
		n++
		i = (i - 1) & mask
	}
}
