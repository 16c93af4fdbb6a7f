package table

import (
	"slices"
	"sync/atomic"
)

// List is a few values that the packet path goes through one by one: a list that
// is replaced when one comes or goes. The zero value is an empty list and owns
// no memory. All may be called at any time by anyone; Add and Remove belong to
// one writer at a time.
type List[T comparable] struct {
	all atomic.Pointer[[]T]
}

// All returns the values in the order in which they came. They must not be
// changed in place.
func (l *List[T]) All() []T {
	if p := l.all.Load(); p != nil {
		return *p
	}
	return nil
}

// Add appends a value.
func (l *List[T]) Add(x T) {
	next := append(slices.Clip(l.All()), x)
	l.all.Store(&next)
}

// Remove removes a value, if it is there.
func (l *List[T]) Remove(x T) {
	next := slices.DeleteFunc(slices.Clone(l.All()), func(o T) bool { return o == x })
	if len(next) == 0 {
		l.all.Store(nil)
		return
	}
	l.all.Store(&next)
}
