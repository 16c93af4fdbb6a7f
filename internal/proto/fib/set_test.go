package fib

import (
	"syscall"
	"testing"
	"unsafe"
)

func TestSet(t *testing.T) {
	var s Set[int]
	if s.Len() != 1 || s.Table(0) != nil || s.Table(5) != nil {
		t.Error("the zero set is not one empty table")
	}
	if _, err := s.Writable(1); err != syscall.EINVAL {
		t.Errorf("Writable(1) of one table: %v, want EINVAL", err)
	}
	zero, err := s.Writable(0)
	if err != nil || s.Table(0) != zero {
		t.Fatalf("Writable(0): %v, %v", zero, err)
	}
	if err := s.Grow(100); err != nil || s.Len() != 100 {
		t.Fatalf("Grow(100): %v, Len %d", err, s.Len())
	}
	if s.Table(0) != zero || s.Table(99) != nil {
		t.Error("growing moved a table or made one")
	}
	seven, err := s.Writable(7)
	if err != nil || s.Table(7) != seven || s.Table(6) != nil || s.Table(0) != zero {
		t.Errorf("Writable(7): %v, %v", seven, err)
	}
	if again, _ := s.Writable(7); again != seven {
		t.Error("a table was made twice")
	}
	for _, n := range []int{99, 0, -1, MaxTables + 1} {
		if err := s.Grow(n); err != syscall.EINVAL {
			t.Errorf("Grow(%d) of 100: %v, want EINVAL", n, err)
		}
	}
}

// behaviour §4.3 class 3c: a FIB that does not exist is FIB 0.
func TestSetUnknownFIBIsZero(t *testing.T) {
	var s Set[int]
	zero, _ := s.Writable(0)
	if s.Grow(2) != nil {
		t.Fatal("Grow(2)")
	}
	for _, fib := range []int{2, 15, 65535, -1} {
		if s.Table(fib) != zero {
			t.Errorf("FIB %d is not FIB 0", fib)
		}
	}
	if s.Table(1) != nil {
		t.Error("FIB 1 exists, and is empty")
	}
}

// A hundred FIBs in each of thousands of stacks are ordinary.
func TestSetIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Set[int]{}); n > 8 {
		t.Errorf("an unused set takes %d bytes", n)
	}
}
