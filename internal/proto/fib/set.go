package fib

import (
	"iter"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// MaxTables is the greatest number of tables a Set may have.
const MaxTables = 65536

// Set is the tables of one stack, by FIB number, over a table of routes that all
// FIBs share: those of the interfaces (behaviour 4.4). A FIB may hide routes that
// are shared. The zero value has one FIB, number 0, and owns nothing; a FIB takes
// memory from when it is written to. A Set must not be copied after first use.
//
// A FIB number that does not exist means FIB 0, as it does for packets that a rule
// has given such a number (behaviour 4.3, rule 3c).
//
// Len, Or0, Lookup, LookupBatch, Large and Generation may be called by anyone at
// any time, the rest by the writer.
type Set[A any] struct {
	body atomic.Pointer[body[A]]
}

// body is all of a set from when anything is written to it.
type body[A any] struct {
	shared Table[A]
	zero   atomic.Pointer[layer[A]] // FIB 0
	more   atomic.Pointer[more[A]]
}

// layer is what a FIB has for itself.
type layer[A any] struct {
	own  Table[A]
	copy atomic.Pointer[Table[A]] // of the shared routes without those hidden; nil if it hides none
}

// more is what few sets need.
type more[A any] struct {
	n      atomic.Int32              // of FIBs
	others atomic.Pointer[layers[A]] // FIBs by number-1, as far as any was written to

	// What follows belongs to the writer.

	hiders []*hider[A]
	gone   []netip.Prefix // shared ones that the transaction at hand has removed
	due    []due          // see expire.go
	clean  int            // length of due at which to look for what has gone from it
}

type layers[A any] []atomic.Pointer[layer[A]]

// hider is a FIB that hides shared routes.
type hider[A any] struct {
	*layer[A]
	hidden []netip.Prefix
}

// sharedFIB is the number of the shared table.
const sharedFIB = -1

// Len returns the number of FIBs, empty ones included.
func (s *Set[A]) Len() int {
	if b := s.body.Load(); b != nil {
		return b.len()
	}
	return 1
}

func (b *body[A]) len() int {
	if m := b.more.Load(); m != nil {
		return int(m.n.Load())
	}
	return 1
}

// Lookup returns the route with the longest prefix that covers dst, of those of
// the FIB and those shared that it does not hide, or nil. Of one prefix, the FIB's
// own counts.
func (s *Set[A]) Lookup(fib int, dst netip.Addr) *Route[A] {
	b := s.body.Load()
	if b == nil {
		return nil
	}
	for {
		// A route may come to the FIB's own after they were asked, and another go from
		// those shared before they are: neither would be found. So the own are to be the
		// same before and after.
		l := b.layer(fib)
		if l == nil {
			r := b.shared.Lookup(dst)
			if b.layer(fib) == nil {
				return r
			}
			continue
		}
		gen := l.own.gen.Load()
		shared := l.copy.Load()
		if shared == nil {
			shared = &b.shared
		}
		var r *Route[A]
		if dst.Is4() {
			a := word4(dst)
			r = l.own.lookup4(a)
			if q := shared.lookup4(a); q != nil {
				r = longer(r, q)
			}
		} else {
			r = longer(l.own.lookup6(dst), shared.lookup6(dst))
		}
		if l.own.gen.Load() == gen {
			return r
		}
	}
}

// tables returns what a FIB is looked up in, the first may be nil.
func (b *body[A]) tables(fib int) (own, shared *Table[A]) {
	l := b.layer(fib)
	if l == nil {
		return nil, &b.shared
	}
	if c := l.copy.Load(); c != nil {
		return &l.own, c
	}
	return &l.own, &b.shared
}

// layer returns what a FIB has for itself, nil if nothing.
func (b *body[A]) layer(fib int) *layer[A] {
	if m := b.more.Load(); m != nil {
		return m.layer(b, fib)
	}
	return b.zero.Load()
}

func (m *more[A]) layer(b *body[A], fib int) *layer[A] {
	if fib <= 0 || fib >= int(m.n.Load()) {
		return b.zero.Load()
	}
	if all := m.others.Load(); all != nil && fib <= len(*all) {
		return (*all)[fib-1].Load()
	}
	return nil
}

// longer returns that of two routes for an address whose prefix is the longer.
func longer[A any](own, shared *Route[A]) *Route[A] {
	if shared == nil || own != nil && own.Prefix.Bits() >= shared.Prefix.Bits() {
		return own
	}
	return shared
}

// LookupBatch looks up every address of dst and stores its route, or nil, at the
// same place of routes, which must be as long: see Table.LookupBatch.
func (s *Set[A]) LookupBatch(fib int, dst []netip.Addr, routes []*Route[A]) {
	b := s.body.Load()
	if b == nil {
		clear(routes[:len(dst)])
		return
	}
	own, shared := b.tables(fib)
	gen := own.Generation()
	own.LookupBatch(dst, routes)
	var more [vector]*Route[A]
	for from := 0; from < len(dst) && !shared.empty(); from += vector {
		n := min(len(dst)-from, vector)
		shared.LookupBatch(dst[from:from+n], more[:n])
		for i, r := range more[:n] {
			if r != nil {
				routes[from+i] = longer(routes[from+i], r)
			}
		}
	}
	if now, _ := b.tables(fib); now != own || now.Generation() != gen { // see Lookup
		for i, a := range dst {
			routes[i] = s.Lookup(fib, a)
		}
	}
}

// Large tells whether the routes of a FIB are so many that LookupBatch is worth
// its while.
func (s *Set[A]) Large(fib int) bool {
	b := s.body.Load()
	if b == nil {
		return false
	}
	own, shared := b.tables(fib)
	return own.Large() || shared.Large()
}

// Generation returns a number that differs after every change of what the FIB
// finds: see Table.Generation.
func (s *Set[A]) Generation(fib int) uint32 {
	b := s.body.Load()
	if b == nil {
		return 0
	}
	gen := b.shared.gen.Load()
	if l := b.layer(fib); l != nil {
		gen += l.own.gen.Load()
	}
	return gen
}

// Get returns the first route with exactly this prefix, the FIB's own or else a
// shared one that it does not hide, or nil.
func (s *Set[A]) Get(fib int, p netip.Prefix) *Route[A] {
	b := s.body.Load()
	if b == nil {
		return nil
	}
	own, shared := b.tables(fib)
	if own != nil {
		if r := own.Get(p); r != nil {
			return r
		}
	}
	return shared.Get(p)
}

// All ranges over the routes that the FIB finds, in the order of Table.All: its own
// and those shared, except where the FIB hides one or has the same prefix. The set
// must not change meanwhile.
func (s *Set[A]) All(fib int) iter.Seq[*Route[A]] {
	return func(yield func(*Route[A]) bool) {
		b := s.body.Load()
		if b == nil {
			return
		}
		own, shared := b.tables(fib)
		var rest []*Route[A] // shared ones to come
		shared.heads(func(r *Route[A]) bool { rest = append(rest, r); return true })
		if own != nil && !own.heads(func(r *Route[A]) bool {
			for len(rest) > 0 && listed(rest[0].Prefix, r.Prefix) < 0 {
				if !rest[0].each(yield) {
					return false
				}
				rest = rest[1:]
			}
			if len(rest) > 0 && rest[0].Prefix == r.Prefix {
				rest = rest[1:]
			}
			return r.each(yield)
		}) {
			return
		}
		for _, r := range rest {
			if !r.each(yield) {
				return
			}
		}
	}
}

// Shared returns the table of the routes that all FIBs share, to be changed. What
// is inserted is found in every FIB, also in those that come into being later.
func (s *Set[A]) Shared() *Table[A] { return &s.make().shared }

// Table returns the table of the FIB's own routes; it may be nil, which is an
// empty table.
func (s *Set[A]) Table(fib int) *Table[A] {
	if b := s.body.Load(); b != nil {
		if l := b.layer(fib); l != nil {
			return &l.own
		}
	}
	return nil
}

// Writable returns the table of the FIB's own routes, never nil, to be changed. It
// returns EINVAL if there is no such FIB.
func (s *Set[A]) Writable(fib int) (*Table[A], error) {
	l, err := s.writable(fib)
	if err != nil {
		return nil, err
	}
	return &l.own, nil
}

func (s *Set[A]) writable(fib int) (*layer[A], error) {
	if fib < 0 || fib >= s.Len() {
		return nil, syscall.EINVAL
	}
	b := s.make()
	if l := b.layer(fib); l != nil {
		return l, nil
	}
	l := &layer[A]{own: Table[A]{fib: int32(fib), set: b}}
	if fib == 0 {
		b.zero.Store(l)
		return l, nil
	}
	b.more.Load().reach(fib)[fib-1].Store(l)
	return l, nil
}

// reach returns the layers, which reach to that of a FIB.
func (m *more[A]) reach(fib int) layers[A] {
	var old layers[A]
	if p := m.others.Load(); p != nil {
		old = *p
	}
	if fib <= len(old) {
		return old
	}
	all := make(layers[A], max(fib, min(2*len(old), int(m.n.Load())-1)))
	for i := range old {
		all[i].Store(old[i].Load())
	}
	m.others.Store(&all)
	return all
}

// make returns the body, which it makes if need be.
func (s *Set[A]) make() *body[A] {
	if b := s.body.Load(); b != nil {
		return b
	}
	b := new(body[A])
	b.shared.fib, b.shared.set = sharedFIB, b
	s.body.Store(b)
	return b
}

// Grow sets the number of FIBs. New ones find the shared routes and no others. It
// returns EINVAL if n is smaller than the number there is, or greater than
// MaxTables.
func (s *Set[A]) Grow(n int) error {
	if n < s.Len() || n > MaxTables {
		return syscall.EINVAL
	}
	b := s.make()
	if l := b.zero.Load(); l != nil {
		// What was FIB 0 by its number no longer is: no generation may come again.
		b.shared.gen.Add(l.own.gen.Load() + 1)
	}
	b.needMore().n.Store(int32(n))
	return nil
}

// Or0 returns n, or 0 where there is no such FIB (behaviour 4.3, rule 3c).
func (s *Set[A]) Or0(n uint32) uint32 {
	if int(n) >= s.Len() {
		return 0
	}
	return n
}
