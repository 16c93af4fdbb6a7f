package vnet_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestRemoveInterface takes away an interface that holds packets for ARP,
// fragments, a membership, routes and a pinned neighbour.
func TestRemoveInterface(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "0.0.0.0:7")
		group := addr("232.1.2.3")
		must(t, s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: anIf}, group, netip.Addr{}))
		must(t, s.SetMulticastIf(anIf))
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: addr("10.0.0.9")}))
		for i := range 5 {
			send(t, s, "held", fmt.Sprint("10.0.0.", 10+i, ":7"))
			send(t, s, "held", "192.0.2.1:7")
		}
		tp.inject(fragFrames(tp, 5, "10.0.0.2:9", "10.0.0.1:7", pattern(992), [2]int{0, 504})...)
		if w.Sched().Pool().Counts().Bufs != 11 || c.Armed() != 1 {
			t.Fatalf("%v, %d timers: the test does not test", w.Sched().Pool().Counts(), c.Armed())
		}
		if e := control.RemoveInterface(st, vnet.LoIndex); e != syscall.EPERM {
			t.Errorf("lo0: %v", e)
		}
		must(t, control.RemoveInterface(st, anIf))
		if e := control.RemoveInterface(st, anIf); e != syscall.ENXIO {
			t.Errorf("twice: %v", e)
		}
		run(c, 31*time.Second) // the fragment is the stack's
		if n := w.Sched().Pool().Counts().Bufs; n != 0 || c.Armed() != 0 {
			t.Errorf("%d buffers, %d timers", n, c.Armed())
		}
		if r := control.Routes(st, 0); len(r) != 0 {
			t.Errorf("routes stay: %v", r)
		}
		if e := s.Mcast(usrreq.McastLeave, usrreq.McastIf{Index: anIf}, group, netip.Addr{}); e != syscall.EADDRNOTAVAIL {
			t.Errorf("leave of a membership that is gone: %v", e)
		}
		if s.MulticastIf() != 0 {
			t.Error("the multicast interface stays chosen")
		}
		if _, err := s.WriteTo(nil, addrPort("10.0.0.2:7"), nil); err != syscall.EHOSTUNREACH {
			t.Errorf("send: %v", err)
		}
		// The index is given again, with another generation.
		tp2, i := newTap(t, st, "e0", "10.0.0.1/24", 0)
		if i != anIf {
			t.Errorf("index %d", i)
		}
		tp2.take()
		tp.inject(tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "to the old one"))
		expectNone(t, s)
		tp2.inject(tp2.udpFrame("10.0.0.2:9", "10.0.0.1:7", "to the new one"))
		expect(t, s, "to the new one")
		empty(t, w)
	})
}

// TestGeneration queues packets for an interface whose index is given to
// another before they are processed.
func TestGeneration(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "0.0.0.0:7")
		r := w.Sched().Get()
		for range 3 {
			tp.send(r, tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "old"))
		}
		must(t, control.RemoveInterface(st, anIf))
		newTap(t, st, "e0", "10.0.0.1/24", 0)
		r.Done()
		expectNone(t, s)
		count(t, st, map[string]uint64{"drop.no interface": 3})
		empty(t, w)
	})
}

