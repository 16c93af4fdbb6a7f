package fib

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// numbers is what the writer knows of a dir's slabs.
type numbers struct {
	next  uint32   // to be given, if it is not the first of a slab
	live  []uint64 // by slab, a bit for each of its routes that is in the table
	free  []uint32 // slabs that are not there
	leave []uint32 // slabs whose routes are to get other numbers
}

const (
	slabLeast = slabLen / 2 // a slab with no more routes is left
	tidyMost  = 4           // routes that get another number with one change
)

// number gives a route a number.
func (d *dir[A]) number(r *Route[A]) uint32 {
	w := d.next
	if w%slabLen == 0 {
		w = d.newSlab() * slabLen
	}
	last := d.next - 1
	d.next = w + 1
	if w > 0 && w%slabLen == 0 {
		d.weigh(last / slabLen)
	}
	(*d.slabs.Load())[w/slabLen].Load()[w%slabLen] = *r
	d.live[w/slabLen] |= 1 << (w % slabLen)
	return w
}

func (d *dir[A]) newSlab() uint32 {
	slabs := *d.slabs.Load()
	i := uint32(len(slabs))
	if n := len(d.free); n > 0 {
		i = d.free[n-1]
		d.free = d.free[:n-1]
	} else {
		if len(slabs) == cap(slabs) {
			old := slabs
			slabs = make([]atomic.Pointer[slab[A]], i, 2*i+1)
			for i := range old {
				slabs[i].Store(old[i].Load())
			}
		}
		slabs = slabs[:i+1]
		d.slabs.Store(&slabs)
		d.live = append(d.live, 0)
	}
	slabs[i].Store(new(slab[A]))
	return i
}

// drop takes the number of a route that is in the table no more.
func (d *dir[A]) drop(w uint32) {
	d.live[w/slabLen] &^= 1 << (w % slabLen)
	d.weigh(w / slabLen)
}

// weigh frees a slab without routes, and has one left that has few.
func (d *dir[A]) weigh(i uint32) {
	if i == 0 || i == (d.next-1)/slabLen {
		return // it has number 0, or more are to come
	}
	at := slices.Index(d.leave, i)
	switch n := bits.OnesCount64(d.live[i]); {
	case n == 0:
		(*d.slabs.Load())[i].Store(nil)
		d.free = append(d.free, i)
		if at >= 0 {
			d.leave = slices.Delete(d.leave, at, at+1)
		}
	case n <= slabLeast && at < 0:
		d.leave = append(d.leave, i)
	}
}

// tidy gives some routes in slabs that are to be left numbers elsewhere.
func (d *dir[A]) tidy() {
	for range tidyMost {
		n := len(d.leave)
		if n == 0 {
			return
		}
		i := d.leave[n-1]
		w := i*slabLen + uint32(bits.TrailingZeros64(d.live[i]))
		d.renumber(d.route(w), w)
	}
}
