package gmp

import "github.com/seed88948545/vimage/internal/clock"

// timed is what a heap orders: by due time, then by group and port, so that the
// order of simultaneous work never depends on history.
type timed[T any] interface {
	comparable
	due() clock.Time
	before(T) bool // by what never changes
	slot() *int32  // 1 + its place in the heap, 0 if it is in none
}

// heap is a binary min-heap whose members know their place.
type heap[T timed[T]] []T

func (h heap[T]) top() T {
	if len(h) == 0 {
		var none T
		return none
	}
	return h[0]
}

func (h heap[T]) deadline() clock.Time {
	if len(h) == 0 {
		return clock.Never
	}
	return h[0].due()
}

// fix puts x where its due time belongs: out of the heap if that is Never.
func (h *heap[T]) fix(x T) {
	s := x.slot()
	if x.due() == clock.Never {
		h.remove(x)
		return
	}
	if *s == 0 {
		*h = append(*h, x)
		*s = int32(len(*h))
	}
	h.down(h.up(int(*s) - 1))
}

func (h *heap[T]) remove(x T) {
	s := x.slot()
	if *s == 0 {
		return
	}
	i, n := int(*s)-1, len(*h)-1
	*s = 0
	last := (*h)[n]
	var none T
	(*h)[n] = none
	*h = (*h)[:n]
	if n == 0 {
		*h = nil
	}
	if i == n {
		return
	}
	h.put(i, last)
	h.down(h.up(i))
}

func (h heap[T]) put(i int, x T) {
	h[i] = x
	*x.slot() = int32(i + 1)
}

func (h heap[T]) up(i int) int {
	for i > 0 && less(h[i], h[(i-1)/2]) {
		p := (i - 1) / 2
		a, b := h[i], h[p]
		h.put(i, b)
		h.put(p, a)
		i = p
	}
	return i
}

func (h heap[T]) down(i int) {
	for {
		c := 2*i + 1
		if c+1 < len(h) && less(h[c+1], h[c]) {
			c++
		}
		if c >= len(h) || !less(h[c], h[i]) {
			return
		}
		a, b := h[i], h[c]
		h.put(i, b)
		h.put(c, a)
		i = c
	}
}

func less[T timed[T]](a, b T) bool {
	if a.due() != b.due() {
		return a.due() < b.due()
	}
	return a.before(b)
}
