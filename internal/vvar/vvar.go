// Package vvar is variables of which every network stack has its own, declared
// by modules that are loaded while stacks run: FreeBSD's VNET_DEFINE, with types.
package vvar

import (
	"slices"
	"sync/atomic"
)

// Decls is the variables that one module declares. It must not change once the
// module is loaded.
type Decls struct{ list []variable }

// variable makes a stack's copy of a module variable, and reads one.
type variable interface {
	fresh() any
	name() string
	read(copy any) any
}

// Var is a variable: in every stack it starts as a copy of the initial value,
// and changing one stack's changes no other's.
type Var[T any] struct {
	decls   *Decls
	index   int
	called  string
	initial T
}

// New declares a variable of a module; by its name others read it.
func New[T any](d *Decls, name string, initial T) *Var[T] {
	v := &Var[T]{decls: d, index: len(d.list), called: name, initial: initial}
	d.list = append(d.list, v)
	return v
}

func (v *Var[T]) fresh() any {
	p := new(T)
	*p = v.initial
	return p
}

func (v *Var[T]) name() string { return v.called }

// read returns what a stack's copy holds, without changing it.
func (v *Var[T]) read(copy any) any {
	switch p := copy.(type) {
	case interface{ Snapshot() any }:
		return p.Snapshot()
	case interface{ Load() int32 }:
		return p.Load()
	case interface{ Load() int64 }:
		return p.Load()
	case interface{ Load() uint32 }:
		return p.Load()
	case interface{ Load() uint64 }:
		return p.Load()
	case interface{ Load() bool }:
		return p.Load()
	}
	return *copy.(*T)
}

// In returns the copy of the stack whose Set s is, or nil where the module is
// not loaded. Who writes through it keeps order among its readers and writers.
func (v *Var[T]) In(s *Set) *T {
	for _, o := range s.all() {
		if o.decls == v.decls {
			return o.vars[v.index].(*T)
		}
	}
	return nil
}

// Set is one stack's copies of the variables of all loaded modules: a list that
// is replaced when a module comes or goes. One at a time may change it.
type Set struct{ list atomic.Pointer[[]slot] }

// slot is what a stack keeps for one loaded module.
type slot struct {
	decls *Decls
	vars  []any
	rows  *[]int // see Rows
}

func (s *Set) all() []slot {
	if l := s.list.Load(); l != nil {
		return *l
	}
	return nil
}

// Add gives the stack copies of a module's variables.
func (s *Set) Add(d *Decls) {
	n := slot{decls: d, rows: new([]int)}
	for _, v := range d.list {
		n.vars = append(n.vars, v.fresh())
	}
	next := append(slices.Clone(s.all()), n)
	s.list.Store(&next)
}

// Has tells whether the stack has a module's variables.
func (s *Set) Has(d *Decls) bool {
	return slices.ContainsFunc(s.all(), func(o slot) bool { return o.decls == d })
}

// Read returns what the variable of a module holds in the stack: a copy, made
// while the stack runs. A variable that changes under it is one of package atomic,
// or has a method Snapshot() any. ok is false where there is none of that name.
func (s *Set) Read(d *Decls, name string) (value any, ok bool) {
	for _, o := range s.all() {
		if o.decls != d {
			continue
		}
		for i, v := range d.list {
			if v.name() == name && name != "" {
				return v.read(o.vars[i]), true
			}
		}
	}
	return nil, false
}

// Names returns the names of the module's variables, in order of declaration.
func (d *Decls) Names() (all []string) {
	for _, v := range d.list {
		if n := v.name(); n != "" {
			all = append(all, n)
		}
	}
	return all
}

// Rows is the routing tables that the module has in the stack, sorted: who loads
// modules keeps count of them here. It is nil where the module is not loaded.
func (s *Set) Rows(d *Decls) *[]int {
	for _, o := range s.all() {
		if o.decls == d {
			return o.rows
		}
	}
	return nil
}

// Remove frees a module's variables.
func (s *Set) Remove(d *Decls) {
	next := slices.DeleteFunc(slices.Clone(s.all()), func(o slot) bool { return o.decls == d })
	if len(next) == 0 {
		s.list.Store(nil)
		return
	}
	s.list.Store(&next)
}

// Empty tells whether no module is loaded.
func (s *Set) Empty() bool { return s.list.Load() == nil }
