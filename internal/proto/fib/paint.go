package fib

import (
	"net/netip"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

func newDir[A any]() *dir[A] {
	d := &dir[A]{rib: new(bart.Table[uint32])}
	d.lows.Store(new([]low))
	d.slabs.Store(new([]atomic.Pointer[slab[A]]))
	d.number(&Route[A]{}) // 0, no route's
	return d
}

func (d *dir[A]) len() int { return d.rib.Size4() }

func (d *dir[A]) get(p netip.Prefix) *Route[A] {
	w, _ := d.rib.Get(p)
	return d.route(w)
}

func (d *dir[A]) put(r *Route[A]) {
	from, had := d.rib.Get(r.Prefix)
	if had {
		d.renumber(r, from)
	} else {
		from = d.over(r.Prefix)
		d.begun.Add(1)
		to := d.number(r)
		d.rib.Insert(r.Prefix, to)
		d.paint(r.Prefix, from, to, +1)
	}
	d.tidy()
}

// renumber puts r in the place of the route with the same prefix and that number.
func (d *dir[A]) renumber(r *Route[A], from uint32) {
	d.begun.Add(1)
	to := d.number(r)
	d.rib.Insert(r.Prefix, to)
	d.paint(r.Prefix, from, to, 0)
	d.drop(from)
}

func (d *dir[A]) remove(p netip.Prefix) {
	w, ok := d.rib.Get(p)
	if !ok {
		return
	}
	d.begun.Add(1)
	d.rib.Delete(p)
	d.paint(p, w, d.over(p), -1)
	d.drop(w)
	d.tidy()
}

func (d *dir[A]) all(yield func(*Route[A]) bool) bool {
	for _, w := range d.rib.AllSorted4() {
		if !yield(d.route(w)) {
			return false
		}
	}
	return true
}

// level returns in which level routes of that length are.
func level(bits int) int { return (max(bits, 1) - 1) / 8 }

// over returns the number of the longest route of the level of p that covers p,
// except that of p itself, or 0.
func (d *dir[A]) over(p netip.Prefix) uint32 {
	if by, w, ok := d.rib.LookupPrefixLPM(p); ok && level(by.Bits()) == level(p.Bits()) {
		return w
	}
	return 0
}

// paint writes the word to in the places of p where there is the word from. Of the
// places that p covers, these are all that no longer prefix of the level owns: a
// shorter one that reaches into p covers it, and from is the longest of them (when p
// comes) or p itself (when it goes). n is the change of the number of routes.
func (d *dir[A]) paint(p netip.Prefix, from, to uint32, n int32) {
	a := word4(p.Addr())
	size := uint32(1) << (8*(level(p.Bits())+1) - p.Bits()) // places
	if p.Bits() <= 8 {
		for i := range size {
			repaint(&d.short[a>>24+i], from, to)
		}
		return
	}
	h := d.long[a>>24].Load()
	if h == nil {
		h = new(half)
		d.long[a>>24].Store(h)
	}
	if p.Bits() <= 16 {
		for i := range size {
			repaint(&h.words[a>>16&0xff+i], from, to)
		}
	} else {
		d.paintChunk(h, p, from, to, n)
	}
	if d.n[a>>24] += n; d.n[a>>24] == 0 {
		d.long[a>>24].Store(nil)
	}
}

func repaint(word *atomic.Uint32, from, to uint32) {
	if word.Load() == from {
		word.Store(to)
	}
}

func (d *dir[A]) paintChunk(h *half, p netip.Prefix, from, to uint32, n int32) {
	a := word4(p.Addr())
	second := a >> 16 & 0xff
	c := h.chunks[second].Load()
	if c == nil {
		c = new(chunk)
		h.chunks[second].Store(c)
	}
	if i := a >> 8 & 0xff; p.Bits() > 24 {
		d.paintLow(&c[i], p, from, to, n)
	} else {
		for end := i + 1<<(24-p.Bits()); i < end; i++ {
			if w := c[i]; w >= isLow {
				repaint(&(*d.lows.Load())[w&^isLow].word, from, to)
			} else if w == from {
				atomic.StoreUint32(&c[i], to)
			}
		}
	}
	if h.n[second] += n; h.n[second] == 0 {
		h.chunks[second].Store(nil)
	}
}

// paintLow paints a route of 25 bits or more below the word of its first three bytes.
func (d *dir[A]) paintLow(word *uint32, p netip.Prefix, from, to uint32, n int32) {
	link := *word
	if link < isLow {
		link = d.newLow(link)
		atomic.StoreUint32(word, link)
	}
	l := &(*d.lows.Load())[link&^isLow]
	c := l.chunk.Load()
	i := word4(p.Addr()) & 0xff
	for end := i + 1<<(32-p.Bits()); i < end; i++ {
		if c[i] == from {
			atomic.StoreUint32(&c[i], to)
		}
	}
	if l.n += n; l.n == 0 {
		atomic.StoreUint32(word, l.word.Load())
		l.chunk.Store(nil)
		d.freeLows = append(d.freeLows, link&^isLow)
	}
}

// newLow returns the link to a low with this word.
func (d *dir[A]) newLow(word uint32) uint32 {
	lows := *d.lows.Load()
	var i uint32
	if n := len(d.freeLows); n > 0 {
		i = d.freeLows[n-1]
		d.freeLows = d.freeLows[:n-1]
	} else {
		if i = uint32(len(lows)); int(i) == cap(lows) {
			old := lows
			lows = make([]low, i, max(4, 2*i))
			for i := range old {
				lows[i].chunk.Store(old[i].chunk.Load())
				lows[i].word.Store(old[i].word.Load())
				lows[i].n = old[i].n
			}
		}
		lows = lows[:i+1]
		d.lows.Store(&lows)
	}
	lows[i].word.Store(word)
	lows[i].chunk.Store(new(chunk))
	return i | isLow
}
