package ifnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/fib"
)

// MemberAt is how a request about a membership names its interface: by its
// index, by one of its addresses, or not at all.
type MemberAt struct {
	Index uint32
	Addr  netip.Addr // if Index is 0; invalid or unspecified: none
	Any   bool       // if neither is given: the stack chooses
}

// None tells whether no interface is named.
func (at MemberAt) None() bool {
	return at.Index == 0 && (!at.Addr.IsValid() || at.Addr.IsUnspecified())
}

// Owner returns the interface that a request names, nil where there is none.
func (v *View) Owner(at MemberAt) *Conf {
	if at.Index != 0 || at.None() {
		return v.Conf(at.Index)
	}
	if l := v.Local.Find(at.Addr); l != nil && !l.Broadcast {
		return v.Conf(l.Index)
	}
	return nil
}

// MemberIf chooses the interface of a join in a table (behaviour 6.4): the one
// that is named; else that of the route to the group; else, if any will do, the
// first that can multicast and has an address of the family, up or not. IPv4 asks
// for a route only if any will do. It returns EADDRNOTAVAIL where there is none,
// where it cannot multicast, or where it does not speak IPv6 and the group is of
// that.
//
// Deviation: the first is the one with the least index, not the one whose address
// is oldest.
func (v *View) MemberIf(table uint32, at MemberAt, group netip.Addr) (uint32, syscall.Errno) {
	c := v.Owner(at)
	if at.None() && (at.Any || group.Is6()) {
		c = v.routeIf(table, group)
		if c == nil && at.Any {
			c = v.firstMulticast(group.Is6(), false)
		}
	}
	if c == nil || c.Flags&Multicast == 0 || group.Is6() && !c.speaksIPv6() {
		return 0, syscall.EADDRNOTAVAIL
	}
	return c.Index, 0
}

// speaksIPv6 tells whether groups of IPv6 can be joined. Shard 0 is locked.
func (c *Conf) speaksIPv6() bool {
	return c.Port == nil || c.V6 != nil && c.Flags&NoIPv6 == 0
}

// routeIf returns the interface of the route to a group, up or not; nil where
// there is no route, or one that leads nowhere.
func (v *View) routeIf(table uint32, group netip.Addr) *Conf {
	rt := v.FIBs.Lookup(int(table), group)
	if rt == nil || rt.Flags&(fib.Reject|fib.Blackhole) != 0 {
		return nil
	}
	return v.Conf(rt.IfIndex)
}

// firstMulticast returns the first multicast interface with an address of the
// family that is not the loopback interface, and is up where that is asked; or nil.
func (v *View) firstMulticast(is6, up bool) *Conf {
	for _, c := range v.Ifs {
		if c == nil || c.Flags&(Multicast|Loopback) != Multicast || !c.Addrs.Has(is6) {
			continue
		}
		if (!up || c.Up()) && !(is6 && c.Flags&NoIPv6 != 0) {
			return c
		}
	}
	return nil
}
