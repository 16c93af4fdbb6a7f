package vimage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestTCPReuse binds a second listener to a port that has one. Listeners have
// SO_REUSEADDR, as package net's: which makes no difference for one address, but
// lets one address stand beside any.
func TestTCPReuse(t *testing.T) {
	for _, c := range []struct {
		first, second string
		port          [2]bool // SO_REUSEPORT
		want          syscall.Errno
	}{
		{"0.0.0.0:80", "0.0.0.0:80", [2]bool{}, syscall.EADDRINUSE},
		{"10.0.0.1:80", "10.0.0.1:80", [2]bool{}, syscall.EADDRINUSE},
		{"0.0.0.0:80", "0.0.0.0:80", [2]bool{true, false}, syscall.EADDRINUSE},
		{"0.0.0.0:80", "0.0.0.0:80", [2]bool{false, true}, syscall.EADDRINUSE},
		{"0.0.0.0:80", "0.0.0.0:80", [2]bool{true, true}, 0},
		{"0.0.0.0:80", "10.0.0.1:80", [2]bool{}, 0},
		{"10.0.0.1:80", "0.0.0.0:80", [2]bool{}, 0},
		{"10.0.0.1:80", "127.0.0.1:80", [2]bool{}, 0},
		{"0.0.0.0:80", "0.0.0.0:81", [2]bool{}, 0},
	} {
		w := world(t, vimage.Config{})
		s, _ := pair(t, w)
		if err := must(s.Interface("lo0"))(t).AddAddr(netip.MustParsePrefix("127.0.0.1/8")); err != nil {
			t.Fatal(err)
		}
		must((&vimage.ListenConfig{Stack: s, ReusePort: c.port[0]}).Listen(context.Background(), "tcp", c.first))(t)
		_, err := (&vimage.ListenConfig{Stack: s, ReusePort: c.port[1]}).Listen(context.Background(), "tcp", c.second)
		if c.want == 0 && err != nil || c.want != 0 && !errors.Is(err, c.want) {
			t.Errorf("%s, then %s, SO_REUSEPORT %v: %v, want %v", c.first, c.second, c.port, err, c.want)
		}
	}
}

// TestTCPWildcardAndSpecific: of two listeners the one that is bound to the
// address gets the connection; the other gets the rest, and all when it is gone.
func TestTCPWildcardAndSpecific(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, world(t, vimage.Config{}))
		if err := must(b.Interface("e0"))(t).AddAddr(netip.MustParsePrefix("10.0.0.9/24")); err != nil {
			t.Fatal(err)
		}
		wild, specific := listenTCP(t, b, ":80"), listenTCP(t, b, "10.0.0.2:80")
		take := func(l *vimage.TCPListener, to string) {
			t.Helper()
			c, err := a.Dial("tcp", to)
			if err != nil {
				t.Fatal(to, err)
			}
			defer c.Close()
			synctest.Wait()
			s, ok, err := l.TryAccept()
			if !ok || err != nil || s.LocalAddr().String() != to {
				t.Fatal(to, "went elsewhere")
			}
			s.Close()
		}
		take(specific, "10.0.0.2:80")
		take(wild, "10.0.0.9:80")
		specific.Close()
		take(wild, "10.0.0.2:80")
	})
}

