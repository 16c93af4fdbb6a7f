package mcast

import (
	"net/netip"
	"slices"
)

// Mode says how a source list is meant (RFC 3376 §2). The values are those of
// MCAST_INCLUDE and MCAST_EXCLUDE (RFC 3678).
type Mode uint8

const (
	Undefined Mode = iota // no membership
	Include               // only from the listed sources
	Exclude               // from all but the listed sources
)

// String returns the name as RFC 3376 writes it.
func (m Mode) String() string {
	switch m {
	case Include:
		return "INCLUDE"
	case Exclude:
		return "EXCLUDE"
	}
	return "UNDEFINED"
}

// Filter is what a socket, or an interface, wants of one group. The zero Filter
// wants nothing. Sources is sorted, without duplicates, and is never written to
// once the Filter is handed out: filters share it.
type Filter struct {
	Sources []netip.Addr
	Mode    Mode
}

// linear is the length up to which comparing one by one beats a binary search.
const linear = 8

// Match reports whether a datagram of this source passes.
func (f *Filter) Match(src netip.Addr) bool {
	listed := false
	if len(f.Sources) > linear {
		_, listed = slices.BinarySearchFunc(f.Sources, src, netip.Addr.Compare)
	} else {
		for i := range f.Sources {
			if f.Sources[i] == src {
				listed = true
				break
			}
		}
	}
	return listed == (f.Mode == Include) && f.Mode != Undefined
}

// Nothing reports whether no datagram can pass: RFC 3376 §3.2 knows no
// difference between INCLUDE{} and the absence of a filter.
func (f Filter) Nothing() bool { return f.Mode != Exclude && len(f.Sources) == 0 }

// Equal reports whether f and g pass the same datagrams.
func (f Filter) Equal(g Filter) bool {
	if f.Nothing() || g.Nothing() {
		return f.Nothing() && g.Nothing()
	}
	return f.Mode == g.Mode && slices.Equal(f.Sources, g.Sources)
}

// Sorted returns a sorted copy of the list without duplicates, as a Filter
// holds it; nil if the list is empty.
func Sorted(list []netip.Addr) []netip.Addr {
	if len(list) == 0 {
		return nil
	}
	s := slices.Clone(list)
	slices.SortFunc(s, netip.Addr.Compare)
	return slices.Clip(slices.Compact(s))
}

// Walk visits the union of two sorted lists in ascending order and says of each
// address which lists hold it. All of the filter algebra (A+B, A*B, A-B of RFC
// 3376 §3.2 and §5.1) is a choice among these three cases.
func Walk(a, b []netip.Addr, visit func(addr netip.Addr, inA, inB bool)) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Less(b[0]):
			visit(a[0], true, false)
			a = a[1:]
		case len(a) == 0 || b[0].Less(a[0]):
			visit(b[0], false, true)
			b = b[1:]
		default:
			visit(a[0], true, true)
			a, b = a[1:], b[1:]
		}
	}
}

// with and without return a new list; the old one may be in use.
func with(list []netip.Addr, a netip.Addr) []netip.Addr {
	i, _ := slices.BinarySearchFunc(list, a, netip.Addr.Compare)
	s := make([]netip.Addr, len(list)+1)
	copy(s, list[:i])
	s[i] = a
	copy(s[i+1:], list[i:])
	return s
}

func without(list []netip.Addr, a netip.Addr) []netip.Addr {
	if len(list) == 1 {
		return nil
	}
	i, _ := slices.BinarySearchFunc(list, a, netip.Addr.Compare)
	s := make([]netip.Addr, 0, len(list)-1)
	return append(append(s, list[:i]...), list[i+1:]...)
}

func (f *Filter) lists(a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(f.Sources, a, netip.Addr.Compare)
	return found
}
