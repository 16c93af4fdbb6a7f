package vnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
)

// TestDispatchPolicies: who runs a stack makes no difference to what arrives,
// nor to its order.
func TestDispatchPolicies(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		for _, policy := range []netisr.Policy{netisr.Direct, netisr.Hybrid, netisr.Deferred} {
			synctest.Test(t, func(t *testing.T) {
				ch := newChain(t, vnet.NewWorld(vnet.Config{Clock: clock.NewReal()}), shards, 3)
				ch.w.Sched().SetPolicy(policy)
				control.SetFilter(ch.a, nil)
				const flows, each = 5, 100
				var from, to []usrreq.Sock
				for i := range flows {
					from = append(from, listen(t, ch.a, fmt.Sprint("10.0.0.1:", 100+i)))
					to = append(to, listen(t, ch.b, fmt.Sprint("0.0.0.0:", 200+i)))
					send(t, from[i], "first", netip.AddrPortFrom(subnet(3, 2).Addr(), uint16(200+i)).String())
					synctest.Wait()
					expect(t, to[i], "first")
				}
				for j := range each {
					for i, s := range from {
						send(t, s, fmt.Sprint(j), netip.AddrPortFrom(subnet(3, 2).Addr(), uint16(200+i)).String())
					}
					if j%50 == 49 { // before a queue is full
						synctest.Wait()
					}
				}
				synctest.Wait()
				for _, s := range to {
					for j := range each {
						expect(t, s, fmt.Sprint(j))
					}
					expectNone(t, s)
				}
				if handed := ch.w.Sched().Handed(); (handed > 0) != (policy == netisr.Deferred) {
					t.Errorf("%v: %d hand-overs", policy, handed)
				}
				empty(t, ch.w)
			})
		}
	})
}

// TestNodeQueueOverflow fills the queue of a stack that nobody runs: what does
// not fit is counted, once, and what fits is delivered in order.
func TestNodeQueueOverflow(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	s := listen(t, st, "0.0.0.0:7")
	const n = netisr.QueueLimit + 100
	var frames [][]byte
	for i := range n {
		frames = append(frames, tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", fmt.Sprint(i)))
	}
	tp.inject(frames...)
	for i := range netisr.QueueLimit {
		expect(t, s, fmt.Sprint(i))
	}
	expectNone(t, s)
	count(t, st, map[string]uint64{"drop.queue full": 100})
	empty(t, w)
}

// TestSimulatedIsRepeatable: the same seed gives the same bytes, and another
// one others.
func TestSimulatedIsRepeatable(t *testing.T) {
	run := func(seed uint64, shards int) (all [][]byte) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c, Seed: seed})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		tp.owns = func(netip.Addr) bool { return true }
		for i := range 20 {
			s := listen(t, st, "0.0.0.0:0")
			s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: anIf}, netip.AddrFrom4([4]byte{232, 1, 1, byte(i)}), netip.Addr{})
			send(t, s, "x", fmt.Sprint("10.0.0.", 2+i%7, ":7"))
			c.RunUntil(c.Now().Add(1e9))
		}
		all = tp.take()
		empty(t, w)
		return all
	}
	forShards(t, func(t *testing.T, shards int) {
		same := func(a, b [][]byte) bool {
			return slices.EqualFunc(a, b, func(x, y []byte) bool { return string(x) == string(y) })
		}
		a := run(7, shards)
		if len(a) < 40 || !same(a, run(7, shards)) {
			t.Error("the same seed gave other bytes")
		}
		if same(a, run(8, shards)) {
			t.Error("another seed gave the same bytes")
		}
	})
}
