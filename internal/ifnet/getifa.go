package ifnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
)

// RouteRequest is what is known of a route that is to be: whose address it will lead
// from is what is asked. All but Dst may be missing.
type RouteRequest struct {
	Dst     netip.Addr
	Gateway netip.Addr // as a router, or with Direct as the address of ours by which Dst is on the link
	Direct  bool
	Host    bool       // Dst is one host
	Source  netip.Addr // an address of ours
	Index   uint32     // an interface
}

// IfForRequest finds the address that a route leads from, and the interface by which
// it leaves (rt_getifa_fib): what was said comes before what can be concluded. It
// returns ENETUNREACH where there is none.
func (v *View) IfForRequest(r *RouteRequest, table int) (a IfAddr, e syscall.Errno) {
	out := v.Conf(r.Index)
	if r.Source.IsValid() {
		a = v.IfWithAddr(r.Source, r.Index)
	}
	near := r.Dst // what is to be reached directly
	switch {
	case r.Source.IsValid():
		near = r.Source
	case r.Gateway.IsValid():
		near = r.Gateway
	}
	switch {
	case a.OK():
	case out != nil:
		a = out.AddrFor(near)
	case r.Gateway.IsValid():
		a = v.IfWithRoute(r, table)
	default:
		a = v.IfWithRoute(&RouteRequest{Dst: near, Gateway: near, Direct: true, Host: r.Host}, table)
	}
	if !a.OK() {
		return a, syscall.ENETUNREACH
	}
	if out != nil {
		a.On = out
	}
	return a, 0
}

// IfWithRoute finds the address that a route by a gateway leads from
// (ifa_ifwithroute_fib): the peer of a point-to-point link, or an address of ours if
// the route is direct; else the subnet that the gateway is in; else where the table
// leads to the gateway, unless that needs a gateway itself. It is of the
// destination's family if the interface has one.
func (v *View) IfWithRoute(r *RouteRequest, table int) (a IfAddr) {
	switch {
	case !r.Direct:
		a = v.IfWithPeer(r.Gateway, table)
	case r.Host:
		a = v.IfWithPeer(r.Dst, table)
	}
	if !a.OK() && r.Direct {
		a = v.IfWithAddr(r.Gateway, r.Index)
	}
	if !a.OK() {
		a = v.IfWithNet(r.Gateway, false, table)
	}
	if !a.OK() {
		var h Hop
		if table == AnyFIB {
			table = 0
		}
		if v.Route(uint32(table), r.Gateway, r.Index, nil, &h) != pkt.NoReason || h.Gateway {
			return IfAddr{}
		}
		a = h.Out.AddrFor(r.Gateway)
	}
	if a.OK() && a.IP().Is4() != r.Dst.Is4() {
		if same := a.On.AddrFor(r.Dst); same.OK() {
			return same
		}
	}
	return a
}
