package fib

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

const (
	cellBits   = 32  // of an address make a cell
	spreadBits = 28  // routes as long as this, up to cellBits, are in every cell they cover
	cellMost   = 32  // routes in a cell
	cellsLeast = 256 // places to begin with, a power of two
	sparse     = 4   // places per cell
)

// cells is the big form of IPv6: of the first 32 bits of an address, a hash
// table of the routes of 28 bits and more that are there. It is exact where it
// finds one; where it finds none, or a cell is full, the trie knows.
//
// Readers take no lock. A cell is not changed after publication but replaced,
// and the places of a table are filled, never emptied: a cell that has lost its
// routes stays as an empty one until the table is rebuilt. So a reader in an old
// table, or at an old cell, finds what was right when it came.
type cells[A any] struct {
	places atomic.Pointer[places[A]] // replaced when it grows, by a copy

	// What follows belongs to the writer.

	used int // places
	left int // of these, cells without routes
}

type places[A any] []atomic.Pointer[cell[A]]

// cell is the routes longer than cellBits of one cell, longest first, and the
// longest of those that cover all of it.
type cell[A any] struct {
	key   uint32
	first match[A] // without a route if there is none
	rest  []match[A]
	under *Route[A]
}

// match is a route in a form that is quick to compare.
type match[A any] struct {
	key6
	route *Route[A]
}

func newCells[A any]() *cells[A] {
	c := new(cells[A])
	first := make(places[A], cellsLeast)
	c.places.Store(&first)
	return c
}

// at returns where the search for a key begins.
func (p places[A]) at(key uint32) int { return int(key*0x9e3779b1>>7) & (len(p) - 1) }

// find returns the cell with the key, or nil.
func (p places[A]) find(key uint32) *cell[A] {
	for i := p.at(key); ; i = (i + 1) & (len(p) - 1) {
		if c := p[i].Load(); c == nil || c.key == key {
			return c
		}
	}
}

// lookup returns the route for an address of the cell, or nil if the cell does
// not know.
func (c *cell[A]) lookup(hi, lo uint64) *Route[A] {
	if m := &c.first; m.route != nil {
		if hi&m.maskHi == m.netHi && lo&m.maskLo == m.netLo {
			return m.route
		}
		for i := range c.rest {
			if m := &c.rest[i]; hi&m.maskHi == m.netHi && lo&m.maskLo == m.netLo {
				return m.route
			}
		}
	}
	return c.under
}

// lookup returns the route for dst from the cells, or nil if they do not know.
func (c *cells[A]) lookup(hi, lo uint64) *Route[A] {
	if cell := c.places.Load().find(uint32(hi >> cellBits)); cell != nil {
		return cell.lookup(hi, lo)
	}
	return nil
}

// lookupVector looks up to 64 addresses up, step by step, so that the processor
// waits for many cells at once.
func (v *view6[A]) lookupVector(t *Table[A], dst []netip.Addr, routes []*Route[A]) {
	var hi, lo [vector]uint64
	var found [vector]*cell[A]
	p := *v.cells.places.Load()
	for i, a := range dst {
		hi[i], lo[i] = words6(a)
		found[i] = p[p.at(uint32(hi[i]>>cellBits))].Load()
	}
	for i, c := range found[:len(dst)] {
		if key := uint32(hi[i] >> cellBits); c != nil && c.key != key {
			found[i] = p.find(key)
		}
	}
	for i, a := range dst {
		routes[i] = nil
		if c := found[i]; c != nil && a.Is6() {
			routes[i] = c.lookup(hi[i], lo[i])
		}
		if routes[i] == nil {
			routes[i] = t.Lookup(a)
		}
	}
}

// refresh makes the cells agree with the routes after the one with this prefix
// has come, changed or gone.
func (c *cells[A]) refresh(routes *bart.Table[*Route[A]], p netip.Prefix) {
	if p.Bits() < spreadBits {
		return
	}
	hi, _ := words6(p.Addr())
	first, n := uint32(hi>>cellBits), uint32(1)
	if p.Bits() < cellBits {
		n = 1 << (cellBits - p.Bits())
	}
	for key := first; key-first < n; key++ {
		c.put(newCell(routes, key))
	}
}

// newCell returns the cell with the key, empty if there are too many routes in it.
func newCell[A any](routes *bart.Table[*Route[A]], key uint32) *cell[A] {
	c := &cell[A]{key: key}
	whole := cellPrefix(key)
	if r, ok := routes.LookupPrefix(whole); ok && r.Prefix.Bits() >= spreadBits {
		c.under = r
	}
	var all []match[A]
	for p, r := range routes.Subnets(whole) {
		if p.Bits() <= cellBits {
			continue
		}
		if len(all) == cellMost {
			return &cell[A]{key: key}
		}
		all = append(all, match[A]{newKey6(p), r})
	}
	if len(all) == 0 {
		return c
	}
	slices.SortFunc(all, func(a, b match[A]) int { return b.route.Prefix.Bits() - a.route.Prefix.Bits() })
	c.first = all[0]
	if len(all) > 1 {
		c.rest = slices.Clone(all[1:])
	}
	return c
}

func (c *cell[A]) empty() bool { return c.first.route == nil && c.under == nil }

// put puts a cell in the place of the one with the same key.
func (c *cells[A]) put(next *cell[A]) {
	p := *c.places.Load()
	for i := p.at(next.key); ; i = (i + 1) & (len(p) - 1) {
		old := p[i].Load()
		if old != nil && old.key != next.key {
			continue
		}
		if old == nil && next.empty() {
			return
		}
		p[i].Store(next)
		switch {
		case old == nil:
			c.used++
		case old.empty():
			c.left--
		}
		if next.empty() {
			c.left++
		}
		break
	}
	if c.used*sparse > len(p) {
		c.rebuild(p)
	}
}

// rebuild copies the cells with routes to a table that they fill to a half of
// what it may be filled to, or less.
func (c *cells[A]) rebuild(old places[A]) {
	n := cellsLeast
	for n < 2*sparse*(c.used-c.left) {
		n *= 2
	}
	next := make(places[A], n)
	for i := range old {
		cell := old[i].Load()
		if cell == nil || cell.empty() {
			continue
		}
		at := next.at(cell.key)
		for next[at].Load() != nil {
			at = (at + 1) & (n - 1)
		}
		next[at].Store(cell)
	}
	c.used, c.left = c.used-c.left, 0
	c.places.Store(&next)
}

func cellPrefix(key uint32) netip.Prefix {
	a := [16]byte{byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
	return netip.PrefixFrom(netip.AddrFrom16(a), cellBits)
}

func newKey6(p netip.Prefix) (k key6) {
	k.netHi, k.netLo = words6(p.Addr())
	k.maskHi, k.maskLo = mask6(p.Bits())
	return k
}
