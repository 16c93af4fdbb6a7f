package control_test

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

const anIf = 2 // index of a stack's first interface after lo0

func must(t testing.TB, e syscall.Errno) {
	t.Helper()
	if e != 0 {
		t.Fatal(e)
	}
}

func newStack(t testing.TB, w *vnet.World, name string) *vnet.Stack {
	t.Helper()
	st, e := stacktest.New(t, w, vnet.StackConfig{Name: name})
	must(t, e)
	return st
}

// empty closes a world's stacks and checks that nothing is left behind.
func empty(t testing.TB, w *vnet.World) {
	t.Helper()
	for _, st := range w.Stacks() {
		control.Close(st)
	}
	if c := w.Sched().Pool().Counts(); c.Bufs != 0 || c.Blocks != 0 || w.Clock().Armed() != 0 {
		t.Errorf("%d buffers, %d blocks and %d timers outstanding", c.Bufs, c.Blocks, w.Clock().Armed())
	}
}

// TestDownAndUp: an interface that is down takes its subnet's route with it, and
// brings it back and announces itself when it comes up.
func TestDownAndUp(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	wire := link.NewEpair(0)
	a, b := newStack(t, w, "a"), newStack(t, w, "b")
	_, e := control.AddInterface(a, control.IfaceConfig{Name: "e0", Port: wire.A(), Addrs: []netip.Prefix{prefix("10.0.0.1/24")}})
	must(t, e)
	_, e = control.AddInterface(b, control.IfaceConfig{Name: "e0", Port: wire.B(), Addrs: []netip.Prefix{prefix("10.0.0.2/24")}})
	must(t, e)
	sa, e := usrreq.ListenUDP(a, netip.MustParseAddrPort("0.0.0.0:9"), 0, 0)
	must(t, e)
	sb, e := usrreq.ListenUDP(b, netip.MustParseAddrPort("0.0.0.0:7"), 0, 0)
	must(t, e)
	to := netip.MustParseAddrPort("10.0.0.2:7")
	must(t, control.SetUp(a, anIf, false))
	must(t, control.SetUp(a, anIf, false))
	if r := control.Routes(a, 0); len(r) != 0 {
		t.Errorf("routes of an interface that is down: %v", r)
	}
	if _, err := sa.WriteTo(nil, to, nil); err != syscall.EHOSTUNREACH {
		t.Errorf("send: %v", err)
	}
	before, _ := b.IfaceStats(anIf)
	must(t, control.SetUp(a, anIf, true))
	if after, _ := b.IfaceStats(anIf); after.InMcast != before.InMcast+1 {
		t.Errorf("%d announcements came", after.InMcast-before.InMcast)
	}
	if _, err := sa.WriteTo([]byte("up again"), to, nil); err != nil {
		t.Error(err)
	}
	if n, err := sb.ReadFrom(make([]byte, 100), nil, false); n != 8 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if e := control.SetUp(a, 9, true); e != syscall.ENXIO {
		t.Errorf("interface 9: %v", e)
	}
	empty(t, w)
}

// TestPrefixRouteMoves: the route of a subnet belongs to the interface that had
// it first, and moves to the next when that gives it up.
func TestPrefixRouteMoves(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st := newStack(t, w, "a")
	for i, a := range []string{"10.0.0.1/24", "10.0.0.2/24"} {
		index, e := control.AddInterface(st, control.IfaceConfig{Name: "e" + string(rune('0'+i)), Port: link.NewEpair(0).A()})
		must(t, e)
		must(t, control.AddAddr(st, index, prefix(a)))
	}
	by := func(want uint32) {
		t.Helper()
		r := control.Routes(st, 0)
		if want == 0 && len(r) == 0 {
			return
		}
		if len(r) != 1 || r[0].Dst != prefix("10.0.0.0/24") || r[0].IfIndex != want {
			t.Errorf("routes %+v, want one by interface %d", r, want)
		}
	}
	by(2)
	must(t, control.AddAddr(st, 2, prefix("10.0.0.9/24"))) // brings nothing
	must(t, control.DelAddr(st, 2, netip.MustParseAddr("10.0.0.1")))
	by(2)
	must(t, control.DelAddr(st, 2, netip.MustParseAddr("10.0.0.9")))
	by(3)
	must(t, control.AddAddr(st, 2, prefix("10.0.0.9/24")))
	must(t, control.SetUp(st, 3, false))
	by(2)
	must(t, control.SetUp(st, 3, true))
	must(t, control.RemoveInterface(st, 2))
	by(3)
	must(t, control.RemoveInterface(st, 3))
	by(0)
	empty(t, w)
}

// TestErrors: what cannot be configured is refused with the errno of its kind.
func TestErrors(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st := newStack(t, w, "a")
	port := link.NewEpair(1500).A()
	plug := func(c control.IfaceConfig) syscall.Errno {
		c.Port = port
		_, e := control.AddInterface(st, c)
		return e
	}
	must(t, plug(control.IfaceConfig{Name: "e0"}))
	gone := newStack(t, w, "gone")
	control.Close(gone)
	ip := netip.MustParseAddr("10.0.0.1")
	for i, c := range []struct{ got, want syscall.Errno }{
		{plug(control.IfaceConfig{}), syscall.EINVAL},
		{plug(control.IfaceConfig{Name: "e0"}), syscall.EEXIST},
		{plug(control.IfaceConfig{Name: "lo0"}), syscall.EEXIST},
		{plug(control.IfaceConfig{Name: "e1", MTU: 1501}), syscall.EINVAL},
		{plug(control.IfaceConfig{Name: "e1", MTU: 67}), syscall.EINVAL},
		{plug(control.IfaceConfig{Name: "e1", FIB: 1}), syscall.EINVAL},
		{plug(control.IfaceConfig{Name: "e1", Addrs: []netip.Prefix{prefix("10.0.0.255/24")}}), syscall.EINVAL},
		{control.AddAddr(st, 9, prefix("10.0.0.1/24")), syscall.ENXIO},
		{control.AddAddr(st, anIf, prefix("224.0.0.1/24")), syscall.EINVAL},
		{control.AddAddr(st, anIf, prefix("0.0.0.0/0")), syscall.EINVAL},
		{control.DelAddr(st, 9, ip), syscall.ENXIO},
		{control.DelAddr(st, anIf, ip), syscall.EADDRNOTAVAIL},
		{control.RemoveInterface(st, 1), syscall.EPERM},
		{control.RemoveInterface(st, 9), syscall.ENXIO},
		{control.SetMute(st, 9, true), syscall.ENXIO},
		{control.SetFIBs(st, 0), syscall.EINVAL},
		{control.DelRoute(st, 0, prefix("10.0.0.0/24")), syscall.ESRCH},
	} {
		if c.got != c.want {
			t.Errorf("%d: %v, want %v", i, c.got, c.want)
		}
	}
	if _, e := control.AddInterface(gone, control.IfaceConfig{Name: "e0", Port: port}); e != syscall.ENXIO {
		t.Errorf("interface of a stack that is gone: %v", e)
	}
	if _, e := stacktest.New(t, w, vnet.StackConfig{Shards: 65, Name: "x"}); e != syscall.EINVAL {
		t.Errorf("65 shards: %v", e)
	}
	empty(t, w)
}
