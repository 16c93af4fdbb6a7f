package vimage_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// fibNet is a client and a server with two ways between them, one over each of
// two routers. The server's tables 0 and 1 hold routes to the client: by r0 in
// table 0, by r1 in table 1. Its interface towards r0 is of table 0, that
// towards r1 of table 1. So is the client's.
//
//	            r0
//	10.1.0.0/24 /  \ 10.2.0.0/24
//	      client    server (address 10.9.0.1 on lo0)
//	10.3.0.0/24 \  / 10.4.0.0/24
//	            r1
type fibNet struct {
	*testing.T
	w              *vimage.World
	client, server *vimage.Stack
	spies          [2]*spied // at the server's interfaces
	r              [2]*vimage.Stack

	mu  sync.Mutex
	out [2][]segment // what the server sent by each
	in  [2][]segment
}

var (
	fibServer = netip.MustParseAddr("10.9.0.1")
	fibClient = netip.MustParseAddr("10.8.0.1")
)

func newFIBNet(t *testing.T) *fibNet {
	w := world(t, vimage.Config{})
	n := &fibNet{T: t, w: w}
	stack := func(name string) *vimage.Stack { return must(w.NewStack(name, vimage.StackConfig{FIBs: 2}))(t) }
	n.client, n.server = stack("client"), stack("server")
	for i := range 2 {
		r := stack(fmt.Sprintf("r%d", i))
		n.r[i] = r
		if err := r.SetForwarding(true); err != nil {
			t.Fatal(err)
		}
		left, right := link.NewEpair(0), link.NewEpair(0)
		n.spies[i] = &spied{Port: right.B(), w: w}
		n.plug(n.client, i, left.A(), fmt.Sprintf("10.%d.0.1/24", 1+2*i))
		n.plug(n.server, i, n.spies[i], fmt.Sprintf("10.%d.0.1/24", 2+2*i))
		plug(t, r, "left", left.B(), fmt.Sprintf("10.%d.0.254/24", 1+2*i))
		plug(t, r, "right", right.A(), fmt.Sprintf("10.%d.0.254/24", 2+2*i))
		n.route(r, 0, "10.9.0.0/24", fmt.Sprintf("10.%d.0.1", 2+2*i))
		n.route(r, 0, "10.8.0.0/24", fmt.Sprintf("10.%d.0.1", 1+2*i))
		n.route(n.client, i, "10.9.0.0/24", fmt.Sprintf("10.%d.0.254", 1+2*i))
		n.route(n.server, i, "10.8.0.0/24", fmt.Sprintf("10.%d.0.254", 2+2*i))
		n.spies[i].watch(func(s *segment) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			if s.Out {
				n.out[i] = append(n.out[i], *s)
			} else {
				n.in[i] = append(n.in[i], *s)
			}
			return true
		})
	}
	for s, a := range map[*vimage.Stack]netip.Addr{n.client: fibClient, n.server: fibServer} {
		if err := must(s.Interface("lo0"))(t).AddAddr(netip.PrefixFrom(a, 32)); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func (n *fibNet) plug(s *vimage.Stack, fib int, p link.Port, a string) {
	n.Helper()
	must(s.AddInterface(fmt.Sprintf("e%d", fib), vimage.InterfaceConfig{Port: p, FIB: fib, Addrs: []netip.Prefix{netip.MustParsePrefix(a)}}))(n.T)
}

func (n *fibNet) route(s *vimage.Stack, fib int, dst, gw string) {
	n.Helper()
	if err := must(s.FIB(fib))(n.T).AddRoute(vimage.Route{Dst: netip.MustParsePrefix(dst), Gateway: netip.MustParseAddr(gw)}); err != nil {
		n.Fatal(err)
	}
}

// listen listens at the server with a table.
func (n *fibNet) listen(fib int) *vimage.TCPListener {
	n.Helper()
	return listenTCP(n.T, must(n.server.FIB(fib))(n.T), "10.9.0.1:80")
}

// dial connects from the client with a table.
func (n *fibNet) dial(fib int, l *vimage.TCPListener) (c, s *vimage.TCPConn) {
	n.Helper()
	d := &vimage.Dialer{Stack: must(n.client.FIB(fib))(n.T), LocalAddr: &net.TCPAddr{IP: fibClient.AsSlice()}}
	c, s = join(n.T, d, l, fibServer)
	n.Cleanup(func() { c.SetLinger(0); c.Close(); s.SetLinger(0); s.Close() })
	return c, s
}

// forget forgets what has crossed so far.
func (n *fibNet) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.out, n.in = [2][]segment{}, [2][]segment{}
}

// only checks that segments that match went by the one way and none by the other.
func (n *fibNet) only(seen *[2][]segment, way int, what string, match func(s *segment) bool) {
	n.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	var k [2]int
	for i := range 2 {
		for j := range seen[i] {
			if match(&seen[i][j]) {
				k[i]++
			}
		}
	}
	if k[way] == 0 || k[1-way] != 0 {
		n.Errorf("%s: %d by r0, %d by r1, want all by r%d", what, k[0], k[1], way)
	}
}

