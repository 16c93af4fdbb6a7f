package vimage_test

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestTCPGigabyte copies 1 GiB with io.Copy, which finds ReadFrom and WriteTo, and
// compares hashes.
func TestTCPGigabyte(t *testing.T) {
	size := int64(fewer(1<<30, 32<<20))
	a, b := tcpHosts(t)
	c, s := connected(t, a, b)
	block := make([]byte, 1<<20)
	rand.New(rand.NewSource(3)).Read(block)
	sum := func() hash.Hash { return sha256.New() }
	want := sum()
	go func() {
		io.Copy(c, io.LimitReader(&repeat{block: block, sum: want}, size))
		c.CloseWrite()
	}()
	got := sum()
	n, err := io.Copy(got, s)
	s.Close()
	if _, e := io.Copy(io.Discard, c); e != nil {
		t.Error(e)
	}
	c.Close()
	if err != nil || n != size || string(got.Sum(nil)) != string(want.Sum(nil)) {
		t.Errorf("%d bytes of %d, %v", n, size, err)
	}
}

// repeat reads a block again and again, never the same way, and sums what it
// gave.
type repeat struct {
	block []byte
	at    int
	sum   hash.Hash
}

// Read implements io.Reader.
func (r *repeat) Read(b []byte) (int, error) {
	n := copy(b, r.block[r.at:])
	r.at = (r.at + n + 1) % len(r.block)
	r.sum.Write(b[:n])
	return n, nil
}

// TestTCPDayOfKeepalives lets connections be idle for a day, which keepalives
// outlive and which takes no time.
func TestTCPDayOfKeepalives(t *testing.T) {
	began := time.Now()
	const conns = 5
	synctest.Test(t, func(t *testing.T) {
		a, b := tcpHosts(t)
		var all [][2]*vimage.TCPConn
		for range conns {
			c, s := connected(t, a, b)
			all = append(all, [2]*vimage.TCPConn{c, s})
		}
		passed(24 * time.Hour)
		probes := a.Counters()["tcp.keepprobe"] + b.Counters()["tcp.keepprobe"]
		if day := uint64(24 * 3600 / 15); probes < conns*day*9/10 || probes > conns*day*2 {
			t.Errorf("%d probes of %d connections in a day", probes, conns)
		}
		for _, e := range all {
			go e[0].Write([]byte("x"))
			if n, err := e[1].Read(make([]byte, 2)); n != 1 || err != nil {
				t.Errorf("after a day: %d, %v", n, err)
			}
			e[0].Close()
			e[1].Close()
		}
	})
	if d := time.Since(began); d > time.Duration(fewer(1, 10))*time.Second {
		t.Errorf("the day took %v", d)
	}
}

// TestTCPKeepaliveGivesUp cuts the cable under an idle connection.
func TestTCPKeepaliveGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.New(t)
		a, b := n.Host("a"), n.Host("b")
		cable := n.Link(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Microsecond}})
		c, s := connected(t, a, b)
		defer s.Close()
		if err := c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 4}); err != nil {
			t.Fatal(err)
		}
		info := must(c.Info())(t)
		if !info.KeepAlive || info.KeepIdle != 10*time.Second || info.KeepIntvl != 3*time.Second || info.KeepCount != 4 {
			t.Errorf("settings are %+v", info)
		}
		cut(t, cable)
		began := time.Now()
		_, err := c.Read(make([]byte, 1))
		if d := time.Since(began); !errors.Is(err, syscall.ETIMEDOUT) || d < 21*time.Second || d > 23*time.Second {
			t.Errorf("%v after %v, want ETIMEDOUT after 10 + 4·3 seconds", err, d)
		}
		if k := a.Counters(); k["tcp.keepprobe"] != 4 || k["tcp.keepdrops"] != 1 {
			t.Errorf("%d probes, %d drops", k["tcp.keepprobe"], k["tcp.keepdrops"])
		}
		c.Close()
	})
}

func cut(t testing.TB, l *lab.Link) {
	t.Helper()
	for _, dir := range []link.FaultDir{link.AtoB, link.BtoA} {
		if err := l.Fault().Set(dir, link.FaultConfig{Down: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func mend(t testing.TB, l *lab.Link, c link.FaultConfig) {
	t.Helper()
	for _, dir := range []link.FaultDir{link.AtoB, link.BtoA} {
		if err := l.Fault().Set(dir, c); err != nil {
			t.Fatal(err)
		}
	}
}
