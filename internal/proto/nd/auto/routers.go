package auto

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// router is one that advertises: a default router until expire, or one that
// only more specific routes go through. Its place in the list is the order in
// which routers were learned, and its bit in prefix.routers.
type router struct {
	ip        [16]byte
	expire    clock.Time // as a default router
	lost      uint32     // when it stopped answering, in the order of losses; 0: it may answer
	pref      int8
	installed bool // the default route goes through it
}

// route is a more specific route (RFC 4191 §2.3). Several routers may announce
// the same one; the best is installed.
type route struct {
	dst       [16]byte
	expire    clock.Time
	bits      uint8
	router    uint8 // place in Host.routers
	pref      int8
	installed bool
}

// inputRouter takes what an advertisement says of its sender: a lifetime as a
// default router and routes. It returns the router's place, -1 if it is not
// kept: it is no router for anything, or there are too many.
func (h *Host) inputRouter(now clock.Time, m *Message, hdr *wire.RAHeader) int {
	seconds, pref := uint32(hdr.Lifetime), hdr.Preference
	routes := false
	opts := m.RA.Options()
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		r, ok := o.RouteInfo()
		switch {
		case ok && r.Prefix.Bits() == 0: // RFC 4191 §3.1: it overrides the header
			seconds, pref = r.Lifetime, r.Preference
		case ok && r.Lifetime > 0:
			routes = true
		}
	}
	if h.link.NoRouters {
		seconds = 0
	}
	i := h.routerAt(m.Src)
	if i < 0 {
		if seconds > 0 || routes {
			i = h.addRouter(now, m.Src)
		}
		if i < 0 {
			return -1
		}
	}
	h.routers[i].expire, h.routers[i].pref = lifetime(now, seconds), pref
	if m.HasLinkAddr {
		h.routers[i].lost = 0 // its neighbour entry is valid again
	}
	opts = m.RA.Options()
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		if r, ok := o.RouteInfo(); ok && r.Prefix.Bits() > 0 {
			h.inputRoute(now, i, &r)
		}
	}
	return i
}

// inputRoute takes one route by the router at place i of the list.
func (h *Host) inputRoute(now clock.Time, i int, in *wire.NDRoute) {
	if in.Prefix.Addr().IsMulticast() || in.Prefix.Addr().IsLinkLocalUnicast() {
		h.stats.BadPrefixes++
		return
	}
	dst, bits := in.Prefix.Addr().As16(), uint8(in.Prefix.Bits())
	for j := range h.routes {
		if r := &h.routes[j]; int(r.router) == i && r.dst == dst && r.bits == bits {
			r.expire, r.pref = lifetime(now, in.Lifetime), in.Preference
			return
		}
	}
	if in.Lifetime == 0 {
		return
	}
	if len(h.routes) >= int(h.tun.MaxRoutes) {
		h.stats.RoutesFull++
		return
	}
	h.routes = append(h.routes, route{
		dst: dst, bits: bits, router: uint8(i), pref: in.Preference, expire: lifetime(now, in.Lifetime),
	})
}

// routerAt returns the place of a router, -1 if it is not kept.
func (h *Host) routerAt(ip netip.Addr) int {
	a := ip.As16()
	for i := range h.routers {
		if h.routers[i].ip == a {
			return i
		}
	}
	return -1
}

// addRouter returns the place of a new router, which is no default router yet;
// -1 if there are too many.
func (h *Host) addRouter(now clock.Time, ip netip.Addr) int {
	if len(h.routers) >= int(h.tun.MaxRouters) {
		h.stats.RoutersFull++
		return -1
	}
	h.routers = append(h.routers, router{ip: ip.As16(), expire: now})
	return len(h.routers) - 1
}

// dropRouter forgets a router that no route goes through.
func (h *Host) dropRouter(i int) {
	h.routers = remove(h.routers, i)
	for j := range h.routes {
		if h.routes[j].router > uint8(i) {
			h.routes[j].router--
		}
	}
	below := uint32(1)<<i - 1
	for j := range h.prefixes {
		p := &h.prefixes[j]
		p.routers = p.routers&below | p.routers>>1&^below
	}
}

func (h *Host) routesVia(router int) bool {
	for i := range h.routes {
		if int(h.routes[i].router) == router {
			return true
		}
	}
	return false
}

// RouterLost says that a router stopped answering (neighbour unreachability
// detection): others come before it until it advertises itself with its link
// address or RouterFound says that it answers. If no router answers, the one
// that was lost longest ago is tried (RFC 4861 §6.3.6).
func (h *Host) RouterLost(now clock.Time, ip netip.Addr) {
	if i := h.lookup(ip); i >= 0 {
		h.losses++
		h.routers[i].lost = h.losses
		h.stats.RoutersLost++
		h.dirty = true
	}
}

// RouterFound says that a router answers.
func (h *Host) RouterFound(now clock.Time, ip netip.Addr) {
	if i := h.lookup(ip); i >= 0 && h.routers[i].lost != 0 {
		h.routers[i].lost, h.dirty = 0, true
	}
}

