package vimage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// nets is where a promise of package net is tested: a server's network and a
// client's, which reaches it at addr.
type nets struct {
	server, client vimage.Network
	addr           string
	exact          bool // time passes only where all wait
	six            bool // over IPv6
}

// udp is the network's name for datagrams.
func (n nets) udp() string {
	if n.six {
		return "udp6"
	}
	return "udp4"
}

// at is the server's address with a port.
func (n nets) at(port string) string { return net.JoinHostPort(n.addr, port) }

// of returns an address of the family.
func (n nets) of(four, six string) string {
	if n.six {
		return six
	}
	return four
}

// must returns v.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if errors.Is(err, vimage.ErrSecondStack) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// host makes a stack that is plugged in and has an address.
func host(t testing.TB, w *vimage.World, name string, p link.Port, addr string) *vimage.Stack {
	t.Helper()
	s := must(w.NewStack(name, vimage.StackConfig{}))(t)
	plug(t, s, "e0", p, addr)
	return s
}

func plug(t testing.TB, s *vimage.Stack, name string, p link.Port, addr string) *vimage.Interface {
	t.Helper()
	i := must(s.AddInterface(name, vimage.InterfaceConfig{Port: p}))(t)
	if err := i.AddAddr(netip.MustParsePrefix(addr)); err != nil {
		t.Fatal(err)
	}
	return i
}

// pair6 makes two stacks with a cable between them that have addresses of both
// families from the start: 10.0.0.1 and 10.0.0.2, 2001:db8::1 and 2001:db8::2.
func pair6(t testing.TB, w *vimage.World) (a, b *vimage.Stack) {
	t.Helper()
	wire := link.NewEpair(0)
	return pair6On(t, w, wire.A(), wire.B())
}

// pair6On is pair6 with what is between the two.
func pair6On(t testing.TB, w *vimage.World, pa, pb link.Port) (a, b *vimage.Stack) {
	t.Helper()
	var hosts []*vimage.Stack
	for i, p := range []link.Port{pa, pb} {
		s := must(w.NewStack(string(rune('a'+i)), vimage.StackConfig{}))(t)
		addrs := []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", i+1)), netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", i+1)),
		}
		must(s.AddInterface("e0", vimage.InterfaceConfig{Port: p, Addrs: addrs}))(t)
		loopback(t, s)
		hosts = append(hosts, s)
	}
	return hosts[0], hosts[1]
}

// loopback gives a stack's lo0 its addresses.
func loopback(t testing.TB, s *vimage.Stack) {
	t.Helper()
	for _, a := range []string{"127.0.0.1/8", "::1/128"} {
		if err := must(s.Interface("lo0"))(t).AddAddr(netip.MustParsePrefix(a)); err != nil {
			t.Fatal(err)
		}
	}
}

// linkLocal returns the link-local address of a stack's e0, without zone.
func linkLocal(t testing.TB, s *vimage.Stack) netip.Addr {
	t.Helper()
	for _, a := range must(s.Interface("e0"))(t).Addrs() {
		if a.Addr().Is6() && a.Addr().IsLinkLocalUnicast() {
			return a.Addr()
		}
	}
	t.Fatal("no link-local address")
	return netip.Addr{}
}

// pair makes two stacks with a cable between them, 10.0.0.1 and 10.0.0.2.
func pair(t testing.TB, w *vimage.World) (a, b *vimage.Stack) {
	t.Helper()
	wire := link.NewEpair(0)
	return host(t, w, "a", wire.A(), "10.0.0.1/24"), host(t, w, "b", wire.B(), "10.0.0.2/24")
}

// world makes a world that leaves nothing behind.
func world(t testing.TB, c vimage.Config) *vimage.World {
	w := vimage.NewWorld(c)
	t.Cleanup(func() {
		w.Close()
		wantNoBuffers(t, w)
	})
	return w
}

