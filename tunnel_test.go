package vimage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/link"
)

// site is a host behind a router that is one end of a tunnel.
type site struct {
	host, router *vimage.Stack
	tun          *vimage.Interface
}

// outers are the addresses of the two routers on the network between them.
var outers = map[bool][2]string{false: {"192.0.2.1", "192.0.2.2"}, true: {"2001:db8:ffff::1", "2001:db8:ffff::2"}}

// sites makes two of them, with a network of both families inside each and between
// them, and a tunnel from one to the other: hosts 10.1.0.2 and 10.2.0.2, and 2001:db8:1::2
// and 2001:db8:2::2. Nobody between the routers knows of their networks.
func sites(t testing.TB, w *vimage.World, c vimage.TunnelConfig, six bool, mtu int) (both [2]site) {
	t.Helper()
	between := link.NewEpair(mtu)
	for i, port := range []link.Port{between.A(), between.B()} {
		s := &both[i]
		n := i + 1
		lan := link.NewEpair(0)
		s.host = must(w.NewStack(fmt.Sprint("h", n), vimage.StackConfig{}))(t)
		must(s.host.AddInterface("e0", vimage.InterfaceConfig{Port: lan.A(), Addrs: addrs(fmt.Sprintf("10.%d.0.2/24", n), fmt.Sprintf("2001:db8:%d::2/64", n))}))(t)
		s.router = must(w.NewStack(fmt.Sprint("r", n), vimage.StackConfig{FIBs: 2}))(t)
		must(s.router.AddInterface("e0", vimage.InterfaceConfig{Port: lan.B(), Addrs: addrs(fmt.Sprintf("10.%d.0.1/24", n), fmt.Sprintf("2001:db8:%d::1/64", n))}))(t)
		ic := vimage.InterfaceConfig{Port: port, Addrs: addrs(outers[false][i] + "/24")}
		if six {
			ic.Addrs = append(ic.Addrs, addrs(outers[true][i]+"/64")...)
		}
		must(s.router.AddInterface("e1", ic))(t)
		s.router.SetForwarding(true)
		end := c
		end.Local, end.Remote = netip.MustParseAddr(outers[six][i]), netip.MustParseAddr(outers[six][1-i])
		s.tun = must(s.router.AddTunnel("tun0", end, vimage.InterfaceConfig{Addrs: addrs(fmt.Sprintf("10.9.0.%d/24", n), fmt.Sprintf("2001:db8:9::%d/64", n))}))(t)
		for _, f := range []string{"10.%d.0.0/24 10.9.0.%d", "2001:db8:%d::/64 2001:db8:9::%d"} {
			dst, gw, _ := strings.Cut(fmt.Sprintf(f, 2-i, 2-i), " ")
			if err := s.router.AddRoute(vimage.Route{Dst: netip.MustParsePrefix(dst), Gateway: netip.MustParseAddr(gw)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range []string{"0.0.0.0/0 10.%d.0.1", "::/0 2001:db8:%d::1"} {
			dst, gw, _ := strings.Cut(fmt.Sprintf(r, n), " ")
			s.host.AddRoute(vimage.Route{Dst: netip.MustParsePrefix(dst), Gateway: netip.MustParseAddr(gw)})
		}
	}
	return both
}

// kinds are tunnels of every kind, as they may be configured.
var kinds = []struct {
	name string
	c    vimage.TunnelConfig
	mtu  [2]int // of the interface, over IPv4 and IPv6
}{
	{"gif", vimage.TunnelConfig{Kind: vimage.GIF}, [2]int{1280, 1280}},
	{"gre", vimage.TunnelConfig{Kind: vimage.GRE}, [2]int{1476, 1456}},
	{"gre key", vimage.TunnelConfig{Kind: vimage.GRE, HasKey: true, Key: 7}, [2]int{1472, 1452}},
	{"gre all", vimage.TunnelConfig{Kind: vimage.GRE, HasKey: true, Key: 7, Checksum: true, Sequence: true}, [2]int{1464, 1444}},
	{"gretap", vimage.TunnelConfig{Kind: vimage.GRETAP}, [2]int{1462, 1442}},
	{"vxlan", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 42}, [2]int{1450, 1430}},
}

// TestTunnels has hosts of both families talk through tunnels of every kind, over both.
func TestTunnels(t *testing.T) {
	for _, k := range kinds {
		for _, six := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", k.name, six), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := world(t, vimage.Config{Seed: 1})
					s := sites(t, w, k.c, six, 1500)
					want := k.mtu[0]
					if six {
						want = k.mtu[1]
					}
					if mtu := s[0].tun.Net().MTU; mtu != want {
						t.Errorf("MTU %d, want %d", mtu, want)
					}
					for _, addr := range []string{"10.2.0.2", "2001:db8:2::2"} {
						exchangeTCP(t, s[0].host, s[1].host, net.JoinHostPort(addr, "80"), 200_000)
						exchangeUDP(t, s[0].host, s[1].host, net.JoinHostPort(addr, "7"), 4000)
					}
					for _, end := range s {
						info := must(end.tun.Tunnel())(t)
						n := must(end.tun.Stats())(t)
						if info.Stats.Refused != 0 || info.Stats.Entered < 10 || info.Stats.Left < 10 || n.InDrops != 0 || n.InPackets != info.Stats.Left {
							t.Errorf("%+v %+v %v", info.Stats, n, end.router.Counters())
						}
					}
				})
			})
		}
	}
}

// exchangeTCP sends n bytes from b to a.
func exchangeTCP(t *testing.T, a, b *vimage.Stack, at string, n int) {
	t.Helper()
	l := must(b.Listen("tcp", at))(t)
	defer l.Close()
	data := bytes.Repeat([]byte("0123456789abcde"), n/15)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c.Write(data)
		c.Close()
	}()
	c := must(a.Dial("tcp", at))(t)
	c.SetDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d bytes, %v", at, len(got), err)
	}
	c.Close()
}

// exchangeUDP sends a datagram of n bytes to b and back: each again if it is lost,
// since the first that is too long for the path may be.
func exchangeUDP(t *testing.T, a, b *vimage.Stack, at string, n int) {
	t.Helper()
	server := must(b.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at))))(t)
	defer server.Close()
	c := must(a.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at))))(t)
	defer c.Close()
	data := bytes.Repeat([]byte{0xa5}, n)
	buf := make([]byte, n+1)
	for range 3 {
		c.Write(data)
		server.SetReadDeadline(time.Now().Add(time.Second))
		m, from, err := server.ReadFromUDP(buf)
		if err != nil {
			continue
		}
		server.WriteToUDP(buf[:m], from)
		c.SetReadDeadline(time.Now().Add(time.Second))
		if m, err = c.Read(buf); err == nil && bytes.Equal(buf[:m], data) {
			return
		}
	}
	t.Errorf("%s: nothing comes back; %v %v", at, a.Counters(), b.Counters())
}

var _ = errors.Is
var _ = syscall.EINVAL
