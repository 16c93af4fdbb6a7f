package vimage_test

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage"
)

// TestInterfaceChanges: what may change about an interface while it is there, at the
// front door.
func TestInterfaceChanges(t *testing.T) {
	w := world(t, vimage.Config{Simulated: true})
	a, b := pair(t, w)
	i := must(a.Interface("e0"))(t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	for _, err := range []error{i.Rename("lan"), i.SetMTU(1400), i.SetMAC(mac), i.SetCarrier(false), i.SetCarrier(true)} {
		if err != nil {
			t.Error(err)
		}
	}
	if n := i.Net(); i.Name() != "lan" || n.Name != "lan" || n.MTU != 1400 || n.HardwareAddr.String() != mac.String() {
		t.Errorf("%q, %+v", i.Name(), n)
	}
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{i.Rename("lo0"), syscall.EEXIST}, {i.SetMTU(9000), syscall.EINVAL}, {i.SetMAC(net.HardwareAddr{1, 0, 0, 0, 0, 7}), syscall.EINVAL},
		{i.Configure(vimage.AddrConfig{Prefix: netip.MustParsePrefix("10.0.5.1/24"), Peer: netip.MustParseAddr("10.0.5.2")}), syscall.EINVAL},
		{i.AddNeighbor(vimage.NeighborConfig{Addr: netip.MustParseAddr("192.0.2.1"), MAC: mac}), syscall.ENOMEM},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%v, want %v", c.err, c.want)
		}
	}
	if err := i.AddNeighbor(vimage.NeighborConfig{Addr: netip.MustParseAddr("10.0.0.9"), MAC: mac, For: time.Minute}); err != nil {
		t.Error(err)
	}
	all := must(i.Neighbors())(t)
	if n := all[len(all)-1]; n.Permanent || !n.Expires.Equal(w.Now().Add(time.Minute)) {
		t.Errorf("%+v", n)
	}
	if on, p, err := a.InterfaceWithAddr(netip.MustParseAddr("10.0.0.1")); err != nil || on.Name() != "lan" || p.Bits() != 24 {
		t.Error(on, p, err)
	}
	if on, p, err := b.AddrTo(netip.MustParseAddr("10.0.0.1")); err != nil || on.Name() != "e0" || p.Addr() != netip.MustParseAddr("10.0.0.2") {
		t.Error(on, p, err)
	}
	if _, _, err := a.AddrTo(netip.MustParseAddr("192.0.2.1")); !errors.Is(err, syscall.ENXIO) {
		t.Error(err)
	}
}
