package vnet_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestHostDown is behaviour 10.36: one request a second, and after the fifth
// the sender is told.
func TestHostDown(t *testing.T) {
	for _, dst := range []struct {
		to   string
		want syscall.Errno
	}{{"10.0.0.7:7", syscall.EHOSTDOWN}, {"192.0.2.1:7", syscall.EHOSTUNREACH}} {
		forShards(t, func(t *testing.T, shards int) {
			c := clock.NewSim()
			w := vnet.NewWorld(vnet.Config{Clock: c})
			st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
			must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: addr("10.0.0.7")}))
			// As many ports as it takes to meet every shard.
			var socks []usrreq.Sock
			for i := range 8 {
				socks = append(socks, listen(t, st, fmt.Sprint("10.0.0.1:", 100+i)))
			}
			start := c.Now()
			asked := 0
			for c.Now().Sub(start) < 8*time.Second {
				for _, s := range socks {
					_, err := s.WriteTo([]byte("x"), addrPort(dst.to), nil)
					asked += len(tp.takeARP())
					if want := error(dst.want); asked >= 5 && err != want && !(asked == 5 && err == nil) {
						t.Fatalf("after %d requests: %v, want %v", asked, err, want)
					} else if asked < 5 && err != nil {
						t.Fatalf("after %d requests: %v", asked, err)
					}
				}
				if most := 1 + int(c.Now().Sub(start)/time.Second); asked > most {
					t.Fatalf("%d requests within %v", asked, c.Now().Sub(start))
				}
				run(c, 100*time.Millisecond)
			}
			if asked != 8 {
				t.Errorf("%d requests in 8 s", asked)
			}
			run(c, 21*time.Second)
			count(t, st, map[string]uint64{"arp.timeouts": 1})
			if n := w.Sched().Pool().Counts().Bufs; n != 0 || c.Armed() != 0 {
				t.Errorf("%d buffers, %d timers after the entry is gone", n, c.Armed())
			}
			if _, err := socks[0].WriteTo([]byte("x"), addrPort(dst.to), nil); err != nil {
				t.Errorf("first packet after the entry is gone: %v", err)
			}
			empty(t, w)
		})
	}
}

// TestGratuitousRexmit is garp_rexmit_count of behaviour 5.3: 1, 2, 4… seconds
// after the first announcement.
func TestGratuitousRexmit(t *testing.T) {
	c := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: c})
	must(t, w.SetReference("net.link.ether.inet.garp_rexmit_count", 3))
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	for i, want := range []int{0, 1, 0, 1, 0, 0, 0, 1, 0, 0} {
		if got := len(tp.takeARP()); got != want {
			t.Errorf("%d announcements after %d s, want %d", got, i, want)
		}
		run(c, time.Second)
	}
	control.Close(st)
	empty(t, w)
}

// TestForwardOnlyHosts: what no router may forward (RFC 2644 §4, RFC 1812
// §5.3.7, RFC 3927 §2.7), even where a route leads there.
func TestForwardOnlyHosts(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		for _, c := range []struct{ src, dst string }{
			{"10.0.1.2", "10.0.3.255"}, {"10.0.1.2", "240.0.0.1"}, {"10.0.1.2", "169.254.1.1"}, {"169.254.1.1", "10.0.3.2"},
		} {
			r := newRouter(t, shards)
			must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("10.0.3.2")}))
			r.taps[1].inject(r.taps[1].echoFrame(c.src, c.dst, 64, 8))
			count(t, r.st, map[string]uint64{"drop.bad destination": 1, "ip.forwarded": 0})
			r.quiet(t)
		}
	})
}

// TestReassembledOnce: both the room and the stack counted.
func TestReassembledOnce(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	s := listen(t, st, "0.0.0.0:7")
	tp.inject(fragFrames(tp, 5, "10.0.0.2:9", "10.0.0.1:7", pattern(992), [2]int{0, 504}, [2]int{504, 1000})...)
	expect(t, s, string(pattern(992)))
	count(t, st, map[string]uint64{"ip.reassembled": 1, "ip.fragments": 2, "udp.delivered": 1})
	empty(t, w)
}

