package fib

import (
	"net/netip"

	"github.com/gaissmai/bart"
)

// trie is the big form of IPv6 while a transaction works on it. A table that
// readers see is never changed: each change makes a new one from it, until there
// are so many that one copy, changed in place from then on, is cheaper.
type trie[A any] struct {
	routes  *bart.Table[*Route[A]]
	owned   bool // no reader sees routes
	changes int  // made while not owned
	cells   *cells[A]
}

func newTrie[A any]() *trie[A] {
	return &trie[A]{routes: new(bart.Table[*Route[A]]), owned: true, cells: newCells[A]()}
}

func (t *trie[A]) len() int { return t.routes.Size6() }

func (t *trie[A]) get(p netip.Prefix) *Route[A] {
	r, _ := t.routes.Get(p)
	return r
}

func (t *trie[A]) put(r *Route[A]) {
	if t.own(); t.owned {
		t.routes.Insert(r.Prefix, r)
	} else {
		t.routes = t.routes.InsertPersist(r.Prefix, r)
	}
	t.cells.refresh(t.routes, r.Prefix)
}

func (t *trie[A]) remove(p netip.Prefix) {
	if t.own(); t.owned {
		t.routes.Delete(p)
	} else {
		t.routes = t.routes.DeletePersist(p)
	}
	t.cells.refresh(t.routes, p)
}

// own counts a change and takes a copy when the copy pays: it costs per route
// about a hundredth of what a change by new table costs.
func (t *trie[A]) own() {
	if t.owned {
		return
	}
	if t.changes++; t.changes*100 > t.len() {
		t.routes = t.routes.Clone()
		t.owned = true
	}
}

func (t *trie[A]) all(yield func(*Route[A]) bool) bool {
	for _, r := range t.routes.AllSorted6() {
		if !yield(r) {
			return false
		}
	}
	return true
}
