package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/fib"
)

// Route is a route as it is configured.
type Route struct {
	Dst       netip.Prefix
	Gateway   netip.Addr // invalid for a destination on the link
	IfIndex   uint32     // 0: the interface that leads to the gateway
	MTU       int
	Reject    bool // packets are refused
	Blackhole bool // packets vanish
}

// AddRoute adds a route to a table. It returns EEXIST where the table has one
// to that destination, EINVAL for a bad destination, table or MTU, ENETUNREACH
// where the gateway is not on a link of that table, ENXIO for an unknown
// interface.
func (st *Stack) AddRoute(table int, r Route) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	t, err := st.fibs.Writable(table)
	if err != nil {
		return err.(syscall.Errno)
	}
	out, e := st.resolveRoute(t, &r)
	if e != 0 {
		return e
	}
	if err := t.Insert(out); err != nil {
		st.unpin(&out)
		return err.(syscall.Errno)
	}
	return 0
}

// resolveRoute turns a configured route into one of the table.
func (st *Stack) resolveRoute(t *fib.Table[*neighbor], r *Route) (out fib.Route[*neighbor], e syscall.Errno) {
	v := st.view.Load()
	out = fib.Route[*neighbor]{Prefix: r.Dst, Gateway: r.Gateway, IfIndex: r.IfIndex, MTU: uint32(r.MTU), Flags: fib.Up | fib.Static}
	if !r.Dst.IsValid() || r.MTU < 0 || r.MTU > 65535 || r.Gateway.IsValid() && r.Gateway.Is4() != r.Dst.Addr().Is4() {
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
		if via := t.Lookup(r.Gateway); r.IfIndex == 0 {
			if via == nil || via.Flags&(fib.Gateway|fib.Reject|fib.Blackhole) != 0 {
				return out, syscall.ENETUNREACH
			}
			out.IfIndex = via.IfIndex
		}
		out.Flags |= fib.Gateway
	}
	c := v.conf(out.IfIndex)
	if c == nil {
		return out, syscall.ENXIO
	}
	if out.Flags&fib.Gateway != 0 && c.port != nil {
		st.sh.mu.Lock()
		out.Adj = c.needNeighbor(r.Gateway)
		out.Adj.pins++
		st.sh.mu.Unlock()
	}
	return out, 0
}

// unpin lets go of a route's neighbour.
func (st *Stack) unpin(r *fib.Route[*neighbor]) {
	if r.Adj == nil {
		return
	}
	st.sh.mu.Lock()
	defer st.sh.mu.Unlock()
	r.Adj.pins--
	c := st.view.Load().conf(r.IfIndex)
	if r.Adj.pins == 0 && r.Adj.hdr.Load() == nil && c != nil {
		c.neigh.Delete(st.world.seed.Addr(r.Adj.ip, 0), r.Adj.ip)
	}
}

// DelRoute removes a route from a table. It returns ESRCH where there is none
// to that destination and EINVAL for a bad table or destination.
func (st *Stack) DelRoute(table int, dst netip.Prefix) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	t, err := st.fibs.Writable(table)
	if err != nil {
		return err.(syscall.Errno)
	}
	old, err := t.Delete(dst)
	if err != nil {
		return err.(syscall.Errno)
	}
	st.unpin(old)
	return 0
}

// Routes returns the routes of a table, sorted by destination.
func (st *Stack) Routes(table int) []Route {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	t := st.fibs.Table(table)
	if t == nil {
		return nil
	}
	var all []Route
	for r := range t.All() {
		all = append(all, Route{r.Prefix, r.Gateway, r.IfIndex, int(r.MTU), r.Flags&fib.Reject != 0, r.Flags&fib.Blackhole != 0})
	}
	return all
}

// SetFIBs sets the number of tables: it can only grow. It returns EINVAL for
// fewer than there are and more than 65,536.
func (st *Stack) SetFIBs(n int) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	if err := st.fibs.Grow(n); err != nil {
		return err.(syscall.Errno)
	}
	return 0
}

// FIBs returns the number of tables.
func (st *Stack) FIBs() int { return st.fibs.Len() }

// dropRoutesVia removes every route that leaves by an interface. ctl is held.
func (st *Stack) dropRoutesVia(index uint32) {
	for i := range st.fibs.Len() {
		t := st.fibs.Table(i)
		if t == nil {
			continue
		}
		var gone []netip.Prefix
		for r := range t.All() {
			if r.IfIndex == index {
				gone = append(gone, r.Prefix)
			}
		}
		for _, p := range gone {
			if old, err := t.Delete(p); err == nil {
				st.unpin(old)
			}
		}
	}
}