// TestFragmentsKeepDoubt: a datagram from a real wire that is cut on its way
// has its checksum verified at its end like one that is not.
func TestFragmentsKeepDoubt(t *testing.T) {
	for _, n := range []int{10, 1000} {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		r, tp := newTapHost(t, w, 1, "10.0.0.1/24")
		must(t, r.SetSysctl("net.inet.ip.forwarding", 1))
		ep := link.NewEpair(600)
		plug(t, r, "e1", ep.A(), "10.0.1.1/24")
		b := newHost(t, w, "b", 1, ep.B(), "10.0.1.2/24")
		s := listen(t, b, "0.0.0.0:7")
		f := tp.udpFrame("10.0.0.2:9", "10.0.1.2:7", string(pattern(n)))
		f[len(f)-1] ^= 1
		tp.inject(f)
		expectNone(t, s)
		count(t, b, map[string]uint64{"drop.bad transport checksum": 1})
		empty(t, w)
	}
}

// TestConnectClosed: a closed socket stays closed, and a connected one is not
// connected again.
func TestConnectClosed(t *testing.T) {
	n := newNet2(t, clock.NewSim(), 1)
	s := listen(t, n.a, "10.0.0.1:9")
	must(t, s.Connect(addrPort("10.0.0.2:7")))
	if e := s.Connect(addrPort("10.0.0.2:8")); e != syscall.EISCONN {
		t.Errorf("second connect: %v", e)
	}
	s.Close()
	if e := s.Connect(addrPort("10.0.0.2:8")); e != syscall.EBADF {
		t.Errorf("connect of a closed socket: %v", e)
	}
	if o := n.a.LookupUDP(addrPort("10.0.0.1:9"), addrPort("10.0.0.2:7")); o != nil {
		t.Error("the socket is still found by its first connection")
	}
	if o := n.a.LookupUDP(addrPort("10.0.0.1:9"), addrPort("10.0.0.2:8")); o != nil {
		t.Error("the socket is found by a connection it made after it was closed")
	}
	raw, e := usrreq.ListenRaw(n.a, 1, addr("0.0.0.0"), 0)
	must(t, e)
	raw.Close()
	if e := raw.Connect(addrPort("10.0.0.2:0")); e != syscall.EBADF {
		t.Errorf("connect of a closed raw socket: %v", e)
	}
	empty(t, n.w)
}

// TestReadyOnClose is what SetReady promises: f is called once when the
// socket is closed, with no lock held, whoever closes it.
func TestReadyOnClose(t *testing.T) {
	for _, how := range []string{"socket", "stack"} {
		n := newNet2(t, clock.NewSim(), 1)
		s := listen(t, n.a, "10.0.0.1:9")
		calls := 0
		s.SetReady(func() {
			calls++
			control.AddAddr(n.a, anIf, prefix("10.0.0.9/24")) // needs the control lock
			if _, err := s.ReadFrom(nil, nil, false); err != net.ErrClosed {
				t.Errorf("%s: read from the callback: %v", how, err)
			}
		})
		if how == "socket" {
			s.Close()
		} else {
			control.Close(n.a)
		}
		if calls != 1 {
			t.Errorf("%s: %d calls", how, calls)
		}
		empty(t, n.w)
	}
}

// TestHeaderIncludedID: a packet written whole keeps its identification, or
// fragments made by hand would never meet.
func TestHeaderIncludedID(t *testing.T) {
	n := newNet2(t, clock.NewSim(), 1)
	raw, e := usrreq.ListenRaw(n.a, wire.ProtoUDP, addr("0.0.0.0"), 0)
	must(t, e)
	raw.SetHeaderIncluded(true)
	s := listen(t, n.b, "10.0.0.2:7")
	tp := &tap{} // only to address the frames that are cut off again
	for _, f := range fragFrames(tp, 0x1234, "10.0.0.1:9", "10.0.0.2:7", pattern(992), [2]int{0, 504}, [2]int{504, 1000}) {
		if _, err := raw.WriteTo(f[wire.EtherLen:], addrPort("10.0.0.2:0"), nil); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, string(pattern(992)))
	empty(t, n.w)
}

// TestFilterDeliverOut: a packet on its way out that a filter claims is for
// this stack, whatever the filter says of packets coming in, and so is one whose
// next hop is an address of ours (behaviour 8.2, 8.4).
func TestFilterDeliverOut(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		for _, v := range []pfil.Verdict{{Action: pfil.Deliver}, {Action: pfil.Reroute, NextHop: addr("10.0.1.1")}} {
			r, f, s := filtered(t, shards)
			f.out = v
			send(t, s, "x", "10.0.3.2:7")
			if info := expect(t, s, "x"); info.To != addr("10.0.3.2") {
				t.Errorf("delivered as to %v", info.To)
			}
			f.saw(t, "out e3 fib 0 rule 0 len 29")
			r.udp("10.0.3.2:7")
			expect(t, s, "data")
			if v.Action == pfil.Reroute {
				f.out, f.in = pfil.Verdict{}, v
				r.udp("10.0.3.2:7")
				expect(t, s, "data")
			}
			r.quiet(t)
		}
	})
}

