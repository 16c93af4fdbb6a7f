package vimage_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage"
)

// kernels returns the kernel's network, if it has IPv6, and a stack's, each with
// loopback addresses of both families.
func kernels(t *testing.T, f func(t *testing.T, n vimage.Network)) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err == nil {
		c.Close()
		t.Run("kernel", func(t *testing.T) { f(t, vimage.OS()) })
	}
	t.Run("stack", func(t *testing.T) {
		s := must(world(t, vimage.Config{}).NewStack("s", vimage.StackConfig{}))(t)
		loopback(t, s)
		f(t, s)
	})
}

// TestListenNames: what the names of networks and hosts mean is what they mean to
// package net.
func TestListenNames(t *testing.T) {
	kernels(t, func(t *testing.T, n vimage.Network) {
		for _, c := range []struct{ network, host, bound, from4, from6 string }{
			{"tcp", "", "::", "127.0.0.1", "::1"},
			{"tcp", "0.0.0.0", "::", "127.0.0.1", "::1"},
			{"tcp", "::", "::", "127.0.0.1", "::1"},
			{"tcp4", "", "0.0.0.0", "127.0.0.1", ""},
			{"tcp4", "0.0.0.0", "0.0.0.0", "127.0.0.1", ""},
			{"tcp6", "", "::", "", "::1"},
			{"tcp6", "::", "::", "", "::1"},
			{"tcp", "127.0.0.1", "127.0.0.1", "127.0.0.1", ""},
			{"tcp", "::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1", ""},
			{"tcp", "::1", "::1", "", "::1"},
		} {
			l, err := n.Listen(c.network, net.JoinHostPort(c.host, "0"))
			if err != nil {
				t.Errorf("%s %q: %v", c.network, c.host, err)
				continue
			}
			at := l.Addr().(*net.TCPAddr)
			if at.IP.String() != c.bound {
				t.Errorf("%s %q is at %v, want %s", c.network, c.host, at, c.bound)
			}
			for host, want := range map[string]string{"127.0.0.1": c.from4, "::1": c.from6} {
				to := netip.AddrPortFrom(netip.MustParseAddr(host), uint16(at.Port)).String()
				d, err := n.DialContext(context.Background(), "tcp", to)
				if (err == nil) != (want != "") {
					t.Errorf("%s %q: dialled %s: %v", c.network, c.host, to, err)
				}
				if err != nil {
					if !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("%s %q: dialled %s: %v", c.network, c.host, to, err)
					}
					continue
				}
				s := must(l.Accept())(t)
				if got := s.RemoteAddr().(*net.TCPAddr); got.IP.String() != want {
					t.Errorf("%s %q: from %v, want %s", c.network, c.host, got, want)
				}
				d.Close()
				s.Close()
			}
			l.Close()
		}
	})
}

// TestDatagramNames is TestListenNames for datagrams: of a socket for both families
// an IPv4 peer is an IPv4 address.
func TestDatagramNames(t *testing.T) {
	kernels(t, func(t *testing.T, n vimage.Network) {
		for _, c := range []struct{ network, host, bound string }{
			{"udp", "", "::"}, {"udp", "0.0.0.0", "::"}, {"udp", "::", "::"},
			{"udp4", "", "0.0.0.0"}, {"udp6", "", "::"}, {"udp6", "::", "::"},
		} {
			s := must(n.ListenPacket(c.network, net.JoinHostPort(c.host, "0")))(t)
			at := s.LocalAddr().(*net.UDPAddr)
			if at.IP.String() != c.bound {
				t.Errorf("%s %q is at %v, want %s", c.network, c.host, at, c.bound)
			}
			for _, host := range []string{"127.0.0.1", "::1"} {
				hears := c.network == "udp" || (c.network == "udp4") == (host == "127.0.0.1")
				to := netip.AddrPortFrom(netip.MustParseAddr(host), uint16(at.Port)).String()
				d := must(n.DialContext(context.Background(), "udp", to))(t)
				d.Write([]byte("hello"))
				if hears {
					b := make([]byte, 9)
					k, from, err := s.ReadFrom(b)
					if err != nil || string(b[:k]) != "hello" || from.String() != d.LocalAddr().String() {
						t.Errorf("%s %q: %q from %v, %v; sent from %v", c.network, c.host, b[:k], from, err, d.LocalAddr())
					}
					s.WriteTo([]byte("answer"), from)
					expect(t, d, "answer")
				} else if _, err := d.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("%s %q: sent to %s: %v", c.network, c.host, to, err)
				}
				d.Close()
			}
			s.Close()
		}
	})
}

