package fib

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
)

func TestSet(t *testing.T) {
	var s Set[int]
	if s.Len() != 1 || s.Table(0) != nil || s.Table(5) != nil {
		t.Error("the zero set is not one empty table")
	}
	if _, err := s.Writable(1); err != syscall.EINVAL {
		t.Errorf("Writable(1) of one table: %v, want EINVAL", err)
	}
	zero, err := s.Writable(0)
	if err != nil || s.Table(0) != zero {
		t.Fatalf("Writable(0): %v, %v", zero, err)
	}
	if err := s.Grow(100); err != nil || s.Len() != 100 {
		t.Fatalf("Grow(100): %v, Len %d", err, s.Len())
	}
	if s.Table(0) != zero || s.Table(99) != nil {
		t.Error("growing moved a table or made one")
	}
	seven, err := s.Writable(7)
	if err != nil || s.Table(7) != seven || s.Table(6) != nil || s.Table(0) != zero {
		t.Errorf("Writable(7): %v, %v", seven, err)
	}
	if again, _ := s.Writable(7); again != seven {
		t.Error("a table was made twice")
	}
	for _, n := range []int{99, 0, -1, MaxTables + 1} {
		if err := s.Grow(n); err != syscall.EINVAL {
			t.Errorf("Grow(%d) of 100: %v, want EINVAL", n, err)
		}
	}
}

// behaviour §4.3 class 3c: a FIB that does not exist is FIB 0.
func TestSetUnknownFIBIsZero(t *testing.T) {
	var s Set[int]
	zero, _ := s.Writable(0)
	if s.Grow(2) != nil {
		t.Fatal("Grow(2)")
	}
	for _, fib := range []int{2, 15, 65535, -1} {
		if s.Table(fib) != zero {
			t.Errorf("FIB %d is not FIB 0", fib)
		}
	}
	if s.Table(1) != nil {
		t.Error("FIB 1 exists, and is empty")
	}
}

// A hundred FIBs in each of thousands of stacks are ordinary.
func TestSetIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Set[int]{}); n > 8 {
		t.Errorf("an unused set takes %d bytes", n)
	}
	if n := unsafe.Sizeof(body[int]{}); n > 48 {
		t.Errorf("a set with shared routes takes %d bytes before they are there", n)
	}
	var s Set[int]
	if n := testing.AllocsPerRun(1, func() {
		s = Set[int]{}
		s.Grow(MaxTables)
		s.Shared()
	}); n > 2 {
		t.Errorf("65,536 empty FIBs take %v allocations", n)
	}
}

