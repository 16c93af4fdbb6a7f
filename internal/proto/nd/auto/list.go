package auto

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
)

// Router is a router that advertises on the link, for lists of them.
type Router struct {
	IP         netip.Addr
	Preference int8       // as a default router: 1 high, 0 medium, -1 low
	Expire     clock.Time // as a default router; it may have passed
	Lost       bool       // it stopped answering
	Installed  bool       // the default route goes through it
}

// AppendRouters appends the routers in the order in which they were learned.
func (h *Host) AppendRouters(list []Router) []Router {
	if h == nil {
		return list
	}
	for i := range h.routers {
		r := &h.routers[i]
		list = append(list, Router{netip.AddrFrom16(r.ip), r.pref, r.expire, r.lost != 0, r.installed})
	}
	return list
}

// AppendAddresses appends the addresses in the order in which they were formed,
// with their lifetimes as they stand.
func (h *Host) AppendAddresses(list []Address) []Address {
	if h == nil {
		return list
	}
	for i := range h.addrs {
		if a := &h.addrs[i]; a.told && !a.gone {
			list = append(list, h.address(a))
		}
	}
	return list
}

// AppendRoutes appends the routes that were handed out, with their lifetimes as
// they stand: prefixes on the link, the default route, then others.
func (h *Host) AppendRoutes(list []Route) []Route {
	if h == nil {
		return list
	}
	for i := range h.prefixes {
		if p := &h.prefixes[i]; p.installed {
			list = append(list, p.route())
		}
	}
	for i := range h.routers {
		if r := &h.routers[i]; r.installed {
			list = append(list, r.route())
		}
	}
	for i := range h.routes {
		if h.routes[i].installed {
			list = append(list, h.specific(i))
		}
	}
	return list
}

// Announced tells whether router announces a prefix that ip is in: what rule
// 5.5 of source address selection asks (RFC 6724 §5, RFC 8028 §3.3). It holds
// for any address, however it was configured.
func (h *Host) Announced(ip, router netip.Addr) bool {
	i := h.lookup(router)
	if i < 0 {
		return false
	}
	for j := range h.prefixes {
		if p := &h.prefixes[j]; p.routers&(1<<i) != 0 && prefixFrom(p.ip, p.bits).Contains(ip) {
			return true
		}
	}
	return false
}

// Link returns what Start or SetLink said of the interface; ok is false where the host
// does not run.
func (h *Host) Link() (l Link, ok bool) {
	if h == nil || !h.running {
		return Link{}, false
	}
	return h.link, true
}
