package control_test

import (
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// readUntil looks at addresses, routes and neighbours until stop is set, and adds up how
// often.
//
//go:noinline
func readUntil(r *rig, stop *atomic.Bool, total *atomic.Uint64) {
	e0, own, far := r.index["e0"], addr("10.200.0.1"), addr("172.16.0.1")
	for n := uint64(1); !stop.Load(); n++ {
		if n%64 == 0 {
			total.Add(64)
			runtime.Gosched()
		}
		v := r.View()
		var h ifnet.Hop
		if !v.IfWithAddr(own, 0).OK() || v.Conf(e0).WithAddr(own).IP() != own {
			panic("the address that stays is not there")
		}
		v.Route(0, far, 0, nil, &h)
		v.Conf(e0).Neighbor(nth(n%8, 2))
		v.IfWithNet(own, false, ifnet.AnyFIB)
	}
}

// waiting returns how often a function whose name ends so waited for a lock, or made
// others wait, by a profile.
func waiting(t *testing.T, profile func([]runtime.BlockProfileRecord) (int, bool), function string) (found int64) {
	t.Helper()
	all := make([]runtime.BlockProfileRecord, 4096)
	n, ok := profile(all)
	if !ok {
		t.Fatal(n, "records")
	}
	for _, rec := range all[:n] {
		frames := runtime.CallersFrames(rec.Stack())
		for f, more := frames.Next(); ; f, more = frames.Next() {
			if strings.HasPrefix(f.Function, "runtime.unlock") {
				break // the collector's, whoever began its work
			}
			if strings.HasSuffix(f.Function, function) {
				found += rec.Count
				break
			}
			if !more {
				break
			}
		}
	}
	return found
}

// TestReadersWaitForNobody: who looks at addresses, routes and neighbours while they
// change appears in no profile of locks.
func TestReadersWaitForNobody(t *testing.T) {
	was := runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	defer runtime.SetMutexProfileFraction(was)
	defer runtime.SetBlockProfileRate(0)
	r := newRig(t)
	r.round(t, 1, func() {})
	must(t, control.AddAddr(r.Stack, r.index["e0"], prefix("10.200.0.1/16")))
	var stop atomic.Bool
	var total atomic.Uint64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { readUntil(r, &stop, &total) })
	}
	for n := uint64(2); n < 40 || total.Load() < 2000; n++ {
		r.round(t, n, func() {})
	}
	stop.Store(true)
	wg.Wait()
	if n := waiting(t, runtime.MutexProfile, ".readUntil") + waiting(t, runtime.BlockProfile, ".readUntil"); n != 0 {
		t.Errorf("readers are in the profiles of locks %d times", n)
	}
}

// changeRoutes and changeNeighbors have a name in profiles. They return whether all went
// well, as package testing has locks of its own.
//
//go:noinline
func changeRoutes(r *rig, n int) bool {
	p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n), 1}), 32)
	added := control.AddRoute(r.Stack, 0, control.Route{Dst: p, Gateway: nth(1, 2)})
	return added == 0 && control.DelRoute(r.Stack, 0, p) == 0
}

//go:noinline
func changeNeighbors(r *rig, n int) bool {
	a, e0 := nth(1, byte(10+n%100)), r.index["e0"]
	added := control.SetNeighbor(r.Stack, e0, a, wire.MAC{2, 9}, false)
	return added == 0 && control.DelNeighbor(r.Stack, e0, a) == 0
}

// together runs two functions beside each other, each so many times.
func together(t *testing.T, r *rig, times int, a, b func(*rig, int) bool) {
	t.Helper()
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i, f := range []func(*rig, int) bool{a, b} {
		wg.Go(func() {
			for n := range times {
				if !f(r, 2*n+i) {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Fatalf("%d changes were refused", n)
	}
}

// TestProfileOfRoutesAndNeighbors is behaviour 5.1: who changes routes and who changes
// neighbours never wait for each other, as two who change routes do. The mutex profile
// says so, as long as that the two of a kind show in it.
func TestProfileOfRoutesAndNeighbors(t *testing.T) {
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	r := newRig(t)
	r.told.Close() // who is told of both is a lock of both
	must(t, control.AddAddr(r.Stack, r.index["e0"], netip.PrefixFrom(nth(1, 1), 24)))
	must(t, control.SetNeighbor(r.Stack, r.index["e0"], nth(1, 2), wire.MAC{2, 9}, false))
	// The first and the last route by a gateway are its neighbour's too.
	must(t, control.AddRoute(r.Stack, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: nth(1, 2)}))
	waits := func() [2]int64 {
		return [2]int64{waiting(t, runtime.MutexProfile, ".changeRoutes"), waiting(t, runtime.MutexProfile, ".changeNeighbors")}
	}
	const times = 500
	rounds := 0
	for before := waits(); ; rounds++ {
		together(t, r, times, changeRoutes, changeRoutes)
		together(t, r, times, changeNeighbors, changeNeighbors)
		if now := waits(); now[0] > before[0] && now[1] > before[1] {
			break
		}
		if rounds == 200 {
			t.Skip("two of a kind never waited for each other here: their absence would show nothing")
		}
	}
	before := waits()
	for range 4 * (rounds + 1) {
		together(t, r, times, changeRoutes, changeNeighbors)
	}
	if now := waits(); now != before {
		t.Errorf("changes of routes and of neighbours have waited %d and %d times beside each other", now[0]-before[0], now[1]-before[1])
	}
}