// TestUnsuitable: an address that the network's name does not allow is refused as
// package net does.
func TestUnsuitable(t *testing.T) {
	kernels(t, func(t *testing.T, n vimage.Network) {
		var ae *net.AddrError
		for _, c := range [][2]string{{"tcp4", "[::1]:7"}, {"tcp6", "127.0.0.1:7"}, {"udp4", "[::1]:7"}, {"udp6", "127.0.0.1:7"}} {
			if _, err := n.DialContext(context.Background(), c[0], c[1]); !errors.As(err, &ae) {
				t.Errorf("dial %v: %v", c, err)
			}
			if c[0][:3] == "udp" {
				if _, err := n.ListenPacket(c[0], c[1]); !errors.As(err, &ae) {
					t.Errorf("listen %v: %v", c, err)
				}
			} else if _, err := n.Listen(c[0], c[1]); !errors.As(err, &ae) {
				t.Errorf("listen %v: %v", c, err)
			}
		}
		_, err := n.Listen("tcp", "[2001:db8:bad::7]:0")
		wantErr(t, "somebody else's address", err, syscall.EADDRNOTAVAIL)
	})
}

// TestBothWildcards: what can be bound beside what is what it is in the kernel.
func TestBothWildcards(t *testing.T) {
	kernels(t, func(t *testing.T, n vimage.Network) {
		for _, c := range []struct {
			first, second string
			want          error
		}{
			{"tcp", "tcp4", syscall.EADDRINUSE}, {"tcp", "tcp6", syscall.EADDRINUSE},
			{"tcp4", "tcp", syscall.EADDRINUSE}, {"tcp4", "tcp6", nil}, {"tcp6", "tcp4", nil},
		} {
			l := must(n.Listen(c.first, ":0"))(t)
			_, port, _ := net.SplitHostPort(l.Addr().String())
			o, err := n.Listen(c.second, ":"+port)
			if !errors.Is(err, c.want) {
				t.Errorf("%s beside %s: %v, want %v", c.second, c.first, err, c.want)
			}
			if err == nil {
				o.Close()
			}
			l.Close()
		}
	})
}

// TestZones: link-local addresses are read with the name or the number of an
// interface, and come with its name.
func TestZones(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		lb := linkLocal(t, b)
		want := lb.String() + "%e0"
		pc := must(b.ListenPacket("udp", "["+want+"]:7"))(t)
		defer pc.Close()
		if got := pc.LocalAddr().String(); got != "["+want+"]:7" {
			t.Errorf("bound to %s", got)
		}
		ifi := must(a.InterfaceByName("e0"))(t)
		for _, zone := range []string{"e0", "2"} {
			if zone == "2" && ifi.Index != 2 {
				t.Fatalf("e0 has index %d", ifi.Index)
			}
			c := must(a.Dial("udp", "["+lb.String()+"%"+zone+"]:7"))(t)
			if c.RemoteAddr().String() != "["+want+"]:7" || c.LocalAddr().(*net.UDPAddr).Zone != "e0" {
				t.Errorf("zone %s: %v to %v", zone, c.LocalAddr(), c.RemoteAddr())
			}
			c.Write([]byte("x"))
			buf := make([]byte, 9)
			_, from, err := pc.ReadFrom(buf)
			if err != nil || from.String() != c.LocalAddr().String() {
				t.Errorf("zone %s: from %v, %v; it is %v", zone, from, err, c.LocalAddr())
			}
			pc.WriteTo([]byte("answer"), from)
			expect(t, c, "answer")
			c.Close()
		}
		_, err := a.Dial("udp", "["+lb.String()+"%nowhere]:7")
		wantErr(t, "unknown zone", err, syscall.ENXIO)
	})
}

// TestZonesOfTCP: so do those of connections and listeners.
func TestZonesOfTCP(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		at := linkLocal(t, b).String() + "%e0"
		l := must(b.Listen("tcp", "["+at+"]:80"))(t)
		defer l.Close()
		if l.Addr().String() != "["+at+"]:80" {
			t.Errorf("listens at %v", l.Addr())
		}
		c, s := connectTo2(t, a, l, "["+at+"]:80")
		if c.RemoteAddr().String() != l.Addr().String() || s.LocalAddr().String() != l.Addr().String() {
			t.Errorf("%v and %v, want %v", c.RemoteAddr(), s.LocalAddr(), l.Addr())
		}
		if s.RemoteAddr().String() != c.LocalAddr().String() || s.RemoteAddr().(*net.TCPAddr).Zone != "e0" {
			t.Errorf("%v, is %v", s.RemoteAddr(), c.LocalAddr())
		}
		c.Close()
		s.Close()
	})
}

