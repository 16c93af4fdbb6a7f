package vnet_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// TestChain sends both ways through 3 and through 1,000 routers: order is
// kept, the call depth does not depend on the distance, and nothing stays.
func TestChain(t *testing.T) {
	for _, n := range []int{3, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				if n > 100 && (raceOn || testing.Short()) {
					t.Skip("slow")
				}
				before := runtime.NumGoroutine()
				c := clock.NewSim()
				ch := newChain(t, vnet.NewWorld(vnet.Config{Clock: c}), shards, n)
				depths := make(map[int]int)
				for _, r := range ch.routers {
					control.SetFilter(r, depthFilter(depths))
				}
				dst := subnet(n, 2).Addr()
				if n > 250 { // farther than a TTL reaches
					dst = subnet(249, 2).Addr()
					ch.b = ch.routers[249]
				}
				for _, st := range []*vnet.Stack{ch.a, ch.b} {
					must(t, st.SetSysctl("net.inet.ip.ttl", 255))
				}
				sa, sb := listen(t, ch.a, "0.0.0.0:9"), listen(t, ch.b, "0.0.0.0:7")
				for i := range 15 {
					send(t, sa, fmt.Sprint(i), netip.AddrPortFrom(dst, 7).String())
				}
				for i := range 15 {
					info := expect(t, sb, fmt.Sprint(i))
					if hops := min(n, 249); int(info.TTL) != 255-hops {
						t.Fatalf("TTL %d after %d routers", info.TTL, hops)
					}
					send(t, sb, fmt.Sprint(i), info.From.String())
				}
				for i := range 15 {
					expect(t, sa, fmt.Sprint(i))
				}
				// In and out, alone and behind a held packet: four depths whatever the distance.
				if len(depths) > 8 {
					t.Errorf("%d different call depths: %v", len(depths), depths)
				}
				for d := range depths {
					if d > 40 {
						t.Errorf("call depth %d", d)
					}
				}
				if got := runtime.NumGoroutine(); got > before {
					t.Errorf("%d goroutines more than before", got-before)
				}
				empty(t, ch.w)
			})
		})
	}
}

type depthFilter map[int]int

// Filter implements Filter: it counts how deep the calls are.
func (d depthFilter) Filter(*pfil.Packet) pfil.Verdict {
	var pcs [256]uintptr
	d[runtime.Callers(0, pcs[:])]++
	return pfil.Verdict{}
}

// router is a stack that forwards between taps on 10.0.1.0/24, 10.0.2.0/24 and
// 10.0.3.0/24, with an MTU of 600 on the second.
type router struct {
	w    *vnet.World
	c    *clock.Sim
	st   *vnet.Stack
	taps [4]*tap // by the third byte of the subnet
	ifs  [4]uint32
}

func newRouter(t testing.TB, shards int) *router {
	t.Helper()
	c := clock.NewSim()
	r := &router{w: vnet.NewWorld(vnet.Config{Clock: c}), c: c}
	var e syscall.Errno
	r.st, e = stacktest.New(t, r.w, vnet.StackConfig{Name: "r", Shards: shards})
	must(t, e)
	must(t, r.st.SetSysctl("net.inet.ip.forwarding", 1))
	must(t, r.st.SetSysctl("net.inet.icmp.icmplim", 0))
	for i := 1; i <= 3; i++ {
		mtu := 0
		if i == 2 {
			mtu = 600
		}
		r.taps[i], r.ifs[i] = newTap(t, r.st, fmt.Sprint("e", i), fmt.Sprintf("10.0.%d.1/24", i), mtu)
		r.taps[i].owns = func(a netip.Addr) bool {
			last := a.As16()[15]
			return last >= 2 && last < 100
		}
	}
	return r
}

// quiet checks that nothing was sent but what the test has taken.
func (r *router) quiet(t testing.TB) {
	t.Helper()
	for i := 1; i <= 3; i++ {
		if got := r.taps[i].takeIP(t); len(got) != 0 {
			t.Errorf("%d packets more on link %d: %v", len(got), i, got)
		}
	}
	empty(t, r.w)
}

