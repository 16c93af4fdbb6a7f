package vnet_test

import (
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// chain6 is two hosts, 2001:db8:0::1 and 2001:db8:n::2, with n routers between.
type chain6 struct {
	w       *vnet.World
	a, b    *vnet.Stack
	routers []*vnet.Stack
}

func newChain6(t testing.TB, c clock.Clock, shards, n int, mtu ...int) *chain6 {
	t.Helper()
	ch := &chain6{w: vnet.NewWorld(vnet.Config{Clock: c})}
	mk := func(name string) *vnet.Stack {
		st, e := stacktest.New(t, ch.w, vnet.StackConfig{Name: name, Shards: shards})
		must(t, e)
		return st
	}
	subnet6 := func(i, host int) netip.Prefix { return prefix(fmt.Sprintf("2001:db8:%x::%d/64", i, host)) }
	ch.a, ch.b = mk("a"), mk("b")
	prev := ch.a
	for i := range n + 1 {
		next := ch.b
		if i < n {
			next = mk(fmt.Sprint("r", i))
			ch.routers = append(ch.routers, next)
			must(t, next.SetSysctl("net.inet6.ip6.forwarding", 1))
		}
		m := 0
		if i < len(mtu) {
			m = mtu[i]
		}
		ep := link.NewEpair(m)
		_, e := control.AddInterface(prev, control.IfaceConfig{Name: "right", Port: ep.A(), Addrs: []netip.Prefix{subnet6(i, 1), prefix("fe80::1/64")}})
		must(t, e)
		_, e = control.AddInterface(next, control.IfaceConfig{Name: "left", Port: ep.B(), Addrs: []netip.Prefix{subnet6(i, 2), prefix("fe80::2/64")}})
		must(t, e)
		prev = next
	}
	must(t, control.AddRoute(ch.a, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("fe80::2"), IfIndex: 2}))
	must(t, control.AddRoute(ch.b, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("fe80::1"), IfIndex: 2}))
	for i, r := range ch.routers {
		if i > 0 {
			must(t, control.AddRoute(r, 0, control.Route{Dst: prefix("2001:db8::/64"), Gateway: subnet6(i, 1).Addr()}))
		}
		if i < n-1 {
			must(t, control.AddRoute(r, 0, control.Route{Dst: prefix("::/0"), Gateway: subnet6(i+1, 2).Addr()}))
		}
	}
	return ch
}

// TestRFC8201Section4: what a router says of the path makes datagrams leave in
// fragments, for ten minutes.
func TestRFC8201Section4(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		ch := newChain6(t, c, shards, 2, 1500, 1400, 1300)
		to := addrPort("[2001:db8:2::2]:7")
		in := listen(t, ch.b, "[::]:7")
		for port := 1; port < 9; port++ { // flows of several shards
			must(t, ch.a.SetSysctl("net.inet6.ip6.pmtu_timeout", int64(600+port)))
			s := listen(t, ch.a, fmt.Sprintf("[::]:%d", port))
			data := string(pattern(1440))
			for range 2 { // each of the two smaller links says so once
				send(t, s, data, to.String())
				run(c, 10*time.Millisecond)
				expectNone(t, in)
			}
			send(t, s, data, to.String())
			run(c, 10*time.Millisecond)
			expect(t, in, data)
			other := listen(t, ch.a, "[::]:0") // others profit
			send(t, other, data, to.String())
			run(c, 10*time.Millisecond)
			expect(t, in, data)
			other.SetDontFrag(true)
			if _, err := other.WriteTo([]byte(data), to, nil); err != syscall.EMSGSIZE {
				t.Errorf("not to be cut: %v", err)
			}
			if _, err := other.WriteTo([]byte(data[:1300-48]), to, nil); err != nil {
				t.Errorf("what fits: %v", err)
			}
			run(c, 10*time.Millisecond)
			expect(t, in, data[:1300-48])
			run(c, time.Duration(601+port)*time.Second)
			s.Close()
			other.Close()
		}
		empty(t, ch.w)
	})
}

