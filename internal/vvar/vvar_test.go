package vvar

import (
	"sync/atomic"
	"testing"
)

// TestSet: every set has its own copy, which starts anew with the module.
func TestSet(t *testing.T) {
	var d, other Decls
	type conf struct{ x, y int }
	v, n, o := New(&d, "v", conf{1, 2}), New(&d, "n", 7), New(&other, "o", "o")
	var a, b Set
	if v.In(&a) != nil || a.Has(&d) || !a.Empty() {
		t.Error("a variable before its module is loaded")
	}
	a.Add(&other)
	a.Add(&d)
	b.Add(&d)
	v.In(&a).x, *n.In(&a) = 100, 200
	if *v.In(&a) != (conf{100, 2}) || *n.In(&a) != 200 || *o.In(&a) != "o" {
		t.Errorf("a has %v, %d, %q", *v.In(&a), *n.In(&a), *o.In(&a))
	}
	if *v.In(&b) != (conf{1, 2}) || *n.In(&b) != 7 || o.In(&b) != nil {
		t.Errorf("b has %v, %d, %v", *v.In(&b), *n.In(&b), o.In(&b))
	}
	a.Remove(&d)
	if v.In(&a) != nil || n.In(&a) != nil || o.In(&a) == nil || !b.Has(&d) {
		t.Error("more or less than a's copies went")
	}
	a.Add(&d)
	if *v.In(&a) != (conf{1, 2}) {
		t.Error("loaded again, a variable does not start anew")
	}
	a.Remove(&d)
	a.Remove(&other)
	if !a.Empty() {
		t.Error("something is left")
	}
}

// TestRead: reading a variable allocates nothing.
func TestRead(t *testing.T) {
	var d Decls
	var s Set
	v := New(&d, "v", 7)
	s.Add(&d)
	if n := testing.AllocsPerRun(100, func() { *v.In(&s)++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

type counted struct{ n int }

func (c *counted) Snapshot() any { return c.n }

// TestReadByName: what a variable holds is found by its name, as it is in this
// stack; atomic ones by their value.
func TestReadByName(t *testing.T) {
	var d, other Decls
	var a, b Set
	New(&other, "x", 9)
	plain := New(&d, "x", 1)
	word, flag := New(&d, "word", atomic.Uint64{}), New(&d, "flag", atomic.Bool{})
	New(&d, "i", atomic.Int32{})
	New(&d, "j", atomic.Int64{})
	New(&d, "k", atomic.Uint32{})
	New(&d, "snap", counted{5})
	New(&d, "", 3)
	a.Add(&other)
	a.Add(&d)
	b.Add(&d)
	*plain.In(&a) = 2
	word.In(&a).Store(7)
	flag.In(&a).Store(true)
	for _, c := range []struct {
		s    *Set
		name string
		want any
	}{
		{&a, "x", 2}, {&b, "x", 1}, {&a, "word", uint64(7)}, {&b, "word", uint64(0)}, {&a, "flag", true}, {&b, "flag", false},
		{&a, "i", int32(0)}, {&a, "j", int64(0)}, {&a, "k", uint32(0)}, {&a, "snap", 5},
	} {
		if got, ok := c.s.Read(&d, c.name); !ok || got != c.want {
			t.Errorf("%s is %v, %v; want %v", c.name, got, ok, c.want)
		}
	}
	for _, name := range []string{"", "none"} {
		if got, ok := a.Read(&d, name); ok {
			t.Errorf("%q is %v", name, got)
		}
	}
	if _, ok := b.Read(&other, "x"); ok {
		t.Error("a variable of a module that is not loaded")
	}
	if n := d.Names(); len(n) != 7 || n[0] != "x" || n[6] != "snap" {
		t.Errorf("names %q", n)
	}
	if b.Rows(&other) != nil || a.Rows(&d) == b.Rows(&d) {
		t.Error("tables are not the stack's own")
	}
}
