package fib

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

const (
	isChunk   = 1 << 31 // in a word: the rest numbers a chunk, not a route
	chunkLen  = 256     // words
	slabLen   = 64      // chunks
	firstLen  = 1 << 16 // words of the first level
	vector    = 64      // addresses looked up together
	noRoute   = 0       // word of what no prefix covers; its slot holds the default route
	firstSlot = 64      // slots for routes to begin with
)

// dir is the big form of IPv4, DIR-16-8-8 with the leaves pushed down. A word
// is the number of a slot, or isChunk and the number of a chunk.
//
// Readers take no lock, so whatever they can reach is read and written
// atomically, and in this order: a slot before the words that name it; a chunk's
// slab and words before the word that links it; a deleted route's words before
// its slot is emptied. In one dir a chunk is never unlinked, and a slot that was
// emptied is never filled again, hence a reader that was interrupted between two
// loads finds the right route, or an empty slot, which tells it to look again.
type dir[A any] struct {
	first *[firstLen]uint32
	slabs atomic.Pointer[[]*slab]  // replaced when it grows
	slots atomic.Pointer[slots[A]] // replaced when it grows, by a copy

	// What follows belongs to the writer.

	rib    *bart.Table[uint32] // the truth: prefix to slot
	free   []uint32            // slots that were empty when this dir was made
	next   uint32              // the first slot never used
	left   int                 // slots emptied in this dir
	longer []int32             // of each chunk, the routes too long for the level above
	idle   int                 // chunks with no such route
}

type slots[A any] []atomic.Pointer[Route[A]]

type slab [slabLen]chunk

type chunk [chunkLen]uint32

// lookup is the packet path. It looks again only if the route it was led to was
// deleted that very moment, which happens at most once per deletion.
func (d *dir[A]) lookup(a uint32) *Route[A] {
	for {
		w := atomic.LoadUint32(&d.first[a>>16])
		if w >= isChunk {
			w = d.word(w, a>>8&0xff)
			if w >= isChunk {
				w = d.word(w, a&0xff)
			}
		}
		// The slots are loaded after the word, so they reach that far.
		r := (*d.slots.Load())[w].Load()
		if r != nil || w == noRoute {
			return r
		}
	}
}

// word returns one word of a chunk.
func (d *dir[A]) word(link, i uint32) uint32 { return atomic.LoadUint32(&d.chunk(link)[i]) }

func (d *dir[A]) chunk(link uint32) *chunk {
	n := link &^ isChunk
	return &(*d.slabs.Load())[n/slabLen][n%slabLen]
}

// lookupVector looks up to 64 addresses up, level by level, so that the
// processor waits for many words at once. IPv6 ones are left to the table.
func (d *dir[A]) lookupVector(t *Table[A], dst []netip.Addr, routes []*Route[A]) {
	var addrs, words [vector]uint32
	for i, a := range dst {
		if a.Is4() {
			addrs[i] = word4(a)
			words[i] = atomic.LoadUint32(&d.first[addrs[i]>>16])
		}
	}
	for shift := 8; shift >= 0; shift -= 8 {
		slabs := *d.slabs.Load()
		for i, w := range words[:len(dst)] {
			if w >= isChunk {
				n := w &^ isChunk
				words[i] = atomic.LoadUint32(&slabs[n/slabLen][n%slabLen][addrs[i]>>shift&0xff])
			}
		}
	}
	slots := *d.slots.Load()
	for i, a := range dst {
		routes[i] = slots[words[i]].Load()
		if !a.Is4() {
			routes[i] = t.lookup6(a)
		} else if routes[i] == nil && words[i] != noRoute {
			routes[i] = d.lookup(addrs[i])
		}
	}
}