// TestForwardErrors has a router answer what it cannot forward (RFC 1812
// §5.2.7, §5.3.1).
func TestForwardErrors(t *testing.T) {
	type answer struct {
		typ, code uint8
		drop      string
	}
	unreach := func(drop string) answer {
		return answer{wire.ICMP4Unreachable, wire.ICMP4CodeHost, drop}
	}
	for _, c := range []struct {
		name, dst string
		ttl       uint8
		want      answer
	}{
		{"ttl 1", "10.0.3.7", 1, answer{wire.ICMP4TimeExceeded, 0, "ttl exceeded"}},
		{"ttl 0", "10.0.3.7", 0, answer{wire.ICMP4TimeExceeded, 0, "ttl exceeded"}},
		{"no route", "10.9.9.9", 64, unreach("no route")},
		{"reject", "198.18.0.1", 64, unreach("net rejected")},
		{"blackhole", "198.19.0.1", 64, answer{drop: "blackhole"}},
		{"limited broadcast", "255.255.255.255", 64, answer{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				r := newRouter(t, shards)
				must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("198.18.0.0/16"), Reject: true}))
				must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("198.19.0.0/16"), Blackhole: true}))
				f := r.taps[1].echoFrame("10.0.1.2", c.dst, c.ttl, 8)
				r.taps[1].inject(f)
				if c.want.typ != 0 {
					ip, m := r.taps[1].oneICMP(t)
					if ip.Src() != addr("10.0.1.1") || ip.Dst() != addr("10.0.1.2") || m.Type() != c.want.typ || m.Code() != c.want.code {
						t.Errorf("answered by %v to %v, type %d code %d", ip.Src(), ip.Dst(), m.Type(), m.Code())
					}
					q, fault := m.Quoted()
					if fault != wire.OK || q.Dst() != addr(c.dst) {
						t.Errorf("quoted % x", m.Payload())
					}
				}
				if c.want.drop != "" {
					count(t, r.st, map[string]uint64{"drop." + c.want.drop: 1, "ip.forwarded": 0})
				}
				r.quiet(t)
			})
		})
	}
}

// TestForwardIsQuiet forwards back where a packet came from: no redirect is
// sent, and TTL, options and checksum are as they must be.
func TestForwardIsQuiet(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter(t, shards)
		tp := r.taps[1]
		ra := wire.RouterAlert()
		hd := wire.IPv4Header{TOS: 5, ID: 77, TTL: 9, Proto: wire.ProtoUDP, Src: addr("10.0.1.2"), Dst: addr("10.0.1.9"), Options: ra[:]}
		tp.inject(ipFrame(tp.peer, tp.mac, hd, udpPayload(addrPort("10.0.1.2:1"), addrPort("10.0.1.9:2"), []byte("data"))))
		got := tp.takeIP(t)
		if len(got) != 1 {
			t.Fatalf("%d packets", len(got))
		}
		h := got[0].Header()
		if h.TTL != 8 || h.ID != 77 || h.TOS != 5 || string(h.Options) != string(ra[:]) {
			t.Errorf("forwarded as %+v", h)
		}
		// A frame to all is never forwarded, nor is one padded longer than its packet.
		f := tp.udpFrame("10.0.1.2:1", "10.0.3.9:2", "x")
		copy(f, "\xff\xff\xff\xff\xff\xff")
		tp.inject(f)
		count(t, r.st, map[string]uint64{"drop.not forwarding": 1})
		tp.inject(append(tp.udpFrame("10.0.1.2:1", "10.0.3.9:2", "x"), make([]byte, 20)...))
		if got := r.taps[3].take(); len(got) != 2 || len(got[1]) != 14+20+8+1 {
			t.Errorf("%d frames, the last % x", len(got), got[len(got)-1])
		}
		r.quiet(t)
	})
}

