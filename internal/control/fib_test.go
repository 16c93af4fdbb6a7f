package control_test

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/link"
)

// fibs is a stack with three tables and interfaces e0, e1 of tables 0 and 1 (indexes 2
// and 3).
type fibs struct {
	testing.TB
	c  *clock.Sim
	w  *vnet.World
	st *vnet.Stack
}

func newFIBs(t testing.TB, all int64) *fibs {
	t.Helper()
	n := &fibs{TB: t, c: clock.NewSim()}
	n.w = vnet.NewWorld(vnet.Config{Clock: n.c})
	n.st = newStack(t, n.w, "h")
	must(t, n.st.SetSysctl("net.add_addr_allfibs", all))
	must(t, control.SetFIBs(n.st, 3))
	for i := range 2 {
		index, e := control.AddInterface(n.st, control.IfaceConfig{Name: fmt.Sprint("e", i), Port: link.NewEpair(0).A(), FIB: i})
		must(t, e)
		if index != uint32(i+anIf) {
			t.Fatal("interface", index)
		}
	}
	return n
}

// show is the routes of a table in text.
func (n *fibs) show(table int) string {
	var all []string
	for _, r := range control.Routes(n.st, table) {
		s := fmt.Sprint(r.Dst)
		if r.Gateway.IsValid() {
			s += fmt.Sprint(" ", r.Gateway)
		}
		s += fmt.Sprint(" if", r.IfIndex)
		if r.Metric != 0 {
			s += fmt.Sprint(" metric ", r.Metric)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

// want checks the routes of tables 0, 1 and so on.
func (n *fibs) want(what string, tables ...string) {
	n.Helper()
	for i, want := range tables {
		if got := n.show(i); got != want {
			n.Errorf("%s: table %d has %q, want %q", what, i, got, want)
		}
	}
}

func gw(s string) netip.Addr { return netip.MustParseAddr(s) }

// An address brings its subnet's route into all tables, and takes it from all; it can be
// deleted from one, until the interface comes up again (behaviour 4.4).
func TestAllFIBs(t *testing.T) {
	for _, a := range []string{"10.0.0.1/24", "2001:db8::1/64"} {
		n := newFIBs(t, 1)
		net := prefix(a).Masked()
		must(t, control.AddAddr(n.st, anIf, prefix(a)))
		r := fmt.Sprint(net, " if2")
		n.want("added", r, r, r)
		must(t, control.DelRoute(n.st, 1, net))
		n.want("deleted from one", r, "", r)
		if e := control.DelRoute(n.st, 1, net); e != syscall.ESRCH {
			t.Errorf("deleted again: %v", e)
		}
		if n.st.Tables().Lookup(1, net.Addr().Next()) != nil {
			t.Error("table 1 finds it")
		}
		must(t, control.SetFIBs(n.st, 4))
		n.want("a new table", r, "", r, r)
		must(t, control.SetUp(n.st, anIf, false))
		n.want("down", "", "", "", "")
		must(t, control.SetUp(n.st, anIf, true))
		n.want("up again", r, r, r, r)
		must(t, control.DelRoute(n.st, 3, net))
		must(t, control.DelAddr(n.st, anIf, prefix(a).Addr()))
		n.want("address deleted", "", "", "", "")
		must(t, control.AddAddr(n.st, anIf, prefix(a)))
		n.want("added again", r, r, r, r)
		empty(t, n.w)
	}
}

// Where it is deleted, a user's route may take its place, and counts there.
func TestAllFIBsReplacedInOne(t *testing.T) {
	n := newFIBs(t, 1)
	must(t, control.AddAddr(n.st, anIf, prefix("10.0.0.1/24")))
	must(t, control.AddAddr(n.st, anIf+1, prefix("10.0.1.1/24")))
	own := control.Route{Dst: prefix("10.0.0.0/24"), Gateway: gw("10.0.1.9")}
	for table := range 3 {
		if e := control.AddRoute(n.st, table, own); e != syscall.EEXIST {
			t.Errorf("over an interface's, in table %d: %v", table, e)
		}
		if e := control.ChangeRoute(n.st, table, own); e != syscall.EEXIST {
			t.Errorf("instead of an interface's, in table %d: %v", table, e)
		}
	}
	must(t, control.DelRoute(n.st, 2, own.Dst))
	must(t, control.AddRoute(n.st, 2, own))
	n.want("replaced", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 10.0.1.9 if3, 10.0.1.0/24 if3")
	must(t, control.SetUp(n.st, anIf, false))
	must(t, control.SetUp(n.st, anIf, true))
	n.want("after down and up the user's stays", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 10.0.1.9 if3, 10.0.1.0/24 if3")
	must(t, control.DelRoute(n.st, 2, own.Dst))
	n.want("deleted", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 if2, 10.0.1.0/24 if3", "10.0.0.0/24 if2, 10.0.1.0/24 if3")
	empty(t, n.w)
}

// With net.add_addr_allfibs=0 the route is in the interface's table; what is installed
// does not move when the sysctl, or the interface's table, changes.
func TestOneFIB(t *testing.T) {
	for _, a := range []string{"10.0.1.1/24", "2001:db8:1::1/64"} {
		n := newFIBs(t, 0)
		net := prefix(a).Masked()
		r := fmt.Sprint(net, " if3")
		must(t, control.AddAddr(n.st, anIf+1, prefix(a)))
		n.c.RunUntil(n.c.Now().Add(5 * time.Second)) // nobody else has it
		n.want("added", "", r, "")
		for table := range 3 {
			got, e := control.GetRoute(n.st, table, prefix(a).Addr())
			if want := table == 1; (e == 0) != want || want && got.IfIndex != ifnet.LoIndex || !want && e != syscall.ESRCH {
				t.Errorf("rule 13, table %d: the way to ourselves is %+v, %v", table, got, e)
			}
			if e := control.AddRoute(n.st, table, control.Route{Dst: n.far(a), Gateway: prefix(a).Addr().Next()}); (e == 0) != (table == 1) || e != 0 && e != syscall.ENETUNREACH {
				t.Errorf("a gateway that is on a link in table 1 only, in table %d: %v", table, e)
			}
		}
		must(t, control.DelRoute(n.st, 1, n.far(a)))
		must(t, control.DelRoute(n.st, 1, net))
		n.want("deleted", "", "", "")
		must(t, control.SetUp(n.st, anIf+1, false))
		must(t, control.SetUp(n.st, anIf+1, true))
		n.want("up again", "", r, "")

		must(t, n.st.SetSysctl("net.add_addr_allfibs", 1))
		n.want("the sysctl changes", "", r, "")
		must(t, control.SetInterfaceFIB(n.st, anIf+1, 2))
		n.want("the interface's table changes", "", r, "")
		must(t, control.SetUp(n.st, anIf+1, false))
		n.want("down: found where it was", "", "", "")
		must(t, control.SetUp(n.st, anIf+1, true))
		n.want("up: by what counts now", r, r, r)
		must(t, n.st.SetSysctl("net.add_addr_allfibs", 0))
		n.want("the sysctl changes back", r, r, r)
		must(t, control.DelAddr(n.st, anIf+1, prefix(a).Addr()))
		n.want("address deleted", "", "", "")
		must(t, control.AddAddr(n.st, anIf+1, prefix(a)))
		n.want("added in the interface's table", "", "", r)
		for _, bad := range []int{-1, 3} {
			if e := control.SetInterfaceFIB(n.st, anIf, bad); e != syscall.EINVAL {
				t.Errorf("interface of table %d: %v", bad, e)
			}
		}
		if e := control.SetInterfaceFIB(n.st, 9, 0); e != syscall.ENXIO {
			t.Errorf("no interface: %v", e)
		}
		empty(t, n.w)
	}
}

func (n *fibs) far(a string) netip.Prefix {
	if prefix(a).Addr().Is4() {
		return prefix("192.0.2.0/24")
	}
	return prefix("2001:db8:ff::/64")
}

// Two interfaces of one subnet: whose route it is, and where it goes when that one gives
// the subnet up (behaviour 3.3), in one table or in all.
func TestPrefixRouteMovesByFIB(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		a, b, net := "10.0.0.1/24", "10.0.0.2/24", "10.0.0.0/24"
		if v6 {
			a, b, net = "2001:db8::1/64", "2001:db8::2/64", "2001:db8::/64"
		}
		by := func(i int) string { return fmt.Sprint(net, " if", i) }
		n := newFIBs(t, 1)
		must(t, control.AddAddr(n.st, 2, prefix(a)))
		must(t, control.AddAddr(n.st, 3, prefix(b)))
		n.want("all", by(2), by(2), by(2))
		must(t, control.DelAddr(n.st, 2, prefix(a).Addr()))
		n.want("moved in all", by(3), by(3), by(3))
		must(t, control.AddAddr(n.st, 2, prefix(a)))
		must(t, control.SetUp(n.st, 3, false))
		n.want("moved by down", by(2), by(2), by(2))
		must(t, control.RemoveInterface(n.st, 2))
		n.want("nowhere to go", "", "", "")
		empty(t, n.w)

		n = newFIBs(t, 0)
		must(t, control.AddAddr(n.st, 2, prefix(a)))
		must(t, control.AddAddr(n.st, 3, prefix(b)))
		n.want("each", by(2), by(3), "")
		must(t, control.DelRoute(n.st, 1, prefix(net)))
		must(t, control.DelAddr(n.st, 2, prefix(a).Addr()))
		n.want("no move to another table", "", "", "")
		must(t, control.SetInterfaceFIB(n.st, 2, 1))
		must(t, control.AddAddr(n.st, 2, prefix(a)))
		n.want("of table 1 now", "", by(2), "")
		must(t, control.DelAddr(n.st, 2, prefix(a).Addr()))
		n.want("moved within table 1", "", by(3), "")
		empty(t, n.w)
	}
}

// An address whose routes all tables share is not installed a second time when the
// sysctl says one table.
func TestPrefixRouteBothWays(t *testing.T) {
	n := newFIBs(t, 1)
	must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
	must(t, n.st.SetSysctl("net.add_addr_allfibs", 0))
	must(t, control.AddAddr(n.st, 3, prefix("10.0.0.2/24")))
	n.want("shared first", "10.0.0.0/24 if2", "10.0.0.0/24 if2", "10.0.0.0/24 if2")
	must(t, control.DelAddr(n.st, 2, gw("10.0.0.1")))
	n.want("moved to where the other belongs", "", "10.0.0.0/24 if3", "")
	must(t, n.st.SetSysctl("net.add_addr_allfibs", 1))
	must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
	n.want("one table has its own", "10.0.0.0/24 if2", "10.0.0.0/24 if3", "10.0.0.0/24 if2")
	must(t, control.RemoveInterface(n.st, 3))
	n.want("and now not", "10.0.0.0/24 if2", "10.0.0.0/24 if2", "10.0.0.0/24 if2")
	empty(t, n.w)
}

// The number of tables: behaviour 2, net.fibs.
func TestSetFIBs(t *testing.T) {
	w := vnet.NewWorld(vnet.Config{Clock: clock.NewSim()})
	st := newStack(t, w, "h")
	for _, c := range []struct {
		n    int
		want syscall.Errno
		have int
	}{
		{0, 0, 1}, {1, 0, 1}, {-1, syscall.EINVAL, 1}, {4, 0, 4}, {3, syscall.EINVAL, 4}, {0, syscall.EINVAL, 4},
		{65537, syscall.EINVAL, 4}, {65536, 0, 65536}, {65535, syscall.EINVAL, 65536},
	} {
		if e := control.SetSysctl(st, "net.fibs", int64(c.n)); e != c.want || st.FIBs() != c.have {
			t.Errorf("net.fibs=%d: %v, and there are %d; want %v, %d", c.n, e, st.FIBs(), c.want, c.have)
		}
		if n, e := control.Sysctl(st, 0, "net.fibs"); e != 0 || n != int64(c.have) {
			t.Errorf("net.fibs is %d, %v", n, e)
		}
	}
	if n, e := control.Sysctl(st, 7, "net.my_fibnum"); n != 7 || e != 0 {
		t.Errorf("net.my_fibnum is %d, %v", n, e)
	}
	if e := control.SetSysctl(st, "net.my_fibnum", 0); e != syscall.EPERM {
		t.Errorf("net.my_fibnum written: %v", e)
	}
	empty(t, w)
}

// Several routes to one destination: which are refused, in which order they are listed,
// what deleting and changing one does.
func TestSeveralRoutes(t *testing.T) {
	n := newFIBs(t, 1)
	must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
	must(t, control.AddAddr(n.st, 3, prefix("10.0.1.1/24")))
	dst := prefix("192.0.2.0/24")
	add := func(g string, metric uint32) syscall.Errno {
		return control.AddRoute(n.st, 2, control.Route{Dst: dst, Gateway: gw(g), Metric: metric})
	}
	rest := func(s string) {
		t.Helper()
		got, _, _ := strings.Cut(n.show(2)[len("10.0.0.0/24 if2, 10.0.1.0/24 if3"):], "#")
		if want := strings.TrimSuffix(", "+s, ", "); got != want {
			t.Errorf("routes %q, want %q", got, want)
		}
	}
	must(t, add("10.0.0.9", 10))
	must(t, add("10.0.1.9", 10))
	must(t, add("10.0.0.8", 0))
	must(t, add("10.0.0.9", 20)) // another metric
	for _, c := range []struct {
		g      string
		metric uint32
		want   syscall.Errno
	}{{"10.0.0.9", 10, syscall.EEXIST}, {"10.0.0.8", 0, syscall.EEXIST}, {"10.0.7.7", 1, syscall.ENETUNREACH}} {
		if e := add(c.g, c.metric); e != c.want {
			t.Errorf("%s metric %d: %v, want %v", c.g, c.metric, e, c.want)
		}
	}
	rest("192.0.2.0/24 10.0.0.8 if2, 192.0.2.0/24 10.0.0.9 if2 metric 10, 192.0.2.0/24 10.0.1.9 if3 metric 10, 192.0.2.0/24 10.0.0.9 if2 metric 20")
	if r, e := control.GetRoute(n.st, 2, gw("192.0.2.1")); e != 0 || r.Gateway != gw("10.0.0.8") || r.Flags.String() != "UGS" {
		t.Errorf("the way is %+v, %v", r, e)
	}
	must(t, control.DelRouteVia(n.st, 2, dst, gw("10.0.0.8"), 0))
	if e := control.DelRouteVia(n.st, 2, dst, gw("10.0.0.8"), 0); e != syscall.ESRCH {
		t.Errorf("deleted again: %v", e)
	}
	must(t, control.ChangeRoute(n.st, 2, control.Route{Dst: dst, Gateway: gw("10.0.1.9"), IfIndex: 3, Metric: 5}))
	if e := control.ChangeRoute(n.st, 2, control.Route{Dst: dst, Gateway: gw("10.0.1.7")}); e != syscall.ESRCH {
		t.Errorf("which of several: %v", e)
	}
	rest("192.0.2.0/24 10.0.1.9 if3 metric 5, 192.0.2.0/24 10.0.0.9 if2 metric 10, 192.0.2.0/24 10.0.0.9 if2 metric 20")
	must(t, control.RemoveInterface(n.st, 2))
	n.want("an interface goes", "10.0.1.0/24 if3", "10.0.1.0/24 if3", "10.0.1.0/24 if3, 192.0.2.0/24 10.0.1.9 if3 metric 5")
	must(t, control.ChangeRoute(n.st, 2, control.Route{Dst: dst, Gateway: gw("10.0.1.7")}))
	n.want("the only one changed", "10.0.1.0/24 if3", "10.0.1.0/24 if3", "10.0.1.0/24 if3, 192.0.2.0/24 10.0.1.7 if3")
	must(t, control.DelRoute(n.st, 2, dst))
	if e := control.ChangeRoute(n.st, 2, control.Route{Dst: dst, Gateway: gw("10.0.1.7")}); e != syscall.ESRCH {
		t.Errorf("changed though it is not there: %v", e)
	}
	if n := n.st.View().Conf(3).Neighbor(gw("10.0.1.9")); n != nil {
		t.Errorf("a gateway of no route is kept: %+v", n)
	}

	must(t, n.st.SetSysctl("net.route.multipath", 0))
	must(t, add("10.0.1.5", 0))
	for _, metric := range []uint32{0, 1} {
		if e := add("10.0.1.6", metric); e != syscall.EEXIST {
			t.Errorf("a second route without multipath: %v", e)
		}
	}
	empty(t, n.w)
}

// A route goes at its time, is told of, and arms a timer no longer than it is there.
func TestRouteExpires(t *testing.T) {
	n := newFIBs(t, 1)
	must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
	n.c.RunUntil(n.c.Now().Add(time.Hour))
	dst := prefix("192.0.2.0/24")
	at := n.c.Now().Add(time.Minute)
	r := control.Route{Dst: dst, Gateway: gw("10.0.0.9"), Expire: at}
	if armed := n.w.Clock().Armed(); armed != 0 {
		t.Fatalf("%d timers armed before", armed)
	}
	must(t, control.AddRoute(n.st, 1, r))
	later := r
	later.Gateway, later.Expire = gw("10.0.0.8"), at.Add(time.Minute)
	must(t, control.AddRoute(n.st, 1, later))
	sub := n.st.Events().Subscribe(event.Filter{Kinds: 1 << event.RouteDel, FIB: event.AllFIBs}, n.c, 0)
	n.c.RunUntil(at - 1)
	if got := len(control.Routes(n.st, 1)); got != 3 {
		t.Errorf("%d routes just before", got)
	}
	n.c.RunUntil(at)
	n.want("at its time", "10.0.0.0/24 if2", "10.0.0.0/24 if2, 192.0.2.0/24 10.0.0.8 if2")
	if n := n.st.View().Conf(2).Neighbor(gw("10.0.0.9")); n != nil {
		t.Errorf("its gateway is kept: %+v", n)
	}
	forever := later
	forever.Expire = 0
	must(t, control.ChangeRoute(n.st, 1, forever))
	n.c.RunUntil(at.Add(time.Hour))
	n.want("changed to stay", "10.0.0.0/24 if2", "10.0.0.0/24 if2, 192.0.2.0/24 10.0.0.8 if2")
	if armed := n.w.Clock().Armed(); armed != 0 {
		t.Errorf("%d timers armed while no route expires", armed)
	}
	if e, ok := sub.Read(); !ok || e.FIB != 1 || e.Prefix != dst || e.Gateway != gw("10.0.0.9") || e.At != at {
		t.Errorf("told %+v, %v", e, ok)
	}
	if e := control.AddRoute(n.st, 1, control.Route{Dst: prefix("1.0.0.0/8"), Gateway: gw("10.0.0.8"), Expire: -1}); e != syscall.EINVAL {
		t.Errorf("a negative time: %v", e)
	}
	sub.Close()
	empty(t, n.w)
}

// Who subscribes to a table hears of its routes and of those that all share, not of
// those of other tables (behaviour 4.5).
func TestRouteEvents(t *testing.T) {
	n := newFIBs(t, 1)
	var subs [3]*event.Subscription
	for i := range subs {
		subs[i] = n.st.Events().Subscribe(event.Filter{Kinds: 1<<event.RouteAdd | 1<<event.RouteDel | 1<<event.RouteChange, FIB: int32(i)}, n.c, 0)
	}
	heard := func(what string, want ...string) {
		t.Helper()
		for i, sub := range subs {
			var got []string
			for e, ok := sub.Read(); ok; e, ok = sub.Read() {
				got = append(got, fmt.Sprint(e.Kind, " ", e.FIB, " ", e.Prefix, " ", e.Name))
			}
			if s := strings.Join(got, "; "); s != want[i] {
				t.Errorf("%s: of table %d was said %q, want %q", what, i, s, want[i])
			}
		}
	}
	must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
	all := "route add -1 10.0.0.0/24 e0"
	heard("an address", all, all, all)
	r := control.Route{Dst: prefix("192.0.2.0/24"), Gateway: gw("10.0.0.9")}
	must(t, control.AddRoute(n.st, 1, r))
	heard("a route", "", "route add 1 192.0.2.0/24 e0", "")
	r.Gateway = gw("10.0.0.8")
	must(t, control.ChangeRoute(n.st, 1, r))
	heard("changed", "", "route change 1 192.0.2.0/24 e0", "")
	must(t, control.DelRoute(n.st, 2, prefix("10.0.0.0/24")))
	heard("an interface's deleted from one", "", "", "route delete 2 10.0.0.0/24 e0")
	must(t, control.RemoveInterface(n.st, 2))
	gone := "route delete -1 10.0.0.0/24 e0"
	heard("the interface goes", gone, gone+"; route delete 1 192.0.2.0/24 e0", gone)
	for _, sub := range subs {
		sub.Close()
	}
	empty(t, n.w)
}

// Routes by a deleted address's gateway go with it, in all tables (behaviour 3.3).
func TestGatewayRoutesOfAddress(t *testing.T) {
	n := newFIBs(t, 1)
	for _, a := range []string{"10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/24"} {
		must(t, control.AddAddr(n.st, 2, prefix(a)))
	}
	for table, g := range []string{"10.0.0.9", "10.1.0.9", "10.1.0.9"} {
		must(t, control.AddRoute(n.st, table, control.Route{Dst: prefix("0.0.0.0/0"), Gateway: gw(g)}))
	}
	ways := func(want ...bool) {
		t.Helper()
		for table := range want {
			if got := n.st.Tables().Get(table, prefix("0.0.0.0/0")) != nil; got != want[table] {
				t.Errorf("table %d has a default route: %v", table, got)
			}
		}
	}
	must(t, control.DelAddr(n.st, 2, gw("10.0.0.1"))) // another of the subnet is there
	ways(true, true, true)
	must(t, control.DelAddr(n.st, 2, gw("10.1.0.1")))
	ways(true, false, false)
	must(t, control.DelAddr(n.st, 2, gw("10.0.0.2")))
	ways(false, false, false)
	empty(t, n.w)
}

// An address costs the same with one table and with 65,536.
func TestAddressCostByFIBs(t *testing.T) {
	cost := func(tables int) float64 {
		n := newFIBs(t, 1)
		must(t, control.SetFIBs(n.st, tables))
		return testing.AllocsPerRun(100, func() {
			must(t, control.AddAddr(n.st, 2, prefix("10.0.0.1/24")))
			must(t, control.DelAddr(n.st, 2, gw("10.0.0.1")))
		})
	}
	if few, many := cost(3), cost(65536); many > few {
		t.Errorf("%v allocations with 3 tables, %v with 65,536", few, many)
	}
}
