package vimage_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
)

// TestSimulatedNeverBlocks asks a simulated world for what would have to wait.
func TestSimulatedNeverBlocks(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, b := pair(t, w)
	n := nets{server: b, client: a, addr: "10.0.0.2", exact: true}
	s := n.listen(t)
	c := n.dial(t, s.LocalAddr())
	_, err := c.Read(make([]byte, 9))
	if err == nil || !strings.Contains(err.Error(), "simulated") {
		t.Errorf("a read that would block: %v", err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error("write:", err)
	}
	w.Run(time.Second)
	if m, _, err := s.ReadFrom(make([]byte, 9)); m != 1 || err != nil {
		t.Errorf("a read that need not block: %d, %v", m, err)
	}
	c.SetReadDeadline(w.Now().Add(time.Minute))
	w.Run(time.Minute - 1)
	if _, err := c.Read(make([]byte, 9)); err == nil || !strings.Contains(err.Error(), "simulated") {
		t.Errorf("before the deadline: %v", err)
	}
	w.Run(1)
	_, err = c.Read(make([]byte, 9))
	wantErr(t, "read after the deadline", err, os.ErrDeadlineExceeded)
	c.Close()
	_, err = c.Read(make([]byte, 9))
	wantErr(t, "read after Close", err, net.ErrClosed)
}

// pingPong lets two stacks send a datagram to and fro and returns what each saw
// and when.
func pingPong(t *testing.T, seed uint64) []string {
	w := world(t, vimage.Config{Simulated: true, Seed: seed})
	a, b := pair(t, w)
	start := w.Now()
	var log []string
	serve := func(name string, c *vimage.UDPConn, rounds int) {
		buf := make([]byte, 64)
		c.OnReadable(func() {
			for {
				n, from, ok, err := c.TryReadFrom(buf)
				if err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(name, err)
				}
				if !ok {
					return
				}
				log = append(log, fmt.Sprintf("%v %s %q %v", w.Now().Sub(start), name, buf[:n], from))
				if rounds--; rounds <= 0 {
					continue
				}
				w.AfterFunc(time.Second, func() { c.WriteToUDPAddrPort([]byte("over"), from) })
			}
		})
	}
	at := netip.MustParseAddrPort("10.0.0.2:7")
	server := must(b.ListenUDP("udp4", net.UDPAddrFromAddrPort(at)))(t)
	client := must(a.ListenUDP("udp4", nil))(t)
	serve("server", server, 3)
	serve("client", client, 3)
	client.WriteToUDPAddrPort([]byte("service"), at)
	w.Run(time.Minute)
	return log
}

func TestSimulatedCallbacks(t *testing.T) {
	log := pingPong(t, 7)
	if len(log) != 5 || !strings.HasPrefix(log[0], `0s server "service" 10.0.0.1:`) || !strings.HasPrefix(log[4], "4s server") {
		t.Errorf("%q", log)
	}
	if again := pingPong(t, 7); !slices.Equal(log, again) {
		t.Errorf("the same seed gave\n%q and\n%q", log, again)
	}
}
