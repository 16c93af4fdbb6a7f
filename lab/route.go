package lab

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/internal/ifaddr"
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
		f := family{is6: is6, members: make(map[*subnet][]member), addrs: make(map[*nodePort]netip.Addr), router: make(map[*Node]bool), wanted: wanted}
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
	made  map[netip.Prefix]way
	stale bool // some may be gone
}

// way is where a route leads by.
type way struct {
	gateway netip.Addr
	index   uint32 // the interface's: names change
}

func (h *Node) wayOf(r *vimage.Route) way {
	if c := h.Internal().View().Named(r.Interface); c != nil {
		return way{r.Gateway, c.Index}
	}
	return way{gateway: r.Gateway}
}

// forget removes the routes that FollowRoutes has made and that are not wanted.
func (h *Node) forget(wanted []vimage.Route) {
	if h.auto.stale && len(h.auto.made) > 0 {
		there := make(map[netip.Prefix]way)
		for _, r := range h.Routes() {
			if w := h.wayOf(&r); h.auto.made[r.Dst] == w {
				there[r.Dst] = w
			}
		}
		h.auto.made = there
	}
	h.auto.stale = false
	if len(h.auto.made) == 0 {
		return
	}
	keep := make(map[netip.Prefix]way, len(wanted))
	for _, r := range wanted {
		if w := h.wayOf(&r); h.auto.made[r.Dst] == w {
			keep[r.Dst] = w
		}
	}
	for dst, w := range h.auto.made {
		if _, ok := keep[dst]; ok {
			continue
		}
		if c := h.Internal().View().Conf(w.index); c != nil { // else it is gone with its interface
			h.DelRouteVia(vimage.Route{Dst: dst, Gateway: w.gateway, Interface: c.Name})
		}
	}
	h.auto.made = keep
}

// family is one of IPv4 and IPv6 as routes see it.
type family struct {
	is6     bool
	members map[*subnet][]member
	addrs   map[*nodePort]netip.Addr
	router  map[*Node]bool
	wanted  map[*Node][]vimage.Route
}

// member is a node in a subnet, and its first interface there.
type member struct {
	*Node
	by string
}

// addr returns the address by which a port is a gateway: the first it has in its subnet,
// or else the first. It is invalid where the port takes no part.
func (f *family) addr(p *nodePort) (found netip.Addr) {
	c := p.conf()
	if c == nil || c.FIB != 0 || !c.Up() {
		return found
	}
	sub := p.subnet.prefix.Prefix
	if f.is6 {
		sub = p.subnet.prefix6.Prefix
	}
	for _, a := range c.Addrs {
		ip := a.Addr()
		switch {
		case ip.Is6() != f.is6 || ip.IsLinkLocalUnicast() && f.is6 || a.Flags&(ifaddr.Auto|ifaddr.Anycast) != 0:
		case sub.IsValid() && sub.Contains(ip):
			return ip
		case !found.IsValid():
			found = ip
		}
	}
	return found
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
			if f.addrs[p] = f.addr(p); !f.addrs[p].IsValid() {
				continue
			}
			if f.members[p.subnet] == nil {
				all = append(all, p.subnet)
			}
			f.members[p.subnet] = append(f.members[p.subnet], member{h, p.iface().Name()})
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
	var front []*Node
	for _, m := range f.members[target] {
		reached[m.Node] = true
		front = append(front, m.Node)
	}
	for len(front) > 0 {
		var next []*Node
		for _, r := range front {
			if !f.router[r] {
				continue
			}
			for _, p := range r.ports {
				if !f.addrs[p].IsValid() {
					continue
				}
				for _, m := range f.members[p.subnet] {
					if reached[m.Node] {
						continue
					}
					reached[m.Node] = true
					next = append(next, m.Node)
					f.wanted[m.Node] = append(f.wanted[m.Node], vimage.Route{Dst: dst, Gateway: f.addrs[p], Interface: m.by})
				}
			}
		}
		front = next
	}
}

// routeVia adds a route, unless FollowRoutes has made it before, there is one already, or
// the node cannot reach the gateway.
func (h *Node) routeVia(r vimage.Route) error {
	if h.auto.made[r.Dst] == h.wayOf(&r) {
		return nil
	}
	err := h.AddRoute(r)
	switch {
	case errors.Is(err, syscall.EEXIST), errors.Is(err, syscall.ENETUNREACH): // somebody has changed the node's addresses
		return nil
	case err != nil:
		return err
	case h.auto.made == nil:
		h.auto.made = make(map[netip.Prefix]way)
	}
	h.auto.made[r.Dst] = h.wayOf(&r)
	return nil
}