func all(*segment) bool { return true }

func isSYNACK(s *segment) bool { return s.Flags.Has(wire.SYN | wire.ACK) }

// talk has n bytes go from c to s.
func talk(t testing.TB, c, s *vimage.TCPConn, n int) {
	t.Helper()
	go c.Write(make([]byte, n))
	s.SetReadDeadline(time.Now().Add(time.Minute))
	buf := make([]byte, n)
	for k := 0; k < n; {
		m, err := s.Read(buf)
		if err != nil {
			t.Fatalf("%d bytes of %d came: %v", k, n, err)
		}
		k += m
	}
}

func inFIBNet(t *testing.T, f func(n *fibNet)) {
	synctest.Test(t, func(t *testing.T) { f(newFIBNet(t)) })
}

// Rule 1b: a socket's table routes its SYN and its data.
func TestTCPFIBOfSocket(t *testing.T) {
	for fib := range 2 {
		inFIBNet(t, func(n *fibNet) {
			c, s := n.dial(fib, n.listen(0))
			if c.FIB() != fib {
				t.Errorf("the socket says table %d, want %d", c.FIB(), fib)
			}
			talk(t, c, s, 100_000)
			n.only(&n.in, fib, "from table "+fmt.Sprint(fib), all)
		})
	}
}

// Rule 4: SYN-ACKs and accepted connections use the listener's table, whatever
// way the SYN came.
func TestTCPFIBOfListener(t *testing.T) {
	for from := range 2 {
		for fib := range 2 {
			inFIBNet(t, func(n *fibNet) {
				c, s := n.dial(from, n.listen(fib))
				if s.FIB() != fib {
					t.Errorf("accepted with table %d, want %d", s.FIB(), fib)
				}
				talk(t, s, c, 100_000)
				n.only(&n.out, fib, "SYN-ACK", isSYNACK)
				n.only(&n.out, fib, "data", all)
				n.only(&n.in, from, "the client's", all)
			})
		}
	}
}

// Rule 4: connections keep the table when their listener changes his.
func TestTCPFIBKeptWhenListenerChanges(t *testing.T) {
	inFIBNet(t, func(n *fibNet) {
		l := n.listen(0)
		c, s := n.dial(0, l)
		if err := l.SetFIB(1); err != nil {
			t.Fatal(err)
		}
		talk(t, s, c, 100_000)
		n.only(&n.out, 0, "accepted before", all)
		n.forget()
		c, s = n.dial(0, l)
		talk(t, s, c, 100_000)
		n.only(&n.out, 1, "accepted after", all)
		if err := l.SetFIB(2); !errors.Is(err, syscall.EINVAL) {
			t.Error("a table that is not there:", err)
		}
	})
}

// Rule 5: the reset of a closed port, and of a segment of no connection, goes by
// the table of the interface that the segment came by.
func TestTCPFIBOfResets(t *testing.T) {
	for way := range 2 {
		inFIBNet(t, func(n *fibNet) {
			d := &vimage.Dialer{Stack: must(n.client.FIB(way))(t), LocalAddr: &net.TCPAddr{IP: fibClient.AsSlice()}}
			_, err := d.Dial("tcp", "10.9.0.1:81")
			wantErr(t, "closed port", err, syscall.ECONNREFUSED)
			n.only(&n.out, way, "reset", all)
			n.forget()
			src := netip.AddrPortFrom(fibClient, 5)
			n.spies[way].inject(forge(src, netip.AddrPortFrom(fibServer, 80), wire.TCPHeader{Seq: 1, Ack: 2, Flags: wire.ACK}, nil))
			n.only(&n.out, way, "reset of no connection", func(s *segment) bool { return s.Flags == wire.RST && s.Seq == 2 })
		})
	}
}

// Rule 5: SYN cookies go by the table of the SYN, because the listener is not
// asked; the connection has the listener's.
func TestTCPFIBOfCookies(t *testing.T) {
	for way := range 2 {
		inFIBNet(t, func(n *fibNet) {
			if err := n.server.SetSysctl("net.inet.tcp.syncookies_only", 1); err != nil {
				t.Fatal(err)
			}
			c, s := n.dial(way, n.listen(1-way))
			n.only(&n.out, way, "SYN-ACK", isSYNACK)
			n.forget()
			talk(t, s, c, 100_000)
			n.only(&n.out, 1-way, "data", all)
		})
	}
}

