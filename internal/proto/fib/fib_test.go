package fib

import (
	"encoding/binary"
	"math/rand"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

func addr4(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func addr6(hi, lo uint64) netip.Addr {
	return netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, hi), lo)))
}

func route(p string, adj int) Route[int] {
	return Route[int]{Prefix: netip.MustParsePrefix(p), Flags: Up, Adj: adj}
}

// fill adds n host routes, numbered from 0, that cover none of the tests'.
func fill(t *testing.T, tab *Table[int], v6 bool, n int) {
	t.Helper()
	tab.Update(func(tx *Txn[int]) {
		for i := range n {
			if err := tx.Insert(Route[int]{Prefix: hostRoute(v6, i), Adj: i}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func hostRoute(v6 bool, i int) netip.Prefix {
	if v6 {
		return netip.PrefixFrom(addr6(0xfd00<<48, uint64(i)), 128)
	}
	return netip.PrefixFrom(addr4(0xac100000+uint32(i)), 32)
}

// forms runs a test on both forms of both families.
func forms(t *testing.T, f func(t *testing.T, tab *Table[int], v6 bool)) {
	for _, v6 := range []bool{false, true} {
		for name, n := range map[string]int{"few": 0, "many": 200} {
			t.Run(map[bool]string{false: "IPv4/", true: "IPv6/"}[v6]+name, func(t *testing.T) {
				var tab Table[int]
				fill(t, &tab, v6, n)
				f(t, &tab, v6)
			})
		}
	}
}

// RFC 1812 §5.2.4.3 (2): the longest match wins, the default route comes last.
func TestLongestMatch_RFC1812_5_2_4_3(t *testing.T) {
	forms(t, func(t *testing.T, tab *Table[int], v6 bool) {
		prefixes := []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32"}
		dst := []string{"192.0.2.1", "10.2.0.1", "10.1.3.1", "10.1.2.1", "10.1.2.3"}
		if v6 {
			prefixes = []string{"::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::3/128"}
			dst = []string{"2001::1", "2001:db8::1", "2001:db8:1::1", "2001:db8:1:2::1", "2001:db8:1:2::3"}
		}
		for i, p := range prefixes {
			if err := tab.Insert(route(p, i)); err != nil {
				t.Fatal(err)
			}
		}
		for gone := len(dst); gone >= 0; gone-- { // and then take them away, longest first
			for i, a := range dst {
				if got, want := adj(tab.Lookup(netip.MustParseAddr(a))), min(i, gone-1); got != want {
					t.Errorf("%d routes: Lookup(%s) = %d, want %d", gone, a, got, want)
				}
			}
			if gone > 0 {
				if _, err := tab.Delete(netip.MustParsePrefix(prefixes[gone-1])); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestErrors(t *testing.T) {
	forms(t, func(t *testing.T, tab *Table[int], v6 bool) {
		p, hostBits := "192.0.2.0/24", "192.0.2.77/24"
		if v6 {
			p, hostBits = "2001:db8::/32", "2001:db8::77/32"
		}
		r := route(p, 1)
		is := func(what string, got, want error) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		del := func(p netip.Prefix) error { _, err := tab.Delete(p); return err }
		gen := tab.Generation()
		is("change of none", tab.Change(r), syscall.ESRCH)
		is("delete of none", del(r.Prefix), syscall.ESRCH)
		is("insert of no prefix", tab.Insert(Route[int]{}), syscall.EINVAL)
		is("change of no prefix", tab.Change(Route[int]{}), syscall.EINVAL)
		is("delete of no prefix", del(netip.Prefix{}), syscall.EINVAL)
		if tab.Get(netip.Prefix{}) != nil || tab.Get(r.Prefix) != nil {
			t.Error("Get finds what is not there")
		}
		if tab.Generation() != gen {
			t.Error("refused changes changed the generation")
		}
		is("insert", tab.Insert(route(hostBits, 1)), nil)
		if got := tab.Get(r.Prefix); got == nil || got.Prefix != r.Prefix {
			t.Errorf("host bits are not cleared: %v", got)
		}
		if tab.Generation() == gen {
			t.Error("an insertion did not change the generation")
		}
		is("insert again", tab.Insert(r), syscall.EEXIST)
		is("change with host bits", tab.Change(route(hostBits, 2)), nil)
		r.Flags |= Pinned
		is("change to pinned", tab.Change(r), nil)
		is("insert over pinned", tab.Insert(r), syscall.EEXIST)
		is("change of pinned", tab.Change(r), syscall.EEXIST)
		is("delete of pinned, with host bits", del(netip.MustParsePrefix(hostBits)), nil)
		is("delete again", del(r.Prefix), syscall.ESRCH)
	})
}

// The forms change at 65 routes and back below 48, each family on its own.
func TestForms(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		var tab Table[int]
		big := func() bool {
			v4, v6 := tab.v4.Load(), tab.v6.Load()
			return v4 != nil && v4.dir != nil || v6 != nil && v6.routes != nil
		}
		lookAll := func(n int) {
			t.Helper()
			for i := range 100 {
				want := i
				if i >= n {
					want = -1
				}
				if got := adj(tab.Lookup(hostRoute(v6, i).Addr())); got != want {
					t.Fatalf("%d routes: host %d gives %d", n, i, got)
				}
			}
		}
		for n := 1; n <= 70; n++ {
			if err := tab.Insert(Route[int]{Prefix: hostRoute(v6, n-1), Adj: n - 1}); err != nil {
				t.Fatal(err)
			}
			if big() != (n > 64) {
				t.Errorf("%d routes, growing: big is %v", n, big())
			}
			lookAll(n)
		}
		for n := 69; n >= 0; n-- {
			if _, err := tab.Delete(hostRoute(v6, n)); err != nil {
				t.Fatal(err)
			}
			if big() != (n >= 48) {
				t.Errorf("%d routes, shrinking: big is %v", n, big())
			}
			lookAll(n)
		}
		if tab.v4.Load() != nil || tab.v6.Load() != nil {
			t.Error("an emptied table owns memory")
		}
	}
}

func TestFamiliesAreApart(t *testing.T) {
	forms(t, func(t *testing.T, tab *Table[int], v6 bool) {
		if err := tab.Insert(route("::/0", 6)); err != nil {
			t.Fatal(err)
		}
		if err := tab.Insert(route("0.0.0.0/0", 4)); err != nil {
			t.Fatal(err)
		}
		for a, want := range map[string]int{
			"10.0.0.1": 4, "::ffff:10.0.0.1": 6, "fe80::1%eth0": 6, "2001:db8::1": 6,
		} {
			if got := adj(tab.Lookup(netip.MustParseAddr(a))); got != want {
				t.Errorf("Lookup(%s) = %d, want %d", a, got, want)
			}
		}
		if r := tab.Lookup(netip.Addr{}); r != nil {
			t.Errorf("the zero address has route %v", r)
		}
	})
}

func TestNilAndZeroTable(t *testing.T) {
	var none *Table[int]
	for _, tab := range []*Table[int]{none, new(Table[int])} {
		routes := []*Route[int]{{}, {}}
		tab.LookupBatch([]netip.Addr{addr4(1), addr6(1, 1)}, routes)
		if tab.Lookup(addr4(1)) != nil || tab.Lookup(addr6(1, 1)) != nil || routes[0] != nil || routes[1] != nil || tab.Generation() != 0 {
			t.Error("an empty table finds something")
		}
	}
	if n := unsafe.Sizeof(Table[int]{}); n > 32 {
		t.Errorf("an empty table takes %d bytes", n)
	}
}

// What deletions leave behind must be given back.
func TestDirShrinks(t *testing.T) {
	var tab Table[int]
	var g golden
	w := world{Rand: rand.New(rand.NewSource(1))}
	for n := range 100 {
		if r := w.route(n); g.insert(r) == nil && tab.Insert(r) != nil {
			t.Fatal(r)
		}
	}
	for n := range 20_000 {
		p := netip.PrefixFrom(addr4(w.Uint32()), w.Intn(33))
		if g.find(p) >= 0 {
			continue
		}
		if err := tab.Insert(Route[int]{Prefix: p, Adj: n}); err != nil {
			t.Fatal(err)
		}
		if got := adj(tab.Lookup(p.Masked().Addr())); got != n && g.lookup(p.Masked().Addr()) != got {
			t.Fatalf("Lookup(%v) = %d, want %d", p.Addr(), got, n)
		}
		if _, err := tab.Delete(p); err != nil {
			t.Fatal(err)
		}
		if n%500 == 0 {
			checkDir(t, &tab)
		}
	}
	checkDir(t, &tab)
	check(t, &tab, g, w, 1000)
	checkAll(t, &tab, g)
}

func TestAllocations(t *testing.T) {
	forms(t, func(t *testing.T, tab *Table[int], v6 bool) {
		for _, p := range []string{"0.0.0.0/0", "10.0.0.0/9", "::/0", "2001:db8::/33"} {
			if err := tab.Insert(route(p, 1)); err != nil {
				t.Fatal(err)
			}
		}
		dst := []netip.Addr{addr4(0x0a000001), addr4(1), addr6(0x20010db8<<32, 1), addr6(1, 1), hostRoute(v6, 3).Addr()}
		routes := make([]*Route[int], len(dst))
		if n := testing.AllocsPerRun(100, func() {
			tab.LookupBatch(dst, routes)
			for i, a := range dst {
				routes[i] = tab.Lookup(a)
			}
		}); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	})
}

// Readers must always find the right route for what stays; for what comes and
// goes, that route or the one under it, and never one that does not cover it. In
// every form, across the changes of form and the compactions.
func TestReadersDuringChurn(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		c := churn4
		if v6 {
			c = churn6
		}
		var tab Table[int]
		for i, p := range c.stay {
			if err := tab.Insert(route(p, i)); err != nil {
				t.Fatal(err)
			}
		}
		var addrs []netip.Addr
		for _, a := range c.dst {
			addrs = append(addrs, netip.MustParseAddr(a))
		}
		right := func(i, got int) bool {
			return got == i || i >= len(c.stay) && (got == 1 || got >= len(c.stay) && got < i)
		}
		var done atomic.Bool
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				routes := make([]*Route[int], len(addrs))
				for !done.Load() {
					tab.LookupBatch(addrs, routes)
					for i, a := range addrs {
						if one, batch := adj(tab.Lookup(a)), adj(routes[i]); !right(i, one) || !right(i, batch) {
							t.Errorf("%v: %d by Lookup, %d by LookupBatch; route %d", a, one, batch, i)
							return
						}
					}
				}
			})
		}
		c.run(t, &tab)
		done.Store(true)
		readers.Wait()
	}
}

// churn is what TestReadersDuringChurn does to a table: the routes that stay
// are numbered from 0, those that come and go from 5, under route 1. dst[i] is an
// address for which route i is the longest match while it is there.
type churn struct {
	stay, flap, dst []string
	other           func(*rand.Rand) netip.Prefix // beside all these; covers none of dst
	rounds          int
}

var churn4 = churn{
	stay: []string{"0.0.0.0/0", "10.0.0.0/8", "10.7.0.0/16", "10.7.7.0/24", "10.7.7.7/32"},
	flap: []string{"10.5.0.0/16", "10.5.5.0/24", "10.5.5.5/32"},
	dst:  []string{"9.0.0.1", "10.6.0.0", "10.7.6.0", "10.7.7.6", "10.7.7.7", "10.5.6.0", "10.5.5.6", "10.5.5.5"},
	other: func(w *rand.Rand) netip.Prefix {
		if w.Intn(2) == 0 { // in a chunk with those that stay
			return netip.PrefixFrom(addr4(0x0a070708|w.Uint32()&0xf0), 29+w.Intn(4))
		}
		return netip.PrefixFrom(addr4(0x0b000000+w.Uint32()>>8), 9+w.Intn(24))
	},
	rounds: 40,
}

var churn6 = churn{
	stay: []string{"::/0", "2001:db8::/32", "2001:db8:7::/48", "2001:db8:7:7::/64", "2001:db8:7:7::7/128"},
	flap: []string{"2001:db8:5::/48", "2001:db8:5:5::/64", "2001:db8:5:5::5/128"},
	dst: []string{"2001::", "2001:db8::", "2001:db8:7::", "2001:db8:7:7::", "2001:db8:7:7::7",
		"2001:db8:5::", "2001:db8:5:5::", "2001:db8:5:5::5"},
	other: func(w *rand.Rand) netip.Prefix {
		return netip.PrefixFrom(addr6(0x20010db8_0007_0007, w.Uint64()|1<<20), 108+w.Intn(21))
	},
	rounds: 5,
}

func (c churn) run(t *testing.T, tab *Table[int]) {
	w := rand.New(rand.NewSource(1))
	for range c.rounds {
		var here []netip.Prefix
		for range 100 {
			i := w.Intn(len(c.flap)) // one that flaps, then another route at once
			if r := route(c.flap[i], len(c.stay)+i); tab.Insert(r) != nil {
				if _, err := tab.Delete(r.Prefix); err != nil {
					t.Error(err)
				}
			}
			p := c.other(w).Masked()
			err := tab.Insert(Route[int]{Prefix: p, Adj: 99})
			if err == nil {
				here = append(here, p)
			} else if err != syscall.EEXIST {
				t.Error(err)
			}
			if r := tab.Lookup(p.Addr()); r == nil || r.Adj != 99 {
				t.Errorf("Lookup(%v) = %v just after its insertion", p.Addr(), r)
			}
		}
		for _, p := range here {
			if _, err := tab.Delete(p); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestFlagsString(t *testing.T) {
	for f, want := range map[Flags]string{
		0: "", Up | Static | Gateway: "UGS", Up | Host | Local: "UH", Up | Pinned: "U",
		Up | Reject | Blackhole | Broadcast | Dynamic | Modified | Proto1 | Proto2 | Proto3: "URDM123Bb",
	} {
		if got := f.String(); got != want {
			t.Errorf("%b is %q, want %q", f, got, want)
		}
	}
}