// TestTCPEphemeralPorts uses up the ports of net.inet.ip.portrange: each is used
// once for a destination, again for another, and then there is none.
func TestTCPEphemeralPorts(t *testing.T) {
	w := world(t, vimage.Config{})
	a, b := pair(t, w)
	for name, v := range map[string]int64{"net.inet.ip.portrange.first": 30000, "net.inet.ip.portrange.last": 30009} {
		if err := a.SetSysctl(name, v); err != nil {
			t.Fatal(err)
		}
	}
	l80, l81 := listenTCP(t, b, ":80"), listenTCP(t, b, ":81")
	listenTCP(t, a, ":30003") // is nobody's to choose
	fill := func(to string) (ports []int) {
		for {
			c, err := a.Dial("tcp", to)
			if err != nil {
				wantErr(t, "the last", err, syscall.EADDRNOTAVAIL)
				slices.Sort(ports)
				return ports
			}
			t.Cleanup(func() { c.Close() })
			ports = append(ports, c.LocalAddr().(*net.TCPAddr).Port)
		}
	}
	want := "[30000 30001 30002 30004 30005 30006 30007 30008 30009]"
	for _, to := range []string{"10.0.0.2:80", "10.0.0.2:81"} {
		if got := fmt.Sprint(fill(to)); got != want {
			t.Errorf("%s: ports %s, want %s", to, got, want)
		}
	}
	if n, _ := l80.Backlog(); n != 9 {
		t.Errorf("%d wait to be accepted", n)
	}
	l80.Close() // which resets them
	l81.Close()
	w.Settle()
	listen := 0
	for range 9 { // ports of those that were reset are free
		l, err := a.Listen("tcp", ":0")
		if err != nil {
			break
		}
		t.Cleanup(func() { l.Close() })
		if p := l.Addr().(*net.TCPAddr).Port; p < 30000 || p > 30009 {
			t.Errorf("port %d", p)
		}
		listen++
	}
	if listen != 9 {
		t.Errorf("%d of 9 ports can be listened on", listen)
	}
	if _, err := a.Listen("tcp", ":0"); !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error("no port is left, but:", err)
	}
}

// TestTCPPortsDiffer: the ports of connections to one destination follow no
// sequence that those to another tell (RFC 6056 §3.3.3).
func TestTCPPortsDiffer(t *testing.T) {
	a, b := pair(t, world(t, vimage.Config{}))
	first := func(port string) int {
		listenTCP(t, b, ":"+port)
		c := must(a.Dial("tcp", "10.0.0.2:"+port))(t)
		t.Cleanup(func() { c.Close() })
		return c.LocalAddr().(*net.TCPAddr).Port
	}
	p, q := first("80"), first("81")
	if d := p - q; -10 < d && d < 10 {
		t.Errorf("ports %d and %d", p, q)
	}
}

// TestTCPBindAndConnections: a port with a connection is bound again with
// SO_REUSEADDR only, and the same four addresses are used once.
func TestTCPBindAndConnections(t *testing.T) {
	a, b := pair(t, world(t, vimage.Config{}))
	l80, l81 := listenTCP(t, b, ":80"), listenTCP(t, b, ":81")
	from := func(reuse bool, l *vimage.TCPListener) error {
		d := vimage.Dialer{Stack: a, ReuseAddr: reuse, LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5000}}
		c, err := d.Dial("tcp", fmt.Sprintf("10.0.0.2:%d", l.Addr().(*net.TCPAddr).Port))
		if err == nil {
			t.Cleanup(func() { c.Close() })
		}
		return err
	}
	if err := from(false, l80); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "bind again", from(false, l81), syscall.EADDRINUSE)
	wantErr(t, "the same connection", from(true, l80), syscall.EADDRINUSE)
	// Accepted connections do not keep a listener from coming back.
	l80.Close()
	listenTCP(t, b, ":80")
}

// TestTCPTimeWait: a port in TIME-WAIT is used again where the timestamps tell the
// connections apart (RFC 6191), and at once when it is over.
func TestTCPTimeWait(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		d := vimage.Dialer{Stack: n.a.Stack, ReuseAddr: true, LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 5000}}
		once := func(serverFirst bool) {
			n.Helper()
			c, s := join(n.T, &d, n.l, n.b.Addr())
			if serverFirst {
				c, s = s, c
			}
			c.Close()
			passed(100 * time.Millisecond)
			s.Close()
			passed(100 * time.Millisecond)
		}
		waiting := func(h *lab.Node) (k int) {
			for e := range h.Internal().TCPEntries() {
				if e.State == tcp.TIMEWAIT {
					k++
				}
			}
			return k
		}
		once(true) // TIME-WAIT at the server: the SYN opens it again
		if waiting(n.a) != 0 || waiting(n.b) != 1 {
			t.Fatalf("%d and %d in TIME-WAIT", waiting(n.a), waiting(n.b))
		}
		passed(2 * time.Second)
		once(true)
		if k := n.b.Counters()["tcp.tw_reopened"]; k != 1 {
			t.Errorf("reopened %d times", k)
		}
		passed(2 * time.Second)
		once(false) // and at the client
		if waiting(n.a) != 1 || waiting(n.b) != 0 {
			t.Fatalf("%d and %d in TIME-WAIT", waiting(n.a), waiting(n.b))
		}
		passed(2 * time.Second)
		once(false)
		if k := n.a.Counters()["tcp.tw_reused"]; k != 1 {
			t.Errorf("reused %d times", k)
		}
		if err := n.a.SetSysctl("net.inet.tcp.tw_reuse", 0); err != nil {
			t.Fatal(err)
		}
		_, err := d.Dial("tcp", "10.0.0.2:80")
		wantErr(t, "without tw_reuse", err, syscall.EADDRINUSE)
		passed(2 * time.Minute)
		if waiting(n.a) != 0 {
			t.Error("TIME-WAIT does not end")
		}
		once(false)
	})
}

