package vimage_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// tcpNet is two hosts in a bubble, on a link that can be cut.
type tcpNet struct {
	*testing.T
	a, b *lab.Node
	link *lab.Link
	l    *vimage.TCPListener // on b, port 80
}

func (n *tcpNet) conns() (c, s *vimage.TCPConn) {
	n.Helper()
	c, s = join(n.T, &vimage.Dialer{Stack: n.a.Stack}, n.l, n.b.Addr())
	n.Cleanup(func() { c.SetLinger(0); c.Close(); s.SetLinger(0); s.Close() })
	return c, s
}

// inTCPNet runs a test in a bubble.
func inTCPNet(t *testing.T, f func(n *tcpNet)) {
	synctest.Test(t, func(t *testing.T) {
		net := lab.New(t)
		n := &tcpNet{T: t, a: net.Host("a"), b: net.Host("b")}
		n.link = net.Link(n.a, n.b, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Millisecond}})
		n.l = listenTCP(t, n.b.Stack, ":80")
		f(n)
	})
}

// TestTCPErrorTable brings about every error that package net's users know.
func TestTCPErrorTable(t *testing.T) {
	one := make([]byte, 1)
	dial := func(n *tcpNet, local, to string) error {
		d := vimage.Dialer{Stack: n.a.Stack}
		if local != "" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
		}
		c, err := d.Dial("tcp", to)
		if err == nil {
			c.Close()
		}
		return err
	}
	for _, c := range []struct {
		name string
		want error
		f    func(n *tcpNet) error
	}{
		{"dial closed port", syscall.ECONNREFUSED, func(n *tcpNet) error { return dial(n, "", "10.0.0.2:81") }},
		{"dial no route", syscall.ENETUNREACH, func(n *tcpNet) error { return dial(n, "", "192.0.2.1:80") }},
		{"dial broadcast", syscall.EACCES, func(n *tcpNet) error { return dial(n, "", "10.0.0.255:80") }},
		{"dial limited broadcast", syscall.EACCES, func(n *tcpNet) error { return dial(n, "", "255.255.255.255:80") }},
		{"dial multicast", syscall.EACCES, func(n *tcpNet) error { return dial(n, "", "224.0.0.1:80") }},
		{"dial from foreign address", syscall.EADDRNOTAVAIL, func(n *tcpNet) error { return dial(n, "10.9.9.9:0", "10.0.0.2:80") }},
		{"dial port 0", syscall.EADDRNOTAVAIL, func(n *tcpNet) error { return dial(n, "", "10.0.0.2:0") }},
		{"dial from port in use", syscall.EADDRINUSE, func(n *tcpNet) error {
			c, _ := n.conns()
			return dial(n, c.LocalAddr().String(), "10.0.0.2:80")
		}},
		{"dial from listener's port", syscall.EADDRINUSE, func(n *tcpNet) error {
			listenTCP(n.T, n.a.Stack, ":1234")
			return dial(n, "10.0.0.1:1234", "10.0.0.2:80")
		}},
		{"dial silent", syscall.ETIMEDOUT, func(n *tcpNet) error {
			n.conns() // so that the neighbour is known
			cut(n, n.link)
			return dial(n, "", "10.0.0.2:80")
		}},
		{"dial no neighbour", syscall.ETIMEDOUT, func(n *tcpNet) error { return dial(n, "", "10.0.0.77:80") }},
		{"dial late", os.ErrDeadlineExceeded, func(n *tcpNet) error {
			cut(n, n.link)
			_, err := (&vimage.Dialer{Stack: n.a.Stack, Deadline: time.Now().Add(time.Second)}).Dial("tcp", "10.0.0.2:80")
			return err
		}},
		{"dial cancelled", context.Canceled, func(n *tcpNet) error {
			cut(n, n.link)
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
			_, err := n.a.DialContext(ctx, "tcp", "10.0.0.2:80")
			return err
		}},
		{"dial context's deadline", context.DeadlineExceeded, func(n *tcpNet) error {
			cut(n, n.link)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := n.a.DialContext(ctx, "tcp", "10.0.0.2:80")
			var ne net.Error
			if !errors.As(err, &ne) || !ne.Timeout() {
				n.Errorf("%v is no timeout", err)
			}
			return err
		}},
		{"dial context over", context.Canceled, func(n *tcpNet) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := n.a.DialContext(ctx, "tcp", "10.0.0.2:80")
			return err
		}},
		{"listen twice", syscall.EADDRINUSE, func(n *tcpNet) error { _, err := n.b.Listen("tcp", ":80"); return err }},
		{"listen foreign address", syscall.EADDRNOTAVAIL, func(n *tcpNet) error { _, err := n.b.Listen("tcp", "10.9.9.9:80"); return err }},
		{"listen closed stack", syscall.ENETDOWN, func(n *tcpNet) error { n.b.Close(); _, err := n.b.Listen("tcp", ":81"); return err }},
		{"dial closed stack", syscall.ENETDOWN, func(n *tcpNet) error { n.a.Close(); return dial(n, "", "10.0.0.2:80") }},
		{"accept closed", net.ErrClosed, func(n *tcpNet) error { n.l.Close(); _, err := n.l.Accept(); return err }},
		{"close listener twice", net.ErrClosed, func(n *tcpNet) error { n.l.Close(); return n.l.Close() }},
		{"accept late", os.ErrDeadlineExceeded, func(n *tcpNet) error {
			n.l.SetDeadline(time.Now().Add(time.Second))
			_, err := n.l.Accept()
			return err
		}},
		{"read reset", syscall.ECONNRESET, func(n *tcpNet) error {
			c, s := n.conns()
			s.SetLinger(0)
			s.Close()
			_, err := c.Read(one)
			return err
		}},
		{"read of a peer that closed with data unread", syscall.ECONNRESET, func(n *tcpNet) error {
			c, s := n.conns()
			c.Write(one)
			passed(time.Second)
			s.Close()
			_, err := c.Read(one)
			return err
		}},
		{"write to a peer that is gone", syscall.EPIPE, func(n *tcpNet) error {
			c, s := n.conns()
			s.Close()
			passed(time.Second)
			if _, err := c.Write(one); err != nil {
				n.Errorf("the first write: %v", err)
			}
			passed(time.Second)
			c.Read(one) // takes the reset
			_, err := c.Write(one)
			if errors.Is(err, syscall.ECONNRESET) {
				err = &net.OpError{Op: "write", Err: syscall.EPIPE} // as good
			}
			return err
		}},
		{"write after CloseWrite", syscall.EPIPE, func(n *tcpNet) error {
			c, _ := n.conns()
			c.CloseWrite()
			_, err := c.Write(one)
			return err
		}},
		{"read of a peer that vanished", syscall.ETIMEDOUT, func(n *tcpNet) error {
			c, _ := n.conns()
			c.SetUserTimeout(5 * time.Second)
			cut(n, n.link)
			c.Write(one)
			began := time.Now()
			_, err := c.Read(one)
			if d := time.Since(began); d < 4*time.Second || d > 8*time.Second {
				n.Errorf("given up after %v", d)
			}
			return err
		}},
		{"read late", os.ErrDeadlineExceeded, func(n *tcpNet) error {
			c, _ := n.conns()
			c.SetReadDeadline(time.Now().Add(time.Second))
			_, err := c.Read(one)
			return err
		}},
		{"write late", os.ErrDeadlineExceeded, func(n *tcpNet) error {
			c, _ := n.conns()
			c.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := c.Write(make([]byte, 16<<20))
			return err
		}},
		{"read closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); _, err := c.Read(one); return err }},
		{"write closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); _, err := c.Write(one); return err }},
		{"close twice", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); return c.Close() }},
		{"half-close closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); return c.CloseWrite() }},
		{"half-close reading closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); return c.CloseRead() }},
		{"option of closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); return c.SetNoDelay(true) }},
		{"option of closed and gone", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.SetLinger(0); c.Close(); return c.SetNoDelay(true) }},
		{"deadline of closed", net.ErrClosed, func(n *tcpNet) error { c, _ := n.conns(); c.Close(); return c.SetDeadline(time.Now()) }},
		{"read of a closed stack", net.ErrClosed, func(n *tcpNet) error {
			c, _ := n.conns()
			time.AfterFunc(time.Second, func() { n.a.Close() })
			_, err := c.Read(one)
			return err
		}},
		{"write of a closed stack", net.ErrClosed, func(n *tcpNet) error {
			c, _ := n.conns()
			time.AfterFunc(time.Second, func() { n.a.Close() })
			_, err := c.Write(make([]byte, 16<<20))
			return err
		}},
		{"read while closed", net.ErrClosed, func(n *tcpNet) error {
			c, _ := n.conns()
			time.AfterFunc(time.Second, func() { c.Close() })
			_, err := c.Read(one)
			return err
		}},
		{"write while closed", net.ErrClosed, func(n *tcpNet) error {
			c, _ := n.conns()
			time.AfterFunc(time.Second, func() { c.Close() })
			_, err := c.Write(make([]byte, 16<<20))
			return err
		}},
		{"congestion control unknown", syscall.ENOENT, func(n *tcpNet) error { c, _ := n.conns(); return c.SetCongestion("vegas") }},
		{"table unknown", syscall.EINVAL, func(n *tcpNet) error { c, _ := n.conns(); return c.SetFIB(7) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTCPNet(t, func(n *tcpNet) { wantErr(t, c.name, c.f(n), c.want) })
		})
	}
}

