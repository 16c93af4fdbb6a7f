package fib

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

const (
	isLow  = 1 << 31 // in a word: the rest numbers a low, not a route
	vector = 64      // addresses looked up together
)

// dir is the big form of IPv4: DIR-16-8-8 in four levels, by which byte of an
// address a route ends in: up to 8 bits, 9 to 16, 17 to 24, 25 to 32. Within a
// level routes are pushed down to words, one for each value of its byte; from level
// to level they are not: where a word of the lower is 0, that of the upper counts.
// So a change writes at most 256 words, whatever lies below them. A word is the
// number of a route, or isLow and that of a low.
//
// Readers take no lock: for each address a change is one atomic store. What a
// change has freed the next may use again, so a reader counts what it has found
// only if no change has begun since before its first load.
type dir[A any] struct {
	begun atomic.Uint32                             // changes
	short [256]atomic.Uint32                        // words by first byte, of up to 8 bits
	long  [256]atomic.Pointer[half]                 // by first byte, what is longer; nil where nothing is
	lows  atomic.Pointer[[]low]                     // replaced when it grows, by a copy
	slabs atomic.Pointer[[]atomic.Pointer[slab[A]]] // the routes; replaced when it grows, by a copy

	// What follows belongs to the writer.

	rib      *bart.Table[uint32] // the truth: prefix to number
	n        [256]int32          // routes of 9 bits and more by first byte
	freeLows []uint32
	numbers
}

// slab is routes with numbers that follow each other. They are kept by value, which
// spares readers a load, and for good, since readers may keep what they found: a
// number is given once, and when most of a slab's routes have gone the others get
// numbers elsewhere.
type slab[A any] [slabLen]Route[A]

const slabLen = 64

// half is what is longer than 8 bits of one first byte, by the second.
type half struct {
	chunks [256]atomic.Pointer[chunk] // of 17 to 24 bits; nil where there is nothing of 17 and more
	words  [256]atomic.Uint32         // of 9 to 16 bits
	n      [256]int32                 // routes of 17 bits and more; the writer's
}

// low is what there is of 17 bits and more of three bytes.
type low struct {
	chunk atomic.Pointer[chunk] // of 25 to 32 bits
	word  atomic.Uint32         // of 17 to 24 bits
	n     int32                 // routes in chunk; the writer's
}

// chunk is the words of the values of one byte.
type chunk [256]uint32

func (c *chunk) at(i uint32) uint32 { return atomic.LoadUint32(&c[i&0xff]) }

// lookup is the packet path. What most addresses need is written out: a route of 17
// to 24 bits.
func (d *dir[A]) lookup(a uint32) *Route[A] {
	begun := d.begun.Load()
	if h := d.long[a>>24].Load(); h != nil {
		if c := h.chunks[a>>16&0xff].Load(); c != nil {
			if w := c.at(a >> 8); w-1 < isLow-1 {
				r := d.route(w)
				if d.begun.Load() == begun {
					return r
				}
			}
		}
	}
	return d.search(a)
}

// search is lookup for every address.
func (d *dir[A]) search(a uint32) *Route[A] {
	for {
		begun := d.begun.Load()
		r := d.route(d.word(a))
		if d.begun.Load() == begun {
			return r
		}
	}
}

// route returns the route with the number, nil if there is none. The list is loaded
// after the number, so it reaches that far.
func (d *dir[A]) route(w uint32) *Route[A] {
	if s := (*d.slabs.Load())[w/slabLen].Load(); s != nil && w != 0 {
		return &s[w%slabLen]
	}
	return nil
}

// word returns the number of the route for an address, 0 for none. It may be any
// if a change begins meanwhile.
func (d *dir[A]) word(a uint32) uint32 {
	if h := d.long[a>>24].Load(); h != nil {
		if c := h.chunks[a>>16&0xff].Load(); c != nil {
			w := c.at(a >> 8)
			if w >= isLow {
				w = d.lowWord(w, a)
			}
			if w != 0 {
				return w
			}
		}
	}
	return d.upper(a)
}

// upper is word for an address without routes of 17 bits and more.
func (d *dir[A]) upper(a uint32) uint32 {
	if h := d.long[a>>24].Load(); h != nil {
		if w := h.words[a>>16&0xff].Load(); w != 0 {
			return w
		}
	}
	return d.short[a>>24].Load()
}

func (d *dir[A]) lowWord(w, a uint32) uint32 {
	l := &(*d.lows.Load())[w&^isLow]
	if c := l.chunk.Load(); c != nil {
		if w := c.at(a); w != 0 {
			return w
		}
	}
	return l.word.Load()
}

// lookupVector looks up to 64 addresses up, level by level, so that the processor
// waits for many words at once. IPv6 ones are left to the table.
func (d *dir[A]) lookupVector(t *Table[A], dst []netip.Addr, routes []*Route[A]) {
	begun := d.begun.Load()
	var addrs, words [vector]uint32
	var chunks [vector]*chunk
	for i, a := range dst {
		if a.Is4() {
			addrs[i] = word4(a)
			if h := d.long[addrs[i]>>24].Load(); h != nil {
				chunks[i] = h.chunks[addrs[i]>>16&0xff].Load()
			}
		}
	}
	for i, c := range chunks[:len(dst)] {
		if c != nil {
			words[i] = c.at(addrs[i] >> 8)
		}
	}
	d.lowVector(addrs[:len(dst)], &words, &chunks)
	for i, w := range words[:len(dst)] {
		routes[i] = d.route(w)
	}
	again := d.begun.Load() != begun
	for i, a := range dst {
		if !a.Is4() {
			routes[i] = t.lookup6(a)
		} else if again {
			routes[i] = d.search(addrs[i])
		}
	}
}

// lowVector goes from the words of three bytes on.
func (d *dir[A]) lowVector(addrs []uint32, words *[vector]uint32, chunks *[vector]*chunk) {
	lows := *d.lows.Load()
	for i := range addrs {
		chunks[i] = nil
		if w := words[i]; w >= isLow {
			chunks[i] = lows[w&^isLow].chunk.Load()
		}
	}
	for i, a := range addrs {
		w := words[i]
		if w >= isLow {
			words[i] = 0
			if c := chunks[i]; c != nil {
				words[i] = c.at(a)
			}
			if words[i] == 0 {
				words[i] = lows[w&^isLow].word.Load()
			}
		}
		if words[i] == 0 {
			words[i] = d.upper(a)
		}
	}
}