// everywhere runs a test over the kernel's sockets, and over a stack's to
// itself and to another's, in real time and in a bubble.
func everywhere(t *testing.T, f func(t *testing.T, n nets)) {
	t.Run("kernel", func(t *testing.T) { f(t, nets{server: vimage.OS(), client: vimage.OS(), addr: "127.0.0.1"}) })
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		c.Close()
		t.Run("kernel6", func(t *testing.T) { f(t, nets{server: vimage.OS(), client: vimage.OS(), addr: "::1", six: true}) })
	}
	for _, k := range []struct {
		name string
		make func(t *testing.T) nets
	}{
		{"loopback", func(t *testing.T) nets {
			s := world(t, vimage.Config{Seed: 1}).Stack("vnet0")
			loopback(t, s)
			return nets{server: s, client: s, addr: "127.0.0.1"}
		}},
		{"wire", func(t *testing.T) nets {
			a, b := pair(t, world(t, vimage.Config{Seed: 1}))
			return nets{server: b, client: a, addr: "10.0.0.2"}
		}},
		{"loopback6", func(t *testing.T) nets {
			s := world(t, vimage.Config{Seed: 1}).Stack("vnet0")
			loopback(t, s)
			return nets{server: s, client: s, addr: "::1", six: true}
		}},
		{"wire6", func(t *testing.T) nets {
			a, b := pair6(t, world(t, vimage.Config{Seed: 1}))
			return nets{server: b, client: a, addr: "2001:db8::2", six: true}
		}},
		{"linklocal", func(t *testing.T) nets {
			a, b := pair6(t, world(t, vimage.Config{Seed: 1}))
			return nets{server: b, client: a, addr: linkLocal(t, b).String() + "%e0", six: true}
		}},
	} {
		t.Run(k.name, func(t *testing.T) { f(t, k.make(t)) })
		t.Run("bubble/"+k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := k.make(t)
				n.exact = true
				f(t, n)
			})
		})
	}
}

func (n nets) listen(t testing.TB) net.PacketConn {
	t.Helper()
	c := must(n.server.ListenPacket(n.udp(), n.at("0")))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

func (n nets) dial(t testing.TB, to net.Addr) net.Conn {
	t.Helper()
	c := must(n.client.DialContext(context.Background(), n.udp(), to.String()))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

// refused returns the address of a port nobody listens on.
func (n nets) refused(t testing.TB) net.Addr {
	t.Helper()
	c := n.listen(t)
	a := c.LocalAddr()
	c.Close()
	return a
}

// wantErr checks that an error is what package net promises: a *net.OpError
// around want.
func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	var oe *net.OpError
	if !errors.Is(err, want) || !errors.As(err, &oe) {
		t.Errorf("%s: %v (%T), want a *net.OpError around %v", what, err, err, want)
	}
	if ne, ok := err.(net.Error); ok && want == os.ErrDeadlineExceeded && !ne.Timeout() {
		t.Errorf("%s: Timeout() is false of %v", what, err)
	}
}

// expect reads a datagram from a connection.
func expect(t testing.TB, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, 2048)
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("read %q, %v, want %q", b[:n], err, want)
	}
}

func TestEcho(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		if c.RemoteAddr().String() != s.LocalAddr().String() || c.LocalAddr().Network() != "udp" {
			t.Errorf("client has %v, %v", c.LocalAddr(), c.RemoteAddr())
		}
		b := make([]byte, 2048)
		for i := range 100 {
			msg := bytes.Repeat([]byte{byte(i)}, i) // the first is empty
			if m, err := c.Write(msg); m != len(msg) || err != nil {
				t.Fatal(m, err)
			}
			m, from, err := s.ReadFrom(b)
			if err != nil || !bytes.Equal(b[:m], msg) || from.String() != c.LocalAddr().String() {
				t.Fatalf("%d: server read %d bytes from %v, %v", i, m, from, err)
			}
			if _, err := s.WriteTo(b[:m], from); err != nil {
				t.Fatal(err)
			}
			expect(t, c, string(msg))
		}
	})
}

