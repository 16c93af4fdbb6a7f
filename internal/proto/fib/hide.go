package fib

import (
	"net/netip"
	"slices"
	"syscall"
)

// Hide makes the FIB find the shared routes with this prefix no more, as long as
// they are there. It returns EINVAL if there is no such FIB, and ESRCH if there
// are no such routes or they are hidden already.
func (s *Set[A]) Hide(fib int, p netip.Prefix) error {
	l, err := s.writable(fib)
	if err != nil {
		return err
	}
	b := s.body.Load()
	_, visible := b.tables(fib)
	if visible.Get(p) == nil {
		return syscall.ESRCH
	}
	h := b.hider(l)
	if h == nil {
		visible = b.copyShared()
		h = &hider[A]{layer: l}
		m := b.needMore()
		m.hiders = append(m.hiders, h)
	}
	h.hidden = append(h.hidden, p.Masked())
	visible.Delete(p)
	l.copy.Store(visible)
	l.own.gen.Add(1)
	return nil
}

// hider returns what a FIB hides, nil if it hides nothing.
func (b *body[A]) hider(l *layer[A]) *hider[A] {
	if m := b.more.Load(); m != nil {
		for _, h := range m.hiders {
			if h.layer == l {
				return h
			}
		}
	}
	return nil
}

// copyShared makes a copy of the shared routes.
func (b *body[A]) copyShared() *Table[A] {
	c := new(Table[A])
	c.Update(func(tx *Txn[A]) {
		b.shared.heads(func(r *Route[A]) bool { tx.set(r.Prefix, r); return true })
	})
	return c
}

func (b *body[A]) needMore() *more[A] {
	m := b.more.Load()
	if m == nil {
		m = new(more[A])
		m.n.Store(1)
		b.more.Store(m)
	}
	return m
}

// Unhide makes the FIB find the shared routes with this prefix again. It returns
// EINVAL if there is no such FIB, and ESRCH if they are not hidden.
func (s *Set[A]) Unhide(fib int, p netip.Prefix) error {
	if fib < 0 || fib >= s.Len() {
		return syscall.EINVAL
	}
	b := s.body.Load()
	if b == nil || !b.unhide(b.hider(b.layer(fib)), p.Masked()) {
		return syscall.ESRCH
	}
	return nil
}

// UnhideAll is Unhide for every FIB that hides these routes.
func (s *Set[A]) UnhideAll(p netip.Prefix) {
	if b := s.body.Load(); b != nil {
		b.unhideAll(p.Masked())
	}
}

func (b *body[A]) unhideAll(p netip.Prefix) {
	if m := b.more.Load(); m != nil {
		for _, h := range slices.Clone(m.hiders) {
			b.unhide(h, p)
		}
	}
}

// unhide tells whether the FIB has hidden the prefix.
func (b *body[A]) unhide(h *hider[A], p netip.Prefix) bool {
	if h == nil {
		return false
	}
	i := slices.Index(h.hidden, p)
	if i < 0 {
		return false
	}
	if h.hidden = slices.Delete(h.hidden, i, i+1); len(h.hidden) == 0 {
		h.copy.Store(nil)
		m := b.more.Load()
		at := slices.Index(m.hiders, h)
		m.hiders = slices.Delete(m.hiders, at, at+1)
	} else if r := b.shared.Get(p); r != nil {
		h.copy.Load().Update(func(tx *Txn[A]) { tx.set(p, r) })
	}
	h.own.gen.Add(1)
	return true
}

// pinned tells whether a route of an interface's that the FIB shares, and does not
// hide, has the prefix.
func (t *Table[A]) pinned(p netip.Prefix) bool {
	if t.set == nil || t.fib == sharedFIB || t.set.shared.empty() {
		return false
	}
	_, visible := t.set.tables(int(t.fib))
	r := visible.Get(p)
	return r != nil && r.Flags&Pinned != 0
}

// follow has the copies of the shared table agree with it about a prefix.
func (t *Table[A]) follow(p netip.Prefix, head *Route[A]) {
	m := t.copied()
	if m == nil {
		return
	}
	for _, h := range m.hiders {
		if !slices.Contains(h.hidden, p) {
			h.copy.Load().Update(func(tx *Txn[A]) { tx.set(p, head) })
		}
	}
	if head == nil {
		m.gone = append(m.gone, p)
	}
}

// forget ends the hiding of shared routes that a transaction has removed, after
// readers have ceased to find them.
func (t *Table[A]) forget() {
	m := t.copied()
	if m == nil {
		return
	}
	for _, p := range m.gone {
		if t.Get(p) == nil {
			t.set.unhideAll(p)
		}
	}
	m.gone = nil
}

// copied returns where the copies of the table are, nil if there can be none.
func (t *Table[A]) copied() *more[A] {
	if t.set == nil || t.fib != sharedFIB {
		return nil
	}
	return t.set.more.Load()
}

func (t *Table[A]) empty() bool { return t.v4.Load() == nil && t.v6.Load() == nil }
