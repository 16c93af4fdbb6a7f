package fib

import (
	"math/rand"
	"net/netip"
	"slices"
	"syscall"
	"testing"
)

func via(p, gateway string, metric uint32, adj int) Route[int] {
	return Route[int]{Prefix: netip.MustParsePrefix(p), Gateway: netip.MustParseAddr(gateway), IfIndex: 1, Metric: metric, Flags: Up | Gateway, Adj: adj}
}

func list(r *Route[int]) (all []int) {
	r.each(func(m *Route[int]) bool { all = append(all, m.Adj); return true })
	return all
}

func TestGroups(t *testing.T) {
	forms(t, func(t *testing.T, tab *Table[int], v6 bool) {
		p, gws := "10.0.0.0/8", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}
		if v6 {
			p, gws = "2001:db8::/32", []string{"fe80::1", "fe80::2", "fe80::3"}
		}
		prefix := netip.MustParsePrefix(p)
		want := func(what string, err, e error, all ...int) {
			t.Helper()
			if err != e {
				t.Errorf("%s: %v, want %v", what, err, e)
			}
			if got := list(tab.Get(prefix)); !slices.Equal(got, all) {
				t.Errorf("%s: routes %v, want %v", what, got, all)
			}
		}
		delVia := func(gw int, index uint32) error {
			_, err := tab.DeleteVia(prefix, netip.MustParseAddr(gws[gw]), index)
			return err
		}
		want("worse first", tab.Insert(via(p, gws[0], 5, 1)), nil, 1)
		want("better", tab.Insert(via(p, gws[1], 1, 2)), nil, 2, 1)
		want("as good, behind", tab.Insert(via(p, gws[2], 1, 3)), nil, 2, 3, 1)
		want("the same", tab.Insert(via(p, gws[2], 1, 4)), syscall.EEXIST, 2, 3, 1)
		want("the same with another metric", tab.Insert(via(p, gws[2], 7, 5)), nil, 2, 3, 1, 5)
		pinned := via(p, gws[0], 2, 6)
		pinned.Flags |= Pinned
		want("pinned", tab.Insert(pinned), syscall.EEXIST, 2, 3, 1, 5)
		want("change of one of several", tab.Change(via(p, gws[1], 1, 7)), nil, 3, 7, 1, 5)
		other := via(p, gws[1], 1, 8)
		other.IfIndex = 9
		want("change of none of several", tab.Change(other), syscall.ESRCH, 3, 7, 1, 5)
		want("change to another's metric", tab.Change(via(p, gws[2], 7, 8)), syscall.EEXIST, 3, 7, 1, 5)
		want("delete by interface", delVia(0, 9), syscall.ESRCH, 3, 7, 1, 5)
		want("delete one", delVia(0, 1), nil, 3, 7, 5)
		want("delete the best by this gateway", delVia(2, 0), nil, 7, 5)
		want("delete the other", delVia(2, 0), nil, 7)
		want("change of the only one", tab.Change(via(p, gws[0], 3, 9)), nil, 9)
		want("delete the last", delVia(0, 0), nil)
		if tab.Lookup(prefix.Addr()) != nil {
			t.Error("it is found although it is gone")
		}
	})
}

// RFC 2991 §3: flows spread evenly over a group, stay where they are, and of those
// that go elsewhere when it changes each has to.
func TestPick_RFC2991_3(t *testing.T) {
	const flows = 100_000
	for _, n := range []int{1, 2, 3, 8} {
		var tab Table[int]
		p := netip.MustParsePrefix("10.0.0.0/8")
		for i := range n + 1 {
			r := Route[int]{Prefix: p, Gateway: addr4(0xc0000200 + uint32(i)), IfIndex: 1, Adj: i}
			if i == n {
				r.Metric = 1 // waits behind
			}
			if err := tab.Insert(r); err != nil {
				t.Fatal(err)
			}
		}
		rnd := rand.New(rand.NewSource(1))
		share := make([]int, n+1)
		took := map[uint32]int{}
		head := tab.Lookup(p.Addr())
		for i := range flows {
			hash := rnd.Uint32()
			if i%2 == 0 {
				hash = uint32(i) // hashes that differ in little
			}
			took[hash] = head.Pick(hash).Adj
			share[took[hash]]++
		}
		chi := 0.0
		for _, got := range share[:n] {
			d := float64(got) - flows/float64(n)
			chi += d * d / (flows / float64(n))
		}
		if share[n] != 0 || chi > 26 { // of 7 degrees of freedom, 0.05 %
			t.Errorf("%d routes take %v, chi square %.0f", n, share, chi)
		}
		if n == 1 {
			continue
		}
		if _, err := tab.DeleteVia(p, addr4(0xc0000200), 0); err != nil {
			t.Fatal(err)
		}
		head = tab.Lookup(p.Addr())
		for hash, was := range took {
			if is := head.Pick(hash).Adj; was != 0 && is != was {
				t.Fatalf("a flow went from route %d to %d when route 0 went", was, is)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	var tab Table[int]
	p := netip.MustParsePrefix("10.0.0.0/8")
	for i := range 4 {
		tab.Insert(Route[int]{Prefix: p, Gateway: addr4(uint32(i + 1))})
	}
	r := tab.Lookup(p.Addr())
	for i := range b.N {
		sink = r.Pick(uint32(i))
	}
}
