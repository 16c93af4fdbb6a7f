package vnet_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestRFC4443Section3: what a router says of packets it cannot forward.
func TestRFC4443Section3(t *testing.T) {
	for _, c := range []struct {
		name, src, dst string
		hops           uint8
		n              int
		typ, code      uint8 // 0: silence
		rest           uint32
		out            int
	}{
		{"passes", "2001:db8:1::2", "2001:db8:3::2", 2, 100, 0, 0, 0, 3},
		{"hop limit 1", "2001:db8:1::2", "2001:db8:3::2", 1, 100, wire.ICMP6TimeExceeded, wire.ICMP6CodeHopLimit, 0, 0},
		{"hop limit 0", "2001:db8:1::2", "2001:db8:3::2", 0, 100, wire.ICMP6TimeExceeded, wire.ICMP6CodeHopLimit, 0, 0},
		{"1,280 fits", "2001:db8:1::2", "2001:db8:2::2", 64, 1232, 0, 0, 0, 2},
		{"1,281 does not", "2001:db8:1::2", "2001:db8:2::2", 64, 1233, wire.ICMP6TooBig, 0, 1280, 0},
		{"no route", "2001:db8:1::2", "2001:db8:9::2", 64, 100, wire.ICMP6Unreachable, wire.ICMP6CodeNoRoute, 0, 0},
		{"reject route", "2001:db8:1::2", "2001:db8:8::2", 64, 100, wire.ICMP6Unreachable, wire.ICMP6CodeRejectRoute, 0, 0},
		{"blackhole", "2001:db8:1::2", "2001:db8:7::2", 64, 100, 0, 0, 0, 0},
		{"beyond scope", "fe80::2", "2001:db8:3::2", 64, 100, wire.ICMP6Unreachable, wire.ICMP6CodeBeyondScope, 0, 0},
		{"to a link-local address", "2001:db8:1::2", "fe80::9", 64, 100, 0, 0, 0, 0},
		{"unspecified source", "::", "2001:db8:3::2", 64, 100, 0, 0, 0, 0},
		{"loopback source", "::1", "2001:db8:3::2", 64, 100, 0, 0, 0, 0},
		{"loopback destination", "2001:db8:1::2", "::1", 64, 100, 0, 0, 0, 0},
		{"IPv4 in disguise", "2001:db8:1::2", "::ffff:10.0.0.1", 64, 100, 0, 0, 0, 0},
		{"group", "2001:db8:1::2", "ff0e::1", 64, 100, 0, 0, 0, 0},
		{"multicast source", "ff0e::1", "2001:db8:3::2", 64, 100, 0, 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				r := newRouter6(t, shards)
				must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("2001:db8:8::/64"), Reject: true}))
				must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("2001:db8:7::/64"), Blackhole: true}))
				from, to := netip.AddrPortFrom(addr(c.src), 9), netip.AddrPortFrom(addr(c.dst), 7)
				in := r.taps[1]
				f := in.frame6(from.Addr(), to.Addr(), c.hops, wire.ProtoUDP, udpPayload(from, to, pattern(c.n)))
				in.inject(f)
				for i := 2; i <= 3; i++ {
					got := r.taps[i].take6(t)
					if (len(got) == 1) != (c.out == i) {
						t.Fatalf("link %d: %d packets", i, len(got))
					}
					if len(got) == 1 && got[0].HopLimit() != c.hops-1 {
						t.Errorf("hop limit %d", got[0].HopLimit())
					}
				}
				if c.typ == 0 {
					in.nothing6(t)
				} else {
					ip := in.wantICMP6(t, c.typ, c.code, c.rest)
					q := wire.ICMP6(ip.Payload()).Payload()
					if len(ip) > 1280 || string(q) != string(f[wire.EtherLen:][:len(q)]) {
						t.Errorf("%d bytes, not the packet that came: % x", len(ip), q[:48])
					}
				}
				empty(t, r.w)
			})
		})
	}
}

// TestRFC4443Section3_1Address: of who does not answer a solicitation the sender
// hears once for each destination, with the packet as it came.
func TestRFC4443Section3_1Address(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter6(t, shards)
		in := r.taps[1]
		f := in.udp6Frame("[2001:db8:1::2]:9", "[2001:db8:3::dd]:7", "nobody", wire.ProtoUDP)
		in.inject(f, f)
		run(r.c, 5*time.Second)
		r.taps[3].nothing6(t)
		ip := in.wantICMP6(t, wire.ICMP6Unreachable, wire.ICMP6CodeAddress, 0)
		if q := wire.ICMP6(ip.Payload()).Payload(); string(q) != string(f[wire.EtherLen:]) {
			t.Errorf("not the packet that came: % x", q[:48])
		}
		empty(t, r.w)
	})
}

