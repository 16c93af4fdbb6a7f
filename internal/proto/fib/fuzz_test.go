package fib

import (
	"math/rand"
	"net/netip"
	"testing"
)

// FuzzTable reads operations of seven bytes: what, prefix length, IPv4 address
// (or, for IPv6, the ends of one), and compares with the golden table.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 24, 10, 0, 0, 0, 0, 1, 24, 10, 0, 0, 0, 0})
	f.Add([]byte{4, 128, 1, 2, 3, 4, 0, 4, 0, 1, 2, 3, 4, 0, 5, 128, 1, 2, 3, 4, 0})
	for seed := range int64(3) { // enough of them for the big form
		ops := make([]byte, 7*150)
		rand.New(rand.NewSource(seed)).Read(ops)
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		var tab Table[int]
		var g golden
		for n := 0; len(ops) >= 7 && n < 200; n, ops = n+1, ops[7:] {
			a := netip.AddrFrom4([4]byte(ops[2:6]))
			if ops[0]&4 != 0 {
				a = netip.AddrFrom16([16]byte{0: ops[2], 1: ops[3], 14: ops[4], 15: ops[5]})
			}
			r := Route[int]{Prefix: netip.PrefixFrom(a, int(ops[1])%(a.BitLen()+1)), Adj: n}
			var got, want error
			switch ops[0] & 3 {
			case 0, 3:
				got, want = tab.Insert(r), g.insert(r)
			case 1:
				_, got = tab.Delete(r.Prefix)
				want = g.delete(r.Prefix)
			case 2:
				got, want = tab.Change(r), g.change(r)
			}
			if got != want {
				t.Fatalf("op %d, %v: %v, want %v", n, r.Prefix, got, want)
			}
			// The address, and those just outside the prefix.
			first := r.Prefix.Masked().Addr()
			for _, dst := range []netip.Addr{a, first, first.Prev()} {
				if got, want := adj(tab.Lookup(dst)), g.lookup(dst); dst.IsValid() && got != want {
					t.Fatalf("op %d: Lookup(%v) = %d, want %d", n, dst, got, want)
				}
			}
		}
		checkAll(t, &tab, g)
		checkDir(t, &tab)
		checkCells(t, &tab)
	})
}
