package ifaddr

import (
	"cmp"
	"net/netip"
	"slices"
)

// Local is an address that packets to a stack may have.
type Local struct {
	Addr      netip.Addr
	Index     uint32 // of its interface
	Broadcast bool
	Flags     Flags
}

// Locals is the addresses of a stack. It is made with Add and, once all are
// there, Sort.
type Locals []Local

// Add appends the addresses of an interface that may be used, and those of its
// subnets' broadcasts if its link can broadcast.
func (l Locals) Add(list List, index uint32, broadcast bool) Locals {
	for i := range list {
		a := &list[i]
		if !a.Usable() {
			continue
		}
		l = append(l, Local{a.Addr(), index, false, a.Flags})
		if b := a.local(); b.IsValid() && broadcast {
			l = append(l, Local{b, index, true, 0})
		}
	}
	return l
}

// MostLocals returns how many entries Add makes of the list at most.
func (list List) MostLocals(broadcast bool) int {
	n := len(list)
	for i := range list {
		if broadcast && list[i].Addr().Is4() {
			n++
		}
	}
	return n
}

// Sort makes Find find addresses: of those that are the same the first, but of
// link-local ones each that another interface has.
func (l Locals) Sort() Locals {
	slices.SortStableFunc(l, func(a, b Local) int { return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Index, b.Index)) })
	return slices.CompactFunc(l, func(a, b Local) bool {
		return a.Addr == b.Addr && a.Broadcast == b.Broadcast && (a.Index == b.Index || !IsLinkLocal(a.Addr))
	})
}

// linear is how many addresses are searched one by one.
const linear = 8

// Find returns the first entry of a, or nil.
func (l Locals) Find(a netip.Addr) *Local {
	if len(l) <= linear {
		for i := range l {
			if l[i].Addr == a {
				return &l[i]
			}
		}
		return nil
	}
	i, ok := slices.BinarySearchFunc(l, a, func(l Local, a netip.Addr) int { return l.Addr.Compare(a) })
	if !ok {
		return nil
	}
	return &l[i]
}

// FindOn returns the entry of a as it is on the interface with the index, or
// nil. Only link-local addresses mean something else on every interface.
func (l Locals) FindOn(a netip.Addr, index uint32) *Local {
	if !IsLinkLocal(a) {
		return l.Find(a)
	}
	i, ok := slices.BinarySearchFunc(l, Local{Addr: a, Index: index}, func(e, want Local) int {
		return cmp.Or(e.Addr.Compare(want.Addr), cmp.Compare(e.Index, want.Index))
	})
	if !ok {
		return nil
	}
	return &l[i]
}
