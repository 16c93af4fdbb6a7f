package control

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/vnet"
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
func AddRoute(st *vnet.Stack, table int, r Route) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(table)
	if err != nil {
		return err.(syscall.Errno)
	}
	out, e := resolveRoute(st, t, &r)
	if e != 0 {
		return e
	}
	if err := t.Insert(out); err != nil {
		st.Unpin(out.IfIndex, out.Adj)
		return err.(syscall.Errno)
	}
	return 0
}

// resolveRoute turns a configured route into one of the table.
func resolveRoute(st *vnet.Stack, t *fib.Table[*ifnet.Neighbor], r *Route) (out fib.Route[*ifnet.Neighbor], e syscall.Errno) {
	out = fib.Route[*ifnet.Neighbor]{Prefix: r.Dst, Gateway: r.Gateway, IfIndex: r.IfIndex, MTU: uint32(r.MTU), Flags: fib.Up | fib.Static}
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
	c, ok := st.Interface(out.IfIndex)
	if !ok {
		return out, syscall.ENXIO
	}
	if out.Flags&fib.Gateway != 0 && c.Flags&(ifnet.Loopback|ifnet.PointToPoint) == 0 {
		out.Adj = st.Pin(out.IfIndex, r.Gateway)
	}
	return out, 0
}

// DelRoute removes a route from a table. It returns ESRCH where there is none
// to that destination and EINVAL for a bad table or destination.
func DelRoute(st *vnet.Stack, table int, dst netip.Prefix) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	t, err := st.Tables().Writable(table)
	if err != nil {
		return err.(syscall.Errno)
	}
	old, err := t.Delete(dst)
	if err != nil {
		return err.(syscall.Errno)
	}
	st.Unpin(old.IfIndex, old.Adj)
	return 0
}

// Routes returns the routes of a table, sorted by destination.
func Routes(st *vnet.Stack, table int) []Route {
	st.Lock()
	defer st.Unlock()
	t := st.Tables().Table(table)
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
func SetFIBs(st *vnet.Stack, n int) syscall.Errno {
	st.Lock()
	defer st.Unlock()
	if err := st.Tables().Grow(n); err != nil {
		return err.(syscall.Errno)
	}
	return 0
}

// dropRoutesVia removes every route that leaves by an interface. The lock is held.
func dropRoutesVia(st *vnet.Stack, index uint32) {
	for i := range st.Tables().Len() {
		t := st.Tables().Table(i)
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
				st.Unpin(old.IfIndex, old.Adj)
			}
		}
	}
}
