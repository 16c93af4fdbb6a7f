package vnet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestBroadcast: who may send to all, and who hears it (RFC 1122 §3.3.6).
func TestBroadcast(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		sa, own := listen(t, n.a, "10.0.0.1:9"), listen(t, n.a, "0.0.0.0:7")
		any1 := listen(t, n.b, "0.0.0.0:7")
		specific := listen(t, n.b, "10.0.0.2:8")
		bcast := listen(t, n.b, "10.0.0.255:8")
		if _, err := sa.WriteTo([]byte("x"), addrPort("10.0.0.255:7"), nil); err != syscall.EACCES {
			t.Errorf("without SO_BROADCAST: %v", err)
		}
		sa.SetBroadcast(true)
		for _, to := range []string{"10.0.0.255:7", "255.255.255.255:7"} {
			send(t, sa, to, to)
			if info := expect(t, any1, to); info.To != addrPort(to).Addr() {
				t.Errorf("to %v came as to %v", to, info.To)
			}
			expect(t, own, to) // the sender's own host hears it, too
		}
		send(t, sa, "x", "10.0.0.255:8")
		expect(t, bcast, "x")
		expectNone(t, specific)
		send(t, sa, "x", "10.0.0.255:99") // nobody: silence
		count(t, n.b, map[string]uint64{"drop.no port": 1, "icmp.out.unreach": 0, "udp.bcast": 4})
		count(t, n.a, map[string]uint64{"icmp.out.unreach": 0})
		empty(t, n.w)
	})
}

// TestBroadcastShared: all sockets that share a port get a broadcast, only
// one a unicast datagram.
func TestBroadcastShared(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		sa := listen(t, n.a, "10.0.0.1:9")
		sa.SetBroadcast(true)
		var socks []usrreq.Sock
		for range 3 {
			s, e := usrreq.ListenUDP(n.b, addrPort("0.0.0.0:7"), 0, pcb.ReusePort)
			must(t, e)
			socks = append(socks, s)
		}
		if _, e := usrreq.ListenUDP(n.b, addrPort("0.0.0.0:7"), 0, 0); e != syscall.EADDRINUSE {
			t.Errorf("a fourth without SO_REUSEPORT: %v", e)
		}
		must(t, socks[1].Connect(addrPort("10.0.0.1:99")))
		send(t, sa, "all", "10.0.0.255:7")
		expect(t, socks[0], "all")
		expectNone(t, socks[1]) // connected to another
		expect(t, socks[2], "all")
		send(t, sa, "one", "10.0.0.2:7")
		got := 0
		for _, s := range socks {
			if _, err := s.ReadFrom(make([]byte, 9), nil, false); err == nil {
				got++
			}
		}
		if got != 1 {
			t.Errorf("%d sockets got a unicast datagram", got)
		}
		empty(t, n.w)
	})
}

// TestPortUnreachable: a connected socket is told, once, by its next call
// (RFC 1122 §4.1.3.3); another is not; blackhole says nothing.
func TestPortUnreachable(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		s, plain := listen(t, n.a, "0.0.0.0:0"), listen(t, n.a, "0.0.0.0:0")
		must(t, s.Connect(addrPort("10.0.0.2:7")))
		write := func() error { _, err := s.WriteTo([]byte("x"), netip.AddrPort{}, nil); return err }
		read := func() error { _, err := s.ReadFrom(make([]byte, 9), nil, false); return err }
		if err := write(); err != nil {
			t.Fatal(err)
		}
		if err := read(); err != syscall.ECONNREFUSED {
			t.Errorf("read: %v", err)
		}
		if err := read(); err != syscall.EAGAIN {
			t.Errorf("read again: %v", err)
		}
		write()
		if err := write(); err != syscall.ECONNREFUSED {
			t.Errorf("write: %v", err)
		}
		send(t, plain, "x", "10.0.0.2:7")
		expectNone(t, plain)
		must(t, n.b.SetSysctl("net.inet.udp.blackhole", 1))
		write()
		if err := read(); err != syscall.EAGAIN {
			t.Errorf("blackhole: %v", err)
		}
		count(t, n.b, map[string]uint64{"drop.no port": 4, "icmp.out.unreach": 3})
		if _, err := s.WriteTo([]byte("x"), addrPort("10.0.0.2:8"), nil); err != syscall.EISCONN {
			t.Errorf("sendto on a connected socket: %v", err)
		}
		empty(t, n.w)
	})
}

