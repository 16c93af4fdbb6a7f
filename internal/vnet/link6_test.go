package vnet_test

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// twoLinks is a host with two interfaces that have equal link-local addresses, each
// leading to another host that has fe80::2.
func twoLinks(t testing.TB, shards int) (w *vnet.World, c *clock.Sim, st *vnet.Stack, peers [2]*vnet.Stack) {
	c = clock.NewSim()
	w = vnet.NewWorld(vnet.Config{Clock: c})
	var e syscall.Errno
	st, e = stacktest.New(t, w, vnet.StackConfig{Name: "h", Shards: shards})
	must(t, e)
	for i := range peers {
		ep := link.NewEpair(0)
		_, e = control.AddInterface(st, control.IfaceConfig{Name: fmt.Sprint("e", i), Port: ep.A(), Addrs: []netip.Prefix{prefix("fe80::1/64")}})
		must(t, e)
		peers[i], e = stacktest.New(t, w, vnet.StackConfig{Name: fmt.Sprint("p", i), Shards: shards})
		must(t, e)
		_, e = control.AddInterface(peers[i], control.IfaceConfig{Name: "e0", Port: ep.B(), Addrs: []netip.Prefix{prefix("fe80::2/64"), prefix("2001:db8::2/64")}})
		must(t, e)
	}
	run(c, time.Second)
	return w, c, st, peers
}

// TestRFC4007Section6: datagrams between link-local addresses keep to their zone.
func TestRFC4007Section6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, peers := twoLinks(t, shards)
		any := listen(t, st, "[::]:9")
		var at [2]usrreq.Sock
		for i := range at {
			at[i] = listen(t, st, fmt.Sprintf("[fe80::1%%e%d]:7", i))
		}
		for i, p := range peers {
			s := listen(t, p, "[::]:7")
			text := fmt.Sprint("to ", i)
			send(t, any, text, fmt.Sprintf("[fe80::2%%e%d]:7", i))
			run(c, time.Second)
			info := expect(t, s, text)
			if info.From != addrPort("[fe80::1]:9") {
				t.Errorf("from %v", info.From)
			}
			send(t, s, "answer", "[fe80::1%e0]:7") // the peer's only interface
			run(c, time.Second)
			expect(t, at[i], "answer")
			expectNone(t, at[1-i])
			send(t, at[i], "bound", "[fe80::2]:7") // the zone it is bound to
			run(c, time.Second)
			expect(t, s, "bound")
		}
		if _, err := any.WriteTo([]byte("x"), addrPort("[fe80::2]:7"), nil); err == nil {
			t.Error("sent to an address of no zone")
		}
		if _, err := any.WriteTo([]byte("x"), addrPort("[fe80::2%e7]:7"), nil); err != syscall.ENXIO {
			t.Errorf("to a zone that is not there: %v", err)
		}
		empty(t, w)
	})
}

// TestLinkLocalToOurselves: an address of our own, on each of two interfaces.
func TestLinkLocalToOurselves(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, _ := twoLinks(t, shards)
		for i := range 2 {
			zone := fmt.Sprintf("[fe80::1%%e%d]:", i)
			s := listen(t, st, zone+"7")
			other := listen(t, st, fmt.Sprintf("[fe80::1%%e%d]:7", 1-i))
			from := listen(t, st, "[::]:0")
			send(t, from, "self", zone+"7")
			run(c, time.Second)
			expect(t, s, "self")
			expectNone(t, other)
			other.Close()
			raw, e := usrreq.ListenRaw(st, wire.ProtoICMPv6, netip.IPv6Unspecified(), 0)
			must(t, e)
			if _, err := raw.WriteTo(echo6(8), netip.AddrPortFrom(addrPort(zone+"7").Addr(), 0), nil); err != nil {
				t.Fatal(err)
			}
			run(c, time.Second)
			expect(t, raw, string(readRaw(t, raw, wire.ICMP6EchoRequest)))
			l, e := usrreq.ListenTCP(st, addrPort(zone+"80"), 0, &socket.TCPOptions{})
			must(t, e)
			conn, e := usrreq.ConnectTCP(st, addrPort("[::]:0"), addrPort(zone+"80"), &socket.TCPOptions{})
			must(t, e)
			run(c, time.Second)
			if err := conn.Connected(false); err != nil {
				t.Errorf("%s: %v", zone, err)
			}
			conn.Abort()
			l.Close()
			s.Close()
			from.Close()
			raw.Close()
		}
		run(c, 3*time.Minute)
		empty(t, w)
	})
}

// readRaw reads one message, of type typ, and returns the one that must follow.
func readRaw(t testing.TB, s usrreq.Sock, typ uint8) []byte {
	t.Helper()
	var buf [2000]byte
	n, err := s.ReadFrom(buf[:], nil, false)
	if err != nil || buf[0] != typ {
		t.Fatalf("%v, type %d", err, buf[0])
	}
	m := append([]byte(nil), buf[:n]...)
	m[0] = wire.ICMP6EchoReply
	sum := wire.UpdateChecksum(wire.ICMP6(m).Checksum(), uint16(typ)<<8, uint16(wire.ICMP6EchoReply)<<8)
	m[2], m[3] = byte(sum>>8), byte(sum)
	return m
}

