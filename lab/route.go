package lab

import (
	"errors"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage"
)

// RouteAll gives every node a route, in table 0, to every subnet of the lab by
// the shortest way over routers. Call it when the network is complete; routes
// that are there already stay. Interfaces of other tables take no part.
func (n *Lab) RouteAll() {
	if n.t != nil {
		n.t.Helper()
	}
	n.must(n.AddRoutes())
}

// AddRoutes is RouteAll with an error.
func (n *Lab) AddRoutes() error {
	members := make(map[*subnet][]*Node)
	var all []*subnet
	for _, h := range n.nodes {
		for _, p := range h.ports {
			if p.fib != 0 {
				continue
			}
			if members[p.subnet] == nil {
				all = append(all, p.subnet)
			}
			members[p.subnet] = append(members[p.subnet], h)
		}
	}
	for _, s := range all {
		if err := n.routeTo(s, members); err != nil {
			return err
		}
	}
	return nil
}

// routeTo floods out from a subnet: who is reached through a router gets a
// route by it.
func (n *Lab) routeTo(target *subnet, members map[*subnet][]*Node) error {
	reached := make(map[*Node]bool)
	for _, h := range members[target] {
		reached[h] = true
	}
	front := append([]*Node(nil), members[target]...)
	for len(front) > 0 {
		var next []*Node
		for _, r := range front {
			if on, err := r.Sysctl("net.inet.ip.forwarding"); err != nil || on == 0 {
				continue
			}
			for _, p := range r.ports {
				if p.fib != 0 {
					continue
				}
				for _, h := range members[p.subnet] {
					if reached[h] {
						continue
					}
					reached[h] = true
					next = append(next, h)
					if err := h.routeVia(target.prefix, p.addr.Addr()); err != nil {
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