// SetFIB on a live connection takes effect at its next segment.
func TestTCPFIBSetWhileConnected(t *testing.T) {
	inFIBNet(t, func(n *fibNet) {
		c, s := n.dial(0, n.listen(0))
		for i := range 4 {
			talk(t, s, c, 50_000)
			n.only(&n.out, i%2, fmt.Sprint("round ", i), all)
			n.forget()
			if err := s.SetFIB((i + 1) % 2); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, "a table that is not there", s.SetFIB(2), syscall.EINVAL)
		wantErr(t, "a negative table", s.SetFIB(-1), syscall.EINVAL)
	})
}

// The cached route goes when the table changes (behaviour 4.1): a route replaced,
// deleted and added again under a live connection.
func TestTCPRouteChanges(t *testing.T) {
	inFIBNet(t, func(n *fibNet) {
		c, s := n.dial(0, n.listen(0))
		talk(t, s, c, 50_000)
		n.only(&n.out, 0, "first", all)
		n.forget()

		other := netip.MustParseAddr("10.2.0.9") // a second gateway in the same net
		gone := vimage.Route{Dst: netip.MustParsePrefix("10.8.0.0/24"), Gateway: other}
		if err := n.server.DelRoute(gone.Dst); err != nil {
			t.Fatal(err)
		}
		go s.Write(make([]byte, 50_000))
		passed(5 * time.Second)
		if k := len(n.out[0]) + len(n.out[1]); k != 0 {
			t.Errorf("%d segments without a route", k)
		}
		n.route(n.server, 0, "10.8.0.0/24", "10.2.0.254")
		got := make([]byte, 50_000)
		for k := 0; k < len(got); {
			m, err := c.Read(got)
			if err != nil {
				t.Fatal(err)
			}
			k += m
		}
		n.only(&n.out, 0, "route added again", all)
		n.forget()

		// A longer route, by way of the other interface's net, which all tables know.
		n.route(n.server, 0, "10.8.0.1/32", "10.4.0.254")
		talk(t, s, c, 50_000)
		n.only(&n.out, 1, "a longer route", all)
		n.forget()
		if err := n.server.DelRoute(netip.MustParsePrefix("10.8.0.1/32")); err != nil {
			t.Fatal(err)
		}
		talk(t, s, c, 50_000)
		n.only(&n.out, 0, "and back", all)
	})
}

// A change of another table leaves a connection where it is.
func TestTCPRouteOfOtherTable(t *testing.T) {
	inFIBNet(t, func(n *fibNet) {
		c, s := n.dial(0, n.listen(0))
		if err := must(n.server.FIB(1))(t).DelRoute(netip.MustParsePrefix("10.8.0.0/24")); err != nil {
			t.Fatal(err)
		}
		talk(t, s, c, 50_000)
		n.only(&n.out, 0, "data", all)
		d := &vimage.Dialer{Stack: must(n.server.FIB(1))(t)}
		_, err := d.Dial("tcp", "10.8.0.1:80")
		wantErr(t, "dial without a route", err, syscall.ENETUNREACH)
	})
}

// TestTCPMovedInterface takes the interface of a connection away and puts it back
// with the same address: the connection goes on.
func TestTCPMovedInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := lab.New(t)
		a, b := n.Host("a"), n.Host("b")
		n.Link(a, b)
		c, s := connected(t, a, b)
		defer c.Close()
		defer s.Close()
		talk(t, c, s, 10_000)
		if err := a.Eth(0).SetUp(false); err != nil {
			t.Fatal(err)
		}
		go c.Write(make([]byte, 10_000))
		passed(3 * time.Second)
		if err := a.Eth(0).SetUp(true); err != nil {
			t.Fatal(err)
		}
		talk(t, c, s, 20_000)
	})
}

// TestTCPSettersMeanwhile: options are set and read while the connection works.
func TestTCPSettersMeanwhile(t *testing.T) {
	a, b := tcpHosts(t)
	if err := a.SetFIBs(2); err != nil {
		t.Fatal(err)
	}
	c, s := connected(t, a, b)
	var wg sync.WaitGroup
	wg.Go(func() { c.Write(make([]byte, 4<<20)); c.CloseWrite() })
	wg.Go(func() { io.Copy(io.Discard, s) })
	for i := range 200 {
		wg.Go(func() { c.SetFIB(0) })
		wg.Go(func() { c.FIB() })
		wg.Go(func() { c.SetNoDelay(i%2 == 0) })
		wg.Go(func() { c.SetKeepAlivePeriod(time.Duration(i+1) * time.Second) })
		wg.Go(func() { c.SetCongestion([]string{"cubic", "newreno"}[i%2]) })
		wg.Go(func() { c.SetUserTimeout(time.Duration(i) * time.Second) })
		wg.Go(func() { c.SetTOS(i); c.SetTTL(64); c.SetLinger(-1) })
		wg.Go(func() { c.SetDeadline(time.Now().Add(time.Hour)) })
		wg.Go(func() { c.Info() })
		wg.Go(func() { a.Counters() })
	}
	wg.Wait()
	c.Close()
	s.Close()
}
