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
		tx.v4.few = make(few[A], len(v.few))
		for i := range v.few {
			tx.v4.few[i] = v.few[i].route
		}
		if v.dir != nil {
			tx.v4.many = v.dir
		}
	}
	if v := t.v6.Load(); v != nil {
		tx.v6.few = make(few[A], len(v.few))
		for i := range v.few {
			tx.v6.few[i] = v.few[i].route
		}
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
	if r.Flags&Pinned == 0 && tx.table.pinned(r.Prefix) {
		return syscall.EEXIST
	}
	r.Next = nil
	r.identify()
	head, err := tx.Get(r.Prefix).with(&r)
	if err != nil {
		return err
	}
	tx.set(r.Prefix, head)
	tx.table.expires(&r)
	return nil
}

// Change is Table.Change within a transaction.
func (tx *Txn[A]) Change(r Route[A]) (err error) {
	if r.Prefix, err = valid(r.Prefix); err != nil {
		return err
	}
	head := tx.Get(r.Prefix)
	old := head.find(r.Gateway, r.IfIndex)
	if old == nil && head != nil && head.Next == nil {
		old = head
	}
	switch {
	case old == nil:
		return syscall.ESRCH
	case old.Flags&Pinned != 0:
		return syscall.EEXIST
	}
	r.Next = nil
	r.identify()
	if head, err = head.without(old).with(&r); err != nil {
		return err
	}
	tx.set(r.Prefix, head)
	tx.table.expires(&r)
	return nil
}

// Delete is Table.Delete within a transaction.
func (tx *Txn[A]) Delete(p netip.Prefix) (*Route[A], error) {
	p, err := valid(p)
	if err != nil {
		return nil, err
	}
	old := tx.Get(p)
	if old == nil {
		return nil, syscall.ESRCH
	}
	tx.set(p, nil)
	return old, nil
}

// DeleteVia is Table.DeleteVia within a transaction.
func (tx *Txn[A]) DeleteVia(p netip.Prefix, gateway netip.Addr, ifIndex uint32) (*Route[A], error) {
	p, err := valid(p)
	if err != nil {
		return nil, err
	}
	head := tx.Get(p)
	old := head.find(gateway, ifIndex)
	if old == nil {
		return nil, syscall.ESRCH
	}
	tx.set(p, head.without(old))
	return old, nil
}

// set makes head the routes of the prefix, none if it is nil.
func (tx *Txn[A]) set(p netip.Prefix, head *Route[A]) {
	d := tx.draft(p)
	switch {
	case head == nil:
		d.remove(p)
	default:
		if d.many == nil && len(d.few) >= most && d.get(p) == nil {
			d.promote(p.Addr().Is4())
		}
		d.put(head)
	}
	tx.table.follow(p, head)
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
		tx.table.forget()
		tx.table.gen.Add(1) // last: who reads the new number finds the new routes
	}
}

func (tx *Txn[A]) publish4() {
	var v view4[A]
	v.dir, _ = tx.v4.many.(*dir[A])
	if v.dir == nil && len(tx.v4.few) == 0 {
		tx.table.v4.Store(nil)
		return
	}
	if old := tx.table.v4.Load(); old != nil && old.dir != nil && old.dir == v.dir {
		return // changed in place
	}
	v.few = make([]few4[A], len(tx.v4.few))
	for i, r := range tx.v4.few {
		v.few[i] = few4[A]{key4{word4(r.Prefix.Addr()), mask4(r.Prefix.Bits())}, r}
	}
	tx.table.v4.Store(&v)
}

func (tx *Txn[A]) publish6() {
	var v view6[A]
	if t, ok := tx.v6.many.(*trie[A]); ok {
		v.routes, v.cells = t.routes, t.cells
	}
	if v.routes == nil && len(tx.v6.few) == 0 {
		tx.table.v6.Store(nil)
		return
	}
	v.few = make([]match[A], len(tx.v6.few))
	for i, r := range tx.v6.few {
		v.few[i] = match[A]{newKey6(r.Prefix), r}
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
