package control_test

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/proto/gmp"
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

// TestEngineRests: what an interface has reported it forgets, but for its filters,
// until something happens; then it goes on as if it had not.
func TestEngineRests(t *testing.T) {
	clk := clock.NewSim()
	w := vnet.NewWorld(vnet.Config{Clock: clk})
	br := link.NewBridge(w.Sched(), w.Seed(), link.BridgeConfig{})
	plug := func(name, addr string) (*vnet.Stack, uint32) {
		st, e := stacktest.New(t, w, vnet.StackConfig{Name: name})
		if e != 0 {
			t.Fatal(e)
		}
		index, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: br.AddPort(), Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}})
		if e != 0 {
			t.Fatal(e)
		}
		return st, index
	}
	host, index := plug("host", "10.0.0.1/24")
	router, asks := plug("router", "10.0.0.254/24")
	rests := func() (rests bool) {
		host.On(index, func(c *vnet.Call) syscall.Errno {
			rests = c.IGMP == nil
			return 0
		})
		return rests
	}
	group, one, other := netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.8")
	listen := func(f mcast.Filter) {
		t.Helper()
		if e := control.Listen(host, index, group, f); e != 0 {
			t.Fatal(e)
		}
		if rests() {
			t.Error("at rest with a report to be sent")
		}
		clk.RunUntil(clk.Now().Add(5 * time.Second))
		if _, _ = control.Memberships(host, index); !rests() {
			t.Error("not at rest though all is said")
		}
	}
	listen(mcast.Filter{Mode: mcast.Exclude, Sources: []netip.Addr{one}})
	listen(mcast.Filter{Mode: mcast.Exclude})
	if four, _ := control.Memberships(host, index); len(four.Groups) != 2 || four.Groups[1].State != gmp.ReportingMember {
		t.Errorf("memberships %+v", four)
	}
	listen(mcast.Filter{Mode: mcast.Include, Sources: []netip.Addr{one}})
	if e := control.SetQuerier(router, asks, true); e != 0 {
		t.Fatal(e)
	}
	clk.RunUntil(clk.Now().Add(30 * time.Second))
	groups, _ := control.QuerierGroups(router, asks)
	if len(groups) != 1 || groups[0].Group != group || len(groups[0].Sources) != 1 || groups[0].Sources[0].Source != one {
		t.Errorf("the router knows of %+v", groups)
	}
	if rests() {
		t.Error("at rest though a querier was heard: what it said is to be heeded")
	}
	if e := control.Listen(host, index, group, mcast.Filter{Mode: mcast.Include, Sources: []netip.Addr{other}}); e != 0 {
		t.Fatal(e)
	}
	clk.RunUntil(clk.Now().Add(30 * time.Second))
	if groups, _ := control.QuerierGroups(router, asks); len(groups) != 1 || len(groups[0].Sources) != 1 || groups[0].Sources[0].Source != other {
		t.Errorf("the router now knows of %+v", groups)
	}
}
