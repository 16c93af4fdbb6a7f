package fib

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

// A dir is compacted, its living part copied to a new dir, when what is dead
// outweighs the living by this much: so a change pays for at most a few words
// of a later compaction, and the first level's copy is spread over a thousand.
const (
	spareSlots  = 1024
	spareChunks = 256
)

func newDir[A any]() *dir[A] {
	d := &dir[A]{first: new([firstLen]uint32), rib: new(bart.Table[uint32]), next: 1}
	d.slabs.Store(new([]*slab))
	first := make(slots[A], firstSlot)
	d.slots.Store(&first)
	return d
}

func (d *dir[A]) len() int { return d.rib.Size4() }

func (d *dir[A]) get(p netip.Prefix) *Route[A] {
	if slot, ok := d.rib.Get(p); ok {
		return (*d.slots.Load())[slot].Load()
	}
	return nil
}

func (d *dir[A]) put(r *Route[A]) many[A] {
	if slot, ok := d.rib.Get(r.Prefix); ok {
		(*d.slots.Load())[slot].Store(r)
		return d
	}
	if r.Prefix.Bits() == 0 {
		d.rib.Insert(r.Prefix, noRoute)
		(*d.slots.Load())[noRoute].Store(r)
		return d
	}
	under, _ := d.rib.LookupPrefix(r.Prefix) // noRoute if it finds none
	slot := d.newSlot()
	(*d.slots.Load())[slot].Store(r)
	d.rib.Insert(r.Prefix, slot)
	d.paint(r.Prefix, under, slot, +1)
	return d
}

func (d *dir[A]) remove(p netip.Prefix) many[A] {
	slot, ok := d.rib.Get(p)
	if !ok {
		return d
	}
	d.rib.Delete(p)
	if slot != noRoute {
		under, _ := d.rib.LookupPrefix(p)
		d.paint(p, slot, under, -1)
		d.left++
	}
	(*d.slots.Load())[slot].Store(nil)
	if d.left > spareSlots+d.len()/2 || d.idle > spareChunks+len(d.longer)/2 {
		return d.compact()
	}
	return d
}

func (d *dir[A]) all(yield func(*Route[A]) bool) bool {
	slots := *d.slots.Load()
	for _, slot := range d.rib.AllSorted4() {
		if !yield(slots[slot].Load()) {
			return false
		}
	}
	return true
}

// newSlot returns an empty slot that no word has named in this dir.
func (d *dir[A]) newSlot() uint32 {
	if n := len(d.free); n > 0 {
		slot := d.free[n-1]
		d.free = d.free[:n-1]
		return slot
	}
	if old := *d.slots.Load(); int(d.next) == len(old) {
		d.slots.Store(copySlots(old, 2*len(old)))
	}
	d.next++
	return d.next - 1
}

func copySlots[A any](old slots[A], n int) *slots[A] {
	s := make(slots[A], n)
	for i := range old {
		s[i].Store(old[i].Load())
	}
	return &s
}

// paint rewrites the words that p covers and that name from, so that they name
// to. Of the words p covers, these are all that no longer prefix owns: a shorter
// prefix that reaches into p covers it, and from is the longest of them (when p
// comes) or p itself (when it goes). n is the change of the number of routes.
func (d *dir[A]) paint(p netip.Prefix, from, to uint32, n int32) {
	a, bits := word4(p.Addr()), p.Bits()
	if bits <= 16 {
		lo := a >> 16
		for i := lo; i < lo+1<<(16-bits); i++ {
			d.paintWord(&d.first[i], from, to)
		}
		return
	}
	link := d.enter(&d.first[a>>16], n)
	if bits <= 24 {
		d.paintChunk(link, a>>8&0xff, 1<<(24-bits), from, to)
		return
	}
	link = d.enter(&d.chunk(link)[a>>8&0xff], n)
	d.paintChunk(link, a&0xff, 1<<(32-bits), from, to)
}

func (d *dir[A]) paintChunk(link, lo, n, from, to uint32) {
	words := d.chunk(link)[lo : lo+n]
	for i := range words {
		d.paintWord(&words[i], from, to)
	}
}

func (d *dir[A]) paintWord(word *uint32, from, to uint32) {
	if w := atomic.LoadUint32(word); w >= isChunk {
		d.paintChunk(w, 0, chunkLen, from, to)
	} else if w == from {
		atomic.StoreUint32(word, to)
	}
}

// enter returns the chunk that the word links, making it if need be, and counts
// n routes more in it.
func (d *dir[A]) enter(word *uint32, n int32) uint32 {
	link := atomic.LoadUint32(word)
	if link < isChunk {
		leaf := link
		link = d.newChunk(0)
		words := d.chunk(link)
		for i := range words {
			words[i] = leaf
		}
		atomic.StoreUint32(word, link)
	}
	count := &d.longer[link&^isChunk]
	if *count == 0 {
		d.idle--
	}
	if *count += n; *count == 0 {
		d.idle++
	}
	return link
}

func (d *dir[A]) newChunk(longer int32) uint32 {
	n := len(d.longer)
	if n%slabLen == 0 {
		slabs := append(*d.slabs.Load(), new(slab))
		d.slabs.Store(&slabs)
	}
	d.longer = append(d.longer, longer)
	if longer == 0 {
		d.idle++
	}
	return uint32(n) | isChunk
}

// compact returns a new dir with the same routes in the same slots, without the
// idle chunks, and with the empty slots free. It takes over the rib; readers may
// go on in the old dir, which nobody changes any more.
func (d *dir[A]) compact() *dir[A] {
	c := newDir[A]()
	c.rib, c.next = d.rib, d.next
	old := *d.slots.Load()
	c.slots.Store(copySlots(old, len(old)))
	for slot := d.next - 1; slot > noRoute; slot-- {
		if old[slot].Load() == nil {
			c.free = append(c.free, slot)
		}
	}
	for i := range d.first {
		c.first[i] = c.copyWord(d, d.first[i])
	}
	return c
}

// copyWord returns the word of c for a word of d. Nobody writes to d any more
// and nobody reads c yet, so their words need no care.
func (c *dir[A]) copyWord(d *dir[A], w uint32) uint32 {
	for w >= isChunk && d.longer[w&^isChunk] == 0 {
		w = d.chunk(w)[0] // idle: all its words are alike
	}
	if w < isChunk {
		return w
	}
	link := c.newChunk(d.longer[w&^isChunk])
	from, to := d.chunk(w), c.chunk(link)
	for i, w := range from {
		if w >= isChunk {
			w = c.copyWord(d, w)
		}
		to[i] = w
	}
	return link
}
