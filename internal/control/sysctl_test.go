package control_test

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// TestSysctlsByDescription takes every sysctl at its word: it can be read, its
// default lies within its range, so may it be set to the ends of it and to nothing
// beyond, and what cannot be written says EPERM.
func TestSysctlsByDescription(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "vnet0")
	all := control.Tunables(st, 0)
	if len(all) < 100 || !slices.IsSortedFunc(all, func(a, b control.Tunable) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d sysctls", len(all))
	}
	for i, s := range all {
		if i > 0 && all[i-1].Name == s.Name {
			t.Errorf("%s is there twice", s.Name)
		}
		n, e := control.Sysctl(st, 0, s.Name)
		if e != 0 || n != s.Value || s.Value < s.Min || s.Value > s.Max || s.Desc == "" {
			t.Errorf("%+v: %d %v", s, n, e)
		}
		if s.Value != s.Default {
			t.Errorf("%s is %d, not its default %d", s.Name, s.Value, s.Default)
		}
		if s.ReadOnly {
			if e := control.SetSysctl(st, s.Name, s.Value); e != syscall.EPERM {
				t.Errorf("write to %s: %v", s.Name, e)
			}
			continue
		}
		edges(t, st, s)
	}
	empty(t, w)
}

func edges(t *testing.T, st *vnet.Stack, s control.Tunable) {
	t.Helper()
	for _, n := range []int64{s.Min, s.Max, s.Default} {
		if e := control.SetSysctl(st, s.Name, n); e != 0 {
			t.Errorf("%s=%d: %v", s.Name, n, e)
		}
		if got, _ := control.Sysctl(st, 0, s.Name); got != n {
			t.Errorf("%s is %d after it was set to %d", s.Name, got, n)
		}
	}
	for _, n := range []int64{s.Min - 1, s.Max + 1, math.MinInt64, math.MaxInt64} {
		if e := control.SetSysctl(st, s.Name, n); e != syscall.EINVAL {
			t.Errorf("%s=%d: %v", s.Name, n, e)
		}
	}
}

// TestSysctlOfTheWorld: what is the world's is every stack's to read and vnet0's
// to write.
func TestSysctlOfTheWorld(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st, other := newStack(t, w, "vnet0"), newStack(t, w, "b")
	const name = "net.isr.dispatch"
	if e := control.SetSysctl(other, name, 1); e != syscall.EPERM {
		t.Errorf("another stack's write: %v", e)
	}
	must(t, control.SetSysctl(st, name, 2))
	for _, s := range []*vnet.Stack{st, other} {
		if n, e := control.Sysctl(s, 0, name); n != 2 || e != 0 || w.Sched().Policy().String() != "hybrid" {
			t.Errorf("%s sees %d, %v; the world has %v", s.Name(), n, e, w.Sched().Policy())
		}
	}
	empty(t, w)
}

// TestSysctlValues is behaviour 2 on what is no single number.
func TestSysctlValues(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "vnet0")
	index, e := control.AddInterface(st, control.IfaceConfig{Name: "e0", Port: link.NewEpair(0).A()})
	must(t, e)
	must(t, control.AddAddr(st, index, prefix("10.0.0.1/24")))
	s, e := usrreq.ListenUDP(st, netip.MustParseAddrPort("0.0.0.0:0"), 0, 0)
	must(t, e)
	must(t, s.Mcast(usrreq.McastJoinSource, usrreq.McastIf{Index: index}, netip.MustParseAddr("232.1.2.3"), netip.MustParseAddr("10.0.0.9")))
	must(t, s.Mcast(usrreq.McastJoinSource, usrreq.McastIf{Index: index}, netip.MustParseAddr("232.1.2.3"), netip.MustParseAddr("10.0.0.8")))
	for name, want := range map[string][]control.Value{
		"net.inet.igmp.ifinfo.2":                {{"version", 3}, {"v1timer", 0}, {"v2timer", 0}, {"v3timer", 0}, {"flags", 0}, {"rv", 2}, {"qi", 125}, {"qri", 10}, {"uri", 1}},
		"net.inet.ip.mcast.filters.2.232.1.2.3": {{"mode", 1}, {"10.0.0.8", 0}, {"10.0.0.9", 0}},
		"net.inet.ip.mcast.filters.2.232.1.2.4": nil,
	} {
		if got, e := control.Values(st, name); e != 0 || !slices.Equal(got, want) {
			t.Errorf("%s: %v %v, want %v", name, got, e, want)
		}
		if e := control.SetValues(st, name, nil); e != syscall.EPERM {
			t.Errorf("write to %s: %v", name, e)
		}
	}
	for name, want := range map[string]syscall.Errno{
		"net.inet.igmp.ifinfo.9": syscall.ENOENT, "net.inet.igmp.ifinfo": syscall.EINVAL, "net.inet.igmp.ifinfo.x": syscall.EINVAL,
		"net.inet.igmp.ifinfo.2.3": syscall.EINVAL, "net.inet6.mld.ifinfo.2": syscall.ENOENT, "net.inet.ip.mcast.filters.2": syscall.EINVAL,
		"net.inet.ip.mcast.filters.2.10.0.0.1": syscall.EINVAL, "net.inet.ip.mcast.filters.2.ff02::1": syscall.EINVAL,
		"net.inet.ip.mcast.filters.7.232.1.2.3": syscall.ENOENT, "net.inet.ip.ttl": syscall.EINVAL, "net.inet.none": syscall.ENOENT,
	} {
		if _, e := control.Values(st, name); e != want {
			t.Errorf("%s: %v, want %v", name, e, want)
		}
	}
	for _, name := range []string{"net.inet.igmp.stats", "net.inet.igmp.ifinfo.2"} {
		if _, e := control.Sysctl(st, 0, name); e != syscall.EINVAL {
			t.Errorf("%s as a number: %v", name, e)
		}
		if e := control.SetSysctl(st, name, 0); e != syscall.EPERM {
			t.Errorf("a number to %s: %v", name, e)
		}
	}
	s.Close()
	empty(t, w)
}

// TestStatsReset: a block of statistics may be written with zeros only, and then
// nothing else of the stack moves.
func TestStatsReset(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{})
	st := newStack(t, w, "vnet0")
	must(t, control.AddAddr(st, 1, prefix("127.0.0.1/8")))
	a, e := usrreq.ListenUDP(st, netip.MustParseAddrPort("127.0.0.1:7"), 0, 0)
	must(t, e)
	if _, err := a.WriteTo([]byte("x"), netip.MustParseAddrPort("127.0.0.1:7"), nil); err != nil {
		t.Fatal(err)
	}
	sum := func(name string) (n int64) {
		all, e := control.Values(st, name)
		must(t, e)
		for _, v := range all {
			n += v.Number
		}
		return n
	}
	ip := sum("net.inet.ip.stats")
	if ip == 0 || sum("net.inet.udp.stats") == 0 {
		t.Fatal("nothing was counted")
	}
	if e := control.SetValues(st, "net.inet.udp.stats", []control.Value{{"received", 1}}); e != syscall.EINVAL || sum("net.inet.udp.stats") == 0 {
		t.Errorf("a one was written: %v", e)
	}
	must(t, control.SetValues(st, "net.inet.udp.stats", []control.Value{{"received", 0}}))
	if n := sum("net.inet.udp.stats"); n != 0 || sum("net.inet.ip.stats") != ip {
		t.Errorf("%d after the reset; IP had %d and has %d", n, ip, sum("net.inet.ip.stats"))
	}
	a.Close()
	empty(t, w)
}