// TestForwardByArrivalFIB is rules 0, 2 and 5 of behaviour 4.3.
func TestForwardByArrivalFIB(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: "r", Shards: shards})
		must(t, e)
		must(t, control.SetFIBs(st, 3))
		must(t, st.SetSysctl("net.inet.ip.forwarding", 1))
		// e1 and e2 are in tables 1 and 2; out3 and out4 are where those lead to.
		var taps [5]*tap
		for i := 1; i <= 4; i++ {
			ep := link.NewEpair(0)
			table := i
			if i > 2 {
				table = 0
			}
			idx, e := control.AddInterface(st, control.IfaceConfig{Name: fmt.Sprint("e", i), Port: ep.A(), FIB: table})
			must(t, e)
			must(t, control.AddAddr(st, idx, prefix(fmt.Sprintf("10.0.%d.1/24", i))))
			taps[i] = tapOn(w, ep, st, idx)
			taps[i].owns = func(a netip.Addr) bool { return a.As4()[3] != 1 }
		}
		for table, out := range map[int]int{1: 3, 2: 4} {
			gw := addr(fmt.Sprintf("10.0.%d.9", out))
			must(t, control.AddRoute(st, table, control.Route{Dst: prefix(gw.String() + "/32"), IfIndex: uint32(out + 1)}))
			must(t, control.AddRoute(st, table, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: gw}))
		}
		for in, out := range map[int]int{1: 3, 2: 4} {
			src := fmt.Sprintf("10.0.%d.2", in)
			taps[in].inject(taps[in].udpFrame(src+":1", "192.0.2.1:2", "x"))
			if got := taps[out].takeIP(t); len(got) != 1 {
				t.Errorf("in by table %d: %d packets out by e%d", in, len(got), out)
			}
			// An echo reply, and an error, to a host that only the packet's own table
			// knows a way to.
			taps[in].inject(taps[in].echoFrame("192.0.2.9", fmt.Sprintf("10.0.%d.1", in), 64, 4))
			if ip, m := taps[out].oneICMP(t); m.Type() != wire.ICMP4EchoReply || ip.Src() != addr(fmt.Sprintf("10.0.%d.1", in)) {
				t.Errorf("echo reply %v", ip)
			}
			taps[in].inject(taps[in].udpFrame("192.0.2.9:1", fmt.Sprintf("10.0.%d.1:9", in), "x"))
			if _, m := taps[out].oneICMP(t); m.Code() != wire.ICMP4CodePort {
				t.Errorf("type %d code %d", m.Type(), m.Code())
			}
		}
		// Rule 1: a socket's table is its own; rule 0: a plain socket has table 0.
		s, e := usrreq.ListenUDP(st, addrPort("0.0.0.0:5"), 2, 0)
		must(t, e)
		send(t, s, "x", "192.0.2.1:7")
		if got := taps[4].takeIP(t); len(got) != 1 || got[0].Src() != addr("10.0.4.1") {
			t.Errorf("from table 2: %v", got)
		}
		must(t, s.SetFIB(1))
		send(t, s, "x", "192.0.2.1:7")
		if got := taps[3].takeIP(t); len(got) != 1 {
			t.Errorf("from table 1: %v", got)
		}
		if _, err := listen(t, st, "0.0.0.0:6").WriteTo([]byte("x"), addrPort("192.0.2.1:7"), nil); err != syscall.EHOSTUNREACH {
			t.Errorf("from table 0: %v", err)
		}
		if e := s.SetFIB(3); e != syscall.EINVAL {
			t.Errorf("table 3 of 3: %v", e)
		}
		empty(t, w)
	})
}

