package link

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestBridgeDetachWhileQueued: frames of a port that is gone are not those of
// the port that has its number now.
func TestBridgeDetachWhileQueued(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		if !br.Claim() {
			t.Fatal("a switch at rest is busy")
		}
		h[1].send(nil, 1)
		h[0].send(nil, 2)
		h[1].port.Detach()
		h[1].port.Detach()
		next := newHost(s, br, 4)
		if next.port.(*bridgePort).n != h[1].port.(*bridgePort).n {
			t.Fatal("the number was not used again")
		}
		release(s, br)
		h[0].want(t)
		h[1].want(t)
		h[2].want(t, 2)
		next.want(t, 2)
		if n := br.Stats().Learned; n != 1 {
			t.Errorf("%d addresses learned, want 1", n)
		}
		h[1].send(nil, 3) // gone is gone
		h[2].want(t)
	})
}

// TestBridgePortAfterDetach: who calls a port that it gave back does nothing to
// the one that has its number now.
func TestBridgePortAfterDetach(t *testing.T) {
	for _, reuse := range []bool{false, true} {
		onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
			gone, group := h[1].port, wire.MulticastMAC(ip("224.0.0.9"))
			gone.Accept(group, true)
			gone.Detach()
			next := h[2]
			if reuse {
				next = newHost(s, br, 4)
			}
			gone.Accept(group, true)
			gone.Accept(group, false)
			gone.Accept(group, false)
			gone.SetPromisc(true)
			gone.SetAddr(wire.MAC{2, 7})
			gone.SetAddr(wire.MAC{2, 8})
			h[0].put(h[0].datagram(wire.MAC{2, 8}, h[1].ip, 1))
			h[0].cast("224.0.0.9", 2)
			h[0].send(nil, 3)
			h[1].want(t)
			next.want(t, 3)
			others := uint64(1)
			if reuse {
				others = 2
			}
			if n := br.Stats().Card; n != 2*others {
				t.Errorf("%d copies kept out by the cards of %d other ports", n, others)
			}
			gone.Detach()
			h[0].send(nil, 4)
			next.want(t, 4)
		})
	}
}

// TestBridgePortAttachedAgain: a port whose interface moves to another stack is
// detached and attached again: it is a new one, at another number if its own has been
// given to another.
func TestBridgePortAttachedAgain(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[1].send(nil, 1)
		h[0].take()
		h[2].take()
		again := h[1].port.(*bridgePort)
		again.Detach()
		next := newHost(s, br, 4)
		again.Attach(h[1])
		again.SetAddr(h[1].mac)
		if again.n == next.port.(*bridgePort).n {
			t.Fatal("two ports have one number")
		}
		h[0].send(h[1], 2)
		h[1].want(t, 2)
		h[1].send(h[0], 3)
		h[0].want(t, 3)
		next.want(t)
	})
}

// TestBridgePortBeforeAttach: a port takes part once it is attached, whatever it
// was told before.
func TestBridgePortBeforeAttach(t *testing.T) {
	for _, hub := range []bool{false, true} {
		onLAN(t, BridgeConfig{Hub: hub}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
			p := br.AddPort()
			p.SetAddr(wire.MAC{2, 7})
			p.SetPromisc(true)
			h[1].port.SetPromisc(true)
			h[2].port.SetPromisc(true)
			h[0].put(h[0].datagram(wire.MAC{2, 7}, h[1].ip, 1))
			h[1].want(t, 1)
			if n := br.Stats().Card; n != 0 {
				t.Errorf("%d copies kept out by cards, want none", int64(n))
			}
			h[2].take()
			late := &host{s: s, port: p, mac: wire.MAC{2, 7}, ip: ip("10.0.0.7")}
			late.Init(late)
			late.send(nil, 2)
			h[1].want(t)
			p.Attach(late)
			p.Attach(late) // again: still one port
			h[0].send(nil, 3)
			late.want(t, 3)
			h[1].want(t, 3)
		})
	}
}

// TestBridgePromiscuousTwice: saying it twice shows nothing twice.
func TestBridgePromiscuousTwice(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[1].port.SetPromisc(true)
		h[1].port.Accept(h[1].mac, true)
		h[1].port.SetPromisc(true)
		h[0].send(h[1], 1)
		h[1].want(t, 1)
		h[1].port.SetPromisc(false)
		h[0].send(h[1], 2)
		h[1].want(t, 2)
	})
}

