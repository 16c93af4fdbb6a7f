package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// This file is BSD's lookups of addresses (behaviour 3.1, 3.2), on a View: each says
// which routine it is. What they return belongs to the view, which never changes, and
// stays what it was while it is held; a view that is loaded after a change does not
// have what that has taken away. There is nothing to release.
//
// Interfaces are looked at in order of index, addresses in the order in which they
// were added; "first" means that. Tentative and duplicate addresses of IPv6 are
// nobody's yet: only the lookups on one interface find them.

// AnyFIB is the table of a lookup that is content with interfaces of all.
const AnyFIB = -1

// IfAddr is an address with the interface that has it. The zero IfAddr is none.
type IfAddr struct {
	*ifaddr.Addr
	On *Conf
}

// OK tells whether there is an address.
func (a IfAddr) OK() bool { return a.Addr != nil }

// IP returns the address without its subnet, invalid if there is none.
func (a IfAddr) IP() netip.Addr {
	if a.Addr == nil {
		return netip.Addr{}
	}
	return a.Addr.Addr()
}

func (c *Conf) found(a *ifaddr.Addr) IfAddr {
	if a == nil {
		return IfAddr{}
	}
	return IfAddr{a, c}
}

// LinkAddr returns the hardware address of the interface with an index
// (ifaddr_byindex); false where there is no such interface, or it has none.
func (v *View) LinkAddr(index uint32) (wire.MAC, bool) {
	c := v.Conf(index)
	if c == nil || c.Port == nil {
		return wire.MAC{}, false
	}
	return c.MAC, true
}

// IfWithAddr finds an address of ours, or the broadcast address of the subnet of one
// (ifa_ifwithaddr). A link-local one is found on the interface with index scope, if
// that is not 0.
func (v *View) IfWithAddr(a netip.Addr, scope uint32) IfAddr {
	l := v.Local.Find(a)
	if scope != 0 {
		l = v.Local.FindOn(a, scope)
	}
	if l == nil {
		return IfAddr{}
	}
	c := v.Conf(l.Index)
	if l.Broadcast {
		return c.found(c.Addrs.WithBroadcast(a))
	}
	return c.found(c.Addrs.Find(a))
}

// HasAddr is IfWithAddr where the answer alone matters (ifa_ifwithaddr_check).
func (v *View) HasAddr(a netip.Addr, scope uint32) bool {
	if scope != 0 {
		return v.Local.FindOn(a, scope) != nil
	}
	return v.Local.Find(a) != nil
}

// IfWithBroadcast finds the address whose subnet has the broadcast address a, on an
// interface of a table (ifa_ifwithbroadaddr).
func (v *View) IfWithBroadcast(a netip.Addr, table int) IfAddr {
	for _, c := range v.Ifs {
		if c.in(table) && c.Flags&Broadcast != 0 {
			if e := c.Addrs.WithBroadcast(a); e != nil {
				return IfAddr{e, c}
			}
		}
	}
	return IfAddr{}
}

// IfWithPeer finds the address whose peer is a, on a point-to-point interface of a
// table (ifa_ifwithdstaddr).
func (v *View) IfWithPeer(a netip.Addr, table int) IfAddr {
	for _, c := range v.Ifs {
		if c.in(table) && c.Flags&PointToPoint != 0 {
			if e := c.Addrs.WithPeer(a); e != nil {
				return IfAddr{e, c}
			}
		}
	}
	return IfAddr{}
}

// IfWithNet finds the address with the smallest subnet that covers a, on an interface
// of a table (ifa_ifwithnet). A point-to-point interface of IPv4 has no subnet but
// its peers, and one of these comes first; with ignorePeers it is taken like any
// other.
func (v *View) IfWithNet(a netip.Addr, ignorePeers bool, table int) (best IfAddr) {
	for _, c := range v.Ifs {
		if !c.in(table) {
			continue
		}
		peers := c.Flags&PointToPoint != 0 && a.Is4() && !ignorePeers
		for i := range c.Addrs {
			e := &c.Addrs[i]
			switch {
			case !e.Usable():
			case peers && e.Peer() == a:
				return IfAddr{e, c}
			case !peers && e.Contains(a) && (!best.OK() || e.Bits() > best.Bits()):
				best = IfAddr{e, c}
			}
		}
	}
	return best
}

// AddrFor finds the interface's address that suits another address best: the same, or
// the one whose peer it is; else that with the smallest subnet around it; else the
// first of the family (ifaof_ifpforaddr).
func (c *Conf) AddrFor(a netip.Addr) IfAddr {
	if e := c.Addrs.Find(a); e != nil {
		return IfAddr{e, c}
	}
	if e := c.Addrs.WithPeer(a); e != nil {
		return IfAddr{e, c}
	}
	var best, first *ifaddr.Addr
	for i := range c.Addrs {
		e := &c.Addrs[i]
		if first == nil && e.Addr().Is4() == a.Is4() {
			first = e
		}
		if !e.Peer().IsValid() && e.Contains(a) && (best == nil || e.Bits() > best.Bits()) {
			best = e
		}
	}
	if best == nil {
		best = first
	}
	return c.found(best)
}

// First returns the interface's first IPv4 address (IFP_TO_IA).
func (c *Conf) First() IfAddr { return c.found(c.Addrs.Find(c.Addrs.First())) }

// WithAddr finds an address on the interface, in whatever state
// (in6ifa_ifpwithaddr).
func (c *Conf) WithAddr(a netip.Addr) IfAddr { return c.found(c.Addrs.Find(a)) }

// LinkLocal finds the interface's first link-local address of IPv6 that has none of
// the flags (in6ifa_ifpforlinklocal).
func (c *Conf) LinkLocal(without ifaddr.Flags) IfAddr {
	for i := range c.Addrs {
		if e := &c.Addrs[i]; ifaddr.IsLinkLocal(e.Addr()) && e.Flags&without == 0 {
			return IfAddr{e, c}
		}
	}
	return IfAddr{}
}

// SourceOn finds the interface's address of IPv6 that suits best to send from to dst,
// be it at all (in6_ifawithifp). Which that is RFC 6724 says.
func (v *View) SourceOn(c *Conf, dst netip.Addr) IfAddr {
	choose := v.Policy.For(dst, c.Index, v.prefs())
	best, _ := c.best(&choose)
	return c.found(c.Addrs.Find(best))
}

// Destination finds the address of ours that a packet has been sent to which came in by
// the interface with index in (ip6_getdstifaddr). Packets carry no such thing here: it
// is in the view that its batch has.
func (v *View) Destination(dst netip.Addr, in uint32) IfAddr { return v.IfWithAddr(dst, in) }

// AddrTo finds the address of ours that packets to dst leave from, by their route in a
// table (ip_rtaddr).
func (v *View) AddrTo(table int, dst netip.Addr) IfAddr {
	var h Hop
	if v.Route(uint32(table), dst, 0, nil, &h) != pkt.NoReason {
		return IfAddr{}
	}
	src := v.Source(&h, dst)
	if a := h.Out.WithAddr(src); a.OK() {
		return a
	}
	return v.IfWithAddr(src, 0)
}

// in tells whether there is an interface, and it is of that table or any.
func (c *Conf) in(table int) bool {
	return c != nil && (table == AnyFIB || int(c.FIB) == table)
}
