package addrsel

import (
	"cmp"
	"net/netip"
	"slices"
)

// Destination is an address of a peer, and what using it would mean.
type Destination struct {
	Addr        netip.Addr
	Source      Candidate // that would be used; its Addr invalid if there is none
	Flags       Flags     // Tunnel
	Unreachable bool      // known not to be reached: no route, or a neighbour that is silent

	key uint64
}

// The lowest bits of a key are rule 9, which judges within a family only.
const (
	keyCommon = 8
	commonMax = 1<<keyCommon - 1
)

// Order sorts the addresses of a peer, the best first (RFC 6724 §6). Equal ones
// keep their order. It allocates nothing.
func (p *Policy) Order(list []Destination) {
	for i := range list {
		list[i].key = p.key(&list[i])
	}
	slices.SortStableFunc(list, func(a, b Destination) int { return cmp.Compare(b.key>>keyCommon, a.key>>keyCommon) })
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].key>>keyCommon == list[0].key>>keyCommon {
			n++
		}
		orderByPrefix(list[:n])
		list = list[n:]
	}
}

// orderByPrefix is rules 9 and 10 for destinations that are equal by all
// others. Rule 9 compares within a family only; where both are present, which
// takes a table that gives them the same precedence, each family keeps its
// places and is sorted in these.
func orderByPrefix(list []Destination) {
	mixed := slices.ContainsFunc(list, func(d Destination) bool { return familyOf(d.Addr) != familyOf(list[0].Addr) })
	if !mixed {
		slices.SortStableFunc(list, func(a, b Destination) int { return cmp.Compare(b.key, a.key) })
		return
	}
	for i := range list {
		at := i
		for j := i - 1; j >= 0; j-- {
			if familyOf(list[j].Addr) != familyOf(list[at].Addr) {
				continue
			}
			if list[j].key >= list[at].key {
				break
			}
			list[j], list[at] = list[at], list[j]
			at = j
		}
	}
}

// key packs what the rules of RFC 6724 §6 ask, the first rule highest.
func (p *Policy) key(d *Destination) uint64 {
	s := &d.Source
	dst, scope := number(d.Addr), ScopeOf(d.Addr)
	l := p.find(dst)
	has := s.Addr.IsValid() && familyOf(s.Addr) == familyOf(d.Addr)
	k := bit(has && !d.Unreachable) // rule 1
	var src num
	if has {
		src = number(s.Addr)
		k = k<<1 | bit(ScopeOf(s.Addr) == scope)     // rule 2
		k = k<<1 | bit(s.Flags&Deprecated == 0)      // rule 3
		k = k<<2 | homeRank(s.Flags, false)          // rule 4
		k = k<<1 | bit(p.find(src).label == l.label) // rule 5
	} else {
		k <<= 5
	}
	k = k<<32 | uint64(int64(l.precedence)+1) // rule 6; unlisted is -1
	k = k<<1 | bit(d.Flags&Tunnel == 0)       // rule 7
	k = k<<4 | uint64(15-scope)               // rule 8
	k <<= keyCommon
	if has {
		k |= min(commonMax, uint64(commonPrefix(src, s.Bits, dst, bool(familyOf(d.Addr))))) // rule 9
	}
	return k
}
