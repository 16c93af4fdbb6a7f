package addrsel

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// The model is the RFC's text, rule by rule and pair by pair; the packed ranks
// must say the same of every pair, which also proves that the rules order.

func modelCommon(s Candidate, d netip.Addr) int {
	a, b := s.Addr.As16(), d.As16()
	n := 0
	for n < 128 && a[n/8]>>(7-n%8)&1 == b[n/8]>>(7-n%8)&1 {
		n++
	}
	limit := 64
	switch {
	case d.Unmap().Is4() && s.Bits == 0:
		limit = 128
	case d.Unmap().Is4():
		limit = 96 + int(s.Bits)
	case s.Bits != 0 && s.Bits != 128:
		limit = int(s.Bits)
	}
	return min(n, limit)
}

func modelHome(a, b Flags) int {
	both := func(f Flags) bool { return f&Home != 0 && f&CareOf != 0 }
	switch {
	case both(a) != both(b):
		return prefer(both(a))
	case (a&Home != 0) != (b&Home != 0):
		return prefer(a&Home != 0)
	}
	return 0
}

func prefer(first bool) int {
	if first {
		return -1
	}
	return 1
}

// modelSource is §5: -1 if a is the better source to d, 1 if b is, 0 if the
// rules do not say.
func modelSource(p *Policy, d netip.Addr, out uint32, prefs Prefs, a, b Candidate) int {
	label := func(x netip.Addr) int32 { _, l := p.Lookup(x); return l }
	sa, sb, sd := ScopeOf(a.Addr), ScopeOf(b.Addr), ScopeOf(d)
	same := func(x netip.Addr) bool { return x.Unmap() == d.Unmap() }
	has := func(c Candidate, f Flags) bool { return c.Flags&f != 0 }
	switch {
	case same(a.Addr) != same(b.Addr):
		return prefer(same(a.Addr))
	case sa < sb:
		return prefer(sa >= sd)
	case sb < sa:
		return prefer(sb < sd)
	case has(a, Deprecated) != has(b, Deprecated):
		return prefer(has(b, Deprecated))
	}
	fa, fb := a.Flags, b.Flags
	if prefs&PreferCareOf != 0 && fa&(Home|CareOf) != Home|CareOf && fb&(Home|CareOf) != Home|CareOf {
		fa, fb = fb, fa
	}
	if h := modelHome(fa, fb); h != 0 {
		return h
	}
	switch {
	case (a.IfIndex == out) != (b.IfIndex == out):
		return prefer(a.IfIndex == out)
	case has(a, NextHop) != has(b, NextHop):
		return prefer(has(a, NextHop))
	case (label(a.Addr) == label(d)) != (label(b.Addr) == label(d)):
		return prefer(label(a.Addr) == label(d))
	case has(a, Temporary) != has(b, Temporary):
		return prefer(has(a, Temporary) == (prefs&PreferTemporary != 0))
	}
	return modelCommon(b, d) - modelCommon(a, d)
}

// modelOrder is §6.
func modelOrder(p *Policy, a, b Destination) int {
	bad := func(d Destination) bool { return d.Unreachable || !d.Source.Addr.IsValid() }
	scoped := func(d Destination) bool { return ScopeOf(d.Addr) == ScopeOf(d.Source.Addr) }
	if bad(a) != bad(b) {
		return prefer(bad(b))
	}
	// Without a source the rules that speak of it are skipped.
	if a.Source.Addr.IsValid() && b.Source.Addr.IsValid() {
		switch {
		case scoped(a) != scoped(b):
			return prefer(scoped(a))
		case (a.Source.Flags^b.Source.Flags)&Deprecated != 0:
			return prefer(b.Source.Flags&Deprecated != 0)
		}
		if h := modelHome(a.Source.Flags, b.Source.Flags); h != 0 {
			return h
		}
		matches := func(d Destination) bool {
			_, x := p.Lookup(d.Addr)
			_, y := p.Lookup(d.Source.Addr)
			return x == y
		}
		if matches(a) != matches(b) {
			return prefer(matches(a))
		}
	}
	pa, _ := p.Lookup(a.Addr)
	pb, _ := p.Lookup(b.Addr)
	switch {
	case pa != pb:
		return prefer(pa > pb)
	case (a.Flags^b.Flags)&Tunnel != 0:
		return prefer(b.Flags&Tunnel != 0)
	case ScopeOf(a.Addr) != ScopeOf(b.Addr):
		return prefer(ScopeOf(a.Addr) < ScopeOf(b.Addr))
	case a.Addr.Unmap().Is4() == b.Addr.Unmap().Is4() && a.Source.Addr.IsValid() && b.Source.Addr.IsValid():
		return modelCommon(b.Source, b.Addr) - modelCommon(a.Source, a.Addr)
	}
	return 0
}