// TestFilterFragmentsOnce: a filter sees every fragment that comes in, and not
// the packet put together of them again.
func TestFilterFragmentsOnce(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r, f, s := filtered(t, shards)
		r.taps[1].inject(fragFrames(r.taps[1], 3, "10.0.1.2:9", "10.0.1.1:7", pattern(992), [2]int{504, 1000}, [2]int{0, 504})...)
		expect(t, s, string(pattern(992)))
		f.saw(t, "in e1 fib 0 rule 0 len 516", "in e1 fib 0 rule 0 len 524")
		count(t, r.st, map[string]uint64{"ip.received": 2, "ip.delivered": 1})
		r.quiet(t)
	})
}

// TestRerouteFromGateway: after a filter has chosen a neighbour instead of a
// gateway, its silence is a host's.
func TestRerouteFromGateway(t *testing.T) {
	r, f, s := filtered(t, 1)
	must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: addr("10.0.3.2")}))
	f.out = pfil.Verdict{Action: pfil.Reroute, NextHop: addr("10.0.2.200")} // nobody answers
	var err error
	for range 7 {
		_, err = s.WriteTo([]byte("x"), addrPort("192.0.2.1:7"), nil)
		run(r.c, time.Second)
	}
	if err != syscall.EHOSTDOWN {
		t.Errorf("%v, want EHOSTDOWN", err)
	}
	run(r.c, time.Minute)
	r.quiet(t)
}

// TestModuleConfigures: a constructor and a destructor may configure their
// stack, which a packet filter has to.
func TestModuleConfigures(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	before := newStack(t, w, "before")
	must(t, control.LoadModule(w, &vnet.Module{
		Name: "fw",
		Construct: func(st *vnet.Stack) syscall.Errno {
			control.SetFilter(st, new(rules))
			return control.AddAddr(st, vnet.LoIndex, prefix("127.0.0.1/8"))
		},
		Destruct: func(st *vnet.Stack) { control.SetFilter(st, nil) },
	}))
	after := newStack(t, w, "after")
	for _, st := range []*vnet.Stack{before, after} {
		if st.View().Filter == nil || !st.View().IsOurs(addr("127.0.0.1")) {
			t.Errorf("%s is not configured", st.Name())
		}
		control.Close(st)
		if st.View().Filter != nil {
			t.Errorf("%s: the destructor did nothing", st.Name())
		}
	}
	empty(t, w)
}

// TestSendAcrossRemoval: a sender that chose its way before the interface was
// removed sends nothing, and leaves nothing behind in it.
func TestSendAcrossRemoval(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "10.0.0.1:9")
		raw, e := usrreq.ListenRaw(st, 253, addr("0.0.0.0"), 0)
		must(t, e)
		s.SetBroadcast(true)
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: addr("10.0.0.9")}))
		seen := st.View()
		tables := st.Tables()
		routes := []fib.Route[*ifnet.Neighbor]{*tables.Lookup(0, addr("10.0.0.2")), *tables.Lookup(0, addr("192.0.2.1"))}
		must(t, control.RemoveInterface(st, anIf))
		for _, r := range routes { // what a sender may have looked up just before
			if err := tables.Table(0).Insert(r); err != nil {
				t.Fatal(err)
			}
		}
		for _, to := range []string{"10.0.0.2:7", "192.0.2.1:7", "10.0.0.255:7"} {
			if e := s.SendBy(seen, []byte("x"), addrPort(to)); e != syscall.ENETDOWN {
				t.Errorf("to %s: %v", to, e)
			}
			if e := raw.SendBy(seen, []byte("x"), addrPort(to)); e != syscall.ENETDOWN && to != "10.0.0.255:7" {
				t.Errorf("raw to %s: %v", to, e)
			}
		}
		if got := tp.take(); len(got) != 0 {
			t.Errorf("%d frames from an interface that is not there", len(got))
		}
		if n := w.Sched().Pool().Counts().Bufs; n != 0 {
			t.Errorf("%d buffers held", n)
		}
		empty(t, w)
	})
}

