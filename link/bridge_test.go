package link

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestBridgeLearns: unknown unicast is shown to the card that accepts it and to
// promiscuous ones only; once the address was seen, to its port only.
func TestBridgeLearns(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[0].send(h[1], 1)
		h[1].want(t, 1)
		h[2].want(t)
		if n := br.Stats().Card; n != 1 {
			t.Errorf("%d copies kept out by cards, want 1", n)
		}
		h[2].port.SetPromisc(true)
		h[0].send(h[1], 2) // nobody knows yet where 1 is
		h[1].want(t, 2)
		h[2].want(t, 2)
		h[1].send(h[0], 3)
		h[0].send(h[1], 4)
		h[0].want(t, 3)
		h[1].want(t, 4)
		h[2].want(t)
		h[2].port.SetPromisc(false)
		h[0].put(h[0].datagram(wire.MAC{2, 9}, ip("10.0.0.9"), 5)) // nobody's
		for _, x := range h {
			x.want(t)
		}
		if n := br.Stats().Card; n != 3 {
			t.Errorf("%d copies kept out by cards, want 3", n)
		}
	})
}

// TestBridgeBroadcast: to all but the sender, in the one buffer, and a copy to
// who is busy.
func TestBridgeBroadcast(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		sent := h[0].send(nil, 1)
		for _, x := range h[1:] {
			for _, f := range x.want(t, 1) {
				if !f.lent || f.buf != sent {
					t.Errorf("an idle receiver got %+v, sent %p", f, sent)
				}
			}
		}
		h[0].want(t)
		if n := s.Pool().Counts().Copies; n != 0 {
			t.Fatalf("%d copies for idle receivers", n)
		}
		if !h[1].Claim() {
			t.Fatal("a host at rest is busy")
		}
		sent = h[0].send(nil, 2)
		h[1].want(t)
		if f := h[2].want(t, 2); !f[0].lent || f[0].buf != sent {
			t.Errorf("an idle receiver beside a busy one got %+v, sent %p", f, sent)
		}
		release(s, h[1])
		if f := h[1].want(t, 2); f[0].lent || f[0].buf == sent {
			t.Errorf("a busy receiver got %+v, sent %p", f, sent)
		}
		if n := s.Pool().Counts().Copies; n != 1 {
			t.Errorf("%d copies for one busy receiver", n)
		}
	})
}

// TestBridgeSnoops: a group's frames go where a report asked for them.
func TestBridgeSnoops(t *testing.T) {
	onLAN(t, BridgeConfig{FastLeave: true}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		const group = "239.1.2.3"
		h[1].report(wire.IGMPToEx, group)
		h[0].cast(group, 1)
		h[1].want(t, 1)
		h[2].want(t)
		if n := br.Stats().KeptBack; n != 1 {
			t.Errorf("%d kept back, want 1", n)
		}
		h[2].report(wire.IGMPAllow, group, h[0].ip) // from host 0 only
		h[0].cast(group, 2)
		h[1].cast(group, 3)
		h[0].want(t)
		h[1].want(t, 2)
		h[2].want(t, 2)
		if n := br.Stats().KeptBack; n != 3 {
			t.Errorf("%d kept back, want 3", n)
		}
		if l := br.Members(ip(group), h[0].ip); len(l) != 2 {
			t.Errorf("members %v", l)
		}
		h[1].report(wire.IGMPToIn, group)
		h[0].cast(group, 4)
		h[1].want(t)
		h[2].want(t, 4)
		h[0].cast("239.9.9.9", 5) // nobody's
		h[1].want(t)
		h[2].want(t)
		if n := br.Stats().KeptBack; n != 6 {
			t.Errorf("%d kept back, want 6", n)
		}
	})
}

// TestBridgeConfigure: a switch that works behaves otherwise from now on, and remembers
// what it knew.
func TestBridgeConfigure(t *testing.T) {
	onLAN(t, BridgeConfig{FastLeave: true}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		const group = "239.1.2.3"
		h[1].report(wire.IGMPToEx, group)
		h[2].port.SetPromisc(true)
		br.Configure(BridgeConfig{FloodGroup: true})
		h[0].cast("239.9.9.9", 1) // nobody's
		h[0].cast(group, 2)
		h[1].want(t, 2)
		h[2].want(t, 1)
		br.Configure(BridgeConfig{NoSnooping: true, Querier: &QuerierConfig{Addr: ip("10.0.0.254")}})
		if four, _ := br.Querier(); !four {
			t.Error("it does not ask")
		}
		br.Configure(BridgeConfig{})
		if four, _ := br.Querier(); four {
			t.Error("it goes on asking")
		}
		h[0].cast(group, 3)
		h[1].want(t, 3)
		h[2].want(t)
	})
}

// TestBridgeSharedGroupAddress: 32 groups share an Ethernet address (RFC 1112
// §6.4), so a card is told of it more than once.
func TestBridgeSharedGroupAddress(t *testing.T) {
	onLAN(t, BridgeConfig{NoSnooping: true}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		mac := wire.MulticastMAC(ip("239.1.2.3"))
		if mac != wire.MulticastMAC(ip("238.129.2.3")) {
			t.Fatal("the groups do not share an address")
		}
		for i, on := range []bool{true, true, false} {
			h[1].port.Accept(mac, on)
			h[0].cast("239.1.2.3", uint32(i))
			h[1].want(t, uint32(i))
		}
		h[1].port.Accept(mac, false)
		h[0].cast("239.1.2.3", 3)
		h[1].want(t)
		h[2].want(t)
		if n := br.Stats().Card; n != 5 {
			t.Errorf("%d copies kept out by cards, want 5", n)
		}
		h[1].port.Accept(mac, false) // one too many
		h[1].port.Accept(mac, true)
		h[0].cast("239.1.2.3", 4)
		h[1].want(t, 4)
	})
}

