package vimage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/lab"
)

// TestTCPHalfClose: who has closed his side still reads all that the other sends.
func TestTCPHalfClose(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		c, s := n.conns()
		c.Write([]byte("question"))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Error("once more:", err)
		}
		if got, err := io.ReadAll(s); string(got) != "question" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		passed(10 * time.Minute) // as long as both are there
		want := bytes.Repeat([]byte("answer"), 500_000)
		go func() {
			s.Write(want)
			s.Close()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
	})
}

// TestTCPCloseRead: what comes after CloseRead is thrown away, however much it
// is, and so is what was not read before.
func TestTCPCloseRead(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		c, s := n.conns()
		c.Write([]byte("before"))
		passed(time.Second)
		if err := s.CloseRead(); err != nil {
			t.Fatal(err)
		}
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		if k, err := c.Write(make([]byte, 16<<20)); err != nil {
			t.Errorf("%d bytes were written to somebody who does not read, %v", k, err)
		}
		if k, err := s.Read(make([]byte, 9)); k != 0 || err != io.EOF {
			t.Errorf("read %d, %v", k, err)
		}
		if k, err := s.Write([]byte("still there")); err != nil {
			t.Errorf("written back %d, %v", k, err)
		}
		buf := make([]byte, 99)
		if k, err := c.Read(buf); string(buf[:k]) != "still there" {
			t.Errorf("%q, %v", buf[:k], err)
		}
	})
}

// TestTCPCloseReadMeanwhile: a Read that waits ends with EOF.
func TestTCPCloseReadMeanwhile(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		_, s := n.conns()
		time.AfterFunc(time.Second, func() { s.CloseRead() })
		if k, err := s.Read(make([]byte, 9)); k != 0 || err != io.EOF {
			t.Errorf("read %d, %v", k, err)
		}
	})
}

// connections counts a stack's connections that are not in TIME-WAIT.
func connections(s *vimage.Stack) int {
	k := 0
	for e := range s.Internal().TCPEntries() {
		if e.State.String() != "TIME-WAIT" {
			k++
		}
	}
	return k
}

// TestTCPLinger: what Close does with what was not sent yet.
func TestTCPLinger(t *testing.T) {
	t.Run("background", func(t *testing.T) {
		inTCPNet(t, func(n *tcpNet) {
			c, s := n.conns()
			want := make([]byte, 200_000)
			rand.New(rand.NewSource(4)).Read(want)
			c.Write(want)
			c.Close()
			passed(time.Minute)
			if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	})
	t.Run("0", func(t *testing.T) {
		inTCPNet(t, func(n *tcpNet) {
			c, s := n.conns()
			c.SetLinger(0)
			c.Write(make([]byte, 200_000))
			c.Close()
			if k := connections(n.a.Stack); k != 0 {
				t.Errorf("%d connections are left", k)
			}
			if _, err := io.Copy(io.Discard, s); !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
		})
	})
	t.Run("7 seconds", func(t *testing.T) {
		inTCPNet(t, func(n *tcpNet) {
			c, _ := n.conns()
			cut(t, n.link)
			c.SetLinger(7)
			c.Write([]byte("x"))
			c.Close()
			passed(6 * time.Second)
			if k := connections(n.a.Stack); k != 1 {
				t.Errorf("after 6 seconds there are %d connections", k)
			}
			passed(4 * time.Second)
			if k := connections(n.a.Stack); k != 0 {
				t.Errorf("after 10 seconds there are %d connections", k)
			}
		})
	})
}

// TestTCPStackClosedWithEverything closes a stack that has connections in every
// condition: nothing is left, and users are told.
func TestTCPStackClosedWithEverything(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		c, s := n.conns() // with data unread and unsent both ways
		for _, e := range []*vimage.TCPConn{c, s} {
			e.SetWriteDeadline(time.Now().Add(time.Second))
			e.Write(make([]byte, 16<<20))
		}
		must(n.a.Dial("tcp", "10.0.0.2:80"))(t) // not accepted
		over, gone := n.conns()                 // half ended, with data unread
		over.Write([]byte("x"))
		over.Close()
		passed(time.Second)
		cut(t, n.link)
		if _, err := (&vimage.Dialer{Stack: n.a.Stack}).Start("tcp", "10.0.0.2:80"); err != nil {
			t.Fatal(err)
		}
		n.b.Close()
		n.a.Close()
		for _, e := range []*vimage.TCPConn{c, s, gone} {
			_, err := e.Read(make([]byte, 1))
			wantErr(t, "read", err, net.ErrClosed)
		}
		_, err := n.l.Accept()
		wantErr(t, "accept", err, net.ErrClosed)
		n.link.Fault().Close()
		w := n.a.Internal().World()
		if c := w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 {
			t.Errorf("%d buffers and %d blocks outstanding", c.Bufs, c.Blocks)
		}
		if k := w.Clock().Armed(); k != 0 {
			t.Errorf("%d timers armed", k)
		}
	})
}

// TestTCPClosedUnderTraffic closes a stack, or takes its interface away, while
// many connections are made, used and closed, on stacks of 1 and 4 shards.
func TestTCPClosedUnderTraffic(t *testing.T) {
	stacktest.Several(t)
	for _, shards := range []int{1, 4} {
		for what, end := range map[string]func(b *lab.Node){
			"stack":     func(b *lab.Node) { b.Close() },
			"interface": func(b *lab.Node) { b.Eth(0).Remove() },
		} {
			t.Run(fmt.Sprintf("%s, %d shards", what, shards), func(t *testing.T) {
				for round := range fewer(10, 4) {
					closedUnderTraffic(t, shards, round, end)
				}
			})
		}
	}
}

func closedUnderTraffic(t *testing.T, shards, round int, end func(b *lab.Node)) {
	n := lab.Open(lab.Config{Seed: uint64(round)})
	a := n.Host("a")
	b := must(n.AddNode("b", lab.NodeConfig{Shards: shards}))(t)
	n.Link(a, b)
	l := must(b.Listen("tcp", ":80"))(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				io.Copy(c, c)
				c.Close()
			})
		}
	})
	going := make(chan struct{}, 100) // a connection has done its work
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(8*round + g)))
			d := vimage.Dialer{Stack: a.Stack}
			for {
				c, err := d.Dial("tcp", "10.0.0.2:80")
				if err != nil {
					return
				}
				size := rnd.Intn(300_000)
				wg.Go(func() { c.Write(make([]byte, size)) })
				_, err = io.CopyN(io.Discard, c, int64(rnd.Intn(size+1)))
				c.Close()
				if err != nil {
					return
				}
				select {
				case going <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 20 + round {
		<-going
	}
	end(b)
	l.Close()
	a.Close()
	b.Close()
	n.Close()
	wg.Wait()
	wantNoBuffers(t, n.World)
}