// TestTCPLinkLocal: connections between link-local addresses, and between a
// link-local and a global one.
func TestTCPLinkLocal(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, peers := twoLinks(t, shards)
		for i := range uint32(2) {
			must(t, control.AddRoute(st, 0, control.Route{Dst: prefix([]string{"2001:db8::/64", "2001:db8::/65"}[i]), IfIndex: 2 + i}))
		}
		for i, p := range peers {
			l, e := usrreq.ListenTCP(p, addrPort("[::]:80"), 0, &socket.TCPOptions{})
			must(t, e)
			for _, x := range []struct{ from, to string }{
				{"[::]:0", fmt.Sprintf("[fe80::2%%e%d]:80", i)},
				{fmt.Sprintf("[fe80::1%%e%d]:0", i), "[fe80::2]:80"},
				{fmt.Sprintf("[fe80::1%%e%d]:5000", i), "[2001:db8::2]:80"},
			} {
				conn, e := usrreq.ConnectTCP(st, addrPort(x.from), addrPort(x.to), &socket.TCPOptions{})
				must(t, e)
				run(c, time.Second)
				if err := conn.Connected(false); err != nil {
					t.Errorf("%v: %v", x, err)
					continue
				}
				a, err := l.Accept(false)
				if err != nil {
					t.Fatalf("%v: %v", x, err)
				}
				conn.Abort()
				run(c, time.Second)
				a.Abort()
			}
		}
		run(c, 3*time.Minute)
		empty(t, w)
	})
}

// TestRFC3493Section3_7: a socket bound to :: talks IPv4 too, unless told not to.
func TestRFC3493Section3_7(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, a, b := pair6(t, shards)
		must(t, control.AddAddr(a, anIf, prefix("10.0.0.1/24")))
		must(t, control.AddAddr(b, anIf, prefix("10.0.0.2/24")))
		both := listen(t, b, "[::]:7")
		for _, from := range []string{"10.0.0.1:9", "[2001:db8::1]:9"} {
			s := listen(t, a, from)
			to := "10.0.0.2:7"
			if addrPort(from).Addr().Is6() {
				to = "[2001:db8::2]:7"
			}
			send(t, s, "x", to)
			run(c, time.Second)
			info := expect(t, both, "x")
			if info.From != addrPort(from) || info.To != addrPort(to).Addr() {
				t.Errorf("from %v to %v", info.From, info.To)
			}
			if _, err := both.WriteTo([]byte("y"), info.From, nil); err != nil {
				t.Fatal(err)
			}
			run(c, time.Second)
			expect(t, s, "y")
			s.Close()
		}
		if _, err := both.WriteTo([]byte("y"), netip.AddrPortFrom(addr("::ffff:10.0.0.1"), 9), nil); err != nil {
			t.Errorf("to an IPv4 address in disguise: %v", err)
		}
		if _, e := usrreq.ListenUDP(b, addrPort("0.0.0.0:7"), 0, 0); e != syscall.EADDRINUSE {
			t.Errorf("0.0.0.0 beside ::: %v", e)
		}
		l, e := usrreq.ListenTCP(b, addrPort("[::]:80"), 0, &socket.TCPOptions{})
		must(t, e)
		v6, e := usrreq.ListenTCP(b, addrPort("[::]:81"), 0, &socket.TCPOptions{V6Only: true})
		must(t, e)
		if _, e := usrreq.ListenTCP(b, addrPort("0.0.0.0:80"), 0, &socket.TCPOptions{}); e != syscall.EADDRINUSE {
			t.Errorf("0.0.0.0 beside ::: %v", e)
		}
		v4, e := usrreq.ListenTCP(b, addrPort("0.0.0.0:81"), 0, &socket.TCPOptions{})
		must(t, e)
		for _, x := range []struct {
			to string
			l  usrreq.TCPListener
		}{{"10.0.0.2:80", l}, {"[2001:db8::2]:80", l}, {"10.0.0.2:81", v4}, {"[2001:db8::2]:81", v6}} {
			from := "0.0.0.0:0"
			if addrPort(x.to).Addr().Is6() {
				from = "[::]:0"
			}
			conn, e := usrreq.ConnectTCP(a, addrPort(from), addrPort(x.to), &socket.TCPOptions{})
			must(t, e)
			run(c, time.Second)
			if err := conn.Connected(false); err != nil {
				t.Errorf("%s: %v", x.to, err)
			}
			s, err := x.l.Accept(false)
			if err != nil {
				t.Errorf("%s: %v", x.to, err)
				continue
			}
			if s.RemoteAddr() != conn.LocalAddr() {
				t.Errorf("%v is not %v", s.RemoteAddr(), conn.LocalAddr())
			}
			conn.Abort()
			s.Abort()
		}
		run(c, 3*time.Minute)
		empty(t, w)
	})
}

// TestRawICMPv6: raw sockets get what the filter lets them, without the IPv6
// header, and the stack fills in the checksum (RFC 3542 §3.1).
func TestRawICMPv6(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, _, st, tp := newHost6(t, shards, self6+"/64")
		s, e := usrreq.ListenRaw(st, wire.ProtoICMPv6, netip.IPv6Unspecified(), 0)
		must(t, e)
		tp.inject(tp.icmp6Frame(addr(peer6), addr(self6), 64, echo6(8)))
		var buf [100]byte
		var info socket.Recv
		n, err := s.ReadFrom(buf[:], &info, false)
		if err != nil || n != 16 || buf[0] != wire.ICMP6EchoRequest || info.From.Addr() != addr(peer6) {
			t.Errorf("%d bytes % x from %v, %v", n, buf[:n], info.From, err)
		}
		tp.take()
		if _, err := s.WriteTo(echo6(8), netip.AddrPortFrom(addr(peer6), 0), nil); err != nil {
			t.Fatal(err)
		}
		if ip, m := tp.oneICMP6(t); m.Type() != wire.ICMP6EchoRequest || ip.Src() != addr(self6) {
			t.Errorf("type %d from %v", m.Type(), ip.Src())
		}
		if _, err := s.WriteTo(make([]byte, 7), netip.AddrPortFrom(addr(peer6), 0), nil); err != syscall.EINVAL {
			t.Errorf("too short for a checksum: %v", err)
		}
		empty(t, w)
	})
}
