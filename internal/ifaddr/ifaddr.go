// Package ifaddr is addresses as interfaces have them: which of several suits a
// destination, and which destinations are the stack's own. It knows no
// interface and no stack.
package ifaddr

import (
	"net/netip"
	"slices"
)

// List is the addresses of an interface, with their subnets, in the order in
// which they were added.
type List []netip.Prefix

// First returns the first address, invalid if there is none.
func (l List) First() netip.Addr {
	if len(l) == 0 {
		return netip.Addr{}
	}
	return l[0].Addr()
}

// Broadcasts tells whether a is the broadcast address of one of the subnets.
// Several interfaces may be in one subnet.
func (l List) Broadcasts(a netip.Addr) bool {
	for _, p := range l {
		if Broadcast(p) == a {
			return true
		}
	}
	return false
}

// SourceFor returns the address to send from to dst: the one on dst's subnet,
// else the first.
func (l List) SourceFor(dst netip.Addr) netip.Addr {
	for _, p := range l {
		if p.Contains(dst) {
			return p.Addr()
		}
	}
	return l.First()
}

// Covers tells whether an address is in one of the subnets.
func (l List) Covers(a netip.Addr) bool {
	for _, p := range l {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Broadcast returns the broadcast address of an IPv4 subnet, invalid where
// it has none (RFC 3021 for /31).
func Broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for i := range b {
		if host := 32 - p.Bits() - 8*(3-i); host > 0 {
			b[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	return netip.AddrFrom4(b)
}

// Local is an address that packets to a stack may have.
type Local struct {
	Addr      netip.Addr
	Index     uint32 // of its interface
	Broadcast bool
}

// Locals is the addresses of a stack. It is made with Add and, once all are
// there, Sort.
type Locals []Local

// Add appends the addresses of an interface, and those of its subnets'
// broadcasts if its link can broadcast.
func (l Locals) Add(list List, index uint32, broadcast bool) Locals {
	for _, p := range list {
		l = append(l, Local{p.Addr(), index, false})
		if b := Broadcast(p); b.IsValid() && broadcast {
			l = append(l, Local{b, index, true})
		}
	}
	return l
}

// Sort makes Find find addresses: of those that are the same the first.
func (l Locals) Sort() Locals {
	slices.SortStableFunc(l, func(a, b Local) int { return a.Addr.Compare(b.Addr) })
	return slices.CompactFunc(l, func(a, b Local) bool { return a.Addr == b.Addr && a.Broadcast == b.Broadcast })
}

// linear is how many addresses are searched one by one.
const linear = 8

// Find returns the entry of a, or nil.
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
