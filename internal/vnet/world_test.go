package vnet_test

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

func prefix(s string) netip.Prefix     { return netip.MustParsePrefix(s) }
func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
func addr(s string) netip.Addr         { return netip.MustParseAddr(s) }

// net2 is two stacks with a cable between them.
type net2 struct {
	w    *vnet.World
	a, b *vnet.Stack
	wire *link.Epair
}

const anIf = 2 // index of a stack's first interface after lo0

func newNet2(t testing.TB, c clock.Clock, shards int) *net2 {
	t.Helper()
	w := vnet.NewWorld(vnet.Config{Clock: c, Seed: 1})
	n := &net2{w: w, wire: link.NewEpair(0)}
	n.a = newHost(t, w, "a", shards, n.wire.A(), "10.0.0.1/24")
	n.b = newHost(t, w, "b", shards, n.wire.B(), "10.0.0.2/24")
	return n
}

func newHost(t testing.TB, w *vnet.World, name string, shards int, p link.Port, a string) *vnet.Stack {
	t.Helper()
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: name, Shards: shards})
	if e != 0 {
		t.Fatal(name, e)
	}
	plug(t, st, "e0", p, a)
	return st
}

func plug(t testing.TB, st *vnet.Stack, name string, p link.Port, a string) uint32 {
	t.Helper()
	i, e := control.AddInterface(st, control.IfaceConfig{Name: name, Port: p})
	if e == 0 {
		e = control.AddAddr(st, i, prefix(a))
	}
	if e != 0 {
		t.Fatal(st.Name(), name, e)
	}
	return i
}

func listen(t testing.TB, st *vnet.Stack, a string) usrreq.Sock {
	t.Helper()
	s, e := usrreq.ListenUDP(st, addrPort(a), 0, 0)
	if e != 0 {
		t.Fatal(a, e)
	}
	return s
}

func send(t testing.TB, s usrreq.Sock, data, to string) {
	t.Helper()
	if _, err := s.WriteTo([]byte(data), addrPort(to), nil); err != nil {
		t.Fatalf("send to %s: %v", to, err)
	}
}

// expect reads one packet without waiting.
func expect(t testing.TB, s usrreq.Sock, want string) socket.Recv {
	t.Helper()
	var info socket.Recv
	buf := make([]byte, 65535)
	n, err := s.ReadFrom(buf, &info, false)
	if err != nil {
		t.Fatalf("want %.20q: %v", want, err)
	}
	if got := string(buf[:n]); got != want {
		t.Fatalf("got %.40q, want %.40q", got, want)
	}
	return info
}

func expectNone(t testing.TB, s usrreq.Sock) {
	t.Helper()
	if n, err := s.ReadFrom(make([]byte, 2048), nil, false); err != syscall.EAGAIN {
		t.Fatalf("got %d bytes, %v; want nothing", n, err)
	}
}

// quiet checks that nothing is left behind when everything has come to rest.
func (n *net2) quiet(t testing.TB) {
	t.Helper()
	if c := n.w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
		t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
	}
}

// forShards runs a test with 1 and with 4 shards.
func forShards(t *testing.T, f func(t *testing.T, shards int)) {
	for _, n := range []int{1, 4} {
		t.Run(fmt.Sprintf("shards=%d", n), func(t *testing.T) { f(t, n) })
	}
}

// TestOneDatagramThreeTimes sends a datagram there and one back in real,
// bubble and simulated time.
func TestOneDatagramThreeTimes(t *testing.T) {
	exchange := func(t *testing.T, c clock.Clock, shards int) {
		n := newNet2(t, c, shards)
		sa, sb := listen(t, n.a, "0.0.0.0:0"), listen(t, n.b, "10.0.0.2:7")
		send(t, sa, "there", "10.0.0.2:7")
		info := expect(t, sb, "there")
		if info.From != netip.AddrPortFrom(addr("10.0.0.1"), sa.LocalAddr().Port()) || info.To != addr("10.0.0.2") || info.IfIndex != anIf || info.TTL != 64 {
			t.Fatalf("received as %+v", info)
		}
		send(t, sb, "back", info.From.String())
		expect(t, sa, "back")
		control.Close(n.a)
		control.Close(n.b)
		n.quiet(t)
		if armed := c.Armed(); armed != 0 {
			t.Errorf("%d timers armed after the stacks are gone", armed)
		}
	}
	forShards(t, func(t *testing.T, shards int) {
		t.Run("real", func(t *testing.T) { exchange(t, clock.NewReal(), shards) })
		t.Run("bubble", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { exchange(t, clock.NewReal(), shards) })
		})
		t.Run("simulated", func(t *testing.T) { exchange(t, clock.NewSim(), shards) })
	})
}

