package fib

import (
	"math/rand"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
)

// entry is a route of a slow set: of a FIB, or shared.
type entry struct {
	fib int
	Route[int]
}

type hiding struct {
	fib int
	p   netip.Prefix
}

// slowSet is the set that says what is right: a list of routes and one of what
// is hidden.
type slowSet struct {
	n      int
	routes []entry // in the order of insertion
	hidden []hiding
}

// of returns the indexes of the routes of one FIB with the prefix, the best first.
func (s *slowSet) of(fib int, p netip.Prefix) (all []int) {
	for i, e := range s.routes {
		if e.fib == fib && e.Prefix == p {
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(i, j int) int { return int(s.routes[i].Metric) - int(s.routes[j].Metric) })
	return all
}

func (s *slowSet) hides(fib int, p netip.Prefix) bool {
	return slices.Contains(s.hidden, hiding{fib, p})
}

// visible returns the routes with the prefix that a FIB finds, the best first.
func (s *slowSet) visible(fib int, p netip.Prefix) []int {
	if own := s.of(fib, p); len(own) > 0 || s.hides(fib, p) {
		return own
	}
	return s.of(sharedFIB, p)
}

func (s *slowSet) lookup(fib int, a netip.Addr) int {
	if fib < 0 || fib >= s.n {
		fib = 0
	}
	var best *entry
	for i := range s.routes {
		e := &s.routes[i]
		switch {
		case e.fib != fib && (e.fib != sharedFIB || s.hides(fib, e.Prefix)) || !e.Prefix.Contains(a):
		case best == nil || e.Prefix.Bits() > best.Prefix.Bits():
			best = e
		case e.Prefix.Bits() == best.Prefix.Bits() && (e.fib > best.fib || e.fib == best.fib && e.Metric < best.Metric):
			best = e // one's own before one that is shared
		}
	}
	if best == nil {
		return -1
	}
	return best.Adj
}

func (s *slowSet) fits(fib int, r *Route[int], beside []int) bool {
	for _, i := range beside {
		o := &s.routes[i]
		if (o.Flags|r.Flags)&Pinned != 0 || o.Gateway == r.Gateway && o.IfIndex == r.IfIndex && o.Metric == r.Metric {
			return false
		}
	}
	return true
}

func (s *slowSet) insert(fib int, r Route[int]) error {
	if !s.fits(fib, &r, s.of(fib, r.Prefix)) {
		return syscall.EEXIST
	}
	if fib != sharedFIB && r.Flags&Pinned == 0 && !s.hides(fib, r.Prefix) {
		for _, i := range s.of(sharedFIB, r.Prefix) {
			if s.routes[i].Flags&Pinned != 0 {
				return syscall.EEXIST
			}
		}
	}
	s.routes = append(s.routes, entry{fib, r})
	return nil
}

func (s *slowSet) change(fib int, r Route[int]) error {
	all := s.of(fib, r.Prefix)
	at := slices.IndexFunc(all, func(i int) bool { return s.routes[i].via(r.Gateway, r.IfIndex) })
	if at < 0 && len(all) == 1 {
		at = 0
	}
	if at < 0 {
		return syscall.ESRCH
	}
	old := all[at]
	if s.routes[old].Flags&Pinned != 0 || !s.fits(fib, &r, slices.Delete(all, at, at+1)) {
		return syscall.EEXIST
	}
	s.routes = append(slices.Delete(s.routes, old, old+1), entry{fib, r})
	return nil
}

// remove takes routes away, and what was hidden of them if nothing is left.
func (s *slowSet) remove(fib int, p netip.Prefix, which []int) error {
	if len(which) == 0 {
		return syscall.ESRCH
	}
	slices.Sort(which)
	for _, i := range slices.Backward(which) {
		s.routes = slices.Delete(s.routes, i, i+1)
	}
	if fib == sharedFIB && len(s.of(sharedFIB, p)) == 0 {
		s.unhide(func(h hiding) bool { return h.p == p })
	}
	return nil
}

func (s *slowSet) unhide(which func(hiding) bool) error {
	n := len(s.hidden)
	if s.hidden = slices.DeleteFunc(s.hidden, which); len(s.hidden) == n {
		return syscall.ESRCH
	}
	return nil
}

func (s *slowSet) hide(fib int, p netip.Prefix) error {
	if s.hides(fib, p) || len(s.of(sharedFIB, p)) == 0 {
		return syscall.ESRCH
	}
	s.hidden = append(s.hidden, hiding{fib, p})
	return nil
}

func (s *slowSet) deadline() clock.Time {
	first := clock.Never
	for _, e := range s.routes {
		if e.Expire != 0 {
			first = min(first, e.Expire)
		}
	}
	return first
}

// expire returns how many of which FIB it has removed.
func (s *slowSet) expire(now clock.Time) map[int]int {
	gone := map[int]int{}
	for {
		i := slices.IndexFunc(s.routes, func(e entry) bool { return e.Expire != 0 && e.Expire <= now })
		if i < 0 {
			return gone
		}
		gone[s.routes[i].fib]++
		s.remove(s.routes[i].fib, s.routes[i].Prefix, []int{i})
	}
}

// list returns what All of a FIB is to show.
func (s *slowSet) list(fib int) (all []int) {
	var prefixes []netip.Prefix
	for _, e := range s.routes {
		prefixes = append(prefixes, e.Prefix)
	}
	slices.SortFunc(prefixes, listed)
	for _, p := range slices.Compact(prefixes) {
		for _, i := range s.visible(fib, p) {
			all = append(all, s.routes[i].Adj)
		}
	}
	return all
}

// pair is a set and the slow one, driven alike.
type pair struct {
	*testing.T
	fast Set[int]
	slow slowSet
	now  clock.Time
	n    int
	gens map[int]uint32
	seen map[int][]int
}

// prefixes of a pair nest and repeat; each has both families.
func (*pair) prefix(x byte) netip.Prefix {
	bits := []int{0, 4, 8, 9, 16, 20, 24, 28, 31, 32}[x%10]
	if x&0x80 != 0 {
		return netip.PrefixFrom(addr6(0x20010db8_00000000|uint64(x>>4&3)<<30, 0), 4*bits).Masked()
	}
	return netip.PrefixFrom(addr4(0x0a800000|uint32(x>>4&7)<<8), bits).Masked()
}

var pairAddrs = []netip.Addr{
	addr4(0), addr4(0x0a000001), addr4(0x0a7fffff), addr4(0x0a800000), addr4(0x0a800001), addr4(0x0a80000f), addr4(0x0a800100), addr4(0x0a800300),
	addr4(0x0a8007ff), addr4(0x0a900000), addr6(0x20010db8<<32, 0), addr6(0x20010db8_40000000, 0), addr6(0x20010db8_c0000000, 1), addr6(0x3000<<48, 1), {},
}

// step does one operation of five bytes: what, FIB, prefix, gateway, metric and
// expiry.
func (p *pair) step(op [5]byte) {
	p.n++
	fib := int(op[1]%6) - 1
	pre := p.prefix(op[2])
	r := Route[int]{Prefix: pre, Adj: p.n, Flags: Up, IfIndex: uint32(op[3] & 3), Metric: uint32(op[4] & 3)}
	if op[3]&4 != 0 {
		r.Gateway = addr4(uint32(op[3] >> 4))
	}
	if op[3]&8 != 0 {
		r.Flags |= Pinned
	}
	if op[4]&0x30 == 0 {
		r.Expire = p.now + 1 + clock.Time(op[4]>>6)*3
	}
	var got, want error
	switch what := op[0] % 16; {
	case what == 15:
		n := int(op[1] % 8)
		if got, want = p.fast.Grow(n), nil; n < p.slow.n {
			want = syscall.EINVAL
		} else {
			p.slow.n = n
		}
	case what == 14:
		p.expire(op[1])
	case what == 13:
		p.fast.UnhideAll(pre)
		p.slow.unhide(func(h hiding) bool { return h.p == pre })
	case what >= 10 && fib == sharedFIB || fib >= p.slow.n:
		_, got = p.fast.Writable(fib)
		want = syscall.EINVAL
	case what == 12:
		got, want = p.fast.Unhide(fib, pre), p.slow.unhide(func(h hiding) bool { return h == hiding{fib, pre} })
	case what >= 10:
		got, want = p.fast.Hide(fib, pre), p.slow.hide(fib, pre)
	default:
		got, want = p.table(what, fib, r)
	}
	if got != want {
		p.Fatalf("op %d, %v on FIB %d, %v: %v, want %v", p.n, op, fib, pre, got, want)
	}
	p.check()
}

// table does one operation on a table.
func (p *pair) table(what byte, fib int, r Route[int]) (got, want error) {
	t := p.fast.Shared()
	if fib != sharedFIB {
		t, _ = p.fast.Writable(fib)
	}
	all := p.slow.of(fib, r.Prefix)
	switch what {
	case 0, 1, 2, 3, 4:
		return t.Insert(r), p.slow.insert(fib, r)
	case 5, 6:
		return t.Change(r), p.slow.change(fib, r)
	case 7:
		at := slices.IndexFunc(all, func(i int) bool { return p.slow.routes[i].via(r.Gateway, r.IfIndex) })
		if at >= 0 {
			all = all[at : at+1]
		} else {
			all = nil
		}
		adj := -1
		if len(all) > 0 {
			adj = p.slow.routes[all[0]].Adj
		}
		old, err := t.DeleteVia(r.Prefix, r.Gateway, r.IfIndex)
		if err == nil && old.Adj != adj {
			p.Fatalf("op %d: DeleteVia returned %d, want %d", p.n, old.Adj, adj)
		}
		return err, p.slow.remove(fib, r.Prefix, all)
	}
	_, err := t.Delete(r.Prefix)
	return err, p.slow.remove(fib, r.Prefix, all)
}

func (p *pair) expire(by byte) {
	p.now += clock.Time(by % 4)
	got := map[int]int{}
	p.fast.Expire(p.now, func(fib int, r *Route[int]) {
		if r.Expire > p.now {
			p.Fatalf("op %d: %v expires at %d, and has at %d", p.n, r.Prefix, r.Expire, p.now)
		}
		got[fib]++
	})
	want := p.slow.expire(p.now)
	for fib := sharedFIB; fib < p.slow.n; fib++ {
		if got[fib] != want[fib] {
			p.Fatalf("op %d: %d routes of FIB %d expired, want %d", p.n, got[fib], fib, want[fib])
		}
	}
}

// check compares what is found in some FIBs, also such that there are not, and
// whether that is another than before only if the generation is.
func (p *pair) check() {
	p.Helper()
	if got, want := p.fast.Deadline(), p.slow.deadline(); got != want {
		p.Fatalf("op %d: deadline %d, want %d", p.n, got, want)
	}
	routes := make([]*Route[int], len(pairAddrs))
	for _, fib := range []int{p.n % 9, p.n/9%9 - 1, 0} {
		p.fast.LookupBatch(fib, pairAddrs, routes)
		seen := make([]int, len(pairAddrs))
		for i, a := range pairAddrs {
			seen[i] = adj(p.fast.Lookup(fib, a))
			want := -1
			if a.IsValid() {
				want = p.slow.lookup(fib, a)
			}
			if seen[i] != want || adj(routes[i]) != want {
				p.Fatalf("op %d: FIB %d, %v: %d, in a batch %d, want %d", p.n, fib, a, seen[i], adj(routes[i]), want)
			}
		}
		gen := p.fast.Generation(fib)
		if gen == p.gens[fib] && p.seen[fib] != nil && !slices.Equal(seen, p.seen[fib]) {
			p.Fatalf("op %d: FIB %d changed at generation %d", p.n, fib, gen)
		}
		p.gens[fib], p.seen[fib] = gen, seen
	}
	if p.n%10 != 0 {
		return
	}
	fib := p.n / 10 % p.slow.n
	var all []int
	for r := range p.fast.All(fib) {
		all = append(all, r.Adj)
	}
	if want := p.slow.list(fib); !slices.Equal(all, want) {
		p.Fatalf("op %d: FIB %d has %v, want %v", p.n, fib, all, want)
	}
}

func newPair(t *testing.T) *pair {
	return &pair{T: t, slow: slowSet{n: 1}, gens: map[int]uint32{}, seen: map[int][]int{}}
}

// fill adds so many shared routes, or own ones of FIB 0, that they take their big
// form.
func (p *pair) fill(fib, n int) {
	t := p.fast.Shared()
	if fib == 0 {
		t, _ = p.fast.Writable(0)
	}
	for i := range n {
		for _, v6 := range []bool{false, true} {
			r := Route[int]{Prefix: hostRoute(v6, i), Adj: -2 - i}
			if t.Insert(r) != nil || p.slow.insert(fib, r) != nil {
				p.Fatal("cannot fill")
			}
		}
	}
}

func TestSetAgainstGolden(t *testing.T) {
	for seed := range int64(12) {
		rnd := rand.New(rand.NewSource(seed))
		p := newPair(t)
		if seed%4 > 1 {
			p.fill(sharedFIB, 70)
		}
		if seed%4 == 3 {
			p.fill(0, 70)
		}
		for range 1000 {
			var op [5]byte
			rnd.Read(op[:])
			if rnd.Intn(4) > 0 { // few prefixes, so that they meet
				op[2] = op[2]&0x80 | byte(rnd.Intn(4))
			}
			p.step(op)
		}
	}
}

func FuzzSet(f *testing.F) {
	for seed := range int64(3) {
		ops := make([]byte, 5*100)
		rand.New(rand.NewSource(seed)).Read(ops)
		f.Add(ops)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		p := newPair(t)
		for n := 0; len(ops) >= 5 && n < 200; n, ops = n+1, ops[5:] {
			p.step([5]byte(ops[:5]))
		}
	})
}
