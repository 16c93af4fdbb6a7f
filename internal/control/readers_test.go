package control_test

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
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

// waiting returns how many records of a profile have readUntil in their stack.
func waiting(t *testing.T, profile func([]runtime.BlockProfileRecord) (int, bool)) (found int) {
	t.Helper()
	all := make([]runtime.BlockProfileRecord, 4096)
	n, ok := profile(all)
	if !ok {
		t.Fatal(n, "records")
	}
	for _, rec := range all[:n] {
		frames := runtime.CallersFrames(rec.Stack())
		for f, more := frames.Next(); ; f, more = frames.Next() {
			if strings.HasSuffix(f.Function, "readUntil") {
				found++
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
	if n := waiting(t, runtime.MutexProfile) + waiting(t, runtime.BlockProfile); n != 0 {
		t.Errorf("readers are in %d records of the profiles of locks", n)
	}
}