// TestTCPBacklog: when the queue is full, the last segment of a handshake is
// ignored and comes again; the client, who knows nothing of it, can write.
func TestTCPBacklog(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		l := must((&vimage.ListenConfig{Stack: n.b.Stack, Backlog: 2}).Listen(context.Background(), "tcp", ":81"))(n.T).(*vimage.TCPListener)
		defer l.Close()
		var all []*vimage.TCPConn
		d := vimage.Dialer{Stack: n.a.Stack}
		for i := range 5 {
			c := must(d.Start("tcp", "10.0.0.2:81"))(n.T)
			defer c.Close()
			passed(50 * time.Millisecond)
			c.TryWrite([]byte{byte(i)})
			all = append(all, c)
		}
		if k, limit := l.Backlog(); k != 2 || limit != 2 {
			t.Errorf("%d of %d wait", k, limit)
		}
		if n.b.Counters()["tcp.listendrop"] == 0 {
			t.Error("nothing is counted")
		}
		seen := map[byte]bool{}
		l.SetDeadline(time.Now().Add(2 * time.Minute))
		for range all {
			s, err := l.Accept()
			if err != nil {
				t.Fatalf("after %d: %v", len(seen), err)
			}
			defer s.Close()
			one := make([]byte, 1)
			if _, err := s.Read(one); err != nil {
				t.Error(err)
			}
			seen[one[0]] = true
		}
		if len(seen) != len(all) {
			t.Errorf("%d of %d were accepted", len(seen), len(all))
		}
	})
}

// TestTCPBufferSizes: a peer that never reads costs its receive buffer, and its
// sender the send buffer.
func TestTCPBufferSizes(t *testing.T) {
	for _, c := range []struct{ snd, rcv int }{{4 << 10, 4 << 10}, {64 << 10, 32 << 10}, {1 << 20, 256 << 10}, {32 << 10, 1 << 20}} {
		t.Run(fmt.Sprintf("%d-%d", c.snd, c.rcv), func(t *testing.T) {
			inTCPNet(t, func(n *tcpNet) {
				x, y := n.conns()
				if x.SetWriteBuffer(c.snd) != nil || y.SetReadBuffer(c.rcv) != nil {
					t.Fatal("buffers")
				}
				x.SetWriteDeadline(time.Now().Add(time.Minute))
				k, err := x.Write(make([]byte, 8<<20))
				window := max(c.rcv, 256<<10) // what was announced before cannot be taken back
				if !errors.Is(err, os.ErrDeadlineExceeded) || k < c.rcv/2 || k > 2*(c.snd+window) {
					t.Errorf("%d bytes were written, %v", k, err)
				}
				held := mem(n.a.Internal().World())
				if most := 4*(c.snd+window) + (1 << 20); held > most {
					t.Errorf("%d bytes of memory for %d written, want %d at most", held, k, most)
				}
				x.SetWriteDeadline(time.Time{})
				go x.Write(make([]byte, 1<<20))
				if got, err := io.CopyN(io.Discard, y, int64(k)+(1<<20)); err != nil {
					t.Errorf("%d bytes came, %v", got, err)
				}
			})
		})
	}
}

// TestTCPNoDelay: with Nagle's algorithm small writes travel together, without
// alone.
func TestTCPNoDelay(t *testing.T) {
	for _, on := range []bool{true, false} {
		inTCPNet(t, func(n *tcpNet) {
			c, s := n.conns()
			c.SetNoDelay(on)
			was := must(c.Info())(t).DataSegsOut
			for range 20 {
				c.Write([]byte("x"))
			}
			s.SetReadDeadline(time.Now().Add(time.Second))
			io.ReadFull(s, make([]byte, 20))
			if k := must(c.Info())(t).DataSegsOut - was; on && k != 20 || !on && k > 3 {
				t.Errorf("no delay %v: %d segments for 20 writes", on, k)
			}
		})
	}
}

