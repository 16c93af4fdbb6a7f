package filter

import "golang.org/x/net/bpf"

// A cond is what a filter says of a frame: tests, joined by and, or and not. A
// test whose bytes the frame does not have rejects the frame, whatever stands
// around it: that is how a BPF program ends. So the order of tests is part of
// what a cond means, and nothing here changes it.
type cond struct {
	kind condKind
	a, b *cond // of an and, or, not
	test test
	acts bool // it leaves something in the scratch cells: it must be run even if its outcome is known
}

type condKind uint8

const (
	condTrue condKind = iota
	condFalse
	condAnd
	condOr
	condNot
	condTest
)

// cmp is how a test compares.
type cmp uint8

const (
	cmpEQ cmp = iota
	cmpGT
	cmpGE
	cmpSet // have bits in common
	cmpAlways
)

// field is a value that stands in the frame, in one to four bytes. Its place is
// off, and what register reg holds unless that is 0, and the length of the
// IPv4 header at ihlOff (moved by the register, too) if ihl is set.
type field struct {
	off    uint32
	ihlOff uint32
	size   uint8
	reg    uint8 // number of a scratch cell and 1, or 0
	ihl    bool
	length bool // no field: the length of the frame
}

// test compares a value with k, or with X.
type test struct {
	pure  bool // the value is fld, under mask; else code computes it
	fld   field
	mask  uint32
	code  []bpf.Instruction
	cmp   cmp
	withX bool
	k     uint32
}

func always(v bool) *cond {
	if v {
		return &cond{kind: condTrue}
	}
	return &cond{kind: condFalse}
}

// and is true if all of list are; they are asked in order.
func and(list ...*cond) *cond {
	all := list[len(list)-1]
	for i := len(list) - 2; i >= 0; i-- {
		switch a := list[i]; {
		case a.kind == condTrue:
		case a.kind == condFalse || all.kind == condFalse && !a.acts:
			all = always(false)
		case all.kind == condTrue:
			all = a
		default:
			all = &cond{kind: condAnd, a: a, b: all, acts: a.acts || all.acts}
		}
	}
	return all
}

// or is true if one of list is; they are asked in order.
func or(list ...*cond) *cond {
	one := list[len(list)-1]
	for i := len(list) - 2; i >= 0; i-- {
		switch a := list[i]; {
		case a.kind == condFalse:
		case a.kind == condTrue || one.kind == condTrue && !a.acts:
			one = always(true)
		case one.kind == condFalse:
			one = a
		default:
			one = &cond{kind: condOr, a: a, b: one, acts: a.acts || one.acts}
		}
	}
	return one
}

func not(a *cond) *cond {
	switch a.kind {
	case condTrue:
		return always(false)
	case condFalse:
		return always(true)
	case condNot:
		return a.a
	}
	return &cond{kind: condNot, a: a, acts: a.acts}
}

// compare tests a field under a mask. What can be told of the constants alone is
// decided here, and needs no byte of the frame.
func compare(f field, mask uint32, c cmp, k uint32) *cond {
	switch {
	case mask == 0:
		return always(c == cmpEQ && k == 0 || c == cmpGE && k == 0)
	case c == cmpGE && k == 0:
		return always(true)
	case c == cmpGT && k == 0xffffffff, c == cmpSet && k == 0:
		return always(false)
	}
	if mask&widest(f) == widest(f) {
		mask = 0xffffffff
	}
	return &cond{kind: condTest, test: test{pure: true, fld: f, mask: mask, cmp: c, k: k}}
}

func equal(f field, k uint32) *cond { return compare(f, 0xffffffff, cmpEQ, k) }

// widest is the greatest value of a field.
func widest(f field) uint32 {
	if f.length || f.size == 4 {
		return 0xffffffff
	}
	return 1<<(8*f.size) - 1
}

// does is true, after having run the code.
func does(code ...bpf.Instruction) *cond {
	return &cond{kind: condTest, test: test{cmp: cmpAlways, code: code}, acts: true}
}
