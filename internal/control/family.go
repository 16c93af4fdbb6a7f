package control

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/vnet"
)

// ipFamily returns a family that every stack routes; others are modules'.
func ipFamily(name string) *vnet.Family {
	if name != "inet" && name != "inet6" {
		return nil
	}
	f := inet(name, name == "inet6")
	return &f
}

// inet returns IPv4 or IPv6 in the form that all families have.
func inet(name string, is6 bool) vnet.Family {
	route := func(r *vnet.FamilyRoute) (out Route, e syscall.Errno) {
		dst, ok := addrOf(r.Dst, is6)
		gateway, ok2 := addrOf(r.Gateway, is6)
		if !ok || !ok2 && r.Gateway != "" || r.Bits < 0 || r.Bits > dst.BitLen() {
			return out, syscall.EINVAL
		}
		return Route{Dst: netip.PrefixFrom(dst, r.Bits), Gateway: gateway, IfIndex: r.IfIndex}, 0
	}
	walk := func(st *vnet.Stack, fib int, visit func(vnet.FamilyRoute) bool) {
		for _, r := range Routes(st, fib) {
			if r.Dst.Addr().Is6() == is6 && !visit(familyRoute(&r)) {
				return
			}
		}
	}
	return vnet.Family{
		Name: name, FIBs: true, Walk: walk,
		Add: func(st *vnet.Stack, fib int, r vnet.FamilyRoute) syscall.Errno {
			out, e := route(&r)
			if e != 0 {
				return e
			}
			return AddRoute(st, fib, out)
		},
		Delete: func(st *vnet.Stack, fib int, r vnet.FamilyRoute) syscall.Errno {
			out, e := route(&r)
			if e != 0 {
				return e
			}
			return DelRoute(st, fib, out.Dst)
		},
		Lookup: func(st *vnet.Stack, fib int, dst string) (best vnet.FamilyRoute, e syscall.Errno) {
			a, ok := addrOf(dst, is6)
			if !ok {
				return best, syscall.EINVAL
			}
			e = syscall.ESRCH
			walk(st, fib, func(r vnet.FamilyRoute) bool {
				n, _ := addrOf(r.Dst, is6)
				if netip.PrefixFrom(n, r.Bits).Contains(a) && (e != 0 || r.Bits > best.Bits) {
					best, e = r, 0
				}
				return true
			})
			return best, e
		},
	}
}

func addrOf(bytes string, is6 bool) (netip.Addr, bool) {
	a, ok := netip.AddrFromSlice([]byte(bytes))
	return a, ok && a.Is6() == is6
}

func familyRoute(r *Route) vnet.FamilyRoute {
	return vnet.FamilyRoute{
		Dst: string(r.Dst.Addr().AsSlice()), Bits: r.Dst.Bits(), Gateway: string(r.Gateway.AsSlice()), IfIndex: r.IfIndex,
	}
}

// family returns the family of that name, or nil.
func family(w *vnet.World, name string) *vnet.Family {
	if f := ipFamily(name); f != nil {
		return f
	}
	for _, m := range w.Modules().All() {
		if m.Family != nil && m.Family.Name == name {
			return m.Family
		}
	}
	return nil
}

// routed is a table of a family, as a request found it.
type routed struct {
	*vnet.Family
	fib  int
	rows *[]int // of a module's family: the tables that are attached
}

// familyTable finds a family's table; one without FIBs has number 0 alone. Modules are
// locked.
func familyTable(st *vnet.Stack, name string, fib int) (r routed, e syscall.Errno) {
	if fib < 0 || fib >= st.FIBs() {
		return r, syscall.EINVAL
	}
	if r.Family = family(st.World(), name); r.Family == nil {
		return r, syscall.EAFNOSUPPORT
	}
	if r.FIBs {
		r.fib = fib
	}
	for _, m := range st.World().Modules().All() {
		if m.Family == r.Family {
			if r.rows = st.Vars().Rows(&m.Vars); r.rows == nil {
				return r, syscall.EAFNOSUPPORT // the stack is going
			}
		}
	}
	return r, 0
}

// empty tells whether no route was ever added to the table.
func (r *routed) empty() bool { return r.rows != nil && !slices.Contains(*r.rows, r.fib) }

// FamilyAdd adds a route to a table of a family. It returns EAFNOSUPPORT for a
// family that nobody has registered, EINVAL where the stack has no such table, and
// the family's errors. A family without FIBs takes every table for 0.
func FamilyAdd(st *vnet.Stack, name string, fib int, route vnet.FamilyRoute) syscall.Errno {
	defer lockModules(st)()
	r, e := familyTable(st, name, fib)
	if e != 0 {
		return e
	}
	if r.empty() {
		if r.Attach != nil {
			if e := r.Attach(st, r.fib); e != 0 {
				return e
			}
		}
		*r.rows = append(*r.rows, r.fib)
	}
	return r.Add(st, r.fib, route)
}

// FamilyDelete removes a route from a table of a family: ESRCH where there is none
// to that destination, else FamilyAdd's errors.
func FamilyDelete(st *vnet.Stack, name string, fib int, route vnet.FamilyRoute) syscall.Errno {
	defer lockModules(st)()
	r, e := familyTable(st, name, fib)
	switch {
	case e != 0:
		return e
	case r.empty():
		return syscall.ESRCH
	}
	return r.Delete(st, r.fib, route)
}

// FamilyLookup returns the route of a table of a family to a destination: ESRCH
// where there is none, else FamilyAdd's errors.
func FamilyLookup(st *vnet.Stack, name string, fib int, dst string) (vnet.FamilyRoute, syscall.Errno) {
	defer lockModules(st)()
	r, e := familyTable(st, name, fib)
	switch {
	case e != 0:
		return vnet.FamilyRoute{}, e
	case r.empty():
		return vnet.FamilyRoute{}, syscall.ESRCH
	}
	return r.Lookup(st, r.fib, dst)
}

// FamilyRoutes returns the routes of a table of a family, in the family's order.
func FamilyRoutes(st *vnet.Stack, name string, fib int) (all []vnet.FamilyRoute, e syscall.Errno) {
	defer lockModules(st)()
	r, e := familyTable(st, name, fib)
	if e == 0 && !r.empty() {
		r.Walk(st, r.fib, func(route vnet.FamilyRoute) bool { all = append(all, route); return true })
	}
	return all, e
}

func lockModules(st *vnet.Stack) (unlock func()) {
	mods := st.World().Modules()
	mods.Lock()
	return mods.Unlock
}

// detach takes the tables of a module's family away, the last first. Modules are
// locked.
func detach(st *vnet.Stack, m *vnet.Module) {
	if m.Family == nil || m.Family.Detach == nil {
		return
	}
	for _, fib := range slices.Backward(*st.Vars().Rows(&m.Vars)) {
		m.Family.Detach(st, fib)
	}
}