// TestTCPCongestion: each algorithm works, and is named.
func TestTCPCongestion(t *testing.T) {
	for _, name := range []string{"cubic", "newreno"} {
		inTCPNet(t, func(n *tcpNet) {
			d := vimage.Dialer{Stack: n.a.Stack, Congestion: name}
			c, s := join(n.T, &d, n.l, n.b.Addr())
			defer c.Close()
			defer s.Close()
			if got := must(c.Info())(t).Loss.Control; got != name {
				t.Errorf("%s, want %s", got, name)
			}
			talk(t, c, s, 300_000)
			for _, other := range []string{"newreno", "cubic"} {
				if err := c.SetCongestion(other); err != nil {
					t.Error(err)
				}
				if got := must(c.Info())(t).Loss.Control; got != other {
					t.Errorf("%s, want %s", got, other)
				}
				talk(t, c, s, 300_000)
			}
		})
	}
	a, _ := pair(t, world(t, vimage.Config{}))
	_, err := (&vimage.Dialer{Stack: a, Congestion: "vegas"}).Dial("tcp", "10.0.0.2:80")
	wantErr(t, "an unknown algorithm", err, syscall.ENOENT)
	_, err = (&vimage.ListenConfig{Stack: a, Congestion: "vegas"}).Listen(context.Background(), "tcp", ":80")
	wantErr(t, "an unknown algorithm", err, syscall.ENOENT)
}

// TestTCPInfo holds what Info says against a transfer that is known.
func TestTCPInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.New(t)
		a, b := n.Host("a"), n.Host("b")
		n.Link(a, b, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: 10 * time.Millisecond, Rate: 50e6}})
		c, s := connected(t, a, b)
		const size = 1 << 20
		talk(t, c, s, size)
		passed(time.Second)
		i, j := must(c.Info())(t), must(s.Info())(t)
		for what, ok := range map[string]bool{
			"State":         i.State == tcp.ESTABLISHED && j.State == tcp.ESTABLISHED,
			"agreed":        i.SACK && i.Timestamps && i.Scaling && j.SACK && j.Timestamps && j.Scaling,
			"BytesAcked":    i.BytesAcked == size && j.BytesAcked == 0,
			"BytesReceived": j.BytesReceived == size && i.BytesReceived == 0,
			"BytesSent":     i.BytesSent >= size && i.BytesSent < size*11/10,
			"MSS":           i.SndMSS == 1448 && i.AdvMSS == 1460 && i.PathMTU == 1500,
			"segments":      i.DataSegsOut > 0 && i.SegsOut > i.DataSegsOut && j.DataSegsIn > 0 && i.SegsIn > 0,
			"RTT":           i.Loss.RTT >= 20*time.Millisecond && i.Loss.RTT < 200*time.Millisecond,
			"MinRTT":        i.Loss.MinRTT >= 20*time.Millisecond && i.Loss.MinRTT < 25*time.Millisecond,
			"RTO":           i.Loss.RTO >= i.Loss.RTT && i.Loss.RTO < 2*time.Second,
			"Cwnd":          i.Loss.Cwnd >= 10*1448,
			"DeliveryRate":  i.Loss.DeliveryRate > 50e6/8/50 && i.Loss.DeliveryRate < 50e6/8*11/10,
			"Outstanding":   i.Loss.Outstanding == 0 && i.NotSent == 0 && i.Loss.Pipe == 0,
			"LastRcvd":      j.LastDataRcvd >= time.Second && j.LastDataRcvd < 2*time.Second,
			"windows":       i.SndWnd > 0 && j.RcvWnd >= i.SndWnd && j.RcvSpace > 0 && i.SndSpace > 0,
		} {
			if !ok {
				t.Errorf("%s: sender %+v\nreceiver %+v", what, i, j)
			}
		}
		c.SetLinger(0)
		c.Close()
		s.Close()
		if _, err := c.Info(); err == nil {
			t.Error("of a connection that is over")
		}
	})
}

