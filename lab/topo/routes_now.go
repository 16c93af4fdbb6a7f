package topo

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/lab"
)

// nowRoute is a route of a stack that somebody has set.
type nowRoute struct {
	vimage.Route
	fib int
}

// setRoutes returns the routes of all stacks that somebody has set and that a file must
// therefore have, and whether the others are those of routing: auto.
func (n *Network) setRoutes(u *unsaid) (map[*node][]nowRoute, bool) {
	if n.file.auto {
		said := new(unsaid)
		if all, ok := n.routesBut(n.Lab.Ways(n.labNodes()), said); ok {
			u.list = append(u.list, said.list...)
			return all, true
		}
	}
	all, _ := n.routesBut(nil, u)
	return all, false
}

// routesBut returns the routes that somebody has set but for those that are wanted anyway;
// false where one of these is missing.
func (n *Network) routesBut(wanted map[*lab.Node][]vimage.Route, u *unsaid) (map[*node][]nowRoute, bool) {
	all := make(map[*node][]nowRoute)
	for s := range n.file.stacks() {
		missing := make(map[netip.Prefix]vimage.Route)
		for _, r := range wanted[n.nodes[s]] {
			missing[r.Dst] = r
		}
		for k := range s.fibs {
			for _, r := range n.routesOf(s, k, u) {
				same := vimage.Route{Dst: r.Dst, Gateway: r.Gateway, Interface: r.Interface}
				if k == 0 && r.MTU == 0 && r.Metric == 0 && !r.Reject && !r.Blackhole && missing[r.Dst] == same {
					delete(missing, r.Dst)
				} else {
					all[s] = append(all[s], r)
				}
			}
		}
		if len(missing) > 0 {
			return nil, false
		}
	}
	return all, true
}

// routesOf returns those of one table.
func (n *Network) routesOf(s *node, fib int, u *unsaid) (all []nowRoute) {
	st, err := n.nodes[s].FIB(fib)
	if err != nil {
		return nil
	}
	allFIBs, _ := st.Sysctl("net.add_addr_allfibs")
	own := s.subnets(func(e *end) bool { return allFIBs != 0 || e.fib == fib })
	there := make(map[netip.Prefix]string)
	for _, r := range st.Routes() {
		if there[r.Dst] == "" || !r.Gateway.IsValid() {
			there[r.Dst] = r.Interface
		}
		if !strings.Contains(r.Flags, "S") {
			continue
		}
		if own[r.Dst] != nil || s.otherSubnet(r.Dst, func(o *other) bool { return allFIBs != 0 || o.fib == fib }) {
			u.add("%s: the route to %v of FIB %d, a subnet of its own", s.name.s, r.Dst, fib)
		} else if n.sayable(s, &r, fib, u) {
			all = append(all, nowRoute{r, fib})
		}
	}
	if u == nil {
		return all
	}
	for _, dst := range slices.SortedFunc(maps.Keys(own), netip.Prefix.Compare) {
		switch e := own[dst]; {
		case e.iface != nil && e.iface.down: // it brings none
		case there[dst] == "":
			u.add("%s: that FIB %d has no route to %v, the subnet of %s", s.name.s, fib, dst, e.name)
		case there[dst] != e.name:
			u.add("%s: that %s leads to %v in FIB %d, and not %s", s.name.s, there[dst], dst, fib, e.name)
		}
	}
	return all
}

// otherSubnet tells whether a prefix is the subnet of an interface that is of no link.
func (s *node) otherSubnet(p netip.Prefix, of func(*other) bool) bool {
	return slices.ContainsFunc(s.others, func(o *other) bool {
		return of(o) && slices.ContainsFunc(o.all, func(a vimage.AddrConfig) bool {
			return a.Prefix.Masked() == p && !a.Peer.IsValid() || a.Peer.IsValid() && netip.PrefixFrom(a.Peer, a.Peer.BitLen()) == p
		})
	})
}

// subnets returns the subnets of interfaces, each with the first that is up and so brings
// its route.
func (s *node) subnets(of func(*end) bool) map[netip.Prefix]*end {
	all := make(map[netip.Prefix]*end)
	for _, e := range s.ports {
		if !of(e) || e.link.lost {
			continue
		}
		for _, a := range slices.Concat(e.addrs, e.six) {
			if o := all[a.Masked()]; !a.IsSingleIP() && (o == nil || o.iface != nil && o.iface.down) {
				all[a.Masked()] = e
			}
		}
	}
	return all
}

// sayable tells whether a file can have a route.
func (n *Network) sayable(s *node, r *vimage.Route, fib int, u *unsaid) bool {
	why := ""
	switch {
	case r.Expire != 0:
		why = "which expires"
	case r.Gateway.Is6() && r.Gateway.IsLinkLocalUnicast():
		why = "whose gateway is link-local"
	case r.Reject && r.Blackhole || (r.Reject || r.Blackhole) && r.Gateway.IsValid() && !r.Gateway.IsLoopback():
		why = "which refuses packets and has a gateway"
	case r.Reject || r.Blackhole:
	case s.portNamed(r.Interface) == nil && s.otherNamed(r.Interface) == nil && r.Interface != "lo0":
		why = "by " + r.Interface
	}
	if why != "" {
		u.add("%s: the route to %v of FIB %d, %s", s.name.s, r.Dst, fib, why)
	}
	return why == ""
}

// portNamed returns the interface of a name, nil if none of a link has it.
func (s *node) portNamed(name string) *end {
	for _, e := range s.interfaces() {
		if e.name == name && !e.link.lost {
			return e
		}
	}
	return nil
}

// plainRoute tells whether a route means what it is by its gateway alone.
func (s *node) plainRoute(r *nowRoute, several bool) bool {
	if !r.Gateway.IsValid() || r.Metric != 0 || several {
		return false
	}
	var out *end
	for _, e := range s.interfaces() { // as checker.gatewayAddr
		if !e.link.lost && e.reaches(r.Gateway) && (out == nil || out.fib != r.fib && e.fib == r.fib) {
			out = e
		}
	}
	if out == nil || out.name != r.Interface {
		return false
	}
	o := out.seg.taken[r.Gateway]
	return o != nil && o.node != s
}
