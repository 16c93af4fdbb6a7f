package sysctl

import (
	"maps"
	"syscall"
	"testing"
)

type inner struct {
	B int8  `sysctl:"b,min=-1,max=300" desc:"the second"`
	E int32 `sysctl:"e,min=0,max=5" desc:"of two rooms"`
}

type page struct {
	A int32 `sysctl:"a,min=1,max=10"`
	I inner
	C int64 `sysctl:"c"`
	E int32 `sysctl:"e,min=2,max=9"`
}

func TestNames(t *testing.T) {
	var n Names[page]
	p := &page{A: 5, I: inner{B: 7}}
	for _, c := range []struct {
		name  string
		value int64
		want  syscall.Errno
	}{
		{"a", 10, 0}, {"a", 11, syscall.EINVAL}, {"a", 0, syscall.EINVAL}, {"b", -1, 0},
		{"b", 200, syscall.EINVAL}, // within its range, beyond its type
		{"c", -1 << 63, 0}, {"d", 1, syscall.ENOENT}, {"", 1, syscall.ENOENT},
	} {
		q, e := n.With(p, c.name, c.value)
		if e != c.want {
			t.Errorf("%s = %d: %v, want %v", c.name, c.value, e, c.want)
			continue
		}
		if e != 0 {
			continue
		}
		if got, e := n.Get(q, c.name); got != c.value || e != 0 {
			t.Errorf("%s reads %d, %v after %d", c.name, got, e, c.value)
		}
		if *p != (page{A: 5, I: inner{B: 7}}) {
			t.Fatal("the old page has changed")
		}
	}
	if _, e := n.Get(p, "x"); e != syscall.ENOENT {
		t.Error(e)
	}
	if d, lo, hi, ok := n.Describe("b"); d != "the second" || lo != -1 || hi != 300 || !ok {
		t.Errorf("b: %q %d %d %v", d, lo, hi, ok)
	}
}

func TestAdd(t *testing.T) {
	all := map[string]uint64{"x": 1}
	Add(&struct {
		X uint64 `stat:"x"`
		Y uint64 `stat:"y"`
		Z uint64
	}{X: 2, Z: 9}, all)
	if !maps.Equal(all, map[string]uint64{"x": 3}) {
		t.Error(all)
	}
}

// Rooms that know nothing of each other may have the same tunable.
func TestSameNameTwice(t *testing.T) {
	var n Names[page]
	for _, bad := range []int64{1, 6} {
		if _, e := n.With(&page{}, "e", bad); e != syscall.EINVAL {
			t.Errorf("e = %d: %v, want EINVAL", bad, e)
		}
	}
	p, e := n.With(&page{}, "e", 3)
	if e != 0 || p.E != 3 || p.I.E != 3 {
		t.Errorf("after e = 3: %+v, %v", p, e)
	}
}
