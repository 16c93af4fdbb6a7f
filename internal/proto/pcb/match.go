package pcb

import "net/netip"

// Match says how well a binding fits an address: a greater one fits better.
type Match uint8

// Ways to fit.
const (
	NoMatch   Match = iota
	MatchDual       // an IPv4 address, and the binding is to all of both families
	MatchAny        // the binding is to all addresses of the family
	MatchAddr       // the binding is to the address
)

// Match tells how b fits packets to dst that come in by the interface with
// index scope, whoever sends them.
func (b *Bound[P]) Match(dst netip.Addr, scope uint32) Match {
	switch {
	case b.Scope != 0 && b.Scope != scope:
		return NoMatch
	case b.Addr == dst:
		return MatchAddr
	case !b.Addr.IsUnspecified():
		return NoMatch
	case b.Addr.Is4() == dst.Is4():
		return MatchAny
	case b.Dual: // RFC 3493 §3.7
		return MatchDual
	}
	return NoMatch
}

// Hears tells whether b's local address covers packets to dst that come in by
// the interface with index scope.
func (b *Bound[P]) Hears(dst netip.Addr, scope uint32) bool { return b.Match(dst, scope) != NoMatch }

// HearsFrom is Hears for a datagram to several, which only the peer may send where
// there is one.
func (b *Bound[P]) HearsFrom(dst netip.Addr, remote netip.AddrPort, scope uint32) bool {
	if b.Connected {
		return b.Remote == remote && (b.Scope == 0 || b.Scope == scope)
	}
	return b.Hears(dst, scope)
}

// conflicts tells whether b may not be bound beside o. A dual binding counts
// as one to 0.0.0.0 where the other is IPv4.
func (b *Bound[P]) conflicts(o *Bound[P], reuse, oreuse Reuse) bool {
	bwild, owild := b.Addr.IsUnspecified(), o.Addr.IsUnspecified()
	equal := b.Addr == o.Addr
	switch {
	case b.Scope != 0 && o.Scope != 0 && b.Scope != o.Scope:
		return false
	case b.Limited != o.Limited && !equal:
		return false
	case b.Addr.Is4() != o.Addr.Is4():
		if !b.Dual && !o.Dual {
			return false
		}
		equal = bwild && owild
	}
	switch {
	case !equal:
		return reuse == 0 && (bwild || owild)
	case b.Addr.IsMulticast():
		return reuse == 0 || oreuse == 0
	}
	return reuse&oreuse&ReusePort == 0
}