// TestCloseHolding closes a stack whose every queue holds something.
func TestCloseHolding(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, tp := newTapHost(t, w, shards, "10.0.0.1/24")
		s := listen(t, st, "0.0.0.0:7")
		s.SetReadDeadline(c.Wall(c.Now().Add(time.Hour)))
		raw, e := usrreq.ListenRaw(st, 0, addr("0.0.0.0"), 0)
		must(t, e)
		must(t, s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: anIf}, addr("232.1.2.3"), netip.Addr{}))
		tp.inject(tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "queued twice"))
		tp.inject(fragFrames(tp, 5, "10.0.0.2:9", "10.0.0.1:7", pattern(992), [2]int{0, 504})...)
		send(t, s, "held", "10.0.0.9:7")
		control.Close(st)
		control.Close(st)
		tp.inject(tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "too late"))
		for _, o := range []usrreq.Sock{s, raw} {
			if _, err := o.ReadFrom(nil, nil, false); err != net.ErrClosed {
				t.Errorf("read: %v", err)
			}
			if err := o.Close(); err != net.ErrClosed {
				t.Errorf("close: %v", err)
			}
		}
		if _, e := usrreq.ListenUDP(st, addrPort("0.0.0.0:0"), 0, 0); e != syscall.ENETDOWN {
			t.Errorf("listen: %v", e)
		}
		if _, e := usrreq.ListenRaw(st, 1, addr("0.0.0.0"), 0); e != syscall.ENETDOWN {
			t.Errorf("listen raw: %v", e)
		}
		if _, e := control.AddInterface(st, control.IfaceConfig{Name: "e1", Port: link.NewEpair(0).A()}); e != syscall.ENXIO {
			t.Errorf("add an interface: %v", e)
		}
		if e := s.Mcast(usrreq.McastJoin, usrreq.McastIf{Any: true}, addr("232.1.2.3"), netip.Addr{}); e != syscall.EBADF {
			t.Errorf("join: %v", e)
		}
		empty(t, w)
	})
}

// TestChurn has goroutines send, receive and ask for what is not there while
// interfaces, addresses, routes, sockets and stacks come and go.
func TestChurn(t *testing.T) {
	stacktest.Several(t)
	rounds := 100
	if raceOn || testing.Short() {
		rounds = 40
	}
	if n, err := strconv.Atoi(os.Getenv("CHURN")); err == nil { // a soak does thousands
		rounds = n
	}
	for _, policy := range []netisr.Policy{netisr.Direct, netisr.Hybrid, netisr.Deferred} {
		t.Run(policy.String(), func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				// A goroutine left behind fails the bubble.
				synctest.Test(t, func(t *testing.T) { churn(t, shards, rounds, policy) })
			})
		})
	}
}

func churn(t *testing.T, shards, rounds int, policy netisr.Policy) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewReal()})
	w.Sched().SetPolicy(policy)
	hub, e := stacktest.New(t, w, vnet.StackConfig{Name: "hub", Shards: shards})
	must(t, e)
	must(t, hub.SetSysctl("net.inet.ip.forwarding", 1))
	for i := range 5 { // the first four make room for what comes and goes
		_, e := control.AddInterface(hub, control.IfaceConfig{Name: fmt.Sprint("p", i), Port: link.NewEpair(0).A()})
		must(t, e)
	}
	for i := range uint32(4) {
		must(t, control.RemoveInterface(hub, anIf+i))
	}
	var stop atomic.Bool
	var senders sync.WaitGroup
	for i := range 4 {
		senders.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(i)))
			for !stop.Load() {
				churnSend(t, hub, rnd)
			}
		})
	}
	must(t, control.AddMulticastRoute(hub, mroute.Route{Group: prefix("232.0.0.0/8"), In: anIf + 4, Listeners: true})) // e4, below
	for i := range 2 {
		senders.Go(func() {
			rnd := rand.New(rand.NewPCG(2, uint64(i)))
			for !stop.Load() {
				churnGroups(t, hub, rnd)
			}
		})
	}
	for range rounds {
		churnRound(t, w, hub, shards)
	}
	stop.Store(true)
	senders.Wait()
	synctest.Wait()
	for _, st := range w.Stacks() {
		control.Close(st)
	}
	synctest.Wait()
	empty(t, w)
}

// churnSend opens a socket, sends a few datagrams to hosts that may be there
// or not, some in fragments, and closes it.
func churnSend(t *testing.T, hub *vnet.Stack, rnd *rand.Rand) {
	s, e := usrreq.ListenUDP(hub, addrPort("[::]:0"), 0, 0)
	if e != 0 {
		t.Error(e)
		return
	}
	s.Mcast(usrreq.McastJoin, usrreq.McastIf{Index: uint32(2 + rnd.IntN(4))}, addr("232.1.2.3"), netip.Addr{})
	for range 10 {
		i, host := rnd.IntN(4), 2+rnd.IntN(2)
		to := netip.AddrPortFrom(subnet(i, host).Addr(), 7)
		switch rnd.IntN(8) {
		case 0:
			to = addrPort("232.1.2.3:7")
		case 1, 2, 3:
			to = netip.AddrPortFrom(subnet6(i, host).Addr(), 7)
		}
		s.WriteTo(make([]byte, 1<<rnd.IntN(14)), to, nil)
		s.ReadFrom(make([]byte, 100), nil, false)
	}
	s.SetReadDeadline(time.Now().Add(time.Hour))
	s.Close()
}

