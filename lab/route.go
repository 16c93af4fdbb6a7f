package lab

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage"
)

// RouteAll gives every node a route, in table 0, to every subnet of the lab by
// the shortest way over routers, for IPv4 and IPv6 each. Call it when the network
// is complete, and again when it has changed: routes that it made and that are no
// longer right go, others that are there already stay. Interfaces of other tables
// take no part, nor, for IPv6, do those that configure themselves: they have
// routers that say where they lead.
func (n *Lab) RouteAll() {
	if n.t != nil {
		n.t.Helper()
	}
	n.must(n.AddRoutes())
}

// AddRoutes is RouteAll with an error.
func (n *Lab) AddRoutes() error {
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	nodes := n.Nodes()
	for _, h := range nodes {
		h.auto.stale = true
	}
	return n.follow(nodes)
}

// FollowRoutes is what AddRoutes does, after a change, for nodes whose order decides
// between ways that are as short. What somebody else has removed of it stays so.
func (n *Lab) FollowRoutes(nodes []*Node) error {
	if err := n.change(); err != nil {
		return err
	}
	defer n.building.Unlock()
	return n.follow(nodes)
}

func (n *Lab) follow(nodes []*Node) error {
	wanted := n.ways(nodes)
	for _, h := range nodes {
		h.forget(wanted[h])
	}
	var errs []error
	for _, h := range nodes {
		for _, r := range wanted[h] {
			errs = append(errs, h.routeVia(r))
		}
	}
	return errors.Join(errs...)
}

// Ways returns the routes that FollowRoutes wants the nodes to have.
func (n *Lab) Ways(nodes []*Node) map[*Node][]vimage.Route {
	n.building.Lock()
	defer n.building.Unlock()
	return n.ways(nodes)
}

func (n *Lab) ways(nodes []*Node) map[*Node][]vimage.Route {
	wanted := make(map[*Node][]vimage.Route)
	for _, is6 := range [...]bool{false, true} {
		f := family{is6: is6, members: make(map[*subnet][]*Node), router: make(map[*Node]bool), wanted: wanted}
		for _, h := range nodes {
			f.router[h] = f.forwards(h)
		}
		n.mu.RLock()
		f.routes(nodes)
		n.mu.RUnlock()
	}
	return wanted
}

// autoRoutes is what FollowRoutes has made in a stack.
type autoRoutes struct {
	made  map[netip.Prefix]netip.Addr
	stale bool // some may be gone
}

// forget removes the routes that FollowRoutes has made and that are not wanted.
func (h *Node) forget(wanted []vimage.Route) {
	if h.auto.stale && len(h.auto.made) > 0 {
		there := make(map[netip.Prefix]netip.Addr)
		for _, r := range h.Routes() {
			if h.auto.made[r.Dst] == r.Gateway {
				there[r.Dst] = r.Gateway
			}
		}
		h.auto.made = there
	}
	h.auto.stale = false
	if len(h.auto.made) == 0 {
		return
	}
	keep := make(map[netip.Prefix]netip.Addr, len(wanted))
	for _, r := range wanted {
		if h.auto.made[r.Dst] == r.Gateway {
			keep[r.Dst] = r.Gateway
		}
	}
	for dst, gateway := range h.auto.made {
		if _, ok := keep[dst]; !ok {
			h.DelRouteVia(vimage.Route{Dst: dst, Gateway: gateway}) // it may be gone
		}
	}
	h.auto.made = keep
}

// family is one of IPv4 and IPv6 as routes see it.
type family struct {
	is6     bool
	members map[*subnet][]*Node
	router  map[*Node]bool
	wanted  map[*Node][]vimage.Route
}

// addr returns a port's address, invalid where it takes no part.
func (f *family) addr(p *nodePort) netip.Addr {
	switch {
	case p.fib != 0:
		return netip.Addr{}
	case f.is6:
		return p.addr6.Addr()
	}
	return p.addr.Addr()
}

// forwards tells whether a node is a router.
func (f *family) forwards(h *Node) bool {
	name := "net.inet.ip.forwarding"
	if f.is6 {
		name = "net.inet6.ip6.forwarding"
	}
	on, err := h.Sysctl(name)
	return err == nil && on != 0
}

// routes finds out what routes nodes need. lab.mu is held.
func (f *family) routes(nodes []*Node) {
	var all []*subnet
	for _, h := range nodes {
		for _, p := range h.ports {
			if !f.addr(p).IsValid() {
				continue
			}
			if f.members[p.subnet] == nil {
				all = append(all, p.subnet)
			}
			f.members[p.subnet] = append(f.members[p.subnet], h)
		}
	}
	for _, s := range all {
		dst := s.prefix.Prefix
		if f.is6 {
			dst = s.prefix6.Prefix
		}
		if dst.IsValid() { // there may be addresses without a subnet
			f.routeTo(s, dst.Masked())
		}
	}
}

// routeTo floods out from a subnet: who is reached through a router gets a
// route by it.
func (f *family) routeTo(target *subnet, dst netip.Prefix) {
	reached := make(map[*Node]bool)
	for _, h := range f.members[target] {
		reached[h] = true
	}
	front := append([]*Node(nil), f.members[target]...)
	for len(front) > 0 {
		var next []*Node
		for _, r := range front {
			if !f.router[r] {
				continue
			}
			for _, p := range r.ports {
				if !f.addr(p).IsValid() {
					continue
				}
				for _, h := range f.members[p.subnet] {
					if reached[h] {
						continue
					}
					reached[h] = true
					next = append(next, h)
					f.wanted[h] = append(f.wanted[h], vimage.Route{Dst: dst, Gateway: f.addr(p)})
				}
			}
		}
		front = next
	}
}

// routeVia adds a route, unless FollowRoutes has made it before or there is one already.
func (h *Node) routeVia(r vimage.Route) error {
	if h.auto.made[r.Dst] == r.Gateway {
		return nil
	}
	err := h.AddRoute(r)
	switch {
	case errors.Is(err, syscall.EEXIST):
		return nil
	case err != nil:
		return err
	case h.auto.made == nil:
		h.auto.made = make(map[netip.Prefix]netip.Addr)
	}
	h.auto.made[r.Dst] = r.Gateway
	return nil
}
