package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

type (
	route = fib.Route[*ifnet.Neighbor]
	table = fib.Table[*ifnet.Neighbor]
)

// Route is a route as it is configured.
type Route struct {
	Dst       netip.Prefix
	Gateway   netip.Addr // invalid for a destination on the link
	IfIndex   uint32     // 0: the interface that leads to the gateway
	MTU       int
	Metric    uint32     // the least counts; those that share it share the traffic
	Expire    clock.Time // when it goes by itself; 0: never
	Reject    bool       // packets are refused
	Blackhole bool       // packets vanish
	Flags     fib.Flags  // of a route that is there
}

// AddRoute adds a route to a table. A destination may have several that differ in
// gateway, interface or metric, unless net.route.multipath is 0 or it is an interface's
// own. It returns EEXIST where there is such a one, EINVAL for a bad destination, table,
// MTU or time, ENETUNREACH where the gateway is not on a link of that table, ENXIO for
// an unknown interface.
func AddRoute(st *vnet.Stack, fibnum int, r Route) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(fibnum)
	if err != nil {
		return err.(syscall.Errno)
	}
	out, e := resolveRoute(st, fibnum, &r)
	if e != 0 {
		return e
	}
	if st.View().V().FIB.Multipath == 0 && t.Get(r.Dst) != nil {
		return unresolveRoute(st, &out, syscall.EEXIST)
	}
	if err := t.Insert(out); err != nil {
		return unresolveRoute(st, &out, err.(syscall.Errno))
	}
	routeEvent(st, event.RouteAdd, fibnum, &out)
	if r.Expire != 0 {
		lookAgain(st)
	}
	return 0
}

// ChangeRoute puts a route in the place of that of a table with its destination; of
// several, of the one with its gateway and interface. It returns ESRCH where there is
// none, EEXIST where that is an interface's own or another is like it, and else what
// AddRoute does.
func ChangeRoute(st *vnet.Stack, fibnum int, r Route) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(fibnum)
	if err != nil {
		return err.(syscall.Errno)
	}
	out, e := resolveRoute(st, fibnum, &r)
	if e != 0 {
		return e
	}
	if t.Get(r.Dst) == nil && st.Tables().Get(fibnum, r.Dst) != nil {
		return unresolveRoute(st, &out, syscall.EEXIST) // all have that one
	}
	old := replaced(t.Get(r.Dst), &r)
	if err := t.Change(out); err != nil {
		return unresolveRoute(st, &out, err.(syscall.Errno))
	}
	letGo(st, old)
	routeEvent(st, event.RouteChange, fibnum, &out)
	if r.Expire != 0 {
		lookAgain(st)
	}
	return 0
}

// replaced returns that of the routes to a destination that another takes the place
// of, nil where there is none.
func replaced(head *route, by *Route) *route {
	for m := head; m != nil; m = m.Next {
		if m.Gateway == by.Gateway && (by.IfIndex == 0 || m.IfIndex == by.IfIndex) {
			return m
		}
	}
	if head != nil && head.Next == nil {
		return head
	}
	return nil
}

// resolveRoute turns a configured route into one of the table.
func resolveRoute(st *vnet.Stack, fibnum int, r *Route) (out route, e syscall.Errno) {
	out = route{
		Prefix: r.Dst, Gateway: r.Gateway, IfIndex: r.IfIndex, MTU: uint32(r.MTU),
		Metric: r.Metric, Expire: r.Expire, Flags: fib.Up | fib.Static,
	}
	if !r.Dst.IsValid() || r.MTU < 0 || r.MTU > 65535 || r.Expire < 0 || r.Gateway.IsValid() && r.Gateway.Is4() != r.Dst.Addr().Is4() {
		return out, syscall.EINVAL
	}
	if r.Dst.IsSingleIP() {
		out.Flags |= fib.Host
	}
	switch {
	case r.Reject:
		out.Flags |= fib.Reject
		return out, 0
	case r.Blackhole:
		out.Flags |= fib.Blackhole
		return out, 0
	}
	if r.Gateway.IsValid() {
		if via := st.Tables().Lookup(fibnum, r.Gateway); r.IfIndex == 0 {
			if via == nil || via.Flags&(fib.Gateway|fib.Reject|fib.Blackhole) != 0 {
				return out, syscall.ENETUNREACH
			}
			out.IfIndex = via.IfIndex
		}
		out.Flags |= fib.Gateway
	}
	c, ok := st.Interface(out.IfIndex)
	if !ok {
		return out, syscall.ENXIO
	}
	if out.Flags&fib.Gateway != 0 && c.Flags&(ifnet.Loopback|ifnet.PointToPoint) == 0 {
		out.Adj = st.Pin(out.IfIndex, r.Gateway)
	}
	return out, 0
}

// unresolveRoute undoes that, and returns e.
func unresolveRoute(st *vnet.Stack, out *route, e syscall.Errno) syscall.Errno {
	st.Unpin(out.IfIndex, out.Adj)
	return e
}

