package vimage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// tcpHosts returns two hosts on one link of a new network.
func tcpHosts(t testing.TB, c ...lab.LinkConfig) (a, b *lab.Node) {
	n := lab.New(t)
	a, b = n.Host("a"), n.Host("b")
	n.Link(a, b, c...)
	return a, b
}

// inBubble runs a test in real time and in a synctest bubble.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Run("real", f)
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, f) })
}

// connected returns both ends of a new connection from a to b.
func connected(t testing.TB, a, b *lab.Node) (client, server *vimage.TCPConn) {
	t.Helper()
	l, err := b.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return connectTo(t, a, l, fmt.Sprintf("%v:%d", b.Addr(), l.Addr().(*net.TCPAddr).Port))
}

func connectTo(t testing.TB, a *lab.Node, l net.Listener, addr string) (client, server *vimage.TCPConn) {
	t.Helper()
	done := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	c, err := a.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := <-done
	if s == nil {
		t.FailNow()
	}
	return c.(*vimage.TCPConn), s.(*vimage.TCPConn)
}

func TestTCPEcho(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		c, s := connected(t, a, b)
		go func() {
			io.Copy(s, s)
			s.Close()
		}()
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		c.CloseWrite()
		got, err := io.ReadAll(c)
		if string(got) != "hello" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		c.Close()
	})
}

func TestTCPConformance(t *testing.T) {
	stacktest.Several(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		a, b := tcpHosts(t)
		x, y := connected(t, a, b)
		return x, y, func() { x.Close(); y.Close() }, nil
	})
}

// 64 MiB of random bytes arrive as they were sent.
func TestTCPBulkIntact(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		c, s := connected(t, a, b)
		size := int64(64 << 20)
		if raceOn {
			size = 8 << 20
		}
		want := sha256.New()
		go func() {
			io.Copy(io.MultiWriter(c, want), io.LimitReader(rand.New(rand.NewSource(1)), size))
			c.Close()
		}()
		got := sha256.New()
		n, err := io.Copy(got, s)
		if err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("%d bytes of %d, %v", n, size, err)
		}
		s.Close()
	})
}

// The same through loss, reordering, duplicates and damage.
func TestTCPBadLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t, lab.LinkConfig{FaultConfig: link.FaultConfig{
			Loss: 0.02, Duplicate: 0.01, Corrupt: 0.01, Delay: 5 * time.Millisecond, Jitter: 2 * time.Millisecond,
		}})
		c, s := connected(t, a, b)
		const size = 2 << 20
		want := make([]byte, size)
		rand.New(rand.NewSource(2)).Read(want)
		go func() {
			c.Write(want)
			c.Close()
		}()
		got, err := io.ReadAll(s)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
		s.Close()
	})
}

func TestTCPRefused(t *testing.T) {
	a, b := tcpHosts(t)
	_, err := a.Dial("tcp", b.Addr().String()+":81")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" || op.Net != "tcp" {
		t.Errorf("%#v", err)
	}
}

// Nobody answers: the dialer's time, the context, and at last TCP itself end it.
func TestTCPDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t, lab.LinkConfig{FaultConfig: link.FaultConfig{Loss: 1}})
		addr := b.Addr().String() + ":80"
		began := time.Now()
		_, err := (&vimage.Dialer{Stack: a.Stack, Timeout: 3 * time.Second}).Dial("tcp", addr)
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() || time.Since(began) != 3*time.Second {
			t.Error(err, time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := a.DialContext(ctx, "tcp", addr); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began = time.Now()
		if _, err := a.Dial("tcp", addr); !errors.Is(err, syscall.ETIMEDOUT) && !errors.Is(err, syscall.EHOSTDOWN) {
			t.Error(err, time.Since(began))
		}
	})
}

func TestTCPErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		c, s := connected(t, a, b)
		s.SetLinger(0)
		s.Close()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error("read after a reset:", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			t.Error("write after a reset:", err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error("read after Close:", err)
		}
		c, s = connected(t, a, b)
		c.CloseWrite()
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Error("write after CloseWrite:", err)
		}
		s.CloseRead()
		if _, err := s.Read(make([]byte, 1)); err != io.EOF {
			t.Error("read after CloseRead:", err)
		}
		c.Close()
		s.Close()
		l, err := b.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Listen("tcp", ":80"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Error("second listener:", err)
		}
		if _, err := b.Listen("tcp", "10.99.0.1:80"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Error("foreign address:", err)
		}
		go l.Close()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error("accept:", err)
		}
		if _, err := a.Dial("tcp", "192.0.2.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Error("no route:", err)
		}
	})
}

func TestTCPHTTP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		l, err := b.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", r.URL.Path) })}
		go srv.Serve(l)
		tr := &http.Transport{DialContext: a.DialContext, MaxIdleConnsPerHost: 1000}
		cl := &http.Client{Transport: tr}
		var wg sync.WaitGroup

		for i := range 100 {
			wg.Go(func() {
				r, err := cl.Get(fmt.Sprintf("http://%v/%d", b.Addr(), i))
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Body.Close()
				if got, err := io.ReadAll(r.Body); string(got) != fmt.Sprintf("hello /%d", i) || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		wg.Wait()
		tr.CloseIdleConnections()
		srv.Close()
	})
}
