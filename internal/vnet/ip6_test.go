package vnet_test

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// pair6 is two hosts on one link, with addresses claimed and ready.
func pair6(t *testing.T, shards int) (w *vnet.World, c *clock.Sim, a, b *vnet.Stack) {
	c = clock.NewSim()
	w = vnet.NewWorld(vnet.Config{Clock: c})
	ep := link.NewEpair(0)
	for i, name := range []string{"a", "b"} {
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: name, Shards: shards})
		must(t, e)
		port := ep.A()
		if i == 1 {
			port = ep.B()
			b = st
		} else {
			a = st
		}
		idx, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: port})
		must(t, e)
		must(t, control.AddAddr(st, idx, prefix([]string{"2001:db8::1/64", "2001:db8::2/64"}[i])))
	}
	run(c, 5*time.Second)
	return w, c, a, b
}

// TestIPv6Datagram: an address may be used once nobody has objected to it.
func TestIPv6Datagram(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, a, b := pair6(t, shards)
		s, e := usrreq.ListenUDP(b, addrPort("[2001:db8::2]:7"), 0, 0)
		must(t, e)
		from, e := usrreq.ListenUDP(a, addrPort("[::]:9"), 0, 0)
		must(t, e)
		for _, n := range []int{5, 1400, 4000} {
			if _, err := from.WriteTo(pattern(n), addrPort("[2001:db8::2]:7"), nil); err != nil {
				t.Fatal(err)
			}
			run(c, time.Second)
			expect(t, s, string(pattern(n)))
		}
		empty(t, w)
	})
}
