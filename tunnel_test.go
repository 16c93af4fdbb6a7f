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
		must(s.host.AddInterface("e0", vimage.InterfaceConfig{Port: lan.A(), Addrs: prefixes(fmt.Sprintf("10.%d.0.2/24", n), fmt.Sprintf("2001:db8:%d::2/64", n))}))(t)
		s.router = must(w.NewStack(fmt.Sprint("r", n), vimage.StackConfig{FIBs: 2}))(t)
		must(s.router.AddInterface("e0", vimage.InterfaceConfig{Port: lan.B(), Addrs: prefixes(fmt.Sprintf("10.%d.0.1/24", n), fmt.Sprintf("2001:db8:%d::1/64", n))}))(t)
		ic := vimage.InterfaceConfig{Port: port, Addrs: prefixes(outers[false][i] + "/24")}
		if six {
			ic.Addrs = append(ic.Addrs, prefixes(outers[true][i]+"/64")...)
		}
		must(s.router.AddInterface("e1", ic))(t)
		s.router.SetForwarding(true)
		end := c
		end.Local, end.Remote = netip.MustParseAddr(outers[six][i]), netip.MustParseAddr(outers[six][1-i])
		s.tun = must(s.router.AddTunnel("tun0", end, vimage.InterfaceConfig{Addrs: prefixes(fmt.Sprintf("10.9.0.%d/24", n), fmt.Sprintf("2001:db8:9::%d/64", n))}))(t)
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

// routers makes n stacks on one switch, 192.0.2.1 and following, in simulated time.
func routers(t testing.TB, n int) (*vimage.World, []*vimage.Stack) {
	t.Helper()
	w := world(t, vimage.Config{Simulated: true, Seed: 3})
	br := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
	var all []*vimage.Stack
	for i := range n {
		s := must(w.NewStack(fmt.Sprint("r", i+1), vimage.StackConfig{FIBs: 2}))(t)
		must(s.AddInterface("e0", vimage.InterfaceConfig{Port: br.AddPort(), Addrs: prefixes(fmt.Sprintf("192.0.2.%d/24", i+1))}))(t)
		all = append(all, s)
	}
	return w, all
}

// echoTo has a stack answer datagrams to port 7, and returns a function that says what
// came.
func echoTo(t testing.TB, s *vimage.Stack, at string) (heard func() []string) {
	t.Helper()
	c := must(s.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(at), Port: 7}))(t)
	var all []string
	buf := make([]byte, 2000)
	c.OnReadable(func() {
		for {
			n, from, ok, _ := c.TryReadFrom(buf)
			if !ok {
				return
			}
			all = append(all, string(buf[:n]))
			c.WriteToUDPAddrPort(buf[:n], from)
		}
	})
	return func() []string { defer func() { all = nil }(); return all }
}

// tryUDP sends a datagram to port 7 of an address and tells whether an answer comes.
func tryUDP(t testing.TB, w *vimage.World, s *vimage.Stack, at, what string) bool {
	t.Helper()
	c := must(s.DialUDP("udp", nil, &net.UDPAddr{IP: net.ParseIP(at), Port: 7}))(t)
	defer c.Close()
	c.Write([]byte(what))
	w.Run(time.Second)
	buf := make([]byte, 2000)
	n, _, ok, _ := c.TryReadFrom(buf)
	return ok && string(buf[:n]) == what
}

func gif(i, j int) vimage.TunnelConfig {
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	return vimage.TunnelConfig{Kind: vimage.GIF, Local: at(i), Remote: at(j)}
}