func TestPastDeadline(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		s.WriteTo([]byte("queued"), c.LocalAddr())
		c.SetDeadline(time.Now().Add(-time.Hour))
		for range 2 { // as often as one asks
			_, err := c.Read(make([]byte, 9))
			wantErr(t, "read", err, os.ErrDeadlineExceeded)
			_, err = c.Write([]byte("x"))
			wantErr(t, "write", err, os.ErrDeadlineExceeded)
		}
		c.SetDeadline(time.Time{})
		expect(t, c, "queued")
		if _, err := c.Write([]byte("again")); err != nil {
			t.Error("write after the deadline was lifted:", err)
		}
	})
}

// blocked returns the error of a read that waits while f runs.
func blocked(c net.Conn, f func()) error {
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 9))
		done <- err
	}()
	f()
	return <-done
}

func TestPresentDeadline(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		err := blocked(c, func() {
			if n.exact {
				synctest.Wait() // until it sleeps
			}
			c.SetReadDeadline(time.Now())
		})
		wantErr(t, "read", err, os.ErrDeadlineExceeded)
		c.SetWriteDeadline(time.Now())
		_, err = c.Write([]byte("x"))
		wantErr(t, "write", err, os.ErrDeadlineExceeded)
	})
}

func TestFutureDeadline(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		const d = 20 * time.Millisecond
		start := time.Now()
		c.SetDeadline(start.Add(d))
		_, err := c.Read(make([]byte, 9))
		took := time.Since(start)
		wantErr(t, "read", err, os.ErrDeadlineExceeded)
		if took < d || n.exact && took != d {
			t.Errorf("deadline of %v came after %v", d, took)
		}
		_, err = c.Write([]byte("x"))
		wantErr(t, "write", err, os.ErrDeadlineExceeded)
	})
}

// TestDeadlineMoves moves the deadline of a read that waits, to later and to
// earlier.
func TestDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, world(t, vimage.Config{}))
		n := nets{server: b, client: a, addr: "10.0.0.2", exact: true}
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		for _, to := range []time.Duration{time.Hour, time.Second, 0} {
			start := time.Now()
			c.SetReadDeadline(start.Add(time.Minute))
			err := blocked(c, func() {
				synctest.Wait()
				at := start.Add(to)
				if to == 0 {
					at = time.Time{}
					time.AfterFunc(3*time.Hour, func() { s.WriteTo([]byte("x"), c.LocalAddr()) })
				}
				c.SetReadDeadline(at)
			})
			switch took := time.Since(start); {
			case to == 0 && (err != nil || took != 3*time.Hour):
				t.Errorf("no deadline: %v after %v", err, took)
			case to != 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took != to):
				t.Errorf("deadline moved to %v: %v after %v", to, err, took)
			}
		}
	})
}

func TestCloseUnblocks(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		err := blocked(c, func() {
			if n.exact {
				synctest.Wait()
			}
			if err := c.Close(); err != nil {
				t.Error("close:", err)
			}
		})
		wantErr(t, "blocked read", err, net.ErrClosed)
		_, err = c.Read(make([]byte, 9))
		wantErr(t, "read", err, net.ErrClosed)
		_, err = c.Write([]byte("x"))
		wantErr(t, "write", err, net.ErrClosed)
		wantErr(t, "close", c.Close(), net.ErrClosed)
		wantErr(t, "deadline", c.SetDeadline(time.Now()), net.ErrClosed)
		wantErr(t, "read deadline", c.SetReadDeadline(time.Now()), net.ErrClosed)
		wantErr(t, "write deadline", c.SetWriteDeadline(time.Now()), net.ErrClosed)
		if c.LocalAddr() == nil || c.RemoteAddr() == nil {
			t.Error("addresses gone with the connection")
		}
	})
}

// TestConcurrentMethods calls everything at once: for the race detector, and
// for what hangs.
func TestConcurrentMethods(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		var wg sync.WaitGroup
		for range 10 {
			for _, f := range []func(){
				func() { c.Read(make([]byte, 1024)) },
				func() { c.Write(make([]byte, 1024)) },
				func() { s.WriteTo(make([]byte, 1024), c.LocalAddr()) },
				func() { c.SetDeadline(time.Now().Add(10 * time.Millisecond)) },
				func() { c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) },
				func() { c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) },
				func() { c.LocalAddr(); c.RemoteAddr() },
			} {
				wg.Go(f)
			}
		}
		c.SetDeadline(time.Now().Add(10 * time.Millisecond))
		wg.Wait()
	})
}