// TestBridgeForgetsPorts: nothing of a port is held once it is gone.
func TestBridgeForgetsPorts(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	br := NewBridge(s, table.Seed{}, BridgeConfig{})
	a := newHost(s, br, 1)
	gone := func() weak.Pointer[bridgePort] {
		b := newHost(s, br, 2)
		b.send(nil, 1)
		a.send(b, 2) // the one receiver of the last frame
		b.want(t, 2)
		b.port.Detach()
		return weak.Make(b.port.(*bridgePort))
	}()
	runtime.GC()
	if gone.Value() != nil {
		t.Error("a port is held after Detach")
	}
	a.port.Detach()
	br.Close()
	clean(t, s)
}

// TestBridgeManyPorts: to add a port takes no longer on a big switch, and
// numbers are used again.
func TestBridgeManyPorts(t *testing.T) {
	const n = 300_000
	s := netisr.NewSched(clock.NewSim())
	br := NewBridge(s, table.Seed{}, BridgeConfig{})
	ports := make([]Port, n)
	start := time.Now()
	for i := range ports {
		ports[i] = br.AddPort()
	}
	if d := time.Since(start); d > 3*time.Second { // four times as long, if each looks at all others
		t.Errorf("%d ports took %v", n, d)
	}
	for round := range 3 {
		for i := round; i < n; i += 3 {
			ports[i].Detach()
		}
		for i := round; i < n; i += 3 {
			ports[i] = br.AddPort()
		}
	}
	numbers := make(map[int32]bool)
	for _, p := range ports {
		numbers[p.(*bridgePort).n] = true
	}
	if len(numbers) != n || len(br.ports) != n {
		t.Errorf("%d ports have %d numbers up to %d", n, len(numbers), len(br.ports))
	}
}

func BenchmarkBridgeAddPort(b *testing.B) {
	br := NewBridge(netisr.NewSched(clock.NewSim()), table.Seed{}, BridgeConfig{})
	b.ReportAllocs()
	for b.Loop() {
		br.AddPort()
	}
}

// TestBridgeConcurrent has everybody do everything at once.
func TestBridgeConcurrent(t *testing.T) {
	for _, policy := range []netisr.Policy{netisr.Direct, netisr.Deferred} {
		t.Run(policy.String(), func(t *testing.T) {
			s := netisr.NewSched(clock.NewReal())
			s.SetPolicy(policy)
			br := NewBridge(s, table.Seed{}, BridgeConfig{FastLeave: true})
			var wg sync.WaitGroup
			for n := range byte(8) {
				h := newHost(s, br, n+1)
				wg.Go(func() { h.busy(br, 1000) })
			}
			wg.Wait()
			settle(s)
			a, b := newHost(s, br, 10), newHost(s, br, 11)
			a.send(nil, 1)
			b.want(t, 1)
			before := br.Stats().Card
			a.put(a.datagram(wire.MAC{2, 9}, b.ip, 2))
			b.want(t)
			if st := br.Stats(); st.Card != before+1 || st.Card > st.Copies || br.engine.Len() != 2 {
				t.Errorf("after all have left: %d ports, %+v", br.engine.Len(), st)
			}
			br.Close()
			clean(t, s)
		})
	}
}

// busy does this and that at a switch, and leaves it in the end.
func (h *host) busy(br *Bridge, rounds int) {
	s, n := h.s, h.mac[5]
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	send := func(frame []byte) {
		r := s.Get()
		b := r.Cache.Get(len(frame))
		copy(b.Extend(len(frame)), frame)
		h.port.Put(r, b)
		r.Done()
	}
	group := ip("239.1.2.3")
	for i := range uint32(rounds) {
		on := rnd.IntN(2) == 0
		switch rnd.IntN(12) {
		case 0:
			h.port.Detach()
			if on {
				h.port.Accept(wire.MulticastMAC(group), true)
			}
			h.port.SetAddr(wire.MAC{2, n})
			h = newHost(s, br, n)
		case 1:
			h.port.Accept(wire.MulticastMAC(group), on)
		case 2:
			h.port.SetPromisc(on)
		case 3:
			br.SetSnooping(on)
		case 4:
			h.port.SetAddr(wire.MAC{2, 0, 0, 0, byte(i), n})
			h.port.SetAddr(h.mac)
		case 5:
			br.Stats()
			br.Members(group, h.ip)
		case 6, 7:
			b := make([]byte, wire.IGMPLen)
			typ, to := wire.IGMPTypeV2Report, group
			if on {
				typ, to = wire.IGMPTypeV2Leave, ip("224.0.0.2")
			}
			wire.PutIGMP(b, typ, 0, group)
			send(h.packet(wire.MAC{}, to, wire.ProtoIGMP, b))
		case 8:
			send(h.datagram(wire.MAC{}, group, i))
		case 9:
			send(h.datagram(wire.BroadcastMAC(), ip("255.255.255.255"), i))
		default:
			send(h.datagram(wire.MAC{2, 0, 0, 0, 0, byte(rnd.IntN(9))}, group, i))
		}
	}
	h.port.Detach()
}
