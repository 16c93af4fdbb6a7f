package control

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/vnet"
)

// AddMulticastRoute adds a route for packets to groups. It returns EINVAL for what is
// no prefix of groups that are routed, or a source of another family; ENXIO where an
// interface is not there or cannot multicast; EEXIST and ENOBUFS as mroute.Table.Add.
func AddMulticastRoute(st *vnet.Stack, r mroute.Route) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	for _, i := range append([]uint32{r.In}, r.Out...) {
		if !canMulticast(st, i) {
			return syscall.ENXIO
		}
	}
	e := st.Multicast(func(t *mroute.Table, tun *mroute.Tunables, s *mroute.Stats) syscall.Errno { return t.Add(tun, s, r) })
	if e == 0 {
		showRoutes(st)
	}
	return e
}

func canMulticast(st *vnet.Stack, index uint32) bool {
	c, ok := st.Interface(index)
	return ok && c.Flags&(ifnet.Multicast|ifnet.Loopback) == ifnet.Multicast
}

// DelMulticastRoute removes a route; source is invalid for any. ESRCH where there is
// none.
func DelMulticastRoute(st *vnet.Stack, group netip.Prefix, source netip.Addr) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	e := st.Multicast(func(t *mroute.Table, _ *mroute.Tunables, _ *mroute.Stats) syscall.Errno {
		return t.Delete(mroute.Key{Group: group, Source: source})
	})
	if e == 0 {
		showRoutes(st)
	}
	return e
}

// MulticastRoute is a route and what it has seen.
type MulticastRoute struct {
	mroute.Route
	mroute.Count
}

// MulticastRoutes returns the routes, sorted by group and source.
func MulticastRoutes(st *vnet.Stack) (all []MulticastRoute) {
	st.Lock()
	defer st.Unlock()
	if !st.RoutesMulticast() {
		return nil
	}
	var rules []*mroute.Rule
	st.Multicast(func(t *mroute.Table, _ *mroute.Tunables, _ *mroute.Stats) syscall.Errno {
		rules = t.Rules()
		return 0
	})
	for _, r := range rules {
		all = append(all, MulticastRoute{r.Route, st.MrouteCounts(r.Count)})
	}
	return all
}

// SetMulticastProxy makes the stack a proxy (RFC 4605): what is wanted on the
// interfaces downstream is asked for upstream, and packets are passed on. With up 0
// it is none any more. The interfaces downstream become a multicast router's, as by
// SetQuerier. It returns ENXIO where an interface is not there or cannot multicast
// and EINVAL where one is up and down, or there is none downstream.
func SetMulticastProxy(st *vnet.Stack, up uint32, down []uint32) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	if up == 0 {
		down = nil
	} else if len(down) == 0 || slices.Contains(down, up) {
		return syscall.EINVAL
	}
	for _, i := range down {
		if !canMulticast(st, i) || !canMulticast(st, up) {
			return syscall.ENXIO
		}
	}
	setProxy(st, up, down)
	return 0
}

// setProxy is SetMulticastProxy for what has been checked. The lock is held.
func setProxy(st *vnet.Stack, up uint32, down []uint32) {
	st.Unproxy()
	st.Multicast(func(t *mroute.Table, _ *mroute.Tunables, _ *mroute.Stats) syscall.Errno {
		t.SetProxy(up, down)
		return 0
	})
	for i := range st.Interfaces() {
		flagInterface(st, &i, ifnet.Downstream, slices.Contains(down, i.Index))
	}
	showRoutes(st)
}

// showRoutes lets packets find what multicast routing there is, and the links show
// what it needs. The lock is held.
func showRoutes(st *vnet.Stack) {
	var in []uint32
	st.Multicast(func(t *mroute.Table, _ *mroute.Tunables, _ *mroute.Stats) syscall.Errno {
		for _, r := range t.Rules() {
			in = append(in, r.In)
		}
		if p := t.Proxy(); p != nil {
			in = append(append(in, p.Up), p.Down...)
		}
		return 0
	})
	st.RouteMulticast()
	for i := range st.Interfaces() {
		flagInterface(st, &i, ifnet.AllMulti, slices.Contains(in, i.Index))
	}
}

// unrouteMulticast takes an interface that goes out of multicast routing. The lock is
// held.
func unrouteMulticast(st *vnet.Stack, index uint32) {
	if !st.RoutesMulticast() {
		return
	}
	var p *mroute.Proxy
	st.Multicast(func(t *mroute.Table, _ *mroute.Tunables, _ *mroute.Stats) syscall.Errno {
		p = t.Proxy()
		return 0
	})
	if p != nil && (p.Up == index || slices.Equal(p.Down, []uint32{index})) {
		setProxy(st, 0, nil)
	} else if p != nil && slices.Contains(p.Down, index) {
		setProxy(st, p.Up, slices.DeleteFunc(slices.Clone(p.Down), func(i uint32) bool { return i == index }))
	}
	st.Multicast(func(t *mroute.Table, tun *mroute.Tunables, s *mroute.Stats) syscall.Errno {
		for _, r := range t.Rules() {
			if r.In == index {
				t.Delete(r.Key())
			} else if slices.Contains(r.Out, index) {
				t.Leave(r, index)
			}
		}
		return 0
	})
	showRoutes(st)
}
