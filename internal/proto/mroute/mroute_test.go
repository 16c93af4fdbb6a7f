package mroute

import (
	"fmt"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/table"
)

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func newTable() *Table { return New(table.NewSeed(1), 2) }

var (
	tun   = Defaults()
	stats Stats
)

// way is a lookup in one line.
func way(t *Table, in uint32, src, group string) string {
	var w Way
	t.Lookup(in, addr(src), addr(group), &w)
	switch w.Verdict {
	case NoRoute:
		return "none"
	case WrongIf:
		return "wrong interface"
	}
	return strings.Trim(fmt.Sprint(w.Out), "[]")
}

// TestRoutes: which route decides, and what it refuses.
func TestRoutes(t *testing.T) {
	tab := newTable()
	for _, r := range []Route{
		{Group: prefix("232.0.0.0/8"), In: 1, Out: []uint32{9}},
		{Group: prefix("232.1.0.0/16"), Source: addr("10.0.0.1"), In: 1, Out: []uint32{8}},
		{Group: prefix("232.1.1.1/32"), In: 1, Out: []uint32{7, 3, 7, 1}},
		{Group: prefix("232.1.1.1/32"), Source: addr("10.0.0.1"), In: 2, Out: []uint32{6}},
		{Group: prefix("ff3e::/32"), In: 4, Out: []uint32{5}},
		{Group: prefix("ff3e::1/128"), Source: addr("2001:db8::1"), In: 4, Out: []uint32{6, 7}},
	} {
		if e := tab.Add(&tun, &stats, r); e != 0 {
			t.Fatal(r, e)
		}
	}
	for _, c := range []struct {
		in         uint32
		src, group string
		want       string
	}{
		{2, "10.0.0.1", "232.1.1.1", "6"},
		{1, "10.0.0.1", "232.1.1.1", "wrong interface"}, // the route for the source decides, alone
		{1, "10.0.0.2", "232.1.1.1", "3 7"},             // never back where it came from
		{1, "10.0.0.1", "232.1.1.2", "8"},
		{1, "10.0.0.2", "232.1.1.2", "9"}, // the longer prefix has none for this source
		{3, "10.0.0.2", "232.2.1.2", "wrong interface"},
		{1, "10.0.0.2", "233.2.1.2", "none"},
		{4, "2001:db8::1", "ff3e::1", "6 7"},
		{4, "2001:db8::2", "ff3e::1", "5"},
		{4, "2001:db8::2", "ff3f::1", "none"},
	} {
		if got := way(tab, c.in, c.src, c.group); got != c.want {
			t.Errorf("%s to %s in %d: %s, want %s", c.src, c.group, c.in, got, c.want)
		}
	}
	if n := len(tab.Rules()); n != 6 || !slices.IsSortedFunc(tab.Rules(), func(a, b *Rule) int { return a.Group.Addr().Compare(b.Group.Addr()) }) {
		t.Errorf("%d routes, or not sorted", n)
	}
	for _, r := range tab.Rules() {
		if e := tab.Delete(r.Key()); e != 0 {
			t.Error(e)
		}
		if e := tab.Delete(r.Key()); e != syscall.ESRCH {
			t.Error(e)
		}
	}
	if tab.Active() || way(tab, 4, "2001:db8::1", "ff3e::1") != "none" {
		t.Error("routes stay")
	}
}

// TestRefused: what is no route.
func TestRefused(t *testing.T) {
	tab := newTable()
	for _, c := range []struct {
		group, source string
		want          syscall.Errno
	}{
		{"224.0.0.0/4", "", 0},
		{"224.0.0.0/4", "", syscall.EEXIST},
		{"224.0.0.0/4", "10.0.0.1", 0},
		{"224.0.0.0/3", "", syscall.EINVAL},  // not only groups
		{"224.0.0.0/24", "", syscall.EINVAL}, // of the link (RFC 5771 §4)
		{"224.0.0.9/32", "", syscall.EINVAL},
		{"232.1.1.1/24", "", syscall.EINVAL}, // bits beyond the prefix
		{"10.0.0.0/8", "", syscall.EINVAL},
		{"232.0.0.0/8", "2001:db8::1", syscall.EINVAL},
		{"232.0.0.0/8", "232.1.1.1", syscall.EINVAL},
		{"ff02::/16", "", syscall.EINVAL},
		{"ff05::/16", "10.0.0.1", syscall.EINVAL},
		{"ff05::/16", "", 0},
		{"2001:db8::/32", "", syscall.EINVAL},
	} {
		r := Route{Group: prefix(c.group), In: 1}
		if c.source != "" {
			r.Source = addr(c.source)
		}
		if e := tab.Add(&tun, &stats, r); e != c.want {
			t.Errorf("(%s, %s): %v, want %v", c.source, c.group, e, c.want)
		}
	}
	if e := tab.Add(&tun, &stats, Route{}); e != syscall.EINVAL {
		t.Errorf("a route to nothing: %v", e)
	}
	few, s := Tunables{MaxRoutes: 3, MaxListeners: 2}, Stats{}
	if e := tab.Add(&few, &s, Route{Group: prefix("232.9.9.9/32")}); e != syscall.ENOBUFS || s.RoutesRefused != 1 {
		t.Errorf("one too many: %v, %+v", e, s)
	}
	for i := range 4 {
		tab.Listen(&few, &s, &Event{Group: addr(fmt.Sprint("232.1.1.", i)), Index: 1, Kind: Any, On: true})
	}
	if tab.Len() != 2 || s.ListenersRefused != 2 {
		t.Errorf("%d listeners, %+v", tab.Len(), s)
	}
	for i := range 4 {
		tab.Listen(&few, &s, &Event{Group: addr(fmt.Sprint("232.1.1.", i)), Index: 1, Kind: Any})
	}
	if tab.Len() != 0 || tab.wants.Len() != 0 || tab.heard.Len() != 0 {
		t.Errorf("%d listeners stay", tab.Len())
	}
}