// TestGatewayRoute sends by a gateway: its adjacency survives that the entry
// expires, and goes with the route.
func TestGatewayRoute(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter(t, shards)
		gw := addr("10.0.3.2")
		must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("192.0.2.0/24"), Gateway: gw}))
		must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("198.51.100.0/24"), Gateway: gw}))
		nb := r.st.Neighbor(r.ifs[3], gw)
		for range 3 {
			r.taps[1].inject(r.taps[1].udpFrame("10.0.1.2:1", "192.0.2.1:2", "x"))
			got := r.taps[3].take()
			last := wire.Ether(got[len(got)-1])
			if last.Dst() != r.taps[3].mac || last.Type() != wire.EtherTypeIPv4 {
				t.Fatalf("sent % x", last)
			}
			if nb != r.st.Neighbor(r.ifs[3], gw) || vnet.LinkHeader(nb) == nil {
				t.Fatal("the gateway's adjacency was replaced")
			}
			r.c.RunUntil(r.c.Now().Add(1300e9)) // expires
		}
		must(t, control.DelRoute(r.st, 0, prefix("192.0.2.0/24")))
		if r.st.Neighbor(r.ifs[3], gw) == nil {
			t.Error("the other route lost its adjacency")
		}
		must(t, control.DelRoute(r.st, 0, prefix("198.51.100.0/24")))
		if r.st.Neighbor(r.ifs[3], gw) != nil {
			t.Error("an adjacency stays without routes and address")
		}
		for _, e := range []struct {
			r    control.Route
			want syscall.Errno
		}{
			{control.Route{Dst: prefix("192.0.2.0/24"), Gateway: addr("172.16.0.1")}, syscall.ENETUNREACH},
			{control.Route{Dst: prefix("192.0.2.0/24"), IfIndex: 99}, syscall.ENXIO},
			{control.Route{Dst: prefix("10.0.1.0/24"), Gateway: gw}, syscall.EEXIST},
			{control.Route{Dst: prefix("192.0.2.0/24"), Gateway: gw, MTU: 65536}, syscall.EINVAL},
		} {
			if got := control.AddRoute(r.st, 0, e.r); got != e.want {
				t.Errorf("%+v: %v, want %v", e.r, got, e.want)
			}
		}
		if r.st.Neighbor(r.ifs[3], gw) != nil {
			t.Error("a refused route left an adjacency")
		}
		r.quiet(t)
	})
}

// TestForwardHostDown is RFC 1812 §5.2.7.1, code 1: who sends to a host that
// answers no request hears of it, as a local sender does after the fifth.
func TestForwardHostDown(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter(t, shards)
		r.taps[3].owns = nil
		for second := range 8 {
			r.taps[1].inject(r.taps[1].echoFrame("10.0.1.2", "10.0.3.7", 64, 8))
			got := r.taps[1].takeIP(t)
			switch {
			case second < 4 && len(got) != 0, second > 4 && len(got) != 1, len(got) > 1:
				t.Fatalf("second %d: answered by %v", second, got)
			case len(got) == 1:
				m, fault := wire.ParseICMP4(got[0].Payload())
				q, _ := m.Quoted()
				if fault != wire.OK || m.Type() != wire.ICMP4Unreachable || m.Code() != wire.ICMP4CodeHost || q.Dst() != addr("10.0.3.7") || q[8] != 64 {
					t.Errorf("second %d: % x", second, m)
				}
			}
			run(r.c, time.Second)
		}
		run(r.c, 21*time.Second)
		r.taps[3].take()
		r.quiet(t)
	})
}

// TestForwardByLargeTable: what is looked up for a whole batch goes where it would one
// by one.
func TestForwardByLargeTable(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "r"})
	must(t, e)
	must(t, st.SetSysctl("net.inet.ip.forwarding", 1))
	var taps [2]*tap
	for i := range taps {
		ep := link.NewEpair(0)
		idx, e := control.AddInterface(st, control.IfaceConfig{Name: fmt.Sprint("e", i), Port: ep.A(), Addrs: []netip.Prefix{prefix(fmt.Sprintf("10.0.%d.1/24", i))}})
		must(t, e)
		taps[i] = tapOn(w, ep, st, idx)
		taps[i].owns = func(a netip.Addr) bool { return a.As4()[3] != 1 }
	}
	const routes = 1000 // many more than are looked up one after another
	for i := range routes {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24)
		must(t, control.AddRoute(st, 0, control.Route{Dst: p, Gateway: addr("10.0.1.9")}))
	}
	if !st.Tables().Large(0) {
		t.Fatalf("%d routes are looked up one by one: the test shows nothing", routes)
	}
	frames := make([][]byte, 40)
	for i := range frames {
		frames[i] = taps[0].udpFrame("10.0.0.2:1", fmt.Sprintf("20.0.%d.5:2", i*6), "x")
	}
	frames[7] = taps[0].udpFrame("10.0.0.2:1", "30.0.0.1:2", "no route")
	taps[0].inject(frames[0]) // and the gateway is known
	taps[1].take()
	taps[0].inject(frames...)
	if got := taps[1].takeIP(t); len(got) != len(frames)-1 {
		t.Errorf("%d of %d packets were forwarded", len(got), len(frames)-1)
	}
	if _, m := taps[0].oneICMP(t); m.Type() != wire.ICMP4Unreachable {
		t.Errorf("type %d", m.Type())
	}
	empty(t, w)
}