// TestUnreachableSockets: sockets of ours hear that the next hop does not answer.
func TestUnreachableSockets(t *testing.T) {
	for _, dst := range []string{"2001:db8::dd", "fe80::dd%e0"} {
		t.Run(dst, func(t *testing.T) {
			forShards(t, func(t *testing.T, shards int) {
				w, c, st, _ := newHost6(t, shards, self6+"/64")
				for port := uint16(1); port < 9; port++ { // flows of several shards
					to := netip.AddrPortFrom(addr(dst), port)
					s := listen(t, st, "[::]:0")
					must(t, s.Connect(to))
					if _, err := s.WriteTo([]byte("x"), netip.AddrPort{}, nil); err != nil {
						t.Fatal(err)
					}
					conn, e := usrreq.ConnectTCP(st, addrPort("[::]:0"), to, &socket.TCPOptions{})
					must(t, e)
					run(c, 5*time.Second)
					if _, err := s.ReadFrom(nil, nil, false); err != syscall.EHOSTUNREACH {
						t.Errorf("UDP to port %d: %v", port, err)
					}
					run(c, 30*time.Second)
					if err := conn.Connected(false); err != syscall.EHOSTUNREACH {
						t.Errorf("TCP to port %d: %v", port, err)
					}
					s.Close()
					run(c, time.Minute)
				}
				empty(t, w)
			})
		})
	}
}

// redirected returns the redirects that have come.
func (tp *tap) redirected() (all []wire.Redirect) {
	for _, f := range tp.take() {
		if e, _ := wire.ParseEther(f); e.Type() == wire.EtherTypeIPv6 && len(e.Payload()) > wire.IPv6Len && e.Payload()[wire.IPv6Len] == wire.ICMP6Redirect {
			m, _ := wire.ParseRedirect(e.Payload()[wire.IPv6Len:])
			all = append(all, m)
		}
	}
	return all
}

// TestRFC4861Section8_2: a router tells of a better first hop, which is the
// destination or another router.
func TestRFC4861Section8_2(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		r := newRouter6(t, shards)
		in := r.taps[1]
		must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("2001:db8:f::/64"), Gateway: addr("fe80::5"), IfIndex: r.ifs[1]}))
		must(t, control.AddRoute(r.st, 0, control.Route{Dst: prefix("2001:db8:e::/64"), Gateway: addr("2001:db8:1::5")}))
		for _, c := range []struct{ src, dst, target string }{
			{"2001:db8:1::2", "2001:db8:1::9", "2001:db8:1::9"},
			{"2001:db8:1::2", "2001:db8:f::9", "fe80::5"},
			{"2001:db8:1::2", "2001:db8:e::9", ""}, // a router is known by its link-local address only
			{"2001:db8:3::2", "2001:db8:f::9", ""}, // not a neighbour
		} {
			run(r.c, 2*time.Second)
			in.take()
			in.inject(in.udp6Frame("["+c.src+"]:9", "["+c.dst+"]:7", "x", wire.ProtoUDP))
			got := in.redirected()
			if c.target == "" {
				if len(got) != 0 {
					t.Errorf("%v: redirected", c)
				}
				continue
			}
			if len(got) != 1 || got[0].Target() != addr(c.target) || got[0].Dst() != addr(c.dst) {
				t.Errorf("%v: %x", c, got)
			}
		}
		empty(t, r.w)
	})
}

// TestRFC4861Section8_3: a host sends where a redirect of its first hop says, for
// ten minutes; others' it does not believe.
func TestRFC4861Section8_3(t *testing.T) {
	forShards(t, func(t *testing.T, shards int) {
		w, c, st, tp := newHost6(t, shards, self6+"/64")
		must(t, control.AddRoute(st, 0, control.Route{Dst: prefix("::/0"), Gateway: addr("fe80::1"), IfIndex: anIf}))
		dst := addr("2001:db8:7::7")
		redirect := func(from, target string) {
			m := wire.AppendRedirect(nil, addr(target), dst)
			tp.inject(tp.icmp6Frame(addr(from), addr(self6), 255, m))
			run(c, 10*time.Millisecond)
			tp.take()
		}
		route := func() string {
			for _, r := range control.Routes(st, 0) {
				if r.Dst == netip.PrefixFrom(dst, 128) {
					return r.Gateway.String()
				}
			}
			return ""
		}
		redirect("fe80::66", "fe80::2")
		if route() != "" {
			t.Error("a stranger's redirect is believed")
		}
		redirect("fe80::1", "fe80::2")
		if route() != "fe80::2" {
			t.Fatalf("redirected to %q", route())
		}
		redirect("fe80::2", "fe80::3")
		if route() != "fe80::3" {
			t.Fatalf("redirected again to %q", route())
		}
		s := listen(t, st, "[::]:9")
		send(t, s, "x", "["+dst.String()+"]:7")
		if got := tp.take6(t); len(got) != 1 {
			t.Errorf("%d packets", len(got))
		}
		if n := st.Neighbor(anIf, addr("fe80::3")); vnet.LinkHeader(n) == nil {
			t.Error("sent to another")
		}
		redirect("fe80::3", dst.String()) // it is on the link
		if route() != netip.Addr.String(netip.Addr{}) {
			t.Errorf("on the link by %q", route())
		}
		run(c, 11*time.Minute)
		if route() != "" {
			t.Error("the route stays")
		}
		empty(t, w)
	})
}
