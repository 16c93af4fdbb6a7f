package fib

import (
	"cmp"
	"net/netip"
	"slices"
)

const (
	most  = 64 // routes of a family in the small form
	least = 48 // big tables become small below this: the gap keeps a flapping route from rebuilding
)

// few is the small form of a family: its routes, longest prefix first.
type few[A any] []*Route[A]

// many is the big form of a family. Except for what its readers use, it belongs
// to the writer.
type many[A any] interface {
	len() int
	get(netip.Prefix) *Route[A]
	put(*Route[A])
	remove(netip.Prefix)
	all(yield func(*Route[A]) bool) bool
}

// draft is a family of a table while a transaction works on it.
type draft[A any] struct {
	few     few[A]
	many    many[A]
	changed bool
}

func (d *draft[A]) len() int {
	if d.many != nil {
		return d.many.len()
	}
	return len(d.few)
}

func (d *draft[A]) get(p netip.Prefix) *Route[A] {
	if d.many != nil {
		return d.many.get(p)
	}
	if i, found := d.few.find(p); found {
		return d.few[i]
	}
	return nil
}

func (d *draft[A]) put(r *Route[A]) {
	if d.many != nil {
		d.many.put(r)
		d.changed = true
		return
	}
	d.changed = true
	if i, found := d.few.find(r.Prefix); found {
		d.few[i] = r
	} else {
		d.few = slices.Insert(d.few, i, r)
	}
}

func (d *draft[A]) remove(p netip.Prefix) {
	if d.many != nil {
		d.many.remove(p)
		d.changed = true
		if d.many.len() < least {
			d.demote()
		}
		return
	}
	d.changed = true
	if i, found := d.few.find(p); found {
		d.few = slices.Delete(d.few, i, i+1)
	}
}

func (d *draft[A]) promote(is4 bool) {
	if is4 {
		d.many = newDir[A]()
	} else {
		d.many = newTrie[A]()
	}
	for _, r := range d.few {
		d.many.put(r)
	}
	d.few = nil
}

func (d *draft[A]) demote() {
	d.few = make(few[A], 0, d.many.len())
	d.many.all(func(r *Route[A]) bool { d.few = append(d.few, r); return true })
	slices.SortFunc(d.few, func(r, s *Route[A]) int { return longestFirst(r, s.Prefix) })
	d.many = nil
}

// all yields the routes in their order and tells whether to go on.
func (d *draft[A]) all(yield func(*Route[A]) bool) bool {
	if d.many != nil {
		return d.many.all(yield)
	}
	sorted := slices.Clone(d.few)
	slices.SortFunc(sorted, func(r, s *Route[A]) int { return listed(r.Prefix, s.Prefix) })
	for _, r := range sorted {
		if !yield(r) {
			return false
		}
	}
	return true
}

// listed compares prefixes in the order in which routes are listed.
func listed(p, q netip.Prefix) int {
	return cmp.Or(p.Addr().BitLen()-q.Addr().BitLen(), p.Addr().Compare(q.Addr()), p.Bits()-q.Bits())
}

func (f few[A]) find(p netip.Prefix) (int, bool) {
	return slices.BinarySearchFunc(f, p, longestFirst)
}

func longestFirst[A any](r *Route[A], p netip.Prefix) int {
	return cmp.Or(p.Bits()-r.Prefix.Bits(), r.Prefix.Addr().Compare(p.Addr()))
}