// DelRoute removes the routes to a destination from a table: one of an interface that
// all tables share from this one only, until the interface comes up the next time
// (behaviour 4.4). It returns ESRCH where there is none and EINVAL for a bad table or
// destination.
func DelRoute(st *vnet.Stack, fibnum int, dst netip.Prefix) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(fibnum)
	if err != nil {
		return err.(syscall.Errno)
	}
	old, err := t.Delete(dst)
	if err == nil {
		for ; old != nil; old = old.Next {
			routeGone(st, fibnum, old)
		}
		return 0
	}
	shared := st.Tables().Get(fibnum, dst)
	if err := st.Tables().Hide(fibnum, dst); err != nil {
		return err.(syscall.Errno)
	}
	routeEvent(st, event.RouteDel, fibnum, shared)
	return 0
}

// DelRouteVia removes, of the routes to a destination, the one by a gateway, or on the
// link if that is invalid, and by an interface, if that is not 0. The errors are those
// of DelRoute.
func DelRouteVia(st *vnet.Stack, fibnum int, dst netip.Prefix, gateway netip.Addr, ifIndex uint32) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(fibnum)
	if err != nil {
		return err.(syscall.Errno)
	}
	old, err := t.DeleteVia(dst, gateway, ifIndex)
	if err != nil {
		return err.(syscall.Errno)
	}
	routeGone(st, fibnum, old)
	return 0
}

// letGo lets go of what a route had that is in no table any more.
func letGo(st *vnet.Stack, old *route) {
	st.Unpin(old.IfIndex, old.Adj)
	if old.Flags&fib.Dynamic != 0 {
		st.Configurer(true).F.(*configurer).redirected--
	}
}

// routeGone lets go of a route that was deleted, and tells of it.
func routeGone(st *vnet.Stack, fibnum int, old *route) {
	letGo(st, old)
	routeEvent(st, event.RouteDel, fibnum, old)
}

// Routes returns the routes of a table and those that all share, sorted by destination.
// Several to one follow each other, the least metric first.
func Routes(st *vnet.Stack, fibnum int) []Route {
	st.Lock()
	defer st.Unlock()
	if fibnum < 0 || fibnum >= st.FIBs() {
		return nil
	}
	var all []Route
	for r := range st.Tables().All(fibnum) {
		all = append(all, configured(r))
	}
	return all
}

func configured(r *route) Route {
	return Route{
		r.Prefix, r.Gateway, r.IfIndex, int(r.MTU), r.Metric, r.Expire,
		r.Flags&fib.Reject != 0, r.Flags&fib.Blackhole != 0, r.Flags,
	}
}

// GetRoute returns the route that packets to dst take in a table, of several the first:
// that to one of our own addresses leads to lo0, in the table of its interface and, with
// net.add_addr_allfibs, in all (behaviour 4.3, rule 13). It returns ESRCH where there is
// none and EINVAL for a bad table.
//
// Deviation: no table holds these routes, and packets to ourselves need none.
func GetRoute(st *vnet.Stack, fibnum int, dst netip.Addr) (Route, syscall.Errno) {
	v := st.View()
	if fibnum < 0 || fibnum >= st.FIBs() {
		return Route{}, syscall.EINVAL
	}
	if l := v.Local.Find(dst); l != nil && !l.Broadcast {
		if v.V().FIB.AddAddrAllFIBs != 0 || int(v.Conf(l.Index).FIB) == fibnum {
			return Route{Dst: netip.PrefixFrom(dst, dst.BitLen()), IfIndex: ifnet.LoIndex, Flags: fib.Up | fib.Host | fib.Static | fib.Local | fib.Pinned}, 0
		}
	}
	r := st.Tables().Lookup(fibnum, dst)
	if r == nil {
		return Route{}, syscall.ESRCH
	}
	return configured(r), 0
}

// SetFIBs sets the number of tables: it can only grow. 0 means 1. It returns EINVAL for
// fewer than there are, where FreeBSD has ENOTCAPABLE, and for more than 65,536.
//
// Deviation: a table that comes into being has the routes of the interfaces that are in
// all tables, as FreeBSD 8 promises; there it is empty.
func SetFIBs(st *vnet.Stack, n int) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	if err := st.Tables().Grow(max(n, min(1, n+1))); err != nil {
		return err.(syscall.Errno)
	}
	return 0
}

// dropRoutesVia removes every route that leaves by an interface. The lock is held.
func dropRoutesVia(st *vnet.Stack, index uint32) {
	dropRoutes(st, func(r *route) bool { return r.IfIndex == index })
}

// dropRoutes removes every route of which gone says so. The lock is held.
func dropRoutes(st *vnet.Stack, gone func(r *route) bool) {
	for i := range st.FIBs() {
		if t := st.Tables().Table(i); t != nil {
			dropRoutesOf(st, t, i, gone)
		}
	}
	dropRoutesOf(st, st.Tables().Shared(), event.AllFIBs, gone)
}

func dropRoutesOf(st *vnet.Stack, t *table, fibnum int, gone func(r *route) bool) {
	var list []*route
	for r := range t.All() {
		if gone(r) {
			list = append(list, r)
		}
	}
	for _, r := range list {
		if old, err := t.DeleteVia(r.Prefix, r.Gateway, r.IfIndex); err == nil {
			routeGone(st, fibnum, old)
		}
	}
}
