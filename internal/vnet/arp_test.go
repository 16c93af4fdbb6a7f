package vnet_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestHold is behaviour 10.35: of 20 packets to an unresolved host the 16
// newest are kept and sent in order once it answers.
func TestHold(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "10.0.0.1:9")
		for i := range 20 {
			send(t, s, fmt.Sprint(i), "10.0.0.7:7")
		}
		if got := tp.take(); len(got) != 1 {
			t.Fatalf("%d frames for an unresolved host, want one request", len(got))
		}
		count(t, st, map[string]uint64{"drop.hold queue full": 4, "arp.dropped": 4, "arp.txrequests": 1})
		if n := w.Sched().Pool().Counts().Bufs; n != 16 {
			t.Errorf("%d buffers held, want 16", n)
		}
		tp.inject(arpFrame(tp.peer, tp.mac, wire.ARPReply, addr("10.0.0.7"), addr("10.0.0.1")))
		send(t, s, "20", "10.0.0.7:7")
		got := tp.takeIP(t)
		if len(got) != 17 {
			t.Fatalf("%d packets after the reply, want 17", len(got))
		}
		for i, ip := range got {
			if u := wire.UDP(ip.Payload()); string(u.Payload()) != fmt.Sprint(4+i) {
				t.Errorf("packet %d is %q, want %d", i, u.Payload(), 4+i)
			}
		}
		empty(t, w)
	})
}

// TestNeighborAges is behaviour 10.37: unused for 1,200 s an entry expires, in
// use it is refreshed in its last five seconds.
func TestNeighborAges(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "10.0.0.1:9")
		tp.learn("10.0.0.7", "10.0.0.1")
		known := func() bool {
			return vnet.LinkHeader(st.Neighbor(anIf, addr("10.0.0.7"))) != nil
		}
		run(c, 1199*time.Second)
		if !known() || len(tp.take()) != 0 {
			t.Fatal("an unused entry did not wait quietly")
		}
		run(c, 2*time.Second)
		if known() || c.Armed() != 0 {
			t.Fatal("an unused entry outlived 1,200 s")
		}

		tp.owns = func(a netip.Addr) bool { return a == addr("10.0.0.7") }
		send(t, s, "x", "10.0.0.7:7")
		tp.take()
		for range 30 { // half an hour
			run(c, time.Minute)
			send(t, s, "x", "10.0.0.7:7")
		}
		run(c, 10*time.Second)
		tp.take()
		send(t, s, "x", "10.0.0.7:7")
		if got := tp.take(); len(got) != 1 || !known() {
			t.Fatalf("%d frames to a neighbour in use, want the packet alone", len(got))
		}
		tp.owns = nil
		for asked := 0; known(); run(c, time.Second) {
			send(t, s, "x", "10.0.0.7:7")
			if asked += len(tp.takeARP()); asked > 5 {
				t.Fatal("more than five refreshes of a neighbour that is gone")
			}
		}
		empty(t, w)
	})
}

// TestGratuitousARP is behaviour 5.3 and 10.38.
func TestGratuitousARP(t *testing.T) {
	c := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: c})
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "a"})
	must(t, e)
	ep := link.NewEpair(0)
	tp := &tap{w: w, port: ep.B(), mac: w.NewMAC()}
	ep.B().Attach(tp)
	plug(t, st, "e0", ep.A(), "10.0.0.1/24")
	i, _ := st.Interface(anIf)
	mac := i.MAC
	tp.peer = mac
	got := tp.takeARP()
	if len(got) != 1 || got[0].Op() != wire.ARPRequest || got[0].SenderMAC() != mac || !got[0].TargetMAC().IsZero() ||
		got[0].SenderIP() != addr("10.0.0.1") || got[0].TargetIP() != addr("10.0.0.1") {
		t.Fatalf("an address was announced by %v", got)
	}
	known := func(ip string) string {
		if h := vnet.LinkHeader(st.Neighbor(anIf, addr(ip))); h != nil {
			return wire.Ether(h).Dst().String()
		}
		return ""
	}
	// Gratuitous from an unknown host makes no entry; a request for us does; a
	// gratuitous one from a known host changes its address.
	b := wire.BroadcastMAC()
	tp.inject(arpFrame(b, tp.mac, wire.ARPRequest, addr("10.0.0.7"), addr("10.0.0.7")))
	if known("10.0.0.7") != "" {
		t.Error("a gratuitous request made an entry")
	}
	tp.inject(arpFrame(b, tp.mac, wire.ARPRequest, addr("10.0.0.7"), addr("10.0.0.1")))
	if got := tp.takeARP(); len(got) != 1 || got[0].Op() != wire.ARPReply || got[0].TargetIP() != addr("10.0.0.7") {
		t.Errorf("a request was answered by %v", got)
	}
	if known("10.0.0.7") != tp.mac.String() {
		t.Error("a request for us made no entry")
	}
	moved := wire.MAC{2, 9, 9, 9, 9, 9}
	tp.inject(arpFrame(b, moved, wire.ARPRequest, addr("10.0.0.7"), addr("10.0.0.7")))
	if known("10.0.0.7") != moved.String() {
		t.Error("a known neighbour did not move")
	}
	// Behaviour 10.39: another host claims our address.
	tp.inject(arpFrame(b, tp.mac, wire.ARPRequest, addr("10.0.0.1"), addr("10.0.0.1")))
	if got := tp.takeARP(); len(got) != 1 || got[0].Op() != wire.ARPReply || got[0].SenderIP() != addr("10.0.0.1") {
		t.Errorf("a claim to our address was answered by %v", got)
	}
	tp.inject(arpFrame(mac, tp.mac, wire.ARPReply, addr("10.0.0.1"), addr("10.0.0.1")))
	if got := tp.takeARP(); len(got) != 0 {
		t.Errorf("a claim by a reply was answered by %v", got)
	}
	count(t, st, map[string]uint64{"arp.dupips": 2})
	s := listen(t, st, "10.0.0.1:9")
	send(t, s, "x", "10.0.0.7:7")
	if len(tp.takeIP(t)) != 1 {
		t.Error("the address is not used any more")
	}
	empty(t, w)
}

// TestHeldPacketsFlushOnce has many stacks ask each other at once: each
// neighbour is asked for once, and every packet arrives.
func TestHeldPacketsFlushOnce(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		const n = 20
		hub, e := stacktest.New(t, w, vnet.StackConfig{Name: "hub", Shards: shards})
		must(t, e)
		var socks []usrreq.Sock
		for i := range n {
			ep := link.NewEpair(0)
			plug(t, hub, fmt.Sprint("e", i), ep.A(), subnet(i, 1).String())
			st := newHost(t, w, fmt.Sprint("h", i), shards, ep.B(), subnet(i, 2).String())
			socks = append(socks, listen(t, st, "0.0.0.0:7"))
		}
		s := listen(t, hub, "0.0.0.0:9")
		for round := range 3 {
			for i := range n {
				send(t, s, fmt.Sprint(round, i), netip.AddrPortFrom(subnet(i, 2).Addr(), 7).String())
			}
		}
		for i, o := range socks {
			for round := range 3 {
				expect(t, o, fmt.Sprint(round, i))
			}
			expectNone(t, o)
		}
		count(t, hub, map[string]uint64{"arp.txrequests": n, "arp.rxreplies": n, "arp.rxrequests": 0})
		empty(t, w)
	})
}