// TestTCPDeadlines moves deadlines about while a read, a write or an accept
// waits: it ends at the very moment.
func TestTCPDeadlines(t *testing.T) {
	const s = time.Second
	moves := []struct {
		name string
		at   [][2]time.Duration // at the first, the deadline becomes the second; 0 means none
		want time.Duration      // 0: ended by Close after an hour
	}{
		{"future", [][2]time.Duration{{0, 3 * s}}, 3 * s},
		{"past", [][2]time.Duration{{0, -s}}, 0},
		{"now", [][2]time.Duration{{2 * s, 2 * s}}, 2 * s},
		{"moved out", [][2]time.Duration{{0, 2 * s}, {s, 5 * s}}, 5 * s},
		{"moved in", [][2]time.Duration{{0, 5 * s}, {s, 2 * s}}, 2 * s},
		{"moved to the past", [][2]time.Duration{{0, 5 * s}, {s, s / 2}}, s},
		{"cleared", [][2]time.Duration{{0, 2 * s}, {s, 0}}, time.Hour},
		{"far", [][2]time.Duration{{0, 1 << 62}}, time.Hour},
	}
	waits := map[string]func(n *tcpNet) (set func(time.Time) error, wait func() error, end func() error){
		"read": func(n *tcpNet) (func(time.Time) error, func() error, func() error) {
			c, _ := n.conns()
			return c.SetReadDeadline, func() error { _, err := c.Read(make([]byte, 1)); return err }, c.Close
		},
		"write": func(n *tcpNet) (func(time.Time) error, func() error, func() error) {
			c, _ := n.conns()
			return c.SetWriteDeadline, func() error { _, err := c.Write(make([]byte, 16<<20)); return err }, c.Close
		},
		"accept": func(n *tcpNet) (func(time.Time) error, func() error, func() error) {
			return n.l.SetDeadline, func() error { _, err := n.l.Accept(); return err }, n.l.Close
		},
	}
	for what, setup := range waits {
		for _, m := range moves {
			t.Run(what+"/"+m.name, func(t *testing.T) {
				inTCPNet(t, func(n *tcpNet) {
					set, wait, end := setup(n)
					start := time.Now()
					go func() {
						for _, step := range m.at {
							passed(time.Until(start.Add(step[0])))
							at := time.Time{}
							if step[1] != 0 {
								at = start.Add(step[1])
							}
							if err := set(at); err != nil {
								t.Error(err)
							}
						}
						passed(time.Until(start.Add(time.Hour)))
						end()
					}()
					err := wait()
					want := error(os.ErrDeadlineExceeded)
					if m.want == time.Hour {
						want = net.ErrClosed
					}
					if d := time.Since(start); !errors.Is(err, want) || d != m.want {
						t.Errorf("%v after %v, want %v after %v", err, d, want, m.want)
					}
					passed(2 * time.Hour)
				})
			})
		}
	}
}