// churnGroups has a socket join, leave, block, unblock and set filters at random, on
// interfaces that come and go, and queries and reports arrive by them.
func churnGroups(t *testing.T, hub *vnet.Stack, rnd *rand.Rand) {
	s, e := usrreq.ListenUDP(hub, addrPort("[::]:0"), 0, 0)
	if e != 0 {
		t.Error(e)
		return
	}
	defer s.Close()
	for range 20 {
		at := usrreq.McastIf{Index: uint32(2 + rnd.IntN(5))}
		group := []netip.Addr{addr("232.1.2.3"), addr("239.1.2.3"), addr("ff3e::8000:1"), addr("ff1e::1")}[rnd.IntN(4)]
		source := subnet(rnd.IntN(4), 2).Addr()
		if group.Is6() {
			source = subnet6(rnd.IntN(4), 2).Addr()
		}
		switch op := rnd.IntN(9); op {
		case 6:
			s.SetSourceFilter(at, group, mcast.Mode(1+rnd.IntN(2)), []netip.Addr{source})
		case 7:
			control.SetQuerier(hub, at.Index, rnd.IntN(2) == 0)
		case 8:
			if rnd.IntN(2) == 0 {
				control.SetMulticastProxy(hub, anIf+4, []uint32{uint32(2 + rnd.IntN(4)), uint32(2 + rnd.IntN(4))})
			} else {
				control.SetMulticastProxy(hub, 0, nil)
			}
			control.Memberships(hub, at.Index)
			control.QuerierGroups(hub, at.Index)
		default:
			s.Mcast(usrreq.McastOp(op), at, group, source)
		}
		churnFrame(hub, at.Index, rnd)
	}
}

// churnFrame lets a query or a report arrive.
func churnFrame(hub *vnet.Stack, index uint32, rnd *rand.Rand) {
	c := hub.View().Conf(index)
	if c == nil || c.Port == nil {
		return
	}
	i := rnd.IntN(4)
	hd := wire.IPHeader{TTL: 1, Src: subnet(i, 2).Addr(), Dst: addr("224.0.0.1"), Proto: wire.ProtoIGMP}
	ra4, ra6 := wire.RouterAlert(), wire.RouterAlert6(wire.ProtoICMPv6, 0)
	var m []byte
	switch rnd.IntN(3) {
	case 0:
		m = make([]byte, wire.IGMPv3QueryLen)
		wire.PutIGMPv3Query(m, &wire.IGMPv3QueryHeader{MaxRespCode: 1, Group: netip.IPv4Unspecified(), QRV: 2, QQIC: 125}, nil)
	case 1:
		m = make([]byte, wire.IGMPLen)
		hd.Dst = addr("239.1.2.3")
		wire.PutIGMP(m, wire.IGMPTypeV2Report, 0, hd.Dst)
	default:
		hd.Src, hd.Dst, hd.Proto = addr("fe80::99"), netip.IPv6LinkLocalAllNodes(), wire.ProtoICMPv6
		m = make([]byte, wire.MLDv2QueryLen)
		wire.PutMLDv2Query(m, &wire.MLDv2QueryHeader{MaxRespCode: 100, Group: netip.IPv6Unspecified(), QRV: 2, QQIC: 125}, nil)
		wire.ICMP6(m).SetChecksum(hd.Src, hd.Dst)
		hd.Options = ra6[:]
	}
	if hd.Dst.Is4() {
		hd.Options = ra4[:]
	}
	r := hub.World().Sched().Get()
	defer r.Done()
	b := r.Cache.Get(wire.EtherLen + hd.Len() + len(m))
	f := b.Extend(wire.EtherLen + hd.Len() + len(m))
	wire.PutEther(f, wire.MulticastMAC(hd.Dst), wire.MAC{2, 0, 0, 0, 0, 9}, map[bool]uint16{true: wire.EtherTypeIPv4, false: wire.EtherTypeIPv6}[hd.Dst.Is4()])
	wire.PutIP(f[wire.EtherLen:], &hd, len(m))
	copy(f[wire.EtherLen+hd.Len():], m)
	hub.SinkOf(c).Put(r, b)
}

