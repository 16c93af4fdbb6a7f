package vimage_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

// behaviour case 71: many goroutines deliver to, write and close different
// sockets of one stack with several shards.
func TestTCPShards(t *testing.T) {
	n := lab.New(t)
	a := n.Host("a")
	b, err := n.AddNode("b", lab.NodeConfig{Shards: 4})
	if err != nil {
		t.Fatal(err)
	}
	n.Link(a, b)
	l, err := b.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	rounds := 30
	if raceOn {
		rounds = 8
	}
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(g)))
			for range rounds {
				from, to := a, b.Addr().String()+":80"
				if g%4 == 3 { // within the stack, over lo0
					from, to = b, "127.0.0.1:80"
				}
				if err := echoOnce(from, to, rnd); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// echoOnce sends some bytes to an echo server and checks what comes back, or goes
// away in the middle.
func echoOnce(from *lab.Node, to string, rnd *rand.Rand) error {
	c, err := from.Dial("tcp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	want := make([]byte, rnd.Intn(200_000))
	rnd.Read(want)
	leave := rnd.Intn(4) == 0
	go func() {
		c.Write(want)
		if !leave {
			c.(*vimage.TCPConn).CloseWrite()
		}
	}()
	if leave {
		_, err = io.CopyN(io.Discard, c, int64(len(want)/2))
		return err
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes of %d came back: %v", len(got), len(want), err)
	}
	return nil
}

// A connection has neither a goroutine nor, while idle and without keepalive, a
// timer.
func TestTCPIdleConnections(t *testing.T) {
	a, b := tcpHosts(t)
	l, err := b.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := vimage.Dialer{Stack: a.Stack, KeepAlive: -1}
	to := netip.AddrPortFrom(b.Addr(), 80).String()
	first, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	before := goroutines()
	var all []net.Conn
	for range 500 {
		c, err := d.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if after := goroutines(); after > before+2 {
		t.Errorf("%d goroutines before 500 connections, %d after", before, after)
	}
	for _, c := range all {
		c.Close()
	}
}

func goroutines() int { return runtime.NumGoroutine() }
