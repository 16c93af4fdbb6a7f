package fib

import (
	"net/netip"
	"syscall"
)

// Pick returns the route that a flow with this hash takes, of those with the same
// prefix and the same metric as r: always the same, as long as it is one of them,
// whichever of the others come or go (RFC 2991 §3, highest random weight).
func (r *Route[A]) Pick(hash uint32) *Route[A] {
	if r.Next == nil || r.Next.Metric != r.Metric {
		return r
	}
	best, most := r, weight(hash, r.id)
	for m := r.Next; m != nil && m.Metric == r.Metric; m = m.Next {
		if w := weight(hash, m.id); w > most {
			best, most = m, w
		}
	}
	return best
}

// weight mixes the hash of a flow and the id of a route so well that each of a
// group of routes has its even share of flows, however alike their ids.
func weight(hash, id uint32) uint32 {
	x := uint64(hash)<<32 | uint64(id)
	x = (x ^ x>>31) * 0x9e3779b97f4a7c15
	x = (x ^ x>>29) * 0xd6e8feb86659fd93
	return uint32(x >> 32)
}

// identify gives the route the id that Pick goes by.
func (r *Route[A]) identify() {
	id := uint64(r.IfIndex)
	if r.Gateway.IsValid() {
		hi, lo := words6(r.Gateway)
		if r.Gateway.Is4() {
			hi, lo = 0, uint64(word4(r.Gateway))
		}
		id = (id*0x9e3779b97f4a7c15^hi)*0xd6e8feb86659fd93 ^ lo
	}
	r.id = weight(uint32(id>>32), uint32(id))
}

// via tells whether r leads to the gateway by the interface, 0 standing for any.
func (r *Route[A]) via(gateway netip.Addr, ifIndex uint32) bool {
	return r.Gateway == gateway && (ifIndex == 0 || r.IfIndex == ifIndex)
}

// with returns the list that starts at r, which may be nil, with another route. Its
// routes are copies as far as they are not the end of the old list.
func (r *Route[A]) with(add *Route[A]) (*Route[A], error) {
	if r != nil && (r.Flags|add.Flags)&Pinned != 0 {
		return nil, syscall.EEXIST
	}
	for m := r; m != nil; m = m.Next {
		if m.Gateway == add.Gateway && m.IfIndex == add.IfIndex && m.Metric == add.Metric {
			return nil, syscall.EEXIST
		}
	}
	return r.place(add), nil
}

// place puts a route behind those of its metric and less.
func (r *Route[A]) place(add *Route[A]) *Route[A] {
	if r == nil || r.Metric > add.Metric {
		add.Next = r
		return add
	}
	c := *r
	c.Next = r.Next.place(add)
	return &c
}

// without returns the list that starts at r without one of its routes.
func (r *Route[A]) without(gone *Route[A]) *Route[A] {
	if r == gone {
		return r.Next
	}
	c := *r
	c.Next = r.Next.without(gone)
	return &c
}

// find returns the first of the list that leads to the gateway by the interface.
func (r *Route[A]) find(gateway netip.Addr, ifIndex uint32) *Route[A] {
	for m := r; m != nil; m = m.Next {
		if m.via(gateway, ifIndex) {
			return m
		}
	}
	return nil
}

// each yields every route of the list and tells whether to go on.
func (r *Route[A]) each(yield func(*Route[A]) bool) bool {
	for m := r; m != nil; m = m.Next {
		if !yield(m) {
			return false
		}
	}
	return true
}