func subnet6(i, host int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 7: byte(i), 15: byte(host)}), 64)
}

// churnRound plugs four hosts in, lets them talk, and takes everything away
// again in the middle of it.
func churnRound(t *testing.T, w *vnet.World, hub *vnet.Stack, shards int) {
	var hosts []*vnet.Stack
	var ifs []uint32
	var wg sync.WaitGroup
	for i := range 4 {
		ep := link.NewEpair(0)
		idx, e := control.AddInterface(hub, control.IfaceConfig{Name: fmt.Sprint("e", i), Port: ep.A(), Addrs: []netip.Prefix{subnet6(i, 1)}})
		must(t, e)
		must(t, control.AddAddr(hub, idx, subnet(i, 1)))
		cfg := radv.DefaultConfig()
		cfg.Prefixes = []wire.NDPrefix{{Prefix: subnet6(100+i, 0).Masked(), OnLink: true, Autonomous: true, Valid: 3600, Preferred: 1800}}
		if err := control.Advertise(hub, idx, &cfg); err != nil {
			t.Error(err)
		}
		control.AddRoute(hub, 0, control.Route{Dst: netip.PrefixFrom(subnet(100+i, 0).Addr(), 24), Gateway: subnet(i, 3).Addr()})
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: fmt.Sprint("h", i), Shards: shards})
		must(t, e)
		at, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: ep.B(), Addrs: []netip.Prefix{subnet6(i, 2)}})
		must(t, e)
		must(t, control.AddAddr(st, at, subnet(i, 2)))
		must(t, control.AddAddr(st, at, subnet6(i, 3)))
		must(t, control.SetAuto(st, at, &control.AutoConfig{Routers: true}))
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: subnet(i, 1).Addr()}))
		hosts, ifs = append(hosts, st), append(ifs, idx)
		s := listen(t, st, "[::]:7")
		s.Mcast(usrreq.McastJoin, usrreq.McastIf{Any: true}, addr("232.1.2.3"), netip.Addr{})
		wg.Go(func() {
			for b := make([]byte, 20000); ; {
				var info socket.Recv
				if _, err := s.ReadFrom(b, &info, true); errors.Is(err, net.ErrClosed) {
					return
				}
				s.WriteTo(b[:3000], info.From, nil) // answers, in fragments
			}
		})
	}
	for i, idx := range ifs { // addresses go and come back
		control.DelAddr(hub, idx, subnet(i, 1).Addr())
		control.AddAddr(hub, idx, subnet(i, 1))
	}
	for i, st := range hosts {
		if i%2 == 0 {
			must(t, control.RemoveInterface(hub, ifs[i]))
			wg.Go(func() { control.Close(st) })
		} else {
			wg.Go(func() { control.Close(st) })
			must(t, control.RemoveInterface(hub, ifs[i]))
		}
	}
	wg.Wait()
}

// TestLendToClosed shows a frame to an interface that has been removed.
func TestLendToClosed(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, tp := newTapHost(t, w, 1, "10.0.0.1/24")
	ifp := st.Sink(anIf)
	must(t, control.RemoveInterface(st, anIf))
	r := w.Sched().Get()
	b := r.Cache.Get(100)
	copy(b.Extend(wire.EtherLen), tp.udpFrame("10.0.0.2:9", "10.0.0.1:7", "x"))
	if !ifp.Lend(r, b) {
		t.Error("an idle stack was busy")
	}
	r.Done()
	count(t, st, map[string]uint64{"drop.no interface": 1})
	empty(t, w)
}
