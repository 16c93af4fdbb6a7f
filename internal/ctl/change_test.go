package ctl

import (
	"errors"
	"slices"
	"testing"
)

// TestTransact undoes what a change has done when a later step fails, or panics, the
// last step first, and counts whole changes only.
func TestTransact(t *testing.T) {
	s := new(Server)
	var done []int
	steps := func(n int) func(*tx) {
		return func(t *tx) {
			for i := range n {
				done = append(done, i)
				t.made(func() { done = append(done, -i) })
			}
		}
	}
	if n, err := s.transact(func(t *tx) error { steps(2)(t); return nil }); n != 1 || err != nil || !slices.Equal(done, []int{0, 1}) {
		t.Errorf("a whole one: %d, %v, %v", n, err, done)
	}
	done = nil
	failure := errors.New("no")
	if n, err := s.transact(func(t *tx) error { steps(3)(t); return failure }); n != 0 || err != failure || !slices.Equal(done, []int{0, 1, 2, -2, -1, 0}) {
		t.Errorf("one that fails: %d, %v, %v", n, err, done)
	}
	done = nil
	func() {
		defer func() { recover() }()
		s.transact(func(t *tx) error { steps(2)(t); panic("no") })
	}()
	if !slices.Equal(done, []int{0, 1, -1, 0}) {
		t.Errorf("one that panics: %v", done)
	}
	if n, err := s.transact(func(*tx) error { return nil }); n != 2 || err != nil {
		t.Errorf("the next: %d, %v", n, err)
	}
}
