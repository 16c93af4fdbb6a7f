package fib

import (
	"sync/atomic"
	"syscall"
)

// MaxTables is the greatest number of tables a Set may have.
const MaxTables = 65536

// Set is the tables of one stack, by FIB number. The zero value has one table,
// FIB 0, and owns nothing; a table takes memory from when it is asked for to be
// written. A Set must not be copied after first use.
//
// Len and Table may be called by anyone at any time, the rest by the writer.
type Set[A any] struct {
	state atomic.Pointer[setState[A]]
}

// setState is not changed after publication.
type setState[A any] struct {
	n      int
	tables []*Table[A] // as far as any was written to; nil where none was
}

// Len returns the number of tables, empty ones included.
func (s *Set[A]) Len() int {
	if st := s.state.Load(); st != nil {
		return st.n
	}
	return 1
}

// Table returns the table with the number to look up in; it may be nil, which
// is an empty table. A number that does not exist means FIB 0, as it does for
// packets that a rule has given such a number.
func (s *Set[A]) Table(fib int) *Table[A] {
	st := s.state.Load()
	if st == nil {
		return nil
	}
	if fib < 0 || fib >= st.n {
		fib = 0
	}
	if fib >= len(st.tables) {
		return nil
	}
	return st.tables[fib]
}

// Writable returns the table with the number, never nil, to be changed. It
// returns EINVAL if there is none.
func (s *Set[A]) Writable(fib int) (*Table[A], error) {
	n := s.Len()
	if fib < 0 || fib >= n {
		return nil, syscall.EINVAL
	}
	if t := s.Table(fib); t != nil {
		return t, nil
	}
	st := &setState[A]{n: n}
	if old := s.state.Load(); old != nil {
		st.tables = old.tables
	}
	tables := make([]*Table[A], max(fib+1, len(st.tables)))
	copy(tables, st.tables)
	tables[fib] = new(Table[A])
	st.tables = tables
	s.state.Store(st)
	return tables[fib], nil
}

// Grow sets the number of tables. New ones start empty. It returns EINVAL if n
// is smaller than the number there is, or greater than MaxTables.
func (s *Set[A]) Grow(n int) error {
	if n < s.Len() || n > MaxTables {
		return syscall.EINVAL
	}
	st := &setState[A]{n: n}
	if old := s.state.Load(); old != nil {
		st.tables = old.tables
	}
	s.state.Store(st)
	return nil
}

// Or0 returns n, or 0 where there is no such table (behaviour 4.3, rule 3c).
func (s *Set[A]) Or0(n uint32) uint32 {
	if int(n) >= s.Len() {
		return 0
	}
	return n
}
