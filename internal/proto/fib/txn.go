package fib

import (
	"net/netip"
	"syscall"
)

// Txn is a transaction on a table: many changes for little more than the price
// of what they change. It is valid only inside the function given to Update.
type Txn[A any] struct {
	table  *Table[A]
	v4, v6 draft[A]
}

// Update runs fn, which may change the table through the Txn, and publishes
// what it did. There is no way back: a change that was refused is simply not
// made. fn must not use the table itself.
func (t *Table[A]) Update(fn func(*Txn[A])) {
	tx := t.begin()
	defer tx.publish()
	fn(&tx)
}

func (t *Table[A]) begin() Txn[A] {
	tx := Txn[A]{table: t}
	if v := t.v4.Load(); v != nil {
		tx.v4.few = v.few
		if v.dir != nil {
			tx.v4.many = v.dir
		}
	}
	if v := t.v6.Load(); v != nil {
		tx.v6.few = v.few
		if v.routes != nil {
			tx.v6.many = &trie[A]{routes: v.routes, cells: v.cells}
		}
	}
	return tx
}

// Insert is Table.Insert within a transaction.
func (tx *Txn[A]) Insert(r Route[A]) (err error) {
	if r.Prefix, err = valid(r.Prefix); err != nil {
		return err
	}
	d := tx.draft(r.Prefix)
	if d.get(r.Prefix) != nil {
		return syscall.EEXIST
	}
	if d.many == nil && len(d.few) >= most {
		d.promote(r.Prefix.Addr().Is4())
	}
	d.put(&r)
	return nil
}

// Change is Table.Change within a transaction.
func (tx *Txn[A]) Change(r Route[A]) (err error) {
	if r.Prefix, err = valid(r.Prefix); err != nil {
		return err
	}
	d := tx.draft(r.Prefix)
	switch old := d.get(r.Prefix); {
	case old == nil:
		return syscall.ESRCH
	case old.Flags&Pinned != 0:
		return syscall.EEXIST
	}
	d.put(&r)
	return nil
}

// Delete is Table.Delete within a transaction.
func (tx *Txn[A]) Delete(p netip.Prefix) (*Route[A], error) {
	p, err := valid(p)
	if err != nil {
		return nil, err
	}
	d := tx.draft(p)
	old := d.get(p)
	if old == nil {
		return nil, syscall.ESRCH
	}
	d.remove(p)
	return old, nil
}

// Get is Table.Get within a transaction.
func (tx *Txn[A]) Get(p netip.Prefix) *Route[A] {
	p, err := valid(p)
	if err != nil {
		return nil
	}
	return tx.draft(p).get(p)
}

func (tx *Txn[A]) draft(p netip.Prefix) *draft[A] {
	if p.Addr().Is4() {
		return &tx.v4
	}
	return &tx.v6
}

func (tx *Txn[A]) publish() {
	if tx.v4.changed {
		tx.publish4()
	}
	if tx.v6.changed {
		tx.publish6()
	}
	if tx.v4.changed || tx.v6.changed {
		tx.table.gen.Add(1) // last: who reads the new number finds the new routes
	}
}

func (tx *Txn[A]) publish4() {
	v := view4[A]{few: tx.v4.few}
	v.dir, _ = tx.v4.many.(*dir[A])
	if v.dir == nil && len(v.few) == 0 {
		tx.table.v4.Store(nil)
		return
	}
	if old := tx.table.v4.Load(); old != nil && old.dir != nil && old.dir == v.dir {
		return // changed in place
	}
	v.keys = make([]key4, len(v.few))
	for i, r := range v.few {
		v.keys[i] = key4{word4(r.Prefix.Addr()), mask4(r.Prefix.Bits())}
	}
	tx.table.v4.Store(&v)
}

func (tx *Txn[A]) publish6() {
	v := view6[A]{few: tx.v6.few}
	if t, ok := tx.v6.many.(*trie[A]); ok {
		v.routes, v.cells = t.routes, t.cells
	}
	if v.routes == nil && len(v.few) == 0 {
		tx.table.v6.Store(nil)
		return
	}
	v.keys = make([]key6, len(v.few))
	for i, r := range v.few {
		v.keys[i] = newKey6(r.Prefix)
	}
	tx.table.v6.Store(&v)
}

func mask4(bits int) uint32 { return ^uint32(0) << (32 - bits) }

func mask6(bits int) (hi, lo uint64) {
	if bits <= 64 {
		return ^uint64(0) << (64 - bits), 0
	}
	return ^uint64(0), ^uint64(0) << (128 - bits)
}