// TestDeadlineAcrossClose sets a deadline while the socket is closed: no timer
// stays.
func TestDeadlineAcrossClose(t *testing.T) {
	n := newNet2(t, clock.NewReal(), 1)
	for range 20000 {
		s := listen(t, n.a, "10.0.0.1:9")
		done := make(chan error)
		go func() { done <- s.Close() }()
		s.SetReadDeadline(time.Now().Add(time.Hour))
		<-done
	}
	empty(t, n.w)
}

// TestRequeueOverflow: a packet that does not fit into the stack's own queue
// is counted once.
func TestRequeueOverflow(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	s := listen(t, st, "0.0.0.0:7")
	r := w.Sched().Get()
	st.Requeue(r, anIf, tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "x")[wire.EtherLen:], netisr.QueueLimit+5)
	r.Done()
	for range netisr.QueueLimit {
		expect(t, s, "x")
	}
	count(t, st, map[string]uint64{"drop.queue full": 5})
	empty(t, w)
}

// TestConnectBlackhole: a blackhole route has no interface to take the source
// address from.
func TestConnectBlackhole(t *testing.T) {
	n := newNet2(t, clock.NewSim(), 1)
	must(t, control.AddRoute(n.a, 0, control.Route{Dst: prefix("192.0.2.0/24"), Blackhole: true}))
	s := listen(t, n.a, "0.0.0.0:9")
	if e := s.Connect(addrPort("192.0.2.1:7")); e != syscall.ENETUNREACH {
		t.Errorf("connect: %v", e)
	}
	send(t, s, "vanishes", "192.0.2.1:7")
	for _, src := range []string{"10.0.0.1:10", "0.0.0.0:11"} {
		must(t, control.AddRoute(n.a, 0, control.Route{Dst: prefix("10.0.0.9/32"), Blackhole: true}))
		send(t, listen(t, n.a, src), "vanishes", "10.0.0.9:7")
		must(t, control.DelRoute(n.a, 0, prefix("10.0.0.9/32")))
	}
	empty(t, n.w)
}

// TestBroadcastOnTwoInterfaces: two interfaces in one subnet both hear its
// broadcasts, and a socket bound to the second one's address sends there.
func TestBroadcastOnTwoInterfaces(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		st, one := newTapHost(t, w, shards, "10.0.0.1/24")
		two, i2 := newTap(t, st, "e1", "10.0.0.2/24", 0)
		s := listen(t, st, "0.0.0.0:7")
		for _, tp := range []*tap{one, two} {
			tp.inject(tp.udpFrame("10.0.0.9:9", "10.0.0.255:7", "x"))
			expect(t, s, "x")
			expectNone(t, s)
		}
		count(t, st, map[string]uint64{"udp.bcast": 2, "ip.forwarded": 0})
		bound := listen(t, st, "10.0.0.2:9")
		bound.SetBroadcast(true)
		send(t, bound, "x", "255.255.255.255:9")
		if len(one.takeIP(t)) != 0 || len(two.takeIP(t)) != 1 {
			t.Error("a limited broadcast left by the wrong interface")
		}
		must(t, control.RemoveInterface(st, anIf)) // the route moves to the second
		send(t, bound, "y", "10.0.0.255:9")
		if got := two.take(); len(got) != 1 || !wire.Ether(got[0]).Dst().IsBroadcast() {
			t.Errorf("a subnet's broadcast was sent as % x", got)
		}
		must(t, control.RemoveInterface(st, i2))
		empty(t, w)
	})
}

// TestBroadcastDown: nothing leaves by an interface that is down.
func TestBroadcastDown(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st := newStack(t, w, "a")
	ep := link.NewEpair(0)
	i, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: ep.A(), Down: true})
	must(t, e)
	must(t, control.AddAddr(st, i, prefix("10.0.0.1/24")))
	tp := tapOn(w, ep, st, i)
	for _, a := range []string{"10.0.0.1:9", "0.0.0.0:8"} {
		s := listen(t, st, a)
		s.SetBroadcast(true)
		if _, err := s.WriteTo(nil, addrPort("255.255.255.255:9"), nil); err != syscall.ENETDOWN && err != syscall.EHOSTUNREACH {
			t.Errorf("from %s: %v", a, err)
		}
	}
	if got := tp.take(); len(got) != 0 {
		t.Errorf("%d frames", len(got))
	}
	empty(t, w)
}