// TestTCPPartialWrite: a write that is late tells how much went, and the rest can
// follow.
func TestTCPPartialWrite(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		c, s := n.conns()
		data := make([]byte, 16<<20)
		for i := range data {
			data[i] = byte(i * i >> 8)
		}
		c.SetWriteDeadline(time.Now().Add(time.Second))
		k, err := c.Write(data)
		if !errors.Is(err, os.ErrDeadlineExceeded) || k <= 0 || k >= len(data) {
			t.Fatalf("%d bytes of %d, %v", k, len(data), err)
		}
		c.SetWriteDeadline(time.Time{})
		go func() {
			c.Write(data[k:])
			c.Close()
		}()
		got, err := io.ReadAll(s)
		if err != nil || string(got) != string(data) {
			t.Errorf("%d bytes of %d, %v", len(got), len(data), err)
		}
	})
}

// TestTCPDialCancelledAtOnce cancels a dial in the moment in which it succeeds: what
// it returned is not taken away again.
func TestTCPDialCancelledAtOnce(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		n.conns() // so that the neighbour is known
		made := 0
		for range 300 {
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				<-time.After(2 * time.Millisecond)
				cancel()
			}()
			c, err := n.a.DialContext(ctx, "tcp", "10.0.0.2:80")
			if err != nil {
				wantErr(t, "dial", err, context.Canceled)
				continue
			}
			made++
			passed(time.Millisecond)
			if _, err := c.Write([]byte("x")); err != nil {
				n.Fatalf("after %d that went well: %v", made, err)
			}
			c.Close()
		}
		if made == 0 {
			t.Log("all were cancelled in time")
		}
	})
}
