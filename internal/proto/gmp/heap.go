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

// heap is a min-heap of which a node has four children, which share a cache line,
// and whose members know their place.
type heap[T timed[T]] []item[T]

// item is a member and when it was due as it was put there: most comparisons need
// not look at the member.
type item[T timed[T]] struct {
	at clock.Time
	x  T
}

const children = 4

func (h heap[T]) top() T {
	if len(h) == 0 {
		var none T
		return none
	}
	return h[0].x
}

func (h heap[T]) deadline() clock.Time {
	if len(h) == 0 {
		return clock.Never
	}
	return h[0].at
}

// fix puts x where its due time belongs: out of the heap if that is Never.
func (h *heap[T]) fix(x T) {
	e := item[T]{x.due(), x}
	if e.at == clock.Never {
		h.remove(x)
		return
	}
	s := x.slot()
	if *s == 0 {
		*h = append(*h, e)
		*s = int32(len(*h))
	}
	h.place(int(*s)-1, e)
}

func (h *heap[T]) remove(x T) {
	s := x.slot()
	if *s == 0 {
		return
	}
	i, n := int(*s)-1, len(*h)-1
	*s = 0
	last := (*h)[n]
	(*h)[n] = item[T]{}
	*h = (*h)[:n]
	if n == 0 {
		*h = nil
	}
	if i < n {
		h.place(i, last)
	}
}

// place puts e into the heap, in which i is free.
func (h heap[T]) place(i int, e item[T]) {
	for i > 0 {
		p := (i - 1) / children
		if !less(&e, &h[p]) {
			break
		}
		h.put(i, h[p])
		i = p
	}
	for {
		c := h.least(i)
		if c == 0 || !less(&h[c], &e) {
			break
		}
		h.put(i, h[c])
		i = c
	}
	h.put(i, e)
}

// least returns the first of the children of i, 0 if it has none.
func (h heap[T]) least(i int) int {
	first := children*i + 1
	if first >= len(h) {
		return 0
	}
	c := first
	for o := first + 1; o < min(first+children, len(h)); o++ {
		if less(&h[o], &h[c]) {
			c = o
		}
	}
	return c
}

func (h heap[T]) put(i int, e item[T]) {
	h[i] = e
	*e.x.slot() = int32(i + 1)
}

func less[T timed[T]](a, b *item[T]) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	return a.x.before(b.x)
}