// RouterResigned says that a neighbour is no router any more: its flag went
// away (RFC 4861 §7.2.5). It is forgotten until it advertises again.
func (h *Host) RouterResigned(now clock.Time, ip netip.Addr) {
	i := h.lookup(ip)
	if i < 0 {
		return
	}
	h.routers[i].expire, h.dirty = now, true
	for j := range h.routes {
		if int(h.routes[j].router) == i {
			h.routes[j].expire = now
		}
	}
}

func (h *Host) lookup(ip netip.Addr) int {
	if h == nil || !ip.Is6() {
		return -1
	}
	return h.routerAt(ip)
}

// before tells whether router i, with preference p, is to be chosen rather than
// router j, with q: one that may answer before one that does not, then by
// preference (RFC 4191 §3.2), then by age; of those that do not, in turns (RFC
// 4861 §6.3.6).
func (h *Host) before(i int, p int8, j int, q int8) bool {
	a, b := h.routers[i].lost, h.routers[j].lost
	switch {
	case a != 0 || b != 0:
		return a < b
	case p != q:
		return p > q
	}
	return i < j
}

// defaultRouter returns the place of the best default router, -1 if there is
// none.
func (h *Host) defaultRouter(now clock.Time) int {
	best := -1
	for i := range h.routers {
		r := &h.routers[i]
		if now < r.expire && (best < 0 || h.before(i, r.pref, best, h.routers[best].pref)) {
			best = i
		}
	}
	return best
}

// bestRoute returns the place of the best route to the destination of route i,
// -1 if none is to be used: the destination is on the link, or the routers do
// not answer while a default router does (RFC 4191 §3.2).
func (h *Host) bestRoute(now clock.Time, i int, fallback bool) int {
	dst, bits, best := h.routes[i].dst, h.routes[i].bits, -1
	for j := range h.prefixes {
		if p := &h.prefixes[j]; p.ip == dst && p.bits == bits && now < p.onLink {
			return -1
		}
	}
	for j := range h.routes {
		r := &h.routes[j]
		switch {
		case r.dst != dst || r.bits != bits || now >= r.expire:
		case fallback && h.routers[r.router].lost != 0:
		case best < 0 || h.before(int(r.router), r.pref, int(h.routes[best].router), h.routes[best].pref):
			best = j
		}
	}
	return best
}

// nextRoute hands out a change of the routes. A prefix leaves the link before
// a router's route to it comes, and the other way round.
func (h *Host) nextRoute(now clock.Time, out *Out) bool {
	for i := range h.prefixes {
		if p := &h.prefixes[i]; p.installed && now >= p.onLink {
			p.installed = false
			*out = Out{Kind: DelRoute, Route: p.route()}
			return true
		}
	}
	if h.nextDefault(now, out) || h.nextSpecific(now, out) {
		return true
	}
	for i := range h.prefixes {
		if p := &h.prefixes[i]; !p.installed && now < p.onLink {
			p.installed = true
			*out = Out{Kind: AddRoute, Route: p.route()}
			return true
		}
	}
	return false
}

func (h *Host) nextDefault(now clock.Time, out *Out) bool {
	best, old := h.defaultRouter(now), -1
	for i := range h.routers {
		if h.routers[i].installed {
			old = i
		}
	}
	if best == old {
		return false
	}
	*out = Out{Kind: replace(old, best)}
	if old >= 0 {
		h.routers[old].installed = false
		out.Route = h.routers[old].route()
	}
	if best >= 0 {
		h.routers[best].installed = true
		out.Route = h.routers[best].route()
	}
	return true
}

func (h *Host) nextSpecific(now clock.Time, out *Out) bool {
	if len(h.routes) == 0 {
		return false
	}
	d := h.defaultRouter(now)
	fallback := d >= 0 && h.routers[d].lost == 0
	for i := range h.routes {
		best, old := h.bestRoute(now, i, fallback), h.installedRoute(i)
		if best == old {
			continue
		}
		*out = Out{Kind: replace(old, best)}
		if old >= 0 {
			h.routes[old].installed = false
			out.Route = h.specific(old)
		}
		if best >= 0 {
			h.routes[best].installed = true
			out.Route = h.specific(best)
		}
		return true
	}
	return false
}

// installedRoute returns the place of the installed route to the destination of
// route i, -1 if there is none.
func (h *Host) installedRoute(i int) int {
	for j := range h.routes {
		if r := &h.routes[j]; r.installed && r.dst == h.routes[i].dst && r.bits == h.routes[i].bits {
			return j
		}
	}
	return -1
}

// replace returns what to say when the route at place old gives way to that at
// place best.
func replace(old, best int) OutKind {
	switch {
	case old < 0:
		return AddRoute
	case best < 0:
		return DelRoute
	}
	return ChangeRoute
}

func (r *router) route() Route {
	return Route{
		Dst: netip.PrefixFrom(netip.IPv6Unspecified(), 0), Router: netip.AddrFrom16(r.ip),
		Preference: r.pref, Expire: r.expire,
	}
}

func (h *Host) specific(i int) Route {
	r := &h.routes[i]
	return Route{
		Dst: prefixFrom(r.dst, r.bits), Router: netip.AddrFrom16(h.routers[r.router].ip),
		Preference: r.pref, Expire: r.expire,
	}
}
