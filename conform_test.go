package vimage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
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
}

// must returns v.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
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
		// A call that has just let go of a packet may not have settled its account
		// yet; there is no clock to wait by, it may be a bubble's.
		for range 100000 {
			if w.Pool().Buffers == 0 {
				return
			}
			runtime.Gosched()
		}
		t.Errorf("%d buffers outstanding", w.Pool().Buffers)
	})
	return w
}

// everywhere runs a test over the kernel's sockets, and over a stack's to
// itself and to another's, in real time and in a bubble.
func everywhere(t *testing.T, f func(t *testing.T, n nets)) {
	t.Run("kernel", func(t *testing.T) { f(t, nets{vimage.OS(), vimage.OS(), "127.0.0.1", false}) })
	lo := func(t *testing.T, exact bool) {
		s := must(world(t, vimage.Config{Seed: 1}).NewStack("s", vimage.StackConfig{}))(t)
		if err := must(s.Interface("lo0"))(t).AddAddr(netip.MustParsePrefix("127.0.0.1/8")); err != nil {
			t.Fatal(err)
		}
		f(t, nets{s, s, "127.0.0.1", exact})
	}
	two := func(t *testing.T, exact bool) {
		a, b := pair(t, world(t, vimage.Config{Seed: 1}))
		f(t, nets{b, a, "10.0.0.2", exact})
	}
	t.Run("loopback", func(t *testing.T) { lo(t, false) })
	t.Run("wire", func(t *testing.T) { two(t, false) })
	t.Run("bubble/loopback", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { lo(t, true) }) })
	t.Run("bubble/wire", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { two(t, true) }) })
}

func (n nets) listen(t testing.TB) net.PacketConn {
	t.Helper()
	c := must(n.server.ListenPacket("udp4", n.addr+":0"))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

func (n nets) dial(t testing.TB, to net.Addr) net.Conn {
	t.Helper()
	c := must(n.client.DialContext(context.Background(), "udp4", to.String()))(t)
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
		n := nets{b, a, "10.0.0.2", true}
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
		_, err := n.server.ListenPacket("udp4", s.LocalAddr().String())
		wantErr(t, "second bind", err, syscall.EADDRINUSE)
		_, err = n.server.ListenPacket("udp4", "203.0.113.7:0")
		wantErr(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
		_, err = n.server.ListenPacket("nonsense", "127.0.0.1:0")
		wantErr(t, "network", err, net.UnknownNetworkError("nonsense"))
		_, err = n.client.DialContext(context.Background(), "nonsense", "127.0.0.1:7")
		wantErr(t, "network", err, net.UnknownNetworkError("nonsense"))
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err = n.client.DialContext(ctx, "udp4", s.LocalAddr().String()); err == nil {
			t.Error("dialled after the context ended")
		}
		_, err = n.server.ListenPacket("udp4", "no port")
		var ae *net.AddrError
		if !errors.As(err, &ae) {
			t.Errorf("bad address: %v", err)
		}
	})
}

func TestMessageTooLong(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		c := n.dial(t, n.listen(t).LocalAddr())
		_, err := c.Write(make([]byte, 65508))
		wantErr(t, "write", err, syscall.EMSGSIZE)
	})
}

// TestGroupAddressIsShared: package net takes a group address for a port to be
// shared on any address.
func TestGroupAddressIsShared(t *testing.T) {
	everywhere(t, func(t *testing.T, n nets) {
		first := must(n.server.ListenPacket("udp4", "224.0.0.250:0"))(t)
		defer first.Close()
		at := first.LocalAddr().(*net.UDPAddr)
		if !at.IP.IsUnspecified() {
			t.Errorf("bound to %v", at)
		}
		second, err := n.server.ListenPacket("udp4", fmt.Sprintf("224.0.0.251:%d", at.Port))
		if err != nil {
			t.Fatal("second:", err)
		}
		defer second.Close()
		if _, err := n.server.ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", at.Port)); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error("one that does not share:", err)
		}
	})
}
