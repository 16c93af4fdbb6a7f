package vnet_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// TestPathAllocatesNothing6 is TestPathAllocatesNothing for IPv6.
func TestPathAllocatesNothing6(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates")
	}
	forShards(t, func(t *testing.T, shards int) {
		ch := newChain6(t, clock.NewReal(), shards, 1)
		sa, sb := listen(t, ch.a, "[2001:db8::1]:9"), listen(t, ch.b, "[::]:7")
		to, data, buf := addrPort("[2001:db8:1::2]:7"), make([]byte, 64), make([]byte, 64)
		one := func() {
			if _, err := sa.WriteTo(data, to, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := sb.ReadFrom(buf, nil, false); err != nil {
				t.Fatal(err)
			}
		}
		one()
		if n := testing.AllocsPerRun(1000, one); n != 0 {
			t.Errorf("%v allocations per datagram", n)
		}
		empty(t, ch.w)
	})
}

// TestIdleDualStackMemory: a stack with one interface that has an IPv4, a
// link-local and a global address costs no more than 2,720 bytes, no goroutine, no
// timer.
func TestIdleDualStackMemory(t *testing.T) {
	if raceOn {
		t.Skip("the race detector needs more")
	}
	const n = 10000
	c := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: c})
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
	addrs := []netip.Prefix{prefix("10.0.0.1/24"), prefix("2001:db8::1/64")}
	before, goroutines := heap(), runtime.NumGoroutine()
	for i := range n {
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: names[i]})
		must(t, e)
		_, e = control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: ports[i], Addrs: addrs})
		must(t, e)
	}
	run(c, time.Minute)
	each := (heap() - before) / n
	t.Logf("%d bytes of heap per idle dual-stack host", each)
	if each > 2720 {
		t.Errorf("%d bytes of heap per idle dual-stack host, want at most 2720", each)
	}
	if got := runtime.NumGoroutine(); got > goroutines || c.Armed() != 0 {
		t.Errorf("%d goroutines and %d timers for idle stacks", got-goroutines, c.Armed())
	}
	runtime.KeepAlive(w)
	runtime.KeepAlive(ports)
}