// TestBridgeHub: a hub shows everything to everybody.
func TestBridgeHub(t *testing.T) {
	onLAN(t, BridgeConfig{Hub: true}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[1].send(h[0], 1)
		h[0].send(h[1], 2)
		h[2].report(wire.IGMPToEx, "239.1.2.3")
		h[0].take()
		h[1].take()
		h[2].want(t, 1, 2)
		h[0].cast("239.1.2.3", 3)
		h[1].want(t, 3)
		h[2].want(t, 3)
		h[1].port.Detach()
		h[0].send(nil, 4)
		h[1].want(t)
		h[2].want(t, 4)
	})
}

// TestBridgeSetAddr: a card accepts its present address only, and none is no
// address.
func TestBridgeSetAddr(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		old := h[1].mac
		h[1].mac = wire.MAC{2, 7}
		h[1].port.SetAddr(h[1].mac)
		h[0].put(h[0].datagram(old, h[1].ip, 1))
		h[1].want(t)
		h[0].send(h[1], 2)
		h[1].want(t, 2)
		h[1].port.SetAddr(wire.MAC{})
		h[1].port.SetAddr(h[1].mac)
		none := h[0].datagram(old, h[1].ip, 3)
		wire.PutEther(none, wire.MAC{}, h[0].mac, wire.EtherTypeIPv4)
		h[0].put(none)
		h[1].want(t)
	})
}

// TestBridgeAges: an address is forgotten 300 s after it was last seen, and then
// no timer is left.
func TestBridgeAges(t *testing.T) {
	sim := clock.NewSim()
	s := netisr.NewSched(sim)
	br := NewBridge(s, table.Seed{}, BridgeConfig{})
	a, b, c := newHost(s, br, 1), newHost(s, br, 2), newHost(s, br, 3)
	c.port.SetPromisc(true)
	at := func(d time.Duration) { sim.RunUntil(clock.Time(d)) }
	a.send(nil, 1)
	c.want(t, 1)
	at(100 * time.Second)
	a.send(nil, 2)        // seen again
	at(350 * time.Second) // the timer went off at 300 and found it in use
	if n := sim.Armed(); n != 1 {
		t.Errorf("%d timers armed, want 1", n)
	}
	at(400*time.Second - 1)
	b.send(a, 3)
	c.want(t, 2)
	at(400 * time.Second)
	b.send(a, 4)
	c.want(t, 4)
	a.want(t, 3, 4)
	if n := sim.Armed(); n != 1 {
		t.Errorf("%d timers armed, want 1", n)
	}
	at(800 * time.Second)
	clean(t, s)
}

// TestBridgeJoin joins a hub and a switch.
func TestBridgeJoin(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		hub := NewBridge(s, table.Seed{}, BridgeConfig{Hub: true})
		far := newHost(s, hub, 9)
		Join(br.AddPort(), hub.AddPort())
		h[0].send(far, 1)
		far.want(t, 1)
		far.send(h[0], 2)
		h[0].want(t, 2)
		h[1].want(t)
		h[0].send(nil, 3)
		h[1].want(t, 3)
		far.want(t, 3)
		h[0].send(h[1], 4) // 1 never spoke: the hub is shown it, too
		h[1].want(t, 4)
		far.want(t, 4)
		hub.Close()
	})
}

// TestBridgeClose: a switch that is closed drops what it holds and what comes.
func TestBridgeClose(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[0].report(wire.IGMPToEx, "239.1.2.3")
		if !br.Claim() {
			t.Fatal("a switch at rest is busy")
		}
		h[0].send(nil, 1)
		br.Close()
		clean := func() {
			if n := s.Clock().Armed(); n != 0 {
				t.Errorf("%d timers armed", n)
			}
		}
		clean()
		release(s, br)
		h[0].send(nil, 2)
		h[1].want(t)
		clean()
		br.Close()
		br.SetSnooping(false)
		h[1].port.Detach()
		newHost(s, br, 4).send(nil, 3)
		clean()
	})
}

// TestBridgeFullQueueKeepsOrder fills the switch's queue.
func TestBridgeFullQueueKeepsOrder(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		const over = 10
		if !br.Claim() {
			t.Fatal("a switch at rest is busy")
		}
		for i := range uint32(bridgeQueue + over) {
			h[0].send(nil, i)
		}
		if n := br.Stats().QueueFull; n != over {
			t.Errorf("%d frames lost, want %d", n, over)
		}
		release(s, br)
		for _, x := range h[1:] {
			got := x.take()
			if len(got) != bridgeQueue {
				t.Fatalf("%d frames came, want %d", len(got), bridgeQueue)
			}
			for i, f := range got {
				if f.num != uint32(i) {
					t.Fatalf("frame %d came as number %d", f.num, i)
				}
			}
		}
	})
}

// TestBridgeRunts: what is no frame is dropped.
func TestBridgeRunts(t *testing.T) {
	onLAN(t, BridgeConfig{}, func(t *testing.T, s *netisr.Sched, br *Bridge, h []*host) {
		h[0].put(nil)
		h[0].put(make([]byte, wire.EtherLen-1))
		h[1].want(t)
	})
}
