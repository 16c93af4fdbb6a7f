package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/interop/linuxlab"
	"github.com/seed88948545/vimage/interop/ns"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link/tap"
)

// Addresses at the far end of what is between.
const (
	farKernel6 = "2001:db8:79::1"
	farOurs6   = "2001:db8:79::2"
	narrow6    = 1300 // MTU of the link in the middle
)

// TestKernel6Router has two routers of ours with a narrow link between them
// forward between two Linux hosts.
func TestKernel6Router(t *testing.T) {
	eachOffload(t, func(t *testing.T, cfg tap.Config) {
		n := lab.New(t)
		rec := record6(t, n, "r-left", "s-right")
		left := kernel6(t, n, "left", kernelAddr6+"/64", 1500, cfg, nil)
		right := kernel6(t, n, "right", farKernel6+"/64", 1500, cfg, nil)
		r, s := n.Router("r"), n.Router("s")
		n.Link(r, left.seg, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:77::ff/64")})
		n.Link(s, right.seg, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:79::ff/64")})
		n.Link(r, s, lab.LinkConfig{MTU: narrow6, A: netip.MustParsePrefix("2001:db8:78::1/64"), B: netip.MustParsePrefix("2001:db8:78::2/64")})
		route6(t, r, "2001:db8:79::/64", "2001:db8:78::2", 1)
		route6(t, s, "2001:db8:77::/64", ourLinkLocal(r, 1).String(), 1)
		left.IP(t, "route", "add", "default", "via", "2001:db8:77::ff")
		right.IP(t, "route", "add", "default", "via", ourLinkLocal(s, 0).String(), "dev", linuxlab.NIC)

		// Who hears first of the narrow link tells the other by its MSS: the left has
		// to find out otherwise.
		t.Run("TCP", func(t *testing.T) {
			bulkTCP(t, linuxEnd{right}, linuxEnd{left}, 1<<20)
			bulkTCP(t, linuxEnd{left}, linuxEnd{right}, 1<<20)
			wantPathMTU(t, right, left.Addr)
		})
		t.Run("errors", func(t *testing.T) {
			routerErrors6(t, r, left)
			wantPathMTU(t, left, right.Addr)
		})
		t.Run("UDP", func(t *testing.T) { acrossUDP6(t, left, right) })
		t.Run("echo", func(t *testing.T) {
			c := left.raw6(t, left.Addr, 64, false)
			for seq, size := range []int{0, 56, narrow6 - 48, 3000} {
				wantReply6(t, c, right.Addr, seq, size)
			}
		})
		t.Run("hop limits", func(t *testing.T) {
			traceroute(t, left, right.Addr, netip.MustParseAddr("2001:db8:77::ff"), netip.MustParseAddr("2001:db8:78::2"))
		})
		left.wantClean6(t)
		right.wantClean6(t)
		rec.end(t, "ttl exceeded", "no route", "fragmentation needed", "unresolved", "bad destination", "bad source")
	})
}

// wantPathMTU checks what the kernel believes of the path to an address.
func wantPathMTU(t *testing.T, k *kernel, to netip.Addr) {
	t.Helper()
	if got := k.IP(t, "route", "get", to.String()); !strings.Contains(got, fmt.Sprintf("mtu %d ", narrow6)) {
		t.Errorf("the kernel believes of the path to %v: %s", to, got)
	}
}

// acrossUDP6 sends datagrams both ways between two Linux hosts. Those that do not
// fit the path are sent until the kernel knows its MTU: it loses some in learning.
func acrossUDP6(t *testing.T, left, right *kernel) {
	var c [2]*net.UDPConn
	for i, k := range []*kernel{left, right} {
		err := k.Do(func() (err error) {
			c[i], err = net.ListenUDP("udp6", &net.UDPAddr{IP: k.Addr.AsSlice()})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c[i].Close()
	}
	for _, size := range sizes6 {
		untilDelivered(t, c[0], c[1], c[1].LocalAddr(), pattern(size))
		untilDelivered(t, c[1], c[0], c[0].LocalAddr(), pattern(size))
	}
}

// untilDelivered sends a datagram again and again until it comes.
func untilDelivered(t *testing.T, from, to net.PacketConn, addr net.Addr, payload []byte) {
	t.Helper()
	b := make([]byte, 1<<16)
	ns.Poll(t, patience, func() (bool, string) {
		if n, err := from.WriteTo(payload, addr); n != len(payload) || err != nil {
			return false, fmt.Sprintf("%d of %d bytes sent to %v, %v", n, len(payload), addr, err)
		}
		to.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _, err := to.ReadFrom(b)
		return err == nil && bytes.Equal(b[:n], payload), fmt.Sprintf("%d of %d bytes came to %v, %v", n, len(payload), addr, err)
	})
}

// routerErrors6 has our router say what the kernel did wrong.
func routerErrors6(t *testing.T, r *lab.Node, left *kernel) {
	if err := r.SetSysctl("net.inet6.icmp6.nd6_mmaxtries", 1); err != nil {
		t.Fatal(err)
	}
	c, once, whole := left.raw6(t, left.Addr, 64, false), left.raw6(t, left.Addr, 1, false), left.raw6(t, left.Addr, 64, true)
	for i, e := range []struct {
		name      string
		from      net.PacketConn
		to        string
		size      int
		hops      uint8
		typ, code uint8
		mtu       uint32
	}{
		{name: "hop limit exceeded", from: once, to: farKernel6, size: 56, hops: 1, typ: 3},
		{name: "no route", from: c, to: "2001:db8:99::1", size: 56, hops: 64, typ: 1},
		{name: "no such host", from: c, to: "2001:db8:78::99", size: 56, hops: 64, typ: 1, code: 3},
		{name: "packet too big", from: whole, to: farKernel6, size: 1400, hops: 64, typ: 2, mtu: narrow6},
	} {
		m, from := echo6(t, e.from, netip.MustParseAddr(e.to), 100+i, e.size)
		if m.Type() != e.typ || m.Code() != e.code || from.String() != "2001:db8:77::ff" || e.mtu != 0 && m.MTU() != e.mtu {
			t.Errorf("%s: type %d code %d MTU %d of %v, want %d %d %d", e.name, m.Type(), m.Code(), m.MTU(), from, e.typ, e.code, e.mtu)
		}
		if q, f := wire.ParseIPv6(append([]byte(nil), m[8:]...)); f == wire.OK && q.HopLimit() != e.hops {
			t.Errorf("%s: the packet is quoted with hop limit %d, it was sent with %d", e.name, q.HopLimit(), e.hops)
		}
	}
}

// betweenKernels is a host of ours on either side of two Linux routers, whose
// link is narrow.
func betweenKernels(t *testing.T, n *lab.Lab) (a, b *lab.Node, left, right *kernel) {
	left = kernel6(t, n, "left", kernelAddr6+"/64", 1500, tap.Config{}, nil)
	right = kernel6(t, n, "right", farKernel6+"/64", 1500, tap.Config{}, nil)
	left.forward6(t)
	right.forward6(t)
	left.Connect(t, "mid", right.Net, "mid")
	for i, k := range []*kernel{left, right} {
		k.Sysctl(t, "net/ipv6/conf/mid/accept_dad", 0)
		k.IP(t, "link", "set", "mid", "mtu", fmt.Sprint(narrow6), "up")
		k.address6(t, fmt.Sprintf("2001:db8:78::%d/64", 1+i), "mid")
	}
	left.IP(t, "route", "add", "2001:db8:79::/64", "via", "2001:db8:78::2")
	right.IP(t, "route", "add", "2001:db8:77::/64", "via", "2001:db8:78::1")
	a, b = n.Host("a"), n.Host("b")
	n.Link(a, left.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
	n.Link(b, right.seg, lab.LinkConfig{A: netip.MustParsePrefix(farOurs6 + "/64")})
	route6(t, a, "::/0", kernelAddr6, 0)
	route6(t, b, "::/0", right.linkLocal(t).WithZone("").String(), 0)
	return a, b, left, right
}

// TestKernel6NarrowPath has two hosts of ours learn the MTU of a path through two
// Linux routers, each protocol on its own.
func TestKernel6NarrowPath(t *testing.T) {
	for name, talk := range map[string]func(t *testing.T, a, b *lab.Node){"TCP": narrowTCP, "UDP": narrowUDP, "echo": narrowEcho} {
		t.Run(name, func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				ns.NeedTUN(t)
				n := lab.New(t)
				rec := record6(t, n, "a-left", "b-right")
				a, b, left, right := betweenKernels(t, n)
				talk(t, a, b)
				if left.counter6(t, "Icmp6OutPktTooBigs") == 0 {
					t.Error("the router had nothing to say of the MTU")
				}
				left.wantClean6(t)
				right.wantClean6(t)
				rec.end(t)
			})
		})
	}
}

func narrowTCP(t *testing.T, a, b *lab.Node) {
	bulkTCP(t, ourEnd{Node: a}, ourEnd{Node: b}, 1<<20)
	bulkTCP(t, ourEnd{Node: b}, ourEnd{Node: a}, 1<<20)
	if c := a.Counters(); c["tcp.mturesent"] == 0 || c["tcp.pmtud_blackhole_activated"] != 0 {
		t.Errorf("it was not the router who has told of the MTU: %v", c)
	}
}

func narrowUDP(t *testing.T, a, b *lab.Node) {
	var c [2]*vimage.UDPConn
	for i, h := range []*lab.Node{a, b} {
		var err error
		if c[i], err = h.ListenUDP("udp6", &net.UDPAddr{IP: h.Addr().AsSlice()}); err != nil {
			t.Fatal(err)
		}
		defer c[i].Close()
	}
	for _, size := range []int{0, narrow6 - 48, narrow6 - 47, 1452, 4000} {
		untilDelivered(t, c[0], c[1], c[1].LocalAddr(), pattern(size))
		untilDelivered(t, c[1], c[0], c[0].LocalAddr(), pattern(size))
	}
}

// narrowEcho has the first request teach a, and the first reply b.
func narrowEcho(t *testing.T, a, b *lab.Node) {
	c, err := a.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, 1<<16)
	seq := 0
	ns.Poll(t, patience, func() (bool, string) {
		seq++
		request := echoRequest(seq, 3000)
		request[0] = wire.ICMP6EchoRequest
		if _, err := c.WriteTo(request, &net.IPAddr{IP: b.Addr().AsSlice()}); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		for {
			n, _, err := c.ReadFrom(got)
			if err != nil {
				return false, fmt.Sprintf("echo request %d: %v", seq, err)
			}
			if got[0] == wire.ICMP6EchoReply && bytes.Equal(got[4:n], request[4:]) {
				return true, ""
			}
		}
	})
}

// TestKernel6Redirects has a Linux router redirect a host of ours, and a router of
// ours a Linux host.
func TestKernel6Redirects(t *testing.T) {
	t.Run("Linux us", func(t *testing.T) {
		ns.Run(t, func(t *testing.T) {
			ns.NeedTUN(t)
			n := lab.New(t)
			rec := record6(t, n, "h-wire")
			first := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, tap.Config{}, nil)
			better := kernel6(t, n, "other", "2001:db8:77::b/64", 1500, tap.Config{}, first)
			first.forward6(t)
			better.forward6(t)
			better.address6(t, "2001:db8:99::1/64", "lo")
			gateway := better.linkLocal(t).WithZone("")
			first.IP(t, "route", "add", "2001:db8:99::/64", "via", gateway.String(), "dev", linuxlab.NIC)
			h := n.Host("h")
			n.Link(h, first.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
			// That the neighbour is on the link this host does not know.
			if err := h.DelRoute(netip.MustParsePrefix("2001:db8:77::/64")); err != nil {
				t.Fatal(err)
			}
			route6(t, h, "::/0", first.linkLocal(t).WithZone("").String(), 0)
			c, err := h.ListenPacket("ip6:ipv6-icmp", "::")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for to, via := range map[string]netip.Addr{"2001:db8:99::1": gateway, "2001:db8:77::b": {}} {
				wantReply6(t, c, netip.MustParseAddr(to), 1, 56)
				ns.Poll(t, patience, func() (bool, string) {
					i := slices.IndexFunc(h.Routes(), func(r vimage.Route) bool { return r.Dst.String() == to+"/128" })
					return i >= 0 && h.Routes()[i].Gateway.WithZone("") == via, fmt.Sprintf("no route to %s through %v: %+v", to, via, h.Routes())
				})
				before := first.counter6(t, "Ip6OutForwDatagrams")
				wantReply6(t, c, netip.MustParseAddr(to), 2, 56)
				if got := first.counter6(t, "Ip6OutForwDatagrams"); got != before {
					t.Errorf("what is sent to %s still goes through the first router", to)
				}
			}
			// Nobody is asked for on a link that does not seem to be its.
			rec.end(t, "bad neighbour discovery")
		})
	})
	t.Run("we Linux", func(t *testing.T) {
		ns.Run(t, func(t *testing.T) {
			ns.NeedTUN(t)
			n := lab.New(t)
			rec := record6(t, n, "r-wire")
			k := kernel6(t, n, "wire", kernelAddr6+"/64", 1500, tap.Config{}, nil)
			r, better := n.Router("r"), n.Router("better")
			n.Link(r, k.seg, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:77::ff/64")})
			n.Link(better, k.seg, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:77::fe/64")})
			h := n.Host("h")
			n.Link(better, h, lab.LinkConfig{A: netip.MustParsePrefix("2001:db8:99::ff/64"), B: netip.MustParsePrefix("2001:db8:99::1/64")})
			route6(t, h, "::/0", "2001:db8:99::ff", 0)
			gateway := ourLinkLocal(better, 0)
			route6(t, r, "2001:db8:99::/64", gateway.String(), 0)
			k.IP(t, "route", "add", "default", "via", ourLinkLocal(r, 0).String(), "dev", linuxlab.NIC)
			// That another host is on its link, Linux does not know.
			k.IP(t, "route", "delete", "2001:db8:77::/64", "dev", linuxlab.NIC)
			c := k.raw6(t, k.Addr, 64, false)
			seq := 0
			for to, via := range map[string]string{"2001:db8:99::1": "via " + gateway.String() + " ", "2001:db8:77::fe": ""} {
				ns.Poll(t, patience, func() (bool, string) {
					seq++
					wantReply6(t, c, netip.MustParseAddr(to), seq, 56)
					got := k.IP(t, "route", "get", to)
					return strings.Contains(got, via) && strings.Contains(got, "via") == (via != ""), "the kernel believes: " + got
				})
			}
			rec.end(t, "bad neighbour discovery")
		})
	})
}

// TestKernel6Vanished has our senders hear that a Linux neighbour has gone: its
// address, or its link.
func TestKernel6Vanished(t *testing.T) {
	for _, what := range []string{"address", "link"} {
		t.Run(what, func(t *testing.T) {
			ns.Run(t, func(t *testing.T) {
				ns.NeedTUN(t)
				n := lab.New(t)
				rec := record6(t, n, "h-wire")
				k := kernel6(t, n, "wire", "2001:db8:77::9/64", 1500, tap.Config{}, nil)
				h := n.Host("h")
				n.Link(h, k.seg, lab.LinkConfig{A: netip.MustParsePrefix(ourAddr6 + "/64")})
				// A neighbour counts as there for half as long to one and a half times, a
				// probe's answer as lost after a moment.
				v6(t, h, 0, func(c *vnet.V6Call) { c.ND.SetTimers(200*time.Millisecond, 50*time.Millisecond) })
				if err := h.SetSysctl("net.inet6.icmp6.nd6_delay", 0); err != nil {
					t.Fatal(err)
				}
				vanish(t, k, h, what)
				rec.end(t, "unresolved")
			})
		})
	}
}

func vanish(t *testing.T, k *kernel, h *lab.Node, what string) {
	c, _ := connectTCP(t, ourEnd{Node: h}, linuxEnd{k})
	stream, heard := c.(*vimage.TCPConn), false
	u, err := h.Dial("udp6", netip.AddrPortFrom(k.Addr, 4000).String())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	if what == "address" {
		k.IP(t, "address", "delete", k.Addr.String()+"/64", "dev", linuxlab.NIC)
	} else {
		k.IP(t, "link", "set", linuxlab.NIC, "down")
	}
	if err := stream.SetUserTimeout(time.Second); err != nil {
		t.Fatal(err)
	}
	ns.Poll(t, patience, func() (bool, string) {
		_, err := u.Write([]byte("anybody?"))
		return errors.Is(err, syscall.EHOSTUNREACH), fmt.Sprintf("our datagrams go: %v %+v", err, neighbor6(t, h, k.Addr))
	})
	ns.Poll(t, patience, func() (bool, string) {
		_, err := stream.Write([]byte("anybody?"))
		heard = heard || stream.Internal().SoftError() == syscall.EHOSTUNREACH
		return errors.Is(err, syscall.ETIMEDOUT), fmt.Sprintf("our stream goes on: %v", err)
	})
	if !heard {
		t.Error("our stream has ended without a word of why")
	}
	ns.Poll(t, patience, func() (bool, string) {
		e := neighbor6(t, h, k.Addr)
		return e == nil || e.MAC == nil, fmt.Sprintf("the neighbour is still there: %+v", e)
	})
}

// neighbor6 is what a node knows of a neighbour, or nil.
func neighbor6(t *testing.T, h *lab.Node, a netip.Addr) *vimage.Neighbor {
	t.Helper()
	all, err := h.Eth(0).Neighbors()
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(all, func(n vimage.Neighbor) bool { return n.Addr == a }); i >= 0 {
		return &all[i]
	}
	return nil
}
