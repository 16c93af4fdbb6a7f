package vvar

import "testing"

// TestSet: every set has its own copy, which starts anew with the module.
func TestSet(t *testing.T) {
	var d, other Decls
	type conf struct{ x, y int }
	v, n, o := New(&d, conf{1, 2}), New(&d, 7), New(&other, "o")
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
	v := New(&d, 7)
	s.Add(&d)
	if n := testing.AllocsPerRun(100, func() { *v.In(&s)++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