// TestRFC4605Section4_2: which way a proxy sends what comes from where.
func TestRFC4605Section4_2(t *testing.T) {
	tab := newTable()
	tab.SetProxy(1, []uint32{2, 3, 4})
	for _, i := range []uint32{2, 3} {
		tab.SetQuerier(i, false, true)
	}
	for _, i := range []uint32{2, 3, 4, 5} {
		tab.Listen(&tun, &stats, &Event{Group: addr("232.1.1.1"), Source: addr("10.0.0.1"), Index: i, Kind: Named, On: true})
	}
	tab.Listen(&tun, &stats, &Event{Group: addr("239.1.1.1"), Index: 3, Kind: Any, On: true})
	tab.Listen(&tun, &stats, &Event{Group: addr("239.1.1.1"), Source: addr("10.0.0.9"), Index: 3, Kind: Block, On: true})
	for _, c := range []struct {
		in         uint32
		src, group string
		want       string
	}{
		{1, "10.0.0.1", "232.1.1.1", "2 3"}, // not where another asks, nor where nobody asked us to
		{2, "10.0.0.1", "232.1.1.1", "1 3"},
		{4, "10.0.0.1", "232.1.1.1", "1 2 3"},
		{5, "10.0.0.1", "232.1.1.1", "none"},
		{1, "10.0.0.2", "232.1.1.1", ""},
		{3, "10.0.0.2", "232.1.1.1", "1"},
		{1, "10.0.0.2", "239.1.1.1", "3"},
		{1, "10.0.0.9", "239.1.1.1", ""},
		{2, "10.0.0.9", "239.1.1.1", "1"},
	} {
		if got := way(tab, c.in, c.src, c.group); got != c.want {
			t.Errorf("%s to %s in %d: %q, want %q", c.src, c.group, c.in, got, c.want)
		}
	}
	if e := tab.Add(&tun, &stats, Route{Group: prefix("232.1.1.1/32"), In: 3, Out: []uint32{5}}); e != 0 {
		t.Fatal(e)
	}
	if got := way(tab, 3, "10.0.0.1", "232.1.1.1"); got != "5" {
		t.Errorf("a route does not come before the proxy: %q", got)
	}
	tab.SetQuerier(2, false, false)
	if got := way(tab, 1, "10.0.0.9", "232.9.9.9"); got != "" {
		t.Errorf("%q", got)
	}
	tab.SetProxy(0, nil)
	if got := way(tab, 1, "10.0.0.2", "239.1.1.1"); got != "none" {
		t.Errorf("the proxy stays: %q", got)
	}
}

// model is the table as one would write it without care for time: everything is
// known of every interface, and looked through for each packet.
type model struct {
	routes map[Key]Route
	groups map[at]*modelGroup
	up     uint32
	down   map[uint32]bool
	asks   map[uint32]bool
	told   map[at]mcast.Filter // what upstream knows
}

type modelGroup struct {
	any  bool
	list map[netip.Addr]bool
}

func (m *model) wants(index uint32, src, group netip.Addr) bool {
	g := m.groups[at{group, index}]
	return g != nil && g.list[src] != g.any
}