// TestIdleStackIsIdle checks what a stack at rest has: no goroutine, no timer,
// no buffer.
func TestIdleStackIsIdle(t *testing.T) {
	c := clock.NewSim()
	before := runtime.NumGoroutine()
	n := newNet2(t, c, 1)
	n.quiet(t)
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines more than before", got-before)
	}
	if c.Armed() != 0 {
		t.Errorf("%d timers armed", c.Armed())
	}
}

// TestBlockingReadAndDeadline reads before the packet is there, in a bubble.
func TestBlockingReadAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet2(t, clock.NewReal(), 1)
		sa, sb := listen(t, n.a, "0.0.0.0:0"), listen(t, n.b, "10.0.0.2:7")
		start := time.Now()
		sb.SetReadDeadline(start.Add(time.Hour))
		if _, err := sb.ReadFrom(make([]byte, 10), nil, true); !isTimeout(err) || time.Since(start) != time.Hour {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		sb.SetReadDeadline(time.Time{})
		got := make(chan error, 4)
		for range 4 {
			go func() {
				_, err := sb.ReadFrom(make([]byte, 10), nil, true)
				got <- err
			}()
		}
		synctest.Wait()
		for range 3 {
			send(t, sa, "x", "10.0.0.2:7")
			if err := <-got; err != nil {
				t.Fatal(err)
			}
		}
		sb.Close()
		if err := <-got; err == nil {
			t.Fatal("a reader of a closed socket got nothing and no error")
		}
		sa.Close()
		n.quiet(t)
	})
}

func isTimeout(err error) bool {
	var e interface{ Timeout() bool }
	return errors.As(err, &e) && e.Timeout()
}

func TestSimulatedReadRefuses(t *testing.T) {
	n := newNet2(t, clock.NewSim(), 1)
	s := listen(t, n.a, "0.0.0.0:0")
	_, err := s.ReadFrom(make([]byte, 1), nil, true)
	if _, ok := err.(sockbuf.Simulated); !ok {
		t.Fatalf("a blocking read in simulated time: %v", err)
	}
}

func TestSendErrors(t *testing.T) {
	n := newNet2(t, clock.NewSim(), 1)
	s := listen(t, n.a, "0.0.0.0:0")
	for _, c := range []struct {
		to   netip.AddrPort
		size int
		want error
	}{
		{addrPort("10.9.9.9:7"), 1, syscall.EHOSTUNREACH},
		{addrPort("10.0.0.2:0"), 1, syscall.EADDRNOTAVAIL},
		{addrPort("10.0.0.255:7"), 1, syscall.EACCES},
		{addrPort("255.255.255.255:7"), 1, syscall.EACCES},
		{addrPort("10.0.0.2:7"), 65508, syscall.EMSGSIZE},
		{addrPort("[::1]:7"), 1, syscall.EAFNOSUPPORT},
		{netip.AddrPort{}, 1, syscall.EDESTADDRREQ},
	} {
		if _, err := s.WriteTo(make([]byte, c.size), c.to, nil); err != c.want {
			t.Errorf("%d bytes to %v: %v, want %v", c.size, c.to, err, c.want)
		}
	}
	if _, e := usrreq.ListenUDP(n.a, addrPort("10.0.0.2:7"), 0, 0); e != syscall.EADDRNOTAVAIL {
		t.Errorf("bind to another's address: %v", e)
	}
	n.quiet(t)
}

func BenchmarkUDP(b *testing.B) {
	n := newNet2(b, clock.NewReal(), 1)
	sa, sb := listen(b, n.a, "10.0.0.1:9"), listen(b, n.b, "10.0.0.2:7")
	to := addrPort("10.0.0.2:7")
	data, buf := make([]byte, 64), make([]byte, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sa.WriteTo(data, to, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := sb.ReadFrom(buf, nil, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	w := vnet.NewWorld(vnet.Config{})
	var ms0, ms1 runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms0)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		st, _ := control.NewStack(w, vnet.StackConfig{Name: fmt.Sprint(i)})
		control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: link.NewEpair(0).A(), Addrs: []netip.Prefix{prefix("10.0.0.1/24")}})
	}
	runtime.GC()
	runtime.ReadMemStats(&ms1)
	b.ReportMetric(float64(ms1.HeapAlloc-ms0.HeapAlloc)/float64(i), "heap-B/stack")
	runtime.KeepAlive(w)
}
