//go:build !novimage

package vimage_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
)

// TestInterfaceInfo: what is told of interfaces of each kind, and of what has changed.
func TestInterfaceInfo(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, _ := pair(t, w)
	end, _, err := a.CreateEpair()
	if err != nil {
		t.Fatal(err)
	}
	tun := must(a.AddTun("tun0", vimage.InterfaceConfig{}))(t)
	for i, kind := range map[*vimage.Interface]string{must(a.Interface("lo0"))(t): "lo", must(a.Interface("e0"))(t): "ether", end: "epair", tun.Interface: "tun"} {
		if n, err := i.Info(); err != nil || n.Kind != kind || n.Name != i.Name() || !n.Up || !n.Carrier || n.Loopback != (kind == "lo") || n.PointToPoint != (kind == "tun") {
			t.Errorf("%+v, %v, want %s", n, err, kind)
		}
	}
	for _, err := range []error{end.SetPromiscuous(true), end.SetCarrier(false), end.SetUp(false), end.SetARP(vimage.ARPStatic)} {
		if err != nil {
			t.Error(err)
		}
	}
	if n, err := end.Info(); err != nil || !n.Promiscuous || n.Carrier || n.Up || !n.StaticARP || n.NoARP || len(n.MAC) != 6 {
		t.Errorf("%+v, %v", n, err)
	}
	if err := end.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := end.Info(); !errors.Is(err, syscall.ENXIO) {
		t.Errorf("of one that is gone: %v", err)
	}
}

// TestCreateTunnel makes tunnels that lead nowhere until they are told where.
func TestCreateTunnel(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, _ := pair(t, w)
	for k, mtu := range map[vimage.TunnelKind]int{vimage.GIF: 1280, vimage.GRE: 1476, vimage.GRETAP: 1462, vimage.VXLAN: 1450} {
		i := must(a.CreateTunnel(fmt.Sprint("t", k), k))(t)
		if n, err := i.Info(); err != nil || n.Kind != k.String() || n.MTU != mtu {
			t.Errorf("%v: %+v, %v, want an MTU of %d", k, n, err, mtu)
		}
		if _, err := i.Tunnel(); !errors.Is(err, syscall.ENXIO) {
			t.Errorf("%v leads somewhere: %v", k, err)
		}
	}
	i := must(a.Interface("t" + vimage.GIF.String()))(t)
	if err := i.SetTunnel(vimage.TunnelConfig{Kind: vimage.GIF, Remote: netip.MustParseAddr("10.0.0.2")}); err != nil {
		t.Error(err)
	}
	if at, err := i.Tunnel(); err != nil || at.Local != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("%+v, %v", at, err)
	}
	for _, k := range []vimage.TunnelKind{0, vimage.VXLAN + 1} {
		if _, err := a.CreateTunnel("x", k); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("kind %d: %v", k, err)
		}
	}
	if _, err := a.CreateTunnel("e0", vimage.GRE); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("a name that is taken: %v", err)
	}
}

// TestSetARP: an interface that does static ARP answers, but does not ask; one without
// ARP does neither.
func TestSetARP(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, b := pair(t, w)
	ai, bi := must(a.Interface("e0"))(t), must(b.Interface("e0"))(t)
	c := must(a.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 7}))(t)
	defer c.Close()
	knows := func(i *vimage.Interface, ip string) bool {
		c.Write([]byte("x"))
		w.Run(10 * time.Second)
		for _, n := range must(i.Neighbors())(t) {
			if n.Addr == netip.MustParseAddr(ip) && n.MAC != nil {
				return true
			}
		}
		return false
	}
	if err := errors.Join(ai.SetARP(vimage.ARPStatic), bi.SetARP(vimage.ARPStatic)); err != nil {
		t.Fatal(err)
	}
	if knows(ai, "10.0.0.2") {
		t.Error("static ARP asks")
	}
	if err := ai.SetARP(vimage.ARPOn); err != nil {
		t.Fatal(err)
	}
	if !knows(ai, "10.0.0.2") {
		t.Error("static ARP does not answer")
	}
	if knows(bi, "10.0.0.1") {
		t.Error("static ARP learns")
	}
	if err := errors.Join(ai.DelNeighbor(netip.MustParseAddr("10.0.0.2")), bi.SetARP(vimage.ARPOff)); err != nil {
		t.Fatal(err)
	}
	if knows(ai, "10.0.0.2") {
		t.Error("without ARP it answers")
	}
	if err := must(a.Interface("lo0"))(t).SetARP(vimage.ARPOff); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("lo0: %v", err)
	}
}

// TestInterfaceStats reads the counters of all interfaces at once.
func TestInterfaceStats(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, b := pair(t, w)
	sock := must(a.ListenPacket("udp4", ":0"))(t)
	to := must(b.Interface("e0"))(t).Addrs()[0].Addr()
	if _, err := sock.WriteTo(make([]byte, 100), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9))); err != nil {
		t.Fatal(err)
	}
	w.Run(time.Second)
	var names []string
	for i, n := range a.InterfaceStats() {
		names = append(names, i.Name())
		if one := must(i.Stats())(t); one != n || i.Name() == "e0" && n.OutPackets < 2 {
			t.Errorf("%s: %+v and %+v", i.Name(), n, one)
		}
	}
	if !slices.Equal(names, []string{"lo0", "e0"}) {
		t.Errorf("%q", names)
	}
	for i := range a.InterfaceStats() {
		if i.Name() != "lo0" {
			t.Error("it goes on behind the first")
		}
		break
	}
}