// TestTCPStatistics: a transfer is counted under netstat's names, and every name
// is in the list of those that there are.
func TestTCPStatistics(t *testing.T) {
	inTCPNet(t, func(n *tcpNet) {
		c, s := n.conns()
		talk(t, c, s, 100_000)
		c.Close()
		s.Close()
		passed(time.Second)
		x, y := n.a.Counters(), n.b.Counters()
		for name, want := range map[string][2]uint64{ // at least
			"tcp.connattempt": {1, 0}, "tcp.accepts": {0, 1}, "tcp.connects": {1, 1}, "tcp.closed": {1, 1},
			"tcp.sndbyte": {100_000, 0}, "tcp.rcvbyte": {0, 100_000}, "tcp.rcvackbyte": {100_000, 0},
			"tcp.sndpack": {1, 0}, "tcp.rcvpack": {0, 1}, "tcp.sndtotal": {1, 1}, "tcp.rcvtotal": {1, 1},
			"tcp.sndacks": {0, 1}, "tcp.sndctrl": {1, 0}, "tcp.sc_added": {0, 1}, "tcp.sc_completed": {0, 1}, "tcp.tw_added": {1, 0},
		} {
			if x[name] < want[0] || y[name] < want[1] {
				t.Errorf("%s: %d and %d, want at least %v", name, x[name], y[name], want)
			}
		}
		all := vars.CounterNames()
		for _, k := range []map[string]uint64{x, y} {
			for name := range k {
				if strings.HasPrefix(name, "tcp.") && !slices.Contains(all, name) {
					t.Errorf("%s is in no list", name)
				}
			}
		}
	})
}

// TestTCPTOSAndTTL: segments bear what the user said.
func TestTCPTOSAndTTL(t *testing.T) {
	w := world(t, vimage.Config{})
	a, b, spy := spiedPair(t, w)
	l := listenTCP(t, b, ":80")
	c, s := join(t, &vimage.Dialer{Stack: a}, l, netip.MustParseAddr("10.0.0.2"))
	defer c.Close()
	defer s.Close()
	if c.SetTOS(0xb8) != nil || c.SetTTL(7) != nil {
		t.Fatal("options")
	}
	var heads [][]byte
	spy.raw(func(ip wire.IPv4) {
		if ip.Src() == netip.MustParseAddr("10.0.0.1") {
			heads = append(heads, bytes.Clone(ip[:wire.IPv4Len]))
		}
	})
	talk(t, c, s, 10)
	if len(heads) == 0 {
		t.Fatal("nothing was sent")
	}
	for _, h := range heads {
		if h[1] != 0xb8 || h[8] != 7 {
			t.Errorf("TOS %#x, TTL %d", h[1], h[8])
		}
	}
	wantErr(t, "TOS", c.SetTOS(256), syscall.EINVAL)
	wantErr(t, "TTL", c.SetTTL(-1), syscall.EINVAL)
	wantErr(t, "read buffer", c.SetReadBuffer(0), syscall.EINVAL)
	wantErr(t, "write buffer", c.SetWriteBuffer(-5), syscall.EINVAL)
}

// TestTCPSmallBuffers: with the least buffers that there are, everything arrives,
// with zero windows on the way.
func TestTCPSmallBuffers(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			a, b := tcpHosts(t, lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: delay}})
			for _, h := range []*lab.Node{a, b} {
				for _, name := range []string{"recvspace", "sendspace"} {
					if err := h.SetSysctl("net.inet.tcp."+name, 2048); err != nil {
						t.Fatal(err)
					}
				}
				for _, name := range []string{"recvbuf_auto", "sendbuf_auto"} {
					if err := h.SetSysctl("net.inet.tcp."+name, 0); err != nil {
						t.Fatal(err)
					}
				}
			}
			began := time.Now()
			c, s := connected(t, a, b)
			exchange(t, c, s, 50_000)
			if d := time.Since(began); d > time.Minute {
				t.Errorf("with a delay of %v it took %v", delay, d)
			}
			c, s = connected(t, a, b)
			for _, e := range []*vimage.TCPConn{c, s} {
				if e.SetReadBuffer(1) != nil || e.SetWriteBuffer(1) != nil {
					t.Error("buffers of a byte")
				}
			}
			exchange(t, c, s, 5000)
		})
	}
}
