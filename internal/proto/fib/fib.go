package fib

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/gaissmai/bart"
)

// Table is one routing table for both families. The zero value is empty and
// ready, and owns nothing; it must not be copied after first use.
//
// Lookup, LookupBatch and Generation may be called by anyone at any time, also
// on a nil Table. Everything else belongs to one writer at a time, serialised
// by the control lock.
type Table[A any] struct {
	v4  atomic.Pointer[view4[A]]
	v6  atomic.Pointer[view6[A]]
	gen atomic.Uint32
	fib int32    // its number in set, or shared
	set *body[A] // nil for a table by itself
}

// view4 is what readers see of the IPv4 routes: either few, or those in a dir. A
// view is not changed after publication, but its dir is.
type view4[A any] struct {
	few []few4[A]
	dir *dir[A]
}

// view6 is the same for IPv6: either few, or those in routes, most of them in
// cells as well, which are changed.
type view6[A any] struct {
	few    []match[A]
	routes *bart.Table[*Route[A]]
	cells  *cells[A]
}

// few4 is a route in a form that is quick to compare; match is that of IPv6.
type few4[A any] struct {
	key4
	route *Route[A]
}

type key4 struct{ net, mask uint32 }

type key6 struct{ netHi, netLo, maskHi, maskLo uint64 }

// Lookup returns the route with the longest prefix that covers dst, or nil.
func (t *Table[A]) Lookup(dst netip.Addr) *Route[A] {
	if t == nil {
		return nil
	}
	if !dst.Is4() {
		return t.lookup6(dst)
	}
	return t.lookup4(word4(dst))
}

func (t *Table[A]) lookup4(a uint32) *Route[A] {
	v := t.v4.Load()
	if v == nil {
		return nil
	}
	if v.dir != nil {
		return v.dir.lookup(a)
	}
	for i := range v.few {
		if f := &v.few[i]; a&f.mask == f.net {
			return f.route
		}
	}
	return nil
}

func (t *Table[A]) lookup6(dst netip.Addr) *Route[A] {
	v := t.v6.Load()
	if v == nil || !dst.IsValid() {
		return nil
	}
	hi, lo := words6(dst)
	if v.routes != nil {
		r := v.cells.lookup(hi, lo)
		if r == nil {
			r, _ = v.routes.Lookup(dst)
		}
		return r
	}
	for i := range v.few {
		if m := &v.few[i]; hi&m.maskHi == m.netHi && lo&m.maskLo == m.netLo {
			return m.route
		}
	}
	return nil
}

// Large tells whether the routes of a family are so many that LookupBatch is
// worth its while.
func (t *Table[A]) Large() bool {
	if t == nil {
		return false
	}
	if v := t.v4.Load(); v != nil && v.dir != nil {
		return true
	}
	v := t.v6.Load()
	return v != nil && v.cells != nil
}

// LookupBatch looks up every address of dst and stores its route, or nil, at
// the same place of routes, which must be as long. In a big table that is
// quicker than one by one, since the memory accesses of 64 addresses overlap.
func (t *Table[A]) LookupBatch(dst []netip.Addr, routes []*Route[A]) {
	var v *view4[A]
	var v6 *view6[A]
	if t != nil {
		v, v6 = t.v4.Load(), t.v6.Load()
	}
	for len(dst) > 0 {
		n := min(len(dst), vector)
		if v6 != nil && v6.cells != nil && dst[0].Is6() {
			v6.lookupVector(t, dst[:n], routes[:n])
		} else if v != nil && v.dir != nil {
			v.dir.lookupVector(t, dst[:n], routes[:n])
		} else {
			for i, a := range dst[:n] {
				routes[i] = t.Lookup(a)
			}
		}
		dst, routes = dst[n:], routes[n:]
	}
}

// Generation returns a number that differs after every change. Who keeps a
// route reads it before looking the route up, and looks up again when it has
// changed.
func (t *Table[A]) Generation() uint32 {
	if t == nil {
		return 0
	}
	return t.gen.Load()
}

// Insert adds a route. It returns EEXIST if the table has one with the same prefix,
// gateway, interface and metric, or a pinned one with the same prefix, or if the
// route is pinned and there is any with its prefix; and EINVAL if the prefix is
// not valid.
func (t *Table[A]) Insert(r Route[A]) error {
	tx := t.begin() // not Update: the transaction stays on the stack
	err := tx.Insert(r)
	tx.publish()
	return err
}

// Change puts a route in the place of the one with the same prefix, or if there are
// several, of the first with the same gateway and interface. It returns ESRCH if
// there is none, EEXIST if that one is pinned or another is as the new one would
// be, and EINVAL if the prefix is not valid.
func (t *Table[A]) Change(r Route[A]) (err error) {
	t.Update(func(tx *Txn[A]) { err = tx.Change(r) })
	return err
}

// Delete removes the routes with the prefix and returns the first, from which the
// others follow. It returns ESRCH if there is none, and EINVAL if the prefix is not
// valid.
func (t *Table[A]) Delete(p netip.Prefix) (r *Route[A], err error) {
	t.Update(func(tx *Txn[A]) { r, err = tx.Delete(p) })
	return r, err
}

// DeleteVia removes, of the routes with the prefix, the first that leads to the
// gateway by the interface, 0 standing for any, and returns it. It returns ESRCH
// if there is none, and EINVAL if the prefix is not valid.
func (t *Table[A]) DeleteVia(p netip.Prefix, gateway netip.Addr, ifIndex uint32) (r *Route[A], err error) {
	t.Update(func(tx *Txn[A]) { r, err = tx.DeleteVia(p, gateway, ifIndex) })
	return r, err
}

// Get returns the first route with exactly this prefix, or nil.
func (t *Table[A]) Get(p netip.Prefix) *Route[A] {
	tx := t.begin()
	return tx.Get(p)
}

// Len returns the number of prefixes of both families.
func (t *Table[A]) Len() int {
	tx := t.begin()
	return tx.v4.len() + tx.v6.len()
}

// All ranges over the routes: IPv4 before IPv6, then by address, then the
// shorter prefix first, then by metric. The table must not change meanwhile.
func (t *Table[A]) All() iter.Seq[*Route[A]] {
	return func(yield func(*Route[A]) bool) {
		t.heads(func(r *Route[A]) bool { return r.each(yield) })
	}
}

// heads yields the first routes of all prefixes in that order and tells whether to
// go on.
func (t *Table[A]) heads(yield func(*Route[A]) bool) bool {
	tx := t.begin()
	return tx.v4.all(yield) && tx.v6.all(yield)
}

// valid returns the prefix with its host bits cleared, as `route add` does.
func valid(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, syscall.EINVAL
	}
	return p.Masked(), nil
}

func word4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func words6(a netip.Addr) (hi, lo uint64) {
	var b [16]byte
	a.AppendBinary(b[:0]) // it cannot fail, and a copy of what As16 returns costs four times as much
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}
