package event

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
)

func all() Filter { return Filter{Kinds: All, FIB: AllFIBs} }

func drain(s *Subscription) (got []Event) {
	for {
		e, ok := s.Read()
		if !ok {
			return got
		}
		got = append(got, e)
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for k := range Kind(Kinds) {
		if n := k.String(); n == "" || n == "unknown" || seen[n] {
			t.Errorf("kind %d is called %q", k, n)
		}
		seen[k.String()] = true
	}
	if Kind(Kinds).String() != "unknown" {
		t.Error("a kind that there is not has a name")
	}
}

// TestFilter: kinds, interface and table each let pass what they should.
func TestFilter(t *testing.T) {
	for _, c := range []struct {
		f    Filter
		e    Event
		want bool
	}{
		{all(), Event{Kind: Arrival, IfIndex: 3, FIB: AllFIBs}, true},
		{all(), Event{Kind: NeighDeleted, FIB: AllFIBs}, true},
		{Filter{Kinds: 1 << Up, FIB: AllFIBs}, Event{Kind: Up}, true},
		{Filter{Kinds: 1 << Up, FIB: AllFIBs}, Event{Kind: Down}, false},
		{Filter{Kinds: All, FIB: 2}, Event{Kind: RouteAdd, FIB: 2}, true},
		{Filter{Kinds: All, FIB: 2}, Event{Kind: RouteAdd, FIB: 1}, false},
		{Filter{Kinds: All, FIB: 2}, Event{Kind: Arrival, FIB: AllFIBs}, true}, // of no table: everybody's (behaviour 4.5)
		{Filter{Kinds: All, FIB: AllFIBs, IfIndex: 2}, Event{Kind: Up, IfIndex: 2}, true},
		{Filter{Kinds: All, FIB: AllFIBs, IfIndex: 2}, Event{Kind: Up, IfIndex: 1}, false},
		{Filter{}, Event{Kind: Arrival}, false},
	} {
		var h Hub
		s := h.Subscribe(c.f, clock.NewSim(), 0)
		h.Post(c.e)
		if got := len(drain(s)) == 1; got != c.want {
			t.Errorf("%+v lets %+v pass: %v", c.f, c.e, got)
		}
	}
}

// TestOverflow: what does not fit is lost to the slow one alone, counted, and told
// with the next that fits.
func TestOverflow(t *testing.T) {
	var h Hub
	ck := clock.NewSim()
	slow, fast := h.Subscribe(all(), ck, 10), h.Subscribe(all(), ck, 100)
	for i := range 25 {
		ck.RunUntil(clock.Time(i))
		h.Post(Event{Kind: Up, IfIndex: uint32(i)})
	}
	if got := drain(fast); len(got) != 25 || fast.Lost() != 0 || got[24].At != 24 {
		t.Errorf("the fast one has %d, lost %d", len(got), fast.Lost())
	}
	if e, _ := slow.Read(); e.IfIndex != 0 || e.Missed != 0 {
		t.Errorf("first %+v", e)
	}
	h.Post(Event{Kind: Up, IfIndex: 25})
	got := drain(slow)
	if len(got) != 10 || got[8].IfIndex != 9 || got[9].IfIndex != 25 || got[9].Missed != 15 || slow.Lost() != 15 {
		t.Errorf("the slow one lost %d and has %+v", slow.Lost(), got)
	}
}

// TestRing: a queue that is written and read in turn keeps the order, whatever its
// size.
func TestRing(t *testing.T) {
	for limit := 1; limit < 40; limit++ {
		var h Hub
		s := h.Subscribe(all(), clock.NewSim(), limit)
		next, want := uint32(0), uint32(0)
		for round := range 200 {
			for range min(1+round%7, limit) {
				h.Post(Event{Kind: Up, IfIndex: next})
				next++
			}
			for range 1 + round%5 {
				if e, ok := s.Read(); ok {
					want += uint32(e.Missed)
					if e.IfIndex != want {
						t.Fatalf("limit %d: %d came instead of %d", limit, e.IfIndex, want)
					}
					want++
				}
			}
		}
	}
}

// TestCallback: who is called gets all of them in order, in simulated time when the
// driver moves it, also those that his own call has caused.
func TestCallback(t *testing.T) {
	var h Hub
	ck := clock.NewSim()
	var got []uint32
	s := h.SubscribeFunc(all(), ck, 0, func(e Event) {
		got = append(got, e.IfIndex)
		if e.IfIndex < 3 {
			h.Post(Event{Kind: Up, IfIndex: e.IfIndex + 10})
		}
	})
	h.Post(Event{Kind: Up, IfIndex: 1})
	h.Post(Event{Kind: Up, IfIndex: 2})
	if got != nil {
		t.Fatal("called from within Post")
	}
	ck.RunUntil(1)
	if fmt.Sprint(got) != "[1 2 11 12]" {
		t.Error(got)
	}
	h.Post(Event{Kind: Up, IfIndex: 5})
	s.Close()
	ck.RunUntil(2)
	if len(got) != 4 || ck.Armed() != 0 {
		t.Error("called after Close", got)
	}
}

// TestClose: what waits can be read, nothing more comes, and the hub costs nothing
// again.
func TestClose(t *testing.T) {
	var h Hub
	a, b := h.Subscribe(all(), clock.NewSim(), 0), h.Subscribe(all(), clock.NewSim(), 0)
	h.Post(Event{Kind: Up})
	a.Close()
	h.Post(Event{Kind: Up})
	if len(drain(a)) != 1 || !a.Closed() || len(drain(b)) != 2 || b.Closed() {
		t.Error("closing one")
	}
	b.Close()
	if !h.Idle() {
		t.Error("nobody listens, but the hub is not idle")
	}
	c := h.Subscribe(all(), clock.NewSim(), 0)
	h.Close()
	h.Post(Event{Kind: Up})
	late := h.Subscribe(all(), clock.NewSim(), 0)
	if !c.Closed() || !late.Closed() || len(drain(c)) != 0 {
		t.Error("closing the hub")
	}
	for _, s := range []*Subscription{a, b, c, late} {
		<-s.Bell() // who waits is woken
	}
}

// TestHandle: handlers run within Tell, in order, until they are removed.
func TestHandle(t *testing.T) {
	var h Hub
	var got []string
	one := h.Handle(func(e Event) { got = append(got, "one "+e.Name) })
	two := h.Handle(func(e Event) { got = append(got, "two "+e.Name) })
	h.Tell(Event{Name: "a"})
	one()
	h.Tell(Event{Name: "b"})
	two()
	h.Tell(Event{Name: "c"})
	if !slices.Equal(got, []string{"one a", "two a", "two b"}) || !h.Idle() {
		t.Error(got)
	}
}

// TestIdle: without subscribers nothing is allocated.
func TestIdle(t *testing.T) {
	var h Hub
	e := Event{Kind: AddrAdd, Prefix: netip.MustParsePrefix("10.0.0.1/24"), Name: "e0"}
	if n := testing.AllocsPerRun(100, func() { h.Post(e) }); n != 0 {
		t.Error("allocations:", n)
	}
}

// TestConcurrent: several post, several read, one comes and goes; each poster's
// events come in order, none is lost, and every reader ends.
func TestConcurrent(t *testing.T) {
	const posters, each, readers = 4, 5000, 3
	var h Hub
	ck := clock.NewReal()
	s := h.Subscribe(all(), ck, posters*each)
	var seen [posters]uint32
	var mu sync.Mutex
	called := h.SubscribeFunc(all(), ck, posters*each, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if seen[e.IfIndex] != uint32(e.FIB) {
			t.Errorf("poster %d: %d came, not %d", e.IfIndex, e.FIB, seen[e.IfIndex])
		}
		seen[e.IfIndex]++
	})
	var wg, rd sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				h.Post(Event{Kind: Up, IfIndex: uint32(p), FIB: int32(i)})
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			h.Subscribe(all(), ck, 4).Close()
		}
	})
	var total [readers]int
	for r := range readers {
		rd.Go(func() {
			for range s.Bell() {
				for _, ok := s.Read(); ok; _, ok = s.Read() {
					total[r]++
				}
				if s.Closed() {
					return
				}
			}
		})
	}
	wg.Wait()
	h.Close()
	rd.Wait()
	if n := total[0] + total[1] + total[2]; n != posters*each || s.Lost() != 0 {
		t.Errorf("%d events read, %d lost", n, s.Lost())
	}
	for called.Lost() == 0 {
		mu.Lock()
		n := seen[0] + seen[1] + seen[2] + seen[3]
		mu.Unlock()
		if n == posters*each {
			break
		}
	}
}

func BenchmarkPostIdle(b *testing.B) {
	var h Hub
	for b.Loop() {
		h.Post(Event{Kind: Up})
	}
}