// connectTo2 returns both ends of a connection from a to a listener.
func connectTo2(t testing.TB, a *vimage.Stack, l net.Listener, addr string) (client, server net.Conn) {
	t.Helper()
	done := make(chan net.Conn, 1)
	go func() {
		s, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		done <- s
	}()
	c, err := a.Dial("tcp", addr)
	if err != nil {
		l.Close()
		<-done
		t.Fatal(err)
	}
	return c, <-done
}

// TestRawICMPv6: a raw socket sends and receives payloads; the stack fills in the
// checksum and keeps the header to itself (RFC 3542 §3).
func TestRawICMPv6(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		c := must(a.ListenPacket("ip6:ipv6-icmp", "::"))(t).(*vimage.IPConn)
		defer c.Close()
		c.SetICMPTypes(129) // neighbour discovery would be heard too
		for _, to := range []*net.IPAddr{
			{IP: net.ParseIP("2001:db8::2")}, {IP: linkLocal(t, b).AsSlice(), Zone: "e0"},
		} {
			if _, err := c.WriteTo([]byte{128, 0, 0, 0, 1, 2, 0, 1, 'p', 'i', 'n', 'g'}, to); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			n, from, err := c.ReadFrom(buf)
			if err != nil || n != 12 || buf[0] != 129 || string(buf[8:n]) != "ping" || from.String() != to.String() {
				t.Errorf("% x from %v, %v; want %v", buf[:n], from, err, to)
			}
		}
	})
}

// TestGroupOnBoth: a socket for both families, as ListenPacket makes it, may join
// IPv4 groups and hear broadcasts.
func TestGroupOnBoth(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		a, b := pair6(t, world(t, vimage.Config{}))
		s := must(b.ListenUDP("udp", &net.UDPAddr{Port: 7}))(t)
		defer s.Close()
		group := netip.MustParseAddrPort("224.0.0.251:7")
		if e := s.JoinGroup(must(b.Interface("e0"))(t), group.Addr()); e != nil {
			t.Fatal(e)
		}
		for _, network := range []string{"udp", "udp4"} {
			c := must(a.ListenUDP(network, nil))(t)
			c.Internal().SetMulticastIf(uint32(must(a.InterfaceByName("e0"))(t).Index))
			for _, to := range []netip.AddrPort{group, netip.MustParseAddrPort("10.0.0.255:7"), netip.MustParseAddrPort("255.255.255.255:7")} {
				if _, err := c.WriteToUDPAddrPort([]byte("to all"), to); err != nil {
					t.Errorf("%s to %v: %v", network, to, err)
					continue
				}
				buf := make([]byte, 9)
				n, from, err := s.ReadFromUDPAddrPort(buf)
				if err != nil || string(buf[:n]) != "to all" || from.Addr().String() != "10.0.0.1" {
					t.Errorf("%s to %v: %q from %v, %v", network, to, buf[:n], from, err)
				}
			}
			c.Close()
		}
	})
}

// TestRouteZones: a link-local gateway is given with its zone, or with the
// interface beside it, and listed with its zone.
func TestRouteZones(t *testing.T) {
	a, b := pair6(t, world(t, vimage.Config{}))
	gw := linkLocal(t, b)
	for i, r := range []vimage.Route{
		{Gateway: gw.WithZone("e0")}, {Gateway: gw.WithZone("2")}, {Gateway: gw, Interface: "e0"}, {Gateway: gw},
	} {
		r.Dst = netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::", i+1)), 48)
		if err := a.AddRoute(r); err != nil {
			t.Errorf("%v: %v", r.Gateway, err)
			continue
		}
		found := false
		for _, o := range a.Routes() {
			found = found || o.Dst == r.Dst && o.Gateway == gw.WithZone("e0") && o.Interface == "e0"
		}
		if !found {
			t.Errorf("%v: %+v", r.Gateway, a.Routes())
		}
	}
	dst := netip.MustParsePrefix("2001:db8:9::/48")
	if err := a.AddRoute(vimage.Route{Dst: dst, Gateway: gw.WithZone("e7")}); !errors.Is(err, syscall.ENXIO) {
		t.Error("unknown zone:", err)
	}
	if err := a.AddRoute(vimage.Route{Dst: dst, Gateway: gw.WithZone("e0"), Interface: "lo0"}); !errors.Is(err, syscall.EINVAL) {
		t.Error("two interfaces:", err)
	}
}
