package vnet_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// passFilter lets everything pass.
type passFilter struct{}

// Filter implements Filter.
func (passFilter) Filter(*pfil.Packet) pfil.Verdict { return pfil.Verdict{} }

// TestPathAllocatesNothing sends, forwards and receives with and without a
// filter.
func TestPathAllocatesNothing(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates")
	}
	forShards(t, func(t *testing.T, shards int) {
		for _, f := range []pfil.Filter{nil, passFilter{}} {
			ch := newChain(t, vnet.NewWorld(vnet.Config{Clock: clock.NewReal()}), shards, 1)
			for _, st := range ch.w.Stacks() {
				control.SetFilter(st, f)
			}
			sa, sb := listen(t, ch.a, "10.0.0.1:9"), listen(t, ch.b, "0.0.0.0:7")
			to, data, buf := netip.AddrPortFrom(subnet(1, 2).Addr(), 7), make([]byte, 64), make([]byte, 64)
			one := func() {
				if _, err := sa.WriteTo(data, to, nil); err != nil {
					t.Fatal(err)
				}
				if _, err := sb.ReadFrom(buf, nil, false); err != nil {
					t.Fatal(err)
				}
			}
			one()
			// A garbage collection empties the pool of runners: not per packet.
			if n := testing.AllocsPerRun(1000, one); n != 0 {
				t.Errorf("filter %v: %v allocations per datagram", f, n)
			}
			empty(t, ch.w)
		}
	})
}

// TestIdleStackMemory: a stack with one interface and one address costs less
// than 1,440 bytes, no goroutine, no timer.
func TestIdleStackMemory(t *testing.T) {
	if raceOn {
		t.Skip("the race detector needs more")
	}
	const n = 10000
	c := clock.NewReal()
	w := vnet.NewWorld(vnet.Config{Clock: c})
	goroutines := runtime.NumGoroutine()
	ports := make([]link.Port, n)
	names := make([]string, n)
	for i := range n {
		ports[i], names[i] = link.NewEpair(0).A(), fmt.Sprint("s", i)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range n {
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: names[i]})
		must(t, e)
		plug(t, st, "e0", ports[i], "10.0.0.1/24")
	}
	each := (heap() - before) / n
	t.Logf("%d bytes of heap per idle stack", each)
	if each > 1440 {
		t.Errorf("%d bytes of heap per idle stack, want at most 1440", each)
	}
	if got := runtime.NumGoroutine(); got > goroutines || c.Armed() != 0 {
		t.Errorf("%d goroutines and %d timers for idle stacks", got-goroutines, c.Armed())
	}
	runtime.KeepAlive(w)
	runtime.KeepAlive(ports)
}
