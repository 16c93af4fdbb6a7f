package control_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// TestListen: a stack that is a member itself is one like a socket is: its link hears
// of it, the report is sent, and it ends with the interface.
func TestListen(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	br := link.NewBridge(w.Sched(), w.Seed(), link.BridgeConfig{})
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: "a"})
	if e != 0 {
		t.Fatal(e)
	}
	index, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: br.AddPort(), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if e != 0 {
		t.Fatal(e)
	}
	group, source := netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("10.0.0.9")
	any, only := mcast.Filter{Mode: mcast.Exclude}, mcast.Filter{Mode: mcast.Include, Sources: []netip.Addr{source}}
	for _, c := range []struct {
		index uint32
		group netip.Addr
		f     mcast.Filter
		want  syscall.Errno
	}{
		{index, source, any, syscall.EINVAL},
		{9, group, any, syscall.EADDRNOTAVAIL},
		{index, group, mcast.Filter{}, syscall.EADDRNOTAVAIL},
		{index, group, any, 0},
		{index, group, only, 0},
	} {
		if e := control.Listen(st, c.index, c.group, c.f); e != c.want {
			t.Errorf("%v on %d, %v: %v, want %v", c.group, c.index, c.f, e, c.want)
		}
	}
	if got := br.Members(group, source); len(got) != 1 {
		t.Errorf("the switch knows of %d listeners to the source", len(got))
	}
	if four, _ := control.Memberships(st, index); four == nil || len(four.Groups) != 2 || four.Groups[1].Group != group { // and 224.0.0.1
		t.Errorf("memberships %+v", four)
	}
	if e := control.RemoveInterface(st, index); e != 0 {
		t.Fatal(e)
	}
	again, _ := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: br.AddPort()})
	if e := control.Listen(st, again, group, mcast.Filter{}); e != syscall.EADDRNOTAVAIL {
		t.Errorf("a membership has survived its interface: %v", e)
	}
	control.Close(st)
	if e := control.Listen(st, again, group, any); e != syscall.ENXIO {
		t.Errorf("of a closed stack: %v", e)
	}
}