// TestQueueOverflow: what does not fit into a socket's queue is counted.
func TestQueueOverflow(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		sa, sb := listen(t, n.a, "10.0.0.1:9"), listen(t, n.b, "10.0.0.2:7")
		sb.SetRecvSpace(1000)
		for i := range 10 {
			send(t, sa, fmt.Sprintf("%0300d", i), "10.0.0.2:7")
		}
		count(t, n.b, map[string]uint64{"udp.fullsock": 7, "drop.socket full": 7, "udp.delivered": 3})
		for i := range 3 {
			expect(t, sb, fmt.Sprintf("%0300d", i))
		}
		// One packet fits always; empty ones are limited in number.
		send(t, sa, string(pattern(5000)), "10.0.0.2:7")
		expect(t, sb, string(pattern(5000)))
		for range sockbuf.MaxItems + 1 {
			send(t, sa, "", "10.0.0.2:7")
		}
		count(t, n.b, map[string]uint64{"drop.socket full": 8})
		for range sockbuf.MaxItems {
			expect(t, sb, "")
		}
		expectNone(t, sb)
		// Closed with packets queued.
		send(t, sa, "x", "10.0.0.2:7")
		sb.Close()
		n.quiet(t)
		if _, err := sb.ReadFrom(nil, nil, false); err != net.ErrClosed {
			t.Errorf("read of a closed socket: %v", err)
		}
		if _, err := sb.WriteTo(nil, addrPort("10.0.0.1:9"), nil); err != net.ErrClosed {
			t.Errorf("write to a closed socket: %v", err)
		}
		if err := sb.Close(); err != net.ErrClosed {
			t.Errorf("second Close: %v", err)
		}
		empty(t, n.w)
	})
}

// TestManyPorts binds 2,000 ports and sends to all of them, and to as many
// that nobody has.
func TestManyPorts(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		must(t, n.b.SetSysctl("net.inet.icmp.icmplim", 50))
		sa := listen(t, n.a, "10.0.0.1:9")
		const ports = 2000
		var socks []usrreq.Sock
		for i := range ports {
			socks = append(socks, listen(t, n.b, fmt.Sprint("10.0.0.2:", 10000+2*i)))
		}
		for i := range ports {
			send(t, sa, fmt.Sprint(i), fmt.Sprint("10.0.0.2:", 10000+2*i))
			send(t, sa, fmt.Sprint(i), fmt.Sprint("10.0.0.2:", 10001+2*i))
		}
		for i, s := range socks {
			expect(t, s, fmt.Sprint(i))
			expectNone(t, s)
		}
		count(t, n.b, map[string]uint64{"udp.delivered": ports, "drop.no port": ports})
		// Every shard has a limiter of its own.
		if sent := n.b.Counters()["icmp.out.unreach"]; sent < 50 || sent > uint64(50*shards) {
			t.Errorf("%d errors with a limit of 50 a second", sent)
		}
		empty(t, n.w)
	})
}

// TestBothWaysAtOnce has two stacks send to each other from two goroutines:
// nothing blocks, and every flow keeps its order.
func TestBothWaysAtOnce(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		synctest.Test(t, func(t *testing.T) {
			n := newNet2(t, clock.NewReal(), shards)
			sa, sb := listen(t, n.a, "10.0.0.1:7"), listen(t, n.b, "10.0.0.2:7")
			count := 20000
			if raceOn {
				count = 2000
			}
			var wg sync.WaitGroup
			flood := func(from usrreq.Sock, to netip.AddrPort) {
				b := make([]byte, 8)
				for i := range count {
					binary.BigEndian.PutUint64(b, uint64(i))
					if _, err := from.WriteTo(b, to, nil); err != nil {
						t.Error(err)
						return
					}
				}
			}
			var got [2]atomic.Int64
			listen := func(s usrreq.Sock, got *atomic.Int64) {
				b := make([]byte, 8)
				for last := int64(-1); ; got.Add(1) {
					if _, err := s.ReadFrom(b, nil, true); err != nil {
						if !errors.Is(err, net.ErrClosed) {
							t.Error(err)
						}
						return
					}
					i := int64(binary.BigEndian.Uint64(b))
					if i <= last {
						t.Errorf("%d after %d", i, last)
					}
					last = i
				}
			}
			go listen(sa, &got[0])
			go listen(sb, &got[1])
			wg.Go(func() { flood(sa, addrPort("10.0.0.2:7")) })
			wg.Go(func() { flood(sb, addrPort("10.0.0.1:7")) })
			wg.Wait()
			synctest.Wait()
			// What was not received was lost at either end, and counted there.
			sum := got[0].Load() + got[1].Load()
			for _, st := range []*vnet.Stack{n.a, n.b} {
				c := st.Counters()
				sum += int64(c["drop.socket full"] + c["drop.queue full"] + c["drop.hold queue full"])
			}
			if sum != int64(2*count) {
				t.Errorf("%d received or lost of %d sent: %v, %v", sum, 2*count, n.a.Counters(), n.b.Counters())
			}
			sa.Close()
			sb.Close()
			synctest.Wait()
			empty(t, n.w)
		})
	})
}