// behaviour 4.4: an address costs the same with 1 FIB or 65,536, whether they have
// routes or not.
func TestSharedRouteCostsTheSame(t *testing.T) {
	cost := func(fibs int) float64 {
		var s Set[int]
		s.Grow(fibs)
		for fib := range fibs {
			own, err := s.Writable(fib)
			if err == nil {
				err = own.Insert(route("0.0.0.0/0", fib))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		n := testing.AllocsPerRun(10, func() {
			if err := s.Shared().Insert(route("10.0.0.0/24", -2)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Shared().Delete(netip.MustParsePrefix("10.0.0.0/24")); err != nil {
				t.Fatal(err)
			}
		})
		s.Shared().Insert(route("10.0.0.0/24", -2))
		for _, fib := range []int{0, 1, fibs - 1} {
			if got := adj(s.Lookup(fib, addr4(0x0a000001))); got != -2 {
				t.Errorf("FIB %d of %d finds %d", fib, fibs, got)
			}
			if got, want := adj(s.Lookup(fib, addr4(1))), fib; got != want {
				t.Errorf("FIB %d of %d has the default route %d", fib, fibs, got)
			}
		}
		return n
	}
	if one, all := cost(2), cost(MaxTables); one != all {
		t.Errorf("%v allocations with 2 FIBs, %v with 65,536", one, all)
	}
}

// What was FIB 0 by its number is another FIB once there are so many; who kept a
// route must not find the old generation again.
func TestGrowChangesGeneration(t *testing.T) {
	var s Set[int]
	own, _ := s.Writable(0)
	own.Insert(route("0.0.0.0/0", 1))
	s.Shared().Insert(route("10.0.0.0/8", 2))
	before := s.Generation(1)
	s.Grow(2)
	one, _ := s.Writable(1)
	for i := range 10 {
		if s.Generation(1) == before {
			t.Fatalf("the same generation after %d changes", i)
		}
		one.Insert(Route[int]{Prefix: hostRoute(false, i)})
	}
}

// A FIB that hides a route finds what else is shared as it changes.
func TestHide(t *testing.T) {
	var s Set[int]
	s.Grow(3)
	a, b := netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("10.0.1.0/24")
	s.Shared().Insert(Route[int]{Prefix: a, Flags: Up | Pinned, Adj: 1})
	want := func(what string, fib, a, b int) {
		t.Helper()
		if got := adj(s.Lookup(fib, addr4(0x0a000001))); got != a {
			t.Errorf("%s: the first route of FIB %d is %d, want %d", what, fib, got, a)
		}
		if got := adj(s.Lookup(fib, addr4(0x0a000101))); got != b {
			t.Errorf("%s: the second route of FIB %d is %d, want %d", what, fib, got, b)
		}
	}
	if err := s.Hide(2, b); err != syscall.ESRCH {
		t.Errorf("hiding what is not there: %v", err)
	}
	if err := s.Hide(3, a); err != syscall.EINVAL {
		t.Errorf("hiding in a FIB that is not there: %v", err)
	}
	if err := s.Hide(2, netip.MustParsePrefix("10.0.0.7/24")); err != nil {
		t.Fatal(err)
	}
	want("hidden", 2, -1, -1)
	want("hidden elsewhere", 1, 1, -1)
	s.Shared().Insert(Route[int]{Prefix: b, Flags: Up | Pinned, Adj: 2})
	want("another", 2, -1, 2)
	mine := Route[int]{Prefix: a, Flags: Up, Adj: 3}
	own, _ := s.Writable(2)
	if err := own.Insert(mine); err != nil {
		t.Errorf("a route of its own in the place of the hidden one: %v", err)
	}
	if own, _ := s.Writable(1); own.Insert(mine) != syscall.EEXIST {
		t.Error("a route in the place of a pinned one")
	}
	want("its own", 2, 3, 2)
	own.Delete(a)
	s.Shared().Update(func(tx *Txn[int]) { // moved to another interface: still hidden
		tx.Delete(a)
		tx.Insert(Route[int]{Prefix: a, Flags: Up | Pinned, Adj: 4})
	})
	want("moved", 2, -1, 2)
	s.Shared().Delete(a)
	s.Shared().Insert(Route[int]{Prefix: a, Flags: Up | Pinned, Adj: 5})
	want("restored by down and up", 2, 5, 2)
	if len(s.body.Load().more.Load().hiders) > 0 || s.body.Load().layer(2).copy.Load() != nil {
		t.Error("a FIB that hides nothing has a copy")
	}
}

// Routes whose life is prolonged again and again leave no more behind than there
// are routes.
func TestExpiryIsBounded(t *testing.T) {
	var s Set[int]
	own, _ := s.Writable(0)
	const routes = 200
	for i := range routes {
		own.Insert(Route[int]{Prefix: hostRoute(false, i), Expire: clock.Time(1000 + i)})
	}
	for n := range 20 * routes {
		i := n % routes
		r := Route[int]{Prefix: hostRoute(false, i), Expire: clock.Time(2000 + n - n%3)} // now and then the same
		if err := own.Change(r); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 1000 { // and nothing but its MTU
		r := *own.Get(hostRoute(false, 0))
		r.MTU = uint32(n)
		if err := own.Change(r); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.body.Load().more.Load().due); n > 2*routes+cleanLeast {
		t.Errorf("%d entries for %d routes", n, routes)
	}
	left := routes
	for now := s.Deadline(); now != clock.Never; now = s.Deadline() {
		if now < 2000 {
			t.Fatalf("a route that lives longer expires at %d", now)
		}
		s.Expire(now, func(fib int, r *Route[int]) { left-- })
	}
	if left != 0 || own.Len() != 0 {
		t.Errorf("%d routes have not expired", left)
	}
}

// Readers must find a route that is now a FIB's own and now shared, and that the FIB
// now hides and now has itself, all the time.
func TestReadersWhileRoutesMove(t *testing.T) {
	var s Set[int]
	s.Grow(2)
	r := route("10.0.0.0/8", 7)
	if err := s.Shared().Insert(r); err != nil {
		t.Fatal(err)
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			dst := []netip.Addr{addr4(0x0a000001)}
			routes := make([]*Route[int], 1)
			for !done.Load() {
				s.LookupBatch(1, dst, routes)
				if one, batch := adj(s.Lookup(1, dst[0])), adj(routes[0]); one != 7 || batch != 7 {
					t.Errorf("%d by Lookup, %d by LookupBatch", one, batch)
					return
				}
			}
		})
	}
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	for i := range 2000 {
		own, err := s.Writable(1)
		must(err)
		must(own.Insert(r))
		if i%2 == 0 {
			must(s.Hide(1, r.Prefix))
			must(s.Unhide(1, r.Prefix))
		} else {
			_, err = s.Shared().Delete(r.Prefix)
			must(err)
			must(s.Shared().Insert(r))
		}
		_, err = own.Delete(r.Prefix)
		must(err)
	}
	done.Store(true)
	readers.Wait()
}
