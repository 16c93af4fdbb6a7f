package control_test

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// nth is an address that no other number has.
func nth(n uint64, host byte) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), host})
}

// round gives the interface an address, a neighbour in its subnet and a route by that,
// has seen look at them, and takes all of it away.
func (r *rig) round(t *testing.T, n uint64, seen func()) {
	e0 := r.index["e0"]
	p := netip.PrefixFrom(nth(n, 1), 24)
	must(t, control.AddAddr(r.Stack, e0, p))
	must(t, control.SetNeighbor(r.Stack, e0, nth(n, 2), wire.MAC{2, 9}, false))
	must(t, control.AddRoute(r.Stack, 0, control.Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)}), 32), Gateway: nth(n, 2)}))
	seen()
	must(t, control.DelRoute(r.Stack, 0, netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)}), 32)))
	must(t, control.DelNeighbor(r.Stack, e0, nth(n, 2)))
	must(t, control.DelAddr(r.Stack, e0, p.Addr()))
}

// TestLookupAfterRemoval is behaviour 3.1: while addresses, neighbours and routes come
// and go, whoever looks after one was removed does not find it, and what was found
// before stays what it was.
func TestLookupAfterRemoval(t *testing.T) {
	const rounds, readers = 100, 2
	r := newRig(t)
	e0 := r.index["e0"]
	var gone atomic.Uint64 // rounds that are over
	var found atomic.Uint64
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			var held ifnet.IfAddr
			for n := gone.Load(); n < rounds; n = gone.Load() {
				v := r.View()
				var h ifnet.Hop
				far := netip.AddrFrom4([4]byte{172, 16, byte(n >> 8), byte(n)})
				if a := v.IfWithAddr(nth(n, 1), 0); n > 0 && a.OK() {
					t.Errorf("address %v was removed before", a.Prefix)
				}
				if nb := v.Conf(e0).Neighbor(nth(n, 2)); n > 0 && nb != nil {
					t.Errorf("neighbour %v was removed before", nb.IP)
				}
				if n > 0 && v.Route(0, far, 0, nil, &h) == 0 {
					t.Errorf("the route to %v was removed before", far)
				}
				if a := v.IfWithAddr(nth(n+1, 1), 0); a.OK() {
					found.Add(1)
					held = a
				}
				if held.OK() && (held.On.Name != "e0" || held.Bits() != 24 || held.IP().As4()[3] != 1) {
					t.Errorf("what was held has become %v", held)
				}
				runtime.Gosched()
			}
		})
	}
	for n := uint64(1); n <= rounds; n++ {
		r.round(t, n, runtime.Gosched)
		gone.Store(n)
	}
	wg.Wait()
	if found.Load() == 0 {
		t.Error("nobody ever found what was there")
	}
}

// TestNothingStaysAlive is behaviour 3.1's count of references: addresses and
// neighbours that were removed are garbage, whoever has looked at them.
func TestNothingStaysAlive(t *testing.T) {
	r := newRig(t)
	e0 := r.index["e0"]
	alive, total := new(atomic.Int64), 0
	watch := func() {
		v := r.View()
		c := v.Conf(e0)
		for i := range c.Addrs {
			alive.Add(1)
			total++
			runtime.AddCleanup(&c.Addrs[i], func(n *atomic.Int64) { n.Add(-1) }, alive)
		}
		for n := range c.Neigh.All() {
			alive.Add(1)
			total++
			runtime.AddCleanup(n, func(n *atomic.Int64) { n.Add(-1) }, alive)
		}
	}
	for n := uint64(1); n <= 100; n++ {
		r.round(t, n, func() {
			six := netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 14: byte(n), 15: 1}), 64)
			must(t, control.AddAddr(r.Stack, e0, six))
			must(t, control.SetNeighbor(r.Stack, e0, six.Addr().Next(), wire.MAC{2, 9}, false))
			watch()
			must(t, control.DelNeighbor(r.Stack, e0, six.Addr().Next()))
			must(t, control.DelAddr(r.Stack, e0, six.Addr()))
			r.sim.RunUntil(r.sim.Now() + clock.Time(1e9))
		})
	}
	for range 100 {
		if runtime.GC(); alive.Load() == 0 {
			break
		}
	}
	if n := alive.Load(); n != 0 || total < 400 {
		t.Errorf("%d of %d objects are still alive", n, total)
	}
	runtime.KeepAlive(r)
}