// TestConservation has many writers send to many readers: what was sent was
// received, or its loss was counted.
func TestConservation(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		synctest.Test(t, func(t *testing.T) {
			n := newNet2(t, clock.NewReal(), shards)
			const writers, readers = 6, 4
			each := 3000
			if raceOn {
				each = 300
			}
			var socks []usrreq.Sock
			var got atomic.Int64
			for i := range readers {
				s := listen(t, n.b, fmt.Sprint("10.0.0.2:", 7+i))
				s.SetRecvSpace(2000)
				socks = append(socks, s)
				for range 2 {
					go func() {
						for b := make([]byte, 64); ; got.Add(1) {
							if _, err := s.ReadFrom(b, nil, true); err != nil {
								return
							}
						}
					}()
				}
			}
			send(t, listen(t, n.a, "10.0.0.1:5"), "", "10.0.0.2:7") // resolves
			var wg sync.WaitGroup
			for i := range writers {
				s := listen(t, n.a, fmt.Sprint("10.0.0.1:", 100+i))
				wg.Go(func() {
					for j := range each {
						if _, err := s.WriteTo(make([]byte, 40), netip.AddrPortFrom(addr("10.0.0.2"), uint16(7+j%readers)), nil); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			synctest.Wait()
			c := n.b.Counters()
			sent, lost := int64(writers*each+1), int64(c["drop.socket full"]+c["drop.queue full"])
			if got.Load()+lost != sent {
				t.Errorf("sent %d, received %d, lost %d: %v", sent, got.Load(), lost, c)
			}
			for _, s := range socks {
				s.Close()
			}
			synctest.Wait()
			empty(t, n.w)
		})
	})
}

// TestConnect: a connected socket hears only its peer and is preferred.
func TestConnect(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		n := newNet2(t, clock.NewSim(), shards)
		one, two := listen(t, n.a, "10.0.0.1:1"), listen(t, n.a, "10.0.0.1:2")
		s := listen(t, n.b, "0.0.0.0:7")
		must(t, s.Connect(addrPort("10.0.0.1:1")))
		if s.LocalAddr() != addrPort("10.0.0.2:7") || s.RemoteAddr() != addrPort("10.0.0.1:1") {
			t.Errorf("connected %v to %v", s.LocalAddr(), s.RemoteAddr())
		}
		send(t, one, "yes", "10.0.0.2:7")
		send(t, two, "no", "10.0.0.2:7")
		expect(t, s, "yes")
		expectNone(t, s)
		count(t, n.b, map[string]uint64{"drop.no port": 1})
		if e := listen(t, n.b, "0.0.0.0:0").Connect(addrPort("192.0.2.1:1")); e != syscall.ENETUNREACH {
			t.Errorf("connect without a route: %v", e)
		}
		empty(t, n.w)
	})
}

// TestSendOptions is SO_DONTROUTE, and what a caller says about one packet.
func TestSendOptions(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	must(t, control.AddAddr(st, anIf, prefix("10.0.0.3/24")))
	must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: addr("10.0.0.2")}))
	tp.owns = func(netip.Addr) bool { return true }
	s := listen(t, st, "0.0.0.0:9")
	s.SetDontRoute(true)
	if _, err := s.WriteTo(nil, addrPort("192.0.2.1:7"), nil); err != syscall.ENETUNREACH {
		t.Errorf("through a gateway with SO_DONTROUTE: %v", err)
	}
	s.SetDontRoute(false)
	must(t, s.SetTOS(0x10))
	for _, c := range []struct {
		how  *socket.Send
		want wire.IPv4Header
	}{
		{nil, wire.IPv4Header{TTL: 64, TOS: 0x10, Src: addr("10.0.0.1")}},
		{&socket.Send{TTL: 3}, wire.IPv4Header{TTL: 3, TOS: 0x10, Src: addr("10.0.0.1")}},
		{&socket.Send{TOS: -1, Src: addr("10.0.0.3")}, wire.IPv4Header{TTL: 64, Src: addr("10.0.0.3")}},
		{&socket.Send{TOS: 4}, wire.IPv4Header{TTL: 64, TOS: 4, Src: addr("10.0.0.1")}},
	} {
		if _, err := s.WriteTo([]byte("x"), addrPort("192.0.2.1:7"), c.how); err != nil {
			t.Fatal(err)
		}
		got := tp.takeIP(t)
		if len(got) != 1 || got[0].TTL() != c.want.TTL || got[0].TOS() != c.want.TOS || got[0].Src() != c.want.Src {
			t.Errorf("%+v: sent %v", c.how, got)
		}
	}
	if _, err := s.WriteTo(nil, addrPort("192.0.2.1:7"), &socket.Send{Src: addr("10.0.0.9")}); err != syscall.EADDRNOTAVAIL {
		t.Errorf("from another's address: %v", err)
	}
	empty(t, w)
}

// TestTwoStacksSameAddress is behaviour 10.3.
func TestTwoStacksSameAddress(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	for i := range 2 {
		ep := link.NewEpair(0)
		a := newHost(t, w, fmt.Sprint("a", i), 1, ep.A(), "10.0.0.1/24")
		b := newHost(t, w, fmt.Sprint("b", i), 1, ep.B(), "10.0.0.2/24")
		send(t, listen(t, a, "10.0.0.1:5000"), fmt.Sprint(i), "10.0.0.2:5000")
		s := listen(t, b, "10.0.0.2:5000")
		expectNone(t, s)
		send(t, usrreq.Sock{Sock: a.Socks()[0]}, fmt.Sprint(i), "10.0.0.2:5000")
		expect(t, s, fmt.Sprint(i))
		expectNone(t, s)
	}
	empty(t, w)
}
