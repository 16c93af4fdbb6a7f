package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// Flow says which packets belong together: of several routes of the same metric they
// take the same one (RFC 2992). It is that of a packet on its way; or nil, and of its
// ends, for one that is made here.
//
// An ICMP error belongs to the flow of the packet that it quotes, be it on its way or
// made here; fragments, and packets of protocols without ports, to that of their two
// addresses. Both directions are the same flow.
type Flow struct {
	Packet   []byte
	Src, Dst netip.AddrPort // Src may be no address yet; ports are 0 where there are none
}

// hash returns a number that is the same for all packets of the flow.
func (f *Flow) hash() uint32 {
	switch {
	case f == nil:
		return 0
	case f.Packet == nil && f.Src.Addr().Is4() != f.Dst.Addr().Is4(): // not known yet
		return wire.FlowHashAddr(f.Dst.Addr(), f.Dst.Addr(), f.Src.Port(), f.Dst.Port(), 0)
	case f.Packet == nil:
		return wire.FlowHashAddr(f.Src.Addr(), f.Dst.Addr(), f.Src.Port(), f.Dst.Port(), 0)
	}
	if h := wire.FlowHashIP(f.Packet); h != 0 {
		return h
	}
	if ip, fault := wire.ParseIP(f.Packet); fault == wire.OK {
		return wire.FlowHashAddr(ip.Src(), ip.Dst(), 0, 0, 0)
	}
	return 0
}

// pick chooses among the routes to one prefix, of which rt is the first: of those with
// the least metric that lead to an interface which is up, the flow's, and of these, for
// a packet that is made here, one by the interface which has its source address, if
// there is one: a host must not show an address to providers that did not give it.
func (v *View) pick(rt *fib.Route[*Neighbor], f *Flow) *fib.Route[*Neighbor] {
	for best := rt; best != nil; best = worse(best) {
		for _, sourced := range [...]bool{f != nil && f.Packet == nil && f.Src.Addr().IsValid(), false} {
			var some *fib.Route[*Neighbor]
			for m := best; m != nil && m.Metric == best.Metric; m = m.Next {
				if v.suits(m, f, sourced) {
					some = m
					break
				}
			}
			if some == nil {
				continue
			}
			h := f.hash()
			for range draws {
				if m := best.Pick(h); v.suits(m, f, sourced) {
					return m
				}
				h = h*0x9e3779b1 + 1
			}
			return some
		}
	}
	return rt
}

// worse returns the first route of the next metric, nil where there is none.
func worse(rt *fib.Route[*Neighbor]) *fib.Route[*Neighbor] {
	m := rt
	for m != nil && m.Metric == rt.Metric {
		m = m.Next
	}
	return m
}

// draws is how often a flow that got a route which does not suit draws another, before
// it takes the first that does: routes that do not suit are few.
const draws = 32

// suits tells whether packets may take a route: its interface is up, and has their
// source address if that is asked.
func (v *View) suits(rt *fib.Route[*Neighbor], f *Flow, sourced bool) bool {
	if rt.Flags&(fib.Reject|fib.Blackhole) != 0 {
		return !sourced
	}
	out := v.Conf(rt.IfIndex)
	return out != nil && out.Carries(rt.Prefix.Addr().Is6()) && (!sourced || out.Addrs.Find(f.Src.Addr()) != nil)
}