// address makes one that is near others.
func address(r *rand.Rand, v4 bool) netip.Addr {
	if v4 {
		nets := [...]string{"192.0.2.0", "198.51.100.0", "169.254.1.0", "10.0.0.0"}
		b := netip.MustParseAddr(nets[r.IntN(len(nets))]).As4()
		b[3] = byte(r.IntN(4))
		return netip.AddrFrom4(b)
	}
	nets := [...]string{"2001:db8:1::", "2001:db8:2::", "2001:db8:1:1::", "fe80::", "fec0::", "2002::", "fd00::", "2001::", "ff05::", "ff02::", "3ffe::"}
	b := netip.MustParseAddr(nets[r.IntN(len(nets))]).As16()
	b[15] = byte(r.IntN(4))
	return netip.AddrFrom16(b)
}

func candidate(r *rand.Rand, v4 bool) Candidate {
	a := address(r, v4)
	for a.IsMulticast() {
		a = address(r, v4)
	}
	lengths := [...]uint8{0, 64, 48, 128, 126}
	c := Candidate{Addr: a, IfIndex: uint32(1 + r.IntN(2)), Bits: lengths[r.IntN(len(lengths))], Flags: Flags(r.Uint32() & r.Uint32() & 31)} // each flag in a quarter of them
	if v4 {
		c.Bits = c.Bits / 4
	}
	return c
}

// tables are policies to try.
func tables(t testing.TB) []*Policy {
	flat, err := ParsePolicy("::/0 40 1")
	if err != nil {
		t.Fatal(err)
	}
	holes, err := ParsePolicy("2001:db8:1::/48 40 1\n::ffff:0:0/96 40 1\nfe80::/10 40 2\n")
	if err != nil {
		t.Fatal(err)
	}
	return []*Policy{nil, flat, holes}
}

// TestSourceModel: the ranks against the text.
func TestSourceModel(t *testing.T) {
	r := rand.New(rand.NewPCG(6724, 5))
	for range 20000 {
		for _, p := range tables(t) {
			v4 := r.IntN(3) == 0
			d, prefs := address(r, v4), Prefs(r.UintN(4))
			list := make([]Candidate, 1+r.IntN(5))
			for i := range list {
				list[i] = candidate(r, v4)
			}
			got := p.Source(d, 1, prefs, list)
			c := p.For(d, 1, prefs)
			for i, s := range list {
				if c.Rank(&s) == 0 {
					if got == i {
						t.Fatalf("%v is not eligible", s)
					}
					continue
				}
				if got < 0 {
					t.Fatalf("none to %s of %v", d, list)
				}
				if m := modelSource(p, d, 1, prefs, list[got], s); m > 0 || m == 0 && i < got {
					t.Fatalf("to %s, prefs %d: %+v, but %+v is better", d, prefs, list[got], s)
				}
			}
		}
	}
}

// TestOrderModel: what Order returns is a permutation in which no later one is
// better than an earlier one, and it is the same for its own result. Where a
// pair's order is not said, the other rules of the pair's neighbours may move
// it, so only said pairs are asked.
func TestOrderModel(t *testing.T) {
	r := rand.New(rand.NewPCG(6724, 6))
	for range 5000 {
		for _, p := range tables(t) {
			list := make([]Destination, r.IntN(8))
			for i := range list {
				v4 := r.IntN(3) == 0
				d := Destination{Addr: address(r, v4), Unreachable: r.IntN(6) == 0}
				if r.IntN(6) == 0 {
					d.Flags = Tunnel
				}
				if r.IntN(6) != 0 {
					d.Source = candidate(r, v4)
				}
				list[i] = d
			}
			was := slices.Clone(list)
			p.Order(list)
			for i := range list {
				for j := range i {
					m := modelOrder(p, list[j], list[i])
					sourceless := list[j].Source.Addr.IsValid() != list[i].Source.Addr.IsValid()
					if m > 0 && !sourceless {
						t.Fatalf("%+v stands before %+v", list[j], list[i])
					}
				}
				list[i].key = 0
				at := slices.Index(was, list[i])
				if at < 0 {
					t.Fatalf("%v is no permutation", list)
				}
				was = slices.Delete(was, at, at+1)
			}
			again := slices.Clone(list)
			p.Order(again)
			for i := range again {
				if again[i].key = 0; again[i] != list[i] {
					t.Fatalf("not settled: %v, then %v", list, again)
				}
			}
		}
	}
}
