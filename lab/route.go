package lab

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage"
)

// RouteAll gives every node a route, in table 0, to every subnet of the lab by
// the shortest way over routers, for IPv4 and IPv6 each. Call it when the network
// is complete; routes that are there already stay. Interfaces of other tables
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
	return errors.Join(n.addRoutes(false), n.addRoutes(true))
}

// family is one of IPv4 and IPv6 as routes see it.
type family struct {
	is6     bool
	members map[*subnet][]*Node
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

func (n *Lab) addRoutes(is6 bool) error {
	f := family{is6, make(map[*subnet][]*Node)}
	var all []*subnet
	for _, h := range n.nodes {
		for i := range h.ports {
			p := &h.ports[i]
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
		if is6 {
			dst = s.prefix6.Prefix
		}
		if !dst.IsValid() {
			continue // addresses without a subnet
		}
		if err := f.routeTo(s, dst); err != nil {
			return err
		}
	}
	return nil
}

// routeTo floods out from a subnet: who is reached through a router gets a
// route by it.
func (f *family) routeTo(target *subnet, dst netip.Prefix) error {
	reached := make(map[*Node]bool)
	for _, h := range f.members[target] {
		reached[h] = true
	}
	front := append([]*Node(nil), f.members[target]...)
	for len(front) > 0 {
		var next []*Node
		for _, r := range front {
			if !f.forwards(r) {
				continue
			}
			for i := range r.ports {
				p := &r.ports[i]
				if !f.addr(p).IsValid() {
					continue
				}
				for _, h := range f.members[p.subnet] {
					if reached[h] {
						continue
					}
					reached[h] = true
					next = append(next, h)
					if err := h.routeVia(dst, f.addr(p)); err != nil {
						return err
					}
				}
			}
		}
		front = next
	}
	return nil
}

func (h *Node) routeVia(dst netip.Prefix, gateway netip.Addr) error {
	err := h.AddRoute(vimage.Route{Dst: dst.Masked(), Gateway: gateway})
	if errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return err
}