func TestTruncated(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		c := n.dial(t, s.LocalAddr())
		s.WriteTo([]byte("longer than the buffer"), c.LocalAddr())
		s.WriteTo([]byte("next"), c.LocalAddr())
		b := make([]byte, 6)
		if m, err := c.Read(b); m != 6 || err != nil || string(b) != "longer" {
			t.Fatalf("%q, %v", b[:m], err)
		}
		expect(t, c, "next")
	})
}

func TestConnected(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s, other := n.listen(t), n.listen(t)
		c := n.dial(t, s.LocalAddr())
		_, err := c.(net.PacketConn).WriteTo([]byte("x"), s.LocalAddr())
		wantErr(t, "WriteTo on a connected socket", err, net.ErrWriteToConnected)
		_, err = s.(net.Conn).Write([]byte("x"))
		wantErr(t, "Write on one that is not", err, syscall.EDESTADDRREQ)
		other.WriteTo([]byte("from another"), c.LocalAddr())
		s.WriteTo([]byte("from the peer"), c.LocalAddr())
		expect(t, c, "from the peer")
	})
}

// TestRFC1122_4_1_3_3 asks for ICMP errors to be told to the application:
// those of a connected socket can be.
func TestRFC1122_4_1_3_3(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		c := n.dial(t, n.refused(t))
		if _, err := c.Write([]byte("anybody?")); err != nil {
			t.Fatal(err)
		}
		_, err := c.Read(make([]byte, 9))
		wantErr(t, "read", err, syscall.ECONNREFUSED)
		err = blocked(c, func() { c.Write([]byte("anybody?")) })
		wantErr(t, "blocked read", err, syscall.ECONNREFUSED)
	})
}

func TestBindErrors(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		s := n.listen(t)
		_, err := n.server.ListenPacket(n.udp(), s.LocalAddr().String())
		wantErr(t, "second bind", err, syscall.EADDRINUSE)
		_, err = n.server.ListenPacket(n.udp(), n.of("203.0.113.7:0", "[2001:db8:bad::7]:0"))
		wantErr(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
		_, err = n.server.ListenPacket("nonsense", "127.0.0.1:0")
		wantErr(t, "network", err, net.UnknownNetworkError("nonsense"))
		_, err = n.client.DialContext(context.Background(), "nonsense", "127.0.0.1:7")
		wantErr(t, "network", err, net.UnknownNetworkError("nonsense"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err = n.client.DialContext(ctx, n.udp(), s.LocalAddr().String()); err == nil {
			t.Error("dialled after the context ended")
		}
		_, err = n.server.ListenPacket(n.udp(), "no port")
		var ae *net.AddrError
		if !errors.As(err, &ae) {
			t.Errorf("bad address: %v", err)
		}
	})
}

func TestMessageTooLong(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		c := n.dial(t, n.listen(t).LocalAddr())
		tooLong := 65508
		if n.six {
			tooLong = 65528 // its length does not count the header
		}
		_, err := c.Write(make([]byte, tooLong))
		wantErr(t, "write", err, syscall.EMSGSIZE)
	})
}

// TestGroupAddressIsShared: package net takes a group address for a port to be
// shared on any address.
func TestGroupAddressIsShared(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		first := must(n.server.ListenPacket(n.udp(), n.of("224.0.0.250:0", "[ff05::250]:0")))(t)
		defer first.Close()
		at := first.LocalAddr().(*net.UDPAddr)
		if !at.IP.IsUnspecified() {
			t.Errorf("bound to %v", at)
		}
		second, err := n.server.ListenPacket(n.udp(), fmt.Sprintf("%s:%d", n.of("224.0.0.251", "[ff05::251]"), at.Port))
		if err != nil {
			t.Fatal("second:", err)
		}
		defer second.Close()
		if _, err := n.server.ListenPacket(n.udp(), fmt.Sprintf("%s:%d", n.of("0.0.0.0", "[::]"), at.Port)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error("one that does not share:", err)
		}
	})
}