// TestTunnelFIB is rules 6 and 6b of the selection of tables: outer packets have the
// table of the handle that made the tunnel, until it is given another; inner ones that
// of their sender on the way in and of the interface on the way out.
func TestTunnelFIB(t *testing.T) {
	w, r := routers(t, 2)
	far := netip.MustParseAddr("203.0.113.2")
	must(r[1].AddInterface("e1", vimage.InterfaceConfig{Port: link.NewEpair(0).A(), Addrs: prefixes("203.0.113.2/32")}))(t)
	must(r[1].AddTunnel("gif0", vimage.TunnelConfig{Kind: vimage.GIF, Local: far, Remote: gif(1, 2).Local}, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.2/24")}))(t)
	echoTo(t, r[1], "10.9.0.2")

	fib1 := must(r[0].FIB(1))(t)
	c := vimage.TunnelConfig{Kind: vimage.GIF, Local: gif(1, 2).Local, Remote: far}
	tun := must(fib1.AddTunnel("gif0", c, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
	// Only table 1 knows the way to the other end.
	if err := fib1.AddRoute(vimage.Route{Dst: netip.PrefixFrom(far, 32), Gateway: gif(1, 2).Remote, Interface: "e0"}); err != nil {
		t.Fatal(err)
	}
	if !tryUDP(t, w, r[0], "10.9.0.2", "by table 1") {
		t.Error("nothing comes back", r[0].Counters())
	}
	if err := tun.SetTunnelFIB(0); err != nil {
		t.Fatal(err)
	}
	if tryUDP(t, w, r[0], "10.9.0.2", "by table 0") || r[0].Counters()["drop.no route"] == 0 {
		t.Error("table 0 leads there", r[0].Counters())
	}
	r[0].AddRoute(vimage.Route{Dst: netip.PrefixFrom(far, 32), Gateway: gif(1, 2).Remote})
	if !tryUDP(t, w, r[0], "10.9.0.2", "by table 0") {
		t.Error("nothing comes back by table 0", r[0].Counters())
	}
	for _, n := range []int{-1, 2, 9} {
		if err := tun.SetTunnelFIB(n); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("table %d: %v", n, err)
		}
	}
	if info := must(tun.Tunnel())(t); info.FIB != 0 || info.Remote != far {
		t.Errorf("%+v", info)
	}
}

// TestTunnelInnerFIB is rule 6b: what comes out of a tunnel is routed by the table of
// its interface.
func TestTunnelInnerFIB(t *testing.T) {
	w, r := routers(t, 2)
	must(r[0].AddTunnel("gif0", gif(1, 2), vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
	must(r[1].AddTunnel("gif0", gif(2, 1), vimage.InterfaceConfig{FIB: 1, Addrs: prefixes("10.9.0.2/24")}))(t)
	r[1].SetForwarding(true)
	fib1 := must(r[1].FIB(1))(t)
	out := [2]*vimage.Tun{}
	for n, s := range []*vimage.Stack{r[1], fib1} {
		out[n] = must(r[1].AddTun(fmt.Sprint("tun", n), vimage.InterfaceConfig{}))(t)
		if err := s.AddRoute(vimage.Route{Dst: netip.MustParsePrefix("198.51.100.0/24"), Interface: fmt.Sprint("tun", n)}); err != nil {
			t.Fatal(err)
		}
	}
	r[0].AddRoute(vimage.Route{Dst: netip.MustParsePrefix("198.51.100.0/24"), Interface: "gif0"})
	tryUDP(t, w, r[0], "198.51.100.7", "x")
	buf := make([]byte, 100)
	if _, ok, _ := out[0].TryRead(buf); ok {
		t.Error("routed by table 0")
	}
	if _, ok, _ := out[1].TryRead(buf); !ok {
		t.Error("not routed by table 1", r[1].Counters())
	}
}

// TestTunnelSource is rule 6c: outer packets come by the interface that leads to their
// source in the tunnel's table.
func TestTunnelSource(t *testing.T) {
	w, r := routers(t, 2)
	c := gif(2, 1)
	c.CheckSource = true
	must(r[0].AddTunnel("gif0", gif(1, 2), vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
	tun := must(r[1].AddTunnel("gif0", c, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.2/24")}))(t)
	heard := echoTo(t, r[1], "10.9.0.2")
	if !tryUDP(t, w, r[0], "10.9.0.2", "from where it is") {
		t.Error("nothing comes back", r[1].Counters())
	}
	fib1 := must(r[1].FIB(1))(t) // where no route leads back
	if err := fib1.DelRoute(netip.MustParsePrefix("192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	tun.SetTunnelFIB(1)
	heard()
	tryUDP(t, w, r[0], "10.9.0.2", "from nowhere")
	if got := heard(); len(got) != 0 || r[1].Counters()["drop.bad source"] != 1 || must(tun.Stats())(t).InDrops != 1 {
		t.Errorf("heard %q, %v", got, r[1].Counters())
	}
}

// TestTunnelNesting has packets enter a tunnel whose outer packets enter another, and
// one whose outer packets enter it again.
func TestTunnelNesting(t *testing.T) {
	w, r := routers(t, 2)
	for i := range r {
		n := i + 1
		must(r[i].AddTunnel("gif0", gif(n, 3-n), vimage.InterfaceConfig{Addrs: prefixes(fmt.Sprintf("10.9.0.%d/24", n))}))(t)
		within := vimage.TunnelConfig{Kind: vimage.GRE, Local: netip.MustParseAddr(fmt.Sprintf("10.9.0.%d", n)), Remote: netip.MustParseAddr(fmt.Sprintf("10.9.0.%d", 3-n))}
		must(r[i].AddTunnel("gre0", within, vimage.InterfaceConfig{MTU: 1200, Addrs: prefixes(fmt.Sprintf("10.8.0.%d/24", n))}))(t)
	}
	echoTo(t, r[1], "10.8.0.2")
	if tryUDP(t, w, r[0], "10.8.0.2", "too deep") || r[0].Counters()["drop.nested too deep"] != 1 {
		t.Error(r[0].Counters())
	}
	for _, s := range r {
		if err := s.SetSysctl("net.link.gif.max_nesting", 2); err != nil {
			t.Fatal(err)
		}
	}
	if !tryUDP(t, w, r[0], "10.8.0.2", "as deep as may be") {
		t.Error("nothing comes back", r[0].Counters(), r[1].Counters())
	}
	// The way to gif0's other end now leads through gif0.
	r[0].DelRoute(netip.MustParsePrefix("192.0.2.0/24"))
	if err := r[0].AddRoute(vimage.Route{Dst: netip.MustParsePrefix("192.0.2.0/24"), Interface: "gif0"}); err != nil {
		t.Fatal(err)
	}
	before := r[0].Counters()["drop.nested too deep"]
	if tryUDP(t, w, r[0], "10.9.0.2", "in itself") || r[0].Counters()["drop.nested too deep"] != before+1 {
		t.Error(r[0].Counters())
	}
}

// TestTunnelErrors asks for tunnels that cannot be.
func TestTunnelErrors(t *testing.T) {
	_, r := routers(t, 2)
	s := r[0]
	must(s.AddTunnel("gif0", gif(1, 2), vimage.InterfaceConfig{}))(t)
	must(s.AddTunnel("vxlan0", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 1, Local: gif(1, 2).Local, Remote: gif(1, 2).Remote}, vimage.InterfaceConfig{}))(t)
	must(s.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4790}))(t)
	ip := netip.MustParseAddr
	for _, tc := range []struct {
		name string
		c    vimage.TunnelConfig
		ic   vimage.InterfaceConfig
		want error
	}{
		{"no kind", vimage.TunnelConfig{Remote: ip("192.0.2.2")}, vimage.InterfaceConfig{}, syscall.EINVAL},
		{"no remote", vimage.TunnelConfig{Kind: vimage.GIF}, vimage.InterfaceConfig{}, syscall.EDESTADDRREQ},
		{"families", vimage.TunnelConfig{Kind: vimage.GIF, Local: ip("192.0.2.1"), Remote: ip("2001:db8::1")}, vimage.InterfaceConfig{}, syscall.EINVAL},
		{"no way", vimage.TunnelConfig{Kind: vimage.GRE, Remote: ip("203.0.113.1")}, vimage.InterfaceConfig{}, syscall.ENETUNREACH},
		{"a group", vimage.TunnelConfig{Kind: vimage.GRE, Local: ip("192.0.2.1"), Remote: ip("239.1.1.1")}, vimage.InterfaceConfig{}, syscall.EADDRNOTAVAIL},
		{"the same ends", gif(1, 2), vimage.InterfaceConfig{}, syscall.EADDRNOTAVAIL},
		{"the same network", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 1, Remote: ip("192.0.2.2")}, vimage.InterfaceConfig{}, syscall.EADDRNOTAVAIL},
		{"a key", vimage.TunnelConfig{Kind: vimage.GIF, Remote: ip("192.0.2.2"), HasKey: true}, vimage.InterfaceConfig{}, syscall.EINVAL},
		{"VNI", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 1 << 24, Remote: ip("192.0.2.2")}, vimage.InterfaceConfig{}, syscall.EINVAL},
		{"a port that is taken", vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 2, Port: 4790, Remote: ip("192.0.2.2")}, vimage.InterfaceConfig{}, syscall.EADDRINUSE},
		{"a MAC without Ethernet", gif(1, 3), vimage.InterfaceConfig{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}, syscall.EINVAL},
		{"MTU", gif(1, 3), vimage.InterfaceConfig{MTU: 65536}, syscall.EINVAL},
	} {
		if _, err := s.AddTunnel("t", tc.c, tc.ic); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
		if _, err := s.Interface("t"); err == nil {
			t.Fatalf("%s: the interface is there", tc.name)
		}
	}
	if _, err := s.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4789}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("the port of VXLAN is free:", err)
	}
	e0 := must(s.Interface("e0"))(t)
	if e0.SetTunnel(gif(1, 2)) == nil || e0.DeleteTunnel() == nil {
		t.Error("an Ethernet interface is a tunnel")
	}
}

// TestTunnelConfigure changes the outer side of a tunnel, and takes it away.
func TestTunnelConfigure(t *testing.T) {
	w, r := routers(t, 3)
	tun := must(r[0].AddTunnel("gif0", gif(1, 3), vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
	must(r[1].AddTunnel("gif0", gif(2, 1), vimage.InterfaceConfig{Addrs: prefixes("10.9.0.2/24")}))(t)
	echoTo(t, r[1], "10.9.0.2")
	if tryUDP(t, w, r[0], "10.9.0.2", "to another") || r[2].Counters()["drop.no protocol"] != 1 {
		t.Error(r[2].Counters())
	}
	if err := tun.SetTunnel(gif(1, 2)); err != nil {
		t.Fatal(err)
	}
	if !tryUDP(t, w, r[0], "10.9.0.2", "to the right one") {
		t.Error("nothing comes back")
	}
	if err := tun.DeleteTunnel(); err != nil {
		t.Fatal(err)
	}
	if tryUDP(t, w, r[0], "10.9.0.2", "to nobody") || r[0].Counters()["drop.no peer"] != 1 {
		t.Error(r[0].Counters())
	}
	if _, err := tun.Tunnel(); !errors.Is(err, syscall.ENXIO) {
		t.Error(err)
	}
	if err := tun.SetTunnelFIB(0); !errors.Is(err, syscall.ENXIO) {
		t.Error(err)
	}
	if err := tun.SetTunnel(gif(1, 2)); err != nil || !tryUDP(t, w, r[0], "10.9.0.2", "again") {
		t.Error("nothing comes back", err)
	}
	if err := tun.Remove(); err != nil {
		t.Fatal(err)
	}
	must(r[0].AddTunnel("gif1", gif(1, 2), vimage.InterfaceConfig{}))(t) // the ends are free
}

// TestVXLAN has three ends of one network find each other by a group, and then speak
// directly; a fourth, of another network, hears nothing.
func TestVXLAN(t *testing.T) {
	w, r := routers(t, 4)
	group := netip.MustParseAddr("239.1.1.1")
	var tuns []*vimage.Interface
	for i, s := range r {
		c := vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 42, Remote: group, Interface: "e0"}
		if i == 3 {
			c.VNI = 43
		}
		tuns = append(tuns, must(s.AddTunnel("vxlan0", c, vimage.InterfaceConfig{MAC: net.HardwareAddr{2, 0, 0, 0, 42, byte(i + 1)}, Addrs: prefixes(fmt.Sprintf("10.9.0.%d/24", i+1))}))(t))
		echoTo(t, s, fmt.Sprintf("10.9.0.%d", i+1))
	}
	w.Run(time.Second)
	for i := range 3 {
		for j := range 3 {
			if i != j && !tryUDP(t, w, r[i], fmt.Sprintf("10.9.0.%d", j+1), "hello") {
				t.Errorf("%d does not hear of %d: %v", i+1, j+1, r[i].Counters())
			}
		}
	}
	if tryUDP(t, w, r[0], "10.9.0.4", "hello") {
		t.Error("another network answers")
	}
	var table []string
	for _, m := range must(tuns[0].TunnelMACs())(t) {
		table = append(table, fmt.Sprintf("%v %v", m.MAC, m.Remote))
	}
	if got, want := strings.Join(table, ", "), "02:00:00:00:2a:02 192.0.2.2, 02:00:00:00:2a:03 192.0.2.3"; got != want {
		t.Errorf("learned %s, want %s", got, want)
	}
	before := must(tuns[0].Tunnel())(t).Stats
	if !tryUDP(t, w, r[0], "10.9.0.2", "directly") {
		t.Error("nothing comes back")
	}
	if after := must(tuns[0].Tunnel())(t).Stats; after.Flooded != before.Flooded || after.Entered == before.Entered {
		t.Errorf("%+v, then %+v", before, after)
	}
	if n := r[3].Counters()["drop.bad tunnel header"]; n == 0 {
		t.Error("frames of another network are not counted", r[3].Counters())
	}
	w.Run(20 * time.Minute)
	if m := must(tuns[0].TunnelMACs())(t); len(m) != 0 {
		t.Errorf("not forgotten: %v", m)
	}
}

// TestTunnelChurn configures and removes tunnels and tuns while packets run through
// them. What is left over shows in the buffers, which world counts.
func TestTunnelChurn(t *testing.T) {
	w := world(t, vimage.Config{})
	br := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
	var s [2]*vimage.Stack
	for i := range s {
		s[i] = must(w.NewStack(fmt.Sprint("r", i+1), vimage.StackConfig{FIBs: 2, Shards: 1 + 3*i}))(t)
		must(s[i].AddInterface("e0", vimage.InterfaceConfig{Port: br.AddPort(), Addrs: prefixes(fmt.Sprintf("192.0.2.%d/24", i+1))}))(t)
	}
	c := vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 1, Local: gif(2, 1).Local, Remote: gif(2, 1).Remote}
	must(s[1].AddTunnel("t", c, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.2/24")}))(t)
	done := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(done)
		to := must(s[0].ListenUDP("udp4", nil))(t)
		defer to.Close()
		for {
			select {
			case <-stop:
				return
			default:
			}
			to.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.IPv4(10, 9, 0, 2), Port: 7}) // whatever becomes of it
		}
	}()
	rounds := 100
	for n := range rounds {
		c := vimage.TunnelConfig{Kind: vimage.VXLAN, VNI: 1, Local: gif(1, 2).Local, Remote: gif(1, 2).Remote}
		tun := must(s[0].AddTunnel("t", c, vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
		if err := tun.SetTunnelFIB(n % 2); err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			c.VNI = 2
			if err := tun.SetTunnel(c); err != nil {
				t.Fatal(err)
			}
		}
		must(tun.Tunnel())(t)
		must(tun.TunnelMACs())(t)
		if n%2 == 0 {
			if err := tun.DeleteTunnel(); err != nil {
				t.Fatal(err)
			}
		}
		if err := tun.Remove(); err != nil {
			t.Fatal(err)
		}
		other := must(s[0].AddTun("t", vimage.InterfaceConfig{Addrs: prefixes("10.9.0.1/24")}))(t)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
	w.Settle()
}

// TestTunnelNarrowPath has outer packets meet a link that is too narrow: those of gif
// are cut and put together again (RFC 4213 §3.2.1), those of VXLAN are lost (RFC 7348
// §4.3). What is too long for the tunnel itself its sender is told of.
func TestTunnelNarrowPath(t *testing.T) {
	for _, six := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := world(t, vimage.Config{Seed: 1})
			s := sites(t, w, vimage.TunnelConfig{Kind: vimage.GIF}, six, 1290)
			exchangeTCP(t, s[0].host, s[1].host, "10.2.0.2:80", 60_000)
			cut, joined := "ip.fragmented", "ip.reassembled"
			if six {
				cut = "ip6.fragmented"
			}
			// The data comes from the second site; the first one's hears of the MTU.
			if c := s[1].router.Counters(); c[cut] == 0 || c["icmp.out.unreach"] == 0 {
				t.Errorf("%s: %v", cut, c)
			}
			if c := s[0].router.Counters(); c[joined] == 0 && !six {
				t.Errorf("%s: %v", joined, c)
			}
		})
	}
	w := world(t, vimage.Config{Simulated: true})
	s := sites(t, w, vimage.TunnelConfig{Kind: vimage.VXLAN}, false, 1400)
	echoTo(t, s[1].host, "10.2.0.2")
	if !tryUDP(t, w, s[0].host, "10.2.0.2", "short") {
		t.Error("nothing comes back")
	}
	if tryUDP(t, w, s[0].host, "10.2.0.2", string(make([]byte, 1400))) || s[0].router.Counters()["drop.fragmentation needed"] != 1 {
		t.Error(s[0].router.Counters())
	}
}

// TestTunnelMoves takes a tunnel to another stack: it has no outer side there until it
// is given one, whose packets that stack routes.
func TestTunnelMoves(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	br := link.NewBridge(w.Internal().Sched(), w.Internal().Seed(), link.BridgeConfig{})
	home := w.Stack("vnet0")
	jail := must(w.Root().Create(vimage.JailConfig{Name: "j", VNET: true, Persist: true}))(t)
	far := must(w.NewStack("far", vimage.StackConfig{}))(t)
	for i, s := range []*vimage.Stack{home, jail.Stack(), far} {
		must(s.AddInterface("e0", vimage.InterfaceConfig{Port: br.AddPort(), Addrs: prefixes(fmt.Sprintf("192.0.2.%d/24", i+1))}))(t)
	}
	must(far.AddTunnel("gif0", gif(3, 2), vimage.InterfaceConfig{Addrs: prefixes("2001:db8:9::3/64")}))(t)
	echoTo(t, far, "2001:db8:9::3")
	tun := must(home.AddTunnel("gif0", gif(1, 3), vimage.InterfaceConfig{}))(t)
	moved := must(tun.MoveTo(jail))(t)
	if _, err := moved.Tunnel(); !errors.Is(err, syscall.ENXIO) {
		t.Error("it is still configured:", err)
	}
	must(home.AddTunnel("gif1", gif(1, 3), vimage.InterfaceConfig{}))(t) // its ends are free
	if err := moved.SetTunnel(gif(2, 3)); err != nil {
		t.Fatal(err)
	}
	if err := moved.AddAddr(netip.MustParsePrefix("2001:db8:9::2/64")); err != nil {
		t.Fatal(err)
	}
	w.Run(time.Second)
	if !tryUDP(t, w, jail.Stack(), "2001:db8:9::3", "from elsewhere") {
		t.Error("nothing comes back", jail.Stack().Counters(), far.Counters())
	}
}
