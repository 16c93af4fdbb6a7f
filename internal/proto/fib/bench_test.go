package fib

import (
	"fmt"
	"math/rand"
	"net/netip"
	"runtime"
	"testing"

	"github.com/gaissmai/bart"
)

// lengths is about the mix of prefix lengths in the Internet's IPv4 table.
var lengths = []int{24, 24, 24, 24, 24, 24, 23, 22, 22, 21, 20, 19, 18, 16, 14, 11}

// internet returns n different routes and as many addresses that they cover.
func internet(n int, v6 bool) ([]Route[int], []netip.Addr) {
	rnd := rand.New(rand.NewSource(1))
	routes, addrs := make([]Route[int], 0, n), make([]netip.Addr, 0, n)
	seen := map[netip.Prefix]bool{}
	for len(routes) < n {
		p := netip.PrefixFrom(addr4(1<<24+rnd.Uint32()%(223<<24)), lengths[rnd.Intn(len(lengths))]).Masked()
		host := rnd.Uint32() >> 24
		a := addr4(word4(p.Addr()) + host)
		if v6 {
			p = netip.PrefixFrom(addr6(0x2<<60|rnd.Uint64()>>4, 0), 24+lengths[rnd.Intn(len(lengths))]).Masked()
			hi, _ := words6(p.Addr())
			a = addr6(hi, uint64(host))
		}
		if !seen[p] {
			seen[p] = true
			routes, addrs = append(routes, Route[int]{Prefix: p, Adj: len(routes)}), append(addrs, a)
		}
	}
	rnd.Shuffle(n, func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	return routes, addrs
}

func load(tab *Table[int], routes []Route[int]) {
	tab.Update(func(tx *Txn[int]) {
		for _, r := range routes {
			if err := tx.Insert(r); err != nil {
				panic(err)
			}
		}
	})
}

var sink *Route[int]

// BenchmarkLookup measures one lookup: hot in 1,024 addresses (or as many as
// there are routes), random in 1 Mi, each beside bart alone.
func BenchmarkLookup(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		for _, n := range []int{10, 64, 1000, 100_000, 1_000_000} {
			routes, addrs := internet(n, v6)
			var tab Table[int]
			load(&tab, routes)
			plain := new(bart.Table[*Route[int]])
			for i := range routes {
				plain.Insert(routes[i].Prefix, &routes[i])
			}
			hot := make([]netip.Addr, 1<<10)
			cold := make([]netip.Addr, 1<<20)
			for i := range cold {
				cold[i] = addrs[i%len(addrs)]
			}
			copy(hot, cold)
			for name, dst := range map[string][]netip.Addr{"hot": hot, "random": cold} {
				family := map[bool]string{false: "IPv4", true: "IPv6"}[v6]
				name = fmt.Sprintf("%s/%d/%s", family, n, name)
				benchLookup(b, name, &tab, plain, dst)
			}
		}
	}
}

func benchLookup(b *testing.B, name string, tab *Table[int], plain *bart.Table[*Route[int]], dst []netip.Addr) {
	mask := len(dst) - 1
	b.Run(name+"/fib", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			sink = tab.Lookup(dst[i&mask])
		}
	})
	b.Run(name+"/vector", func(b *testing.B) {
		routes := make([]*Route[int], vector)
		for i := 0; i < b.N; i += vector {
			from := i & mask
			tab.LookupBatch(dst[from:from+vector], routes)
		}
	})
	b.Run(name+"/bart", func(b *testing.B) {
		for i := 0; i < b.N; i++ {
			sink, _ = plain.Lookup(dst[i&mask])
		}
	})
}

// BenchmarkChange measures one insertion or deletion in a full table.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 1000, 1_000_000} {
		routes, _ := internet(n, false)
		var tab Table[int]
		load(&tab, routes)
		for _, p := range []string{"0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/8", "10.20.0.0/16", "10.20.30.0/25", "10.20.30.40/32"} {
			r := Route[int]{Prefix: netip.MustParsePrefix(p)}
			b.Run(fmt.Sprintf("%d/%d", n, r.Prefix.Bits()), func(b *testing.B) {
				tab.Delete(r.Prefix)
				for i := 0; i < b.N; i++ {
					if i&1 == 0 {
						tab.Insert(r)
					} else {
						tab.Delete(r.Prefix)
					}
				}
			})
		}
	}
	routes, _ := internet(100_000, true)
	var tab Table[int]
	load(&tab, routes)
	b.Run("IPv6/100000/48", func(b *testing.B) {
		r := Route[int]{Prefix: netip.MustParsePrefix("2001:db8::/48")}
		for i := 0; i < b.N; i++ {
			if i&1 == 0 {
				tab.Insert(r)
			} else {
				tab.Delete(r.Prefix)
			}
		}
	})
}

// BenchmarkLoad measures a table filled in one transaction, and its size.
func BenchmarkLoad(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		for _, n := range []int{100, 100_000, 1_000_000} {
			routes, _ := internet(n, v6)
			b.Run(fmt.Sprintf("%d/v6=%v", n, v6), func(b *testing.B) {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				var tab *Table[int]
				for range b.N {
					tab = new(Table[int])
					load(tab, routes)
				}
				b.StopTimer()
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/route")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/route")
				runtime.KeepAlive(tab)
			})
		}
	}
}