func (m *model) lookup(in uint32, src, group netip.Addr) (out []uint32, v Verdict) {
	var best *Route
	better := func(r *Route) bool {
		return best == nil || r.Group.Bits() > best.Group.Bits() || r.Group.Bits() == best.Group.Bits() && r.Source.IsValid()
	}
	for _, r := range m.routes {
		if r.Group.Contains(group) && (!r.Source.IsValid() || r.Source == src) && better(&r) {
			best = &r
		}
	}
	switch {
	case best != nil && best.In != in:
		return nil, WrongIf
	case best == nil && (m.up == 0 || in != m.up && !m.down[in]):
		return nil, NoRoute
	}
	for i := range uint32(10) {
		yes := best != nil && (slices.Contains(best.Out, i) || best.Listeners && m.wants(i, src, group)) ||
			best == nil && (i == m.up && in != m.up || m.down[i] && m.asks[i] && m.wants(i, src, group))
		if yes && i != in {
			out = append(out, i)
		}
	}
	return out, Forward
}

// TestModel compares the table with the model on random changes: every packet goes
// where the model has it, and upstream knows what every interface wants.
func TestModel(t *testing.T) {
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		tab := newTable()
		m := &model{routes: map[Key]Route{}, groups: map[at]*modelGroup{}, down: map[uint32]bool{}, asks: map[uint32]bool{}, told: map[at]mcast.Filter{}}
		var cache Cache
		for step := range 2000 {
			change(r, tab, m)
			pull(tab, m)
			for range 5 {
				in, src, group := uint32(1+r.Intn(8)), source(r), group(r)
				var w Way
				tab.Lookup(in, src, group, &w)
				out, v := m.lookup(in, src, group)
				if c := tab.Find(&cache, in, src, group); c.Verdict != w.Verdict || !slices.Equal(c.Out, w.Out) || c.Rule != w.Rule || c.Proxy != w.Proxy {
					t.Fatalf("seed %d step %d: the cache says %v %v", seed, step, c.Verdict, c.Out)
				}
				if v != w.Verdict || !slices.Equal(out, w.Out) {
					t.Fatalf("seed %d step %d: %v to %v in %d: %v %v, want %v %v", seed, step, src, group, in, w.Verdict, w.Out, v, out)
				}
			}
			checkUpstream(t, m)
		}
		for i := range uint32(10) {
			tab.DropListeners(i, false)
			tab.DropListeners(i, true)
		}
		pull(tab, m)
		if tab.Len() != 0 || tab.wants.Len() != 0 || tab.heard.Len() != 0 {
			t.Fatalf("%d listeners stay: %d, %d", tab.Len(), tab.wants.Len(), tab.heard.Len())
		}
	}
}

func source(r *rand.Rand) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Intn(5))}) }
func group(r *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{232, 0, byte(r.Intn(2)), byte(r.Intn(3))})
}

// change makes one random change, as a querier tells of it.
func change(r *rand.Rand, tab *Table, m *model) {
	k := at{group(r), uint32(1 + r.Intn(8))}
	ev := func(src netip.Addr, kind Kind, on bool) {
		tab.Listen(&tun, &stats, &Event{k.group, src, k.index, kind, on})
	}
	g := m.groups[k]
	switch n := r.Intn(20); {
	case n < 2:
		route := Route{Group: netip.PrefixFrom(group(r), 30+r.Intn(3)).Masked(), In: uint32(1 + r.Intn(8)), Listeners: r.Intn(2) == 0}
		if r.Intn(2) == 0 {
			route.Source = source(r)
		}
		for range r.Intn(3) {
			route.Out = append(route.Out, uint32(1+r.Intn(8)))
		}
		if tab.Add(&tun, &stats, route) == 0 {
			m.routes[Key{route.Group, route.Source}] = route
		}
	case n < 4:
		for k := range m.routes {
			delete(m.routes, k)
			tab.Delete(k)
			break
		}
	case n == 4:
		m.up, m.told = uint32(r.Intn(3)), map[at]mcast.Filter{}
		clear(m.down)
		var down []uint32
		for i := uint32(3); i < 9; i++ {
			if r.Intn(2) == 0 {
				m.down[i] = m.up != 0
				down = append(down, i)
			}
		}
		tab.SetProxy(m.up, down)
		for i := range uint32(10) {
			tab.SetQuerier(i, false, m.asks[i])
		}
	case n == 5:
		m.asks[k.index] = !m.asks[k.index]
		tab.SetQuerier(k.index, false, m.asks[k.index])
	case n == 6 && g != nil && g.any: // the group timer runs out: some go on by name
		for s := range g.list {
			ev(s, Block, false)
		}
		ev(netip.Addr{}, Any, false)
		delete(m.groups, k)
	case n == 6 && g != nil: // EXCLUDE comes
		for s := range g.list {
			ev(s, Named, false)
		}
		ev(netip.Addr{}, Any, true)
		m.groups[k] = &modelGroup{any: true, list: map[netip.Addr]bool{}}
	case g == nil && n < 12:
		ev(netip.Addr{}, Any, true)
		m.groups[k] = &modelGroup{any: true, list: map[netip.Addr]bool{}}
	default:
		if g == nil {
			g = &modelGroup{list: map[netip.Addr]bool{}}
			m.groups[k] = g
		}
		s, kind := source(r), Named
		if g.any {
			kind = Block
		}
		ev(s, kind, !g.list[s])
		if g.list[s] = !g.list[s]; !g.list[s] {
			delete(g.list, s)
		}
		if len(g.list) == 0 && !g.any {
			delete(m.groups, k)
		}
	}
}

