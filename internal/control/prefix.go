package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
)

// The routes of interfaces' subnets (behaviour 3.3, 4.4). With net.add_addr_allfibs they
// are in the one table that all FIBs share: an address costs the same with one FIB and
// with 65,536. Else each is in its interface's FIB. What the sysctl, and the interface's
// FIB, were when a route was installed counts for as long as it is there. The control
// lock is held in all of these.

// prefixRoute is the route an address brings with it.
func prefixRoute(c *ifnet.Info, p netip.Prefix) route {
	r := route{Prefix: p.Masked(), IfIndex: c.Index, Flags: fib.Up | fib.Pinned}
	if p.Addr().Is4() {
		r.Src = p.Addr() // of IPv6, the choice is RFC 6724's
	}
	return r
}

// addPrefixRoute installs the route of an interface's subnet. It returns EEXIST where
// another address, or another interface, has brought it already, in which case that one
// stays.
func addPrefixRoute(st *vnet.Stack, c *ifnet.Info, a netip.Prefix) syscall.Errno {
	if a.IsSingleIP() || c.Flags&ifnet.Up == 0 || ifaddr.IsLinkLocal(a.Addr()) {
		return 0 // a link-local prefix is on every link, and in no table
	}
	return install(st, c, prefixRoute(c, a))
}

// install puts a route of interface c into the table that is meant for it.
func install(st *vnet.Stack, c *ifnet.Info, r route) syscall.Errno {
	fibnum, t := event.AllFIBs, st.Tables().Shared()
	if st.View().V().FIB.AddAddrAllFIBs == 0 {
		fibnum = c.FIB
		if other := st.Tables().Get(fibnum, r.Prefix); other != nil && other.Flags&fib.Pinned != 0 {
			return syscall.EEXIST // all share that one
		}
		own, err := st.Tables().Writable(fibnum)
		if err != nil {
			return err.(syscall.Errno)
		}
		t = own
	}
	if err := t.Insert(r); err != nil {
		return err.(syscall.Errno)
	}
	routeEvent(st, event.RouteAdd, fibnum, &r)
	return 0
}

// delPrefixRoute removes the route of a subnet that c had an address of, or moves it to
// another address of it on an interface that is up.
func delPrefixRoute(st *vnet.Stack, c *ifnet.Info, gone netip.Prefix) {
	fibnum, ok := uninstall(st, c, gone.Masked())
	if !ok {
		return // another brought it, or it was deleted
	}
	for o := range st.Interfaces() {
		if o.Flags&ifnet.Up == 0 || fibnum != event.AllFIBs && fibnum != o.FIB {
			continue
		}
		for _, a := range o.Addrs {
			if a.Masked() == gone.Masked() && a.Flags&ifaddr.Auto == 0 && !a.Peer().IsValid() {
				addPrefixRoute(st, &o, a.Prefix)
			}
		}
	}
}

// uninstall removes the route to p that c has brought from wherever it is, and returns
// where that was.
func uninstall(st *vnet.Stack, c *ifnet.Info, p netip.Prefix) (fibnum int, ok bool) {
	if shared := st.Tables().Shared(); brought(shared, c, p) {
		shared.Delete(p) // FIBs that hide it will not hide the next
		routeEvent(st, event.RouteDel, event.AllFIBs, &route{Prefix: p, IfIndex: c.Index, Flags: fib.Up | fib.Pinned})
		return event.AllFIBs, true
	}
	for n := -1; n < st.FIBs(); n++ { // nearly always it is the interface's
		i := n
		if n < 0 {
			i = c.FIB
		}
		if t := st.Tables().Table(i); t != nil && brought(t, c, p) {
			t.Delete(p)
			routeEvent(st, event.RouteDel, i, &route{Prefix: p, IfIndex: c.Index, Flags: fib.Up | fib.Pinned})
			return i, true
		}
	}
	return 0, false
}

// brought tells whether a table has a route because of an address of c.
func brought(t *table, c *ifnet.Info, p netip.Prefix) bool {
	rt := t.Get(p)
	return rt != nil && rt.IfIndex == c.Index && rt.Flags&fib.Pinned != 0
}

// dropRoutesBy removes the routes by gateways that interface c reached with an address
// that it no longer has (behaviour 3.3).
func dropRoutesBy(st *vnet.Stack, c *ifnet.Info, gone netip.Prefix) {
	dropRoutes(st, func(r *route) bool {
		return r.IfIndex == c.Index && r.Flags&(fib.Gateway|fib.Static) == fib.Gateway|fib.Static && gone.Contains(r.Gateway) && !c.Addrs.Covers(r.Gateway)
	})
}

// SetInterfaceFIB changes the table that routes what an interface receives. Routes that
// are installed stay where they are: see AddAddr. It returns ENXIO where there is no
// such interface and EINVAL where there is no such table.
func SetInterfaceFIB(st *vnet.Stack, ifIndex uint32, fibnum int) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	c, ok := st.Interface(ifIndex)
	switch {
	case !ok:
		return syscall.ENXIO
	case fibnum < 0 || fibnum >= st.FIBs():
		return syscall.EINVAL
	}
	c.FIB = fibnum
	st.SetInterface(&c)
	return 0
}