// TestRFC8201Section4Lies: messages that are not believed.
func TestRFC8201Section4Lies(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		s := listen(t, st, "["+self6+"]:9")
		dst := addrPort("[2001:db8:9::9]:7")
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("fe80::5"), IfIndex: anIf}))
		packets := func() int {
			if _, err := s.WriteTo(pattern(1440), dst, nil); err != nil {
				t.Fatal(err)
			}
			run(c, time.Second)
			return len(tp.take6(t))
		}
		tooBig := func(quoted []byte, mtu uint32) {
			m := append(make([]byte, wire.ICMP6Len), quoted[:min(len(quoted), 1232)]...)
			wire.PutICMP6(m, wire.ICMP6TooBig, 0, mtu)
			tp.inject(tp.icmp6Frame(addr("fe80::5"), addr(self6), 64, m))
		}
		quote := func(from, to string) []byte {
			a, b := addrPort(from), addrPort(to)
			return tp.frame6(a.Addr(), b.Addr(), 60, wire.ProtoUDP, udpPayload(a, b, pattern(1440)))[wire.EtherLen:]
		}
		own := "[" + self6 + "]:9"
		for name, lie := range map[string]func(){
			"below the least": func() { tooBig(quote(own, dst.String()), 1279) },
			"longer than it":  func() { tooBig(quote(own, dst.String()), 1500) },
			"no such socket":  func() { tooBig(quote("["+self6+"]:10", dst.String()), 1300) },
			"not from us":     func() { tooBig(quote("[2001:db8::77]:9", dst.String()), 1300) },
			"another's":       func() { tooBig(quote(own, "[2001:db8:9::8]:7"), 1300) },
			"no connection":   func() { q := quote(own, dst.String()); q[6] = wire.ProtoTCP; tooBig(q, 1300) },
		} {
			lie()
			if n := packets(); n != 1 {
				t.Errorf("%s: %d packets", name, n)
			}
		}
		tooBig(quote(own, dst.String()), 1300)
		if n := packets(); n != 2 {
			t.Errorf("the truth: %d packets", n)
		}
		tooBig(quote(own, dst.String()), 1400)
		for _, ip := range func() []wire.IPv6 { s.WriteTo(pattern(1440), dst, nil); return tp.take6(t) }() {
			if len(ip) > 1300 {
				t.Errorf("%d bytes: raised", len(ip))
			}
		}
		empty(t, w)
	})
}

// TestTCP6 sends a lot both ways over a path that takes less than its first link:
// in super-segments, and in segments that fit.
func TestTCP6(t *testing.T) {
	for _, mtus := range [][]int{{9000, 9000}, {1500, 1280, 1500}} {
		t.Run(fmt.Sprint(mtus), func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				c := clock.NewSim()
				ch := newChain6(t, c, shards, len(mtus)-1, mtus...)
				l, e := usrreq.ListenTCP(ch.b, addrPort("[::]:80"), 0, &socket.TCPOptions{})
				must(t, e)
				for range 3 {
					from, e := usrreq.ConnectTCP(ch.a, addrPort("[::]:0"), netip.AddrPortFrom(addr(fmt.Sprintf("2001:db8:%d::2", len(mtus)-1)), 80), &socket.TCPOptions{})
					must(t, e)
					run(c, time.Second)
					if err := from.Connected(false); err != nil {
						t.Fatal(err)
					}
					to, err := l.Accept(false)
					if err != nil {
						t.Fatal(err)
					}
					pump(t, c, from, to, 1<<20)
					pump(t, c, to, from, 1<<20)
					from.Abort()
					run(c, time.Second)
					to.Abort()
				}
				got := ch.routers[0].Counters()
				if mtus[1] == 1280 && got["icmp6.out.toobig"] == 0 {
					t.Error("nothing was too big: the test does not test")
				}
				if mtus[1] == 1280 && got["icmp6.out.toobig"] > 4 {
					t.Errorf("%d were too big: connections do not learn from each other", got["icmp6.out.toobig"])
				}
				run(c, 5*time.Minute)
				empty(t, ch.w)
			})
		})
	}
}

// TestTCPToOurselves6: ::1.
func TestTCPToOurselves6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		c := clock.NewSim()
		w := vnet.NewWorld(vnet.Config{Clock: c})
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: "h", Shards: shards})
		must(t, e)
		must(t, control.AddAddr(st, vnet.LoIndex, prefix("::1/128")))
		l, e := usrreq.ListenTCP(st, addrPort("[::1]:80"), 0, &socket.TCPOptions{})
		must(t, e)
		from, e := usrreq.ConnectTCP(st, addrPort("[::]:0"), addrPort("[::1]:80"), &socket.TCPOptions{})
		must(t, e)
		run(c, time.Second)
		if err := from.Connected(false); err != nil {
			t.Fatal(err)
		}
		if from.LocalAddr().Addr() != addr("::1") {
			t.Errorf("from %v", from.LocalAddr())
		}
		to, err := l.Accept(false)
		if err != nil {
			t.Fatal(err)
		}
		pump(t, c, from, to, 1<<20)
		from.Abort()
		run(c, time.Second)
		to.Abort()
		empty(t, w)
	})
}

// pump sends n bytes over a connection.
func pump(t testing.TB, c *clock.Sim, from, to usrreq.TCPSock, n int) {
	t.Helper()
	data, buf := pattern(n), make([]byte, 65536)
	sent, got := 0, 0
	for idle := 0; got < n; idle++ {
		if sent < n {
			k, err := from.Write(data[sent:min(n, sent+65536)], false)
			if err != nil && err != syscall.EAGAIN {
				t.Fatal(err)
			}
			sent += k
		}
		for {
			k, err := to.Read(buf, false)
			if err == syscall.EAGAIN {
				break
			}
			if err != nil && err != io.EOF || k == 0 {
				t.Fatalf("%d bytes, %v", k, err)
			}
			if string(buf[:k]) != string(data[got:got+k]) {
				t.Fatalf("damaged at %d", got)
			}
			got += k
			idle = 0
		}
		if idle > 1000 {
			t.Fatalf("stuck: %d written, %d read", sent, got)
		}
		run(c, 10*time.Millisecond)
	}
}
