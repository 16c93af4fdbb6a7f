package fib

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/clock"
)

// due is the time when routes of a prefix of a FIB expire. They are a heap, the
// earliest first, in which a route that has gone, or lives longer now, stays until
// its time comes or it has grown to twice the size it was.
type due struct {
	at  clock.Time
	fib int32
	p   netip.Prefix
}

const cleanLeast = 64 // entries

// Deadline returns when the next route expires, or clock.Never.
func (s *Set[A]) Deadline() clock.Time {
	b := s.body.Load()
	if b == nil || b.more.Load() == nil {
		return clock.Never
	}
	m := b.more.Load()
	for len(m.due) > 0 {
		if b.stands(&m.due[0]) {
			return m.due[0].at
		}
		m.pop()
	}
	return clock.Never
}

// Expire removes the routes whose time has come and shows each to gone, with the
// number of its FIB, -1 for the shared ones.
func (s *Set[A]) Expire(now clock.Time, gone func(fib int, r *Route[A])) {
	b := s.body.Load()
	if b == nil || b.more.Load() == nil {
		return
	}
	m := b.more.Load()
	for len(m.due) > 0 && m.due[0].at <= now {
		d := m.pop()
		t := b.table(d.fib)
		for old := t.Get(d.p).expired(now); old != nil; old = t.Get(d.p).expired(now) {
			t.Update(func(tx *Txn[A]) { tx.set(d.p, tx.Get(d.p).without(old)) })
			gone(int(d.fib), old)
		}
	}
}

// expired returns the first of the list whose time has come, or nil.
func (r *Route[A]) expired(now clock.Time) *Route[A] {
	for m := r; m != nil; m = m.Next {
		if m.Expire != 0 && m.Expire <= now {
			return m
		}
	}
	return nil
}

// expires notes when a route that was added expires.
func (t *Table[A]) expires(r *Route[A]) {
	if r.Expire == 0 || t.set == nil {
		return
	}
	m := t.set.needMore()
	if len(m.due) >= max(m.clean, cleanLeast) {
		slices.SortFunc(m.due, func(a, b due) int { // which makes it no less a heap
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.fib, b.fib), listed(a.p, b.p))
		})
		m.due = slices.DeleteFunc(slices.Compact(m.due), func(d due) bool { return !t.set.stands(&d) })
		m.clean = 2 * len(m.due)
	}
	m.push(due{r.Expire, t.fib, r.Prefix})
}

// stands tells whether a route expires when d says.
func (b *body[A]) stands(d *due) bool {
	for m := b.table(d.fib).Get(d.p); m != nil; m = m.Next {
		if m.Expire == d.at {
			return true
		}
	}
	return false
}

func (b *body[A]) table(fib int32) *Table[A] {
	if fib == sharedFIB {
		return &b.shared
	}
	return &b.layer(int(fib)).own
}

func (m *more[A]) push(d due) {
	m.due = append(m.due, d)
	for i := len(m.due) - 1; i > 0; {
		up := (i - 1) / 2
		if m.due[up].at <= m.due[i].at {
			return
		}
		m.due[up], m.due[i] = m.due[i], m.due[up]
		i = up
	}
}

func (m *more[A]) pop() due {
	top := m.due[0]
	last := len(m.due) - 1
	m.due[0] = m.due[last]
	m.due = m.due[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if m.due[c].at < m.due[least].at {
				least = c
			}
		}
		if least == i {
			return top
		}
		m.due[i], m.due[least] = m.due[least], m.due[i]
		i = least
	}
}