// pull lets upstream know what the table tells it.
func pull(tab *Table, m *model) {
	var w Want
	for tab.NextWant(&w) {
		k := at{w.Group, w.Index}
		if m.told[k] = w.Filter; w.Filter.Mode == mcast.Undefined {
			delete(m.told, k)
		}
	}
}

func checkUpstream(t *testing.T, m *model) {
	t.Helper()
	want := map[at]mcast.Filter{}
	for k, g := range m.groups {
		if m.up == 0 || !m.down[k.index] {
			continue
		}
		f := mcast.Filter{Mode: mcast.Include}
		if g.any {
			f.Mode = mcast.Exclude
		}
		for s := range g.list {
			f.Sources = append(f.Sources, s)
		}
		f.Sources = mcast.Sorted(f.Sources)
		want[k] = f
	}
	if len(want) != len(m.told) {
		t.Fatalf("upstream knows %v, want %v", m.told, want)
	}
	for k, f := range want {
		if !f.Equal(m.told[k]) {
			t.Fatalf("upstream knows %v of %v, want %v", m.told[k], k, f)
		}
	}
}

// TestLookupTakesNoMemory, and none is left behind by packets of strangers.
func TestLookupTakesNoMemory(t *testing.T) {
	tab := big(1000)
	var w Way
	tab.Lookup(1, addr("10.0.0.1"), addr("232.0.0.0"), &w)
	n := 0
	if a := testing.AllocsPerRun(1000, func() {
		n++
		tab.Lookup(1, netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), netip.AddrFrom4([4]byte{232, 0, byte(n % 1000 >> 8), byte(n % 1000)}), &w)
	}); a != 0 {
		t.Errorf("%v allocations", a)
	}
	var c Cache
	find := func() {
		n++
		tab.Find(&c, 1, netip.AddrFrom4([4]byte{10, 0, 0, 1}), netip.AddrFrom4([4]byte{232, 0, 0, byte(n % 100)}))
	}
	for range 100 {
		find()
	}
	if a := testing.AllocsPerRun(1000, find); a != 0 {
		t.Errorf("%v allocations with a cache", a)
	}
}

// big is a route for all groups with listeners to n of them, on two interfaces.
func big(n int) *Table {
	tab := newTable()
	tab.Add(&tun, &stats, Route{Group: prefix("232.0.0.0/8"), In: 1, Listeners: true})
	for i := range n {
		for _, index := range []uint32{2, 3} {
			tab.Listen(&tun, &stats, &Event{netip.AddrFrom4([4]byte{232, 0, byte(i >> 8), byte(i)}), addr("10.0.0.1"), index, Named, true})
		}
	}
	return tab
}

// TestReaders has many look up while listeners come and go: whoever stays is found
// in every packet.
func TestReaders(t *testing.T) {
	tab := big(100)
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			var w Way
			for {
				select {
				case <-stop:
					return
				default:
				}
				tab.Lookup(1, addr("10.0.0.1"), addr("232.0.0.7"), &w)
				if w.Verdict != Forward || len(w.Out) < 2 || w.Out[0] != 2 {
					t.Errorf("%v %v", w.Verdict, w.Out)
					return
				}
			}
		})
	}
	for i := range 20000 {
		tab.Listen(&tun, &stats, &Event{addr("232.0.0.7"), addr("10.0.0.1"), 4 + uint32(i%7), Named, i/7%2 == 0})
	}
	close(stop)
	readers.Wait()
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{1, 1000, 50000} {
		tab := big(n)
		b.Run(fmt.Sprintf("one of %d groups, cached", n), func(b *testing.B) {
			var c Cache
			src, group := addr("10.0.0.1"), addr("232.0.0.0")
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				tab.Find(&c, 1, src, group)
			}
		})
		b.Run(fmt.Sprintf("%d groups", n), func(b *testing.B) {
			var w Way
			src := addr("10.0.0.1")
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				tab.Lookup(1, src, netip.AddrFrom4([4]byte{232, 0, byte(i % n >> 8), byte(i % n)}), &w)
			}
		})
	}
}

func BenchmarkListen(b *testing.B) {
	for _, n := range []int{1, 1000, 50000} {
		tab := big(n)
		b.Run(fmt.Sprintf("%d groups", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				tab.Listen(&tun, &stats, &Event{addr("232.0.0.0"), addr("10.0.0.1"), 4, Named, i%2 == 0})
			}
		})
	}
}
