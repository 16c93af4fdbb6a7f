// Package ifaddr is addresses as interfaces have them: which of several suits a
// destination, and which destinations are the stack's own. It knows no
// interface and no stack.
package ifaddr

import (
	"net/netip"
	"slices"
)

// Flags are what a stack knows of an address of its own. IPv4 addresses have
// none.
type Flags uint8

// The flags.
const (
	Tentative  Flags = 1 << iota // not used yet: others may have it (RFC 4862 §5.4)
	Duplicate                    // others have it: it is not used at all
	Optimistic                   // used while others are asked (RFC 4429)
	Deprecated                   // not for new conversations (RFC 4862 §5.5.4)
	Temporary                    // RFC 8981
	Anycast                      // others may have it too; nothing is sent from it
	Auto                         // made of a router's advertisement
	hasPeer                      // far is a peer
)

// Addr is an address of an interface with its subnet.
type Addr struct {
	netip.Prefix
	Flags Flags
	far   *netip.Addr // the peer, or a broadcast address that is not the subnet's; never changed
}

// WithPeer returns a as it is on a point-to-point link whose other end is at ip:
// that, and not the subnet, is what it leads to.
func (a Addr) WithPeer(ip netip.Addr) Addr {
	a.far = &ip
	a.Flags |= hasPeer
	return a
}

// WithBroadcast returns a with ip as the broadcast address of its subnet.
func (a Addr) WithBroadcast(ip netip.Addr) Addr {
	a.far = &ip
	a.Flags &^= hasPeer
	return a
}

// Peer returns the other end of a point-to-point link, invalid for other addresses.
func (a *Addr) Peer() netip.Addr {
	if a.Flags&hasPeer == 0 {
		return netip.Addr{}
	}
	return *a.far
}

// Broadcast returns the broadcast address of the subnet, invalid where there is
// none. That of a /31 is the limited one (behaviour 3.3).
func (a *Addr) Broadcast() netip.Addr {
	switch {
	case a.Flags&hasPeer != 0:
		return netip.Addr{}
	case a.far != nil:
		return *a.far
	case a.Bits() == 31 && a.Addr().Is4():
		return netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	return Broadcast(a.Prefix)
}

// local returns the broadcast address of the subnet that packets to the stack
// may have; the limited one they may have anyway.
func (a *Addr) local() netip.Addr {
	if a.Bits() == 31 && a.far == nil {
		return netip.Addr{}
	}
	return a.Broadcast()
}

// Reaches tells whether ip is in the subnet, or is the peer.
func (a *Addr) Reaches(ip netip.Addr) bool {
	if a.Flags&hasPeer != 0 {
		return *a.far == ip
	}
	return a.Contains(ip)
}

// Usable tells whether packets to the address may be received.
func (a *Addr) Usable() bool { return a.Flags&(Tentative|Duplicate) == 0 }

// List is the addresses of an interface, in the order in which they were added.
type List []Addr

// Find returns the entry of an address, or nil.
func (l List) Find(ip netip.Addr) *Addr {
	for i := range l {
		if l[i].Addr() == ip {
			return &l[i]
		}
	}
	return nil
}

// WithBroadcast returns the first entry whose subnet has the broadcast address ip,
// or nil.
func (l List) WithBroadcast(ip netip.Addr) *Addr {
	for i := range l {
		if l[i].Usable() && ip.IsValid() && l[i].Broadcast() == ip {
			return &l[i]
		}
	}
	return nil
}

// WithPeer returns the first entry whose peer is ip, or nil.
func (l List) WithPeer(ip netip.Addr) *Addr {
	for i := range l {
		if ip.IsValid() && l[i].Peer() == ip {
			return &l[i]
		}
	}
	return nil
}

// First returns the first IPv4 address, invalid if there is none.
func (l List) First() netip.Addr {
	for i := range l {
		if a := l[i].Addr(); a.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// LinkLocal returns the first link-local IPv6 address that may be used, invalid
// if there is none.
func (l List) LinkLocal() netip.Addr {
	for i := range l {
		if a := l[i].Addr(); IsLinkLocal(a) && l[i].Usable() {
			return a
		}
	}
	return netip.Addr{}
}

// Broadcasts tells whether a is the broadcast address of one of the subnets.
// Several interfaces may be in one subnet.
func (l List) Broadcasts(a netip.Addr) bool {
	for i := range l {
		if l[i].local() == a {
			return true
		}
	}
	return false
}

// SourceFor returns the IPv4 address to send from to dst: the one on dst's
// subnet or with that peer, else the first.
func (l List) SourceFor(dst netip.Addr) netip.Addr {
	for i := range l {
		if l[i].Reaches(dst) {
			return l[i].Addr()
		}
	}
	return l.First()
}

// Covers tells whether an address is in one of the subnets.
func (l List) Covers(a netip.Addr) bool {
	for i := range l {
		if l[i].Reaches(a) {
			return true
		}
	}
	return false
}

// HasSubnet tells whether p is the subnet of one of the addresses.
func (l List) HasSubnet(p netip.Prefix) bool {
	return slices.ContainsFunc(l, func(a Addr) bool { return a.Masked() == p })
}

// Has tells whether there is an address of the family.
func (l List) Has(is6 bool) bool {
	return slices.ContainsFunc(l, func(a Addr) bool { return a.Addr().Is6() == is6 })
}

// IsLinkLocal tells whether an address is one of IPv6 that means something on
// one link only.
func IsLinkLocal(a netip.Addr) bool {
	// Indexed like this As16 costs nothing; to keep what it returns does.
	return a.As16()[0] == 0xfe && a.As16()[1]&0xc0 == 0x80 && a.Is6()
}

// Broadcast returns the broadcast address of an IPv4 subnet, invalid where
// it has none (RFC 3021 for /31).
func Broadcast(p netip.Prefix) netip.Addr {
	if !p.Addr().Is4() || p.Bits() > 30 {
		return netip.Addr{}
	}
	b := p.Addr().As4()
	for i := range b {
		if host := 32 - p.Bits() - 8*(3-i); host > 0 {
			b[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	return netip.AddrFrom4(b)
}

// ClassBits returns how long the network part of an IPv4 address was before
// networks had masks (RFC 791 §3.2).
func ClassBits(a netip.Addr) int {
	switch b := a.As4()[0]; {
	case b < 128:
		return 8
	case b < 192:
		return 16
	}
	return 24
}

// Listens tells whether a group is the solicited-node group of one of the
// addresses.
func (l List) Listens(group netip.Addr) bool {
	g := group.As16()
	if [13]byte(g[:13]) != [13]byte{0: 0xff, 1: 0x02, 11: 1, 12: 0xff} {
		return false
	}
	for i := range l {
		if a := l[i].Addr(); a.Is6() && l[i].Flags&Duplicate == 0 {
			if b := a.As16(); [3]byte(b[13:]) == [3]byte(g[13:]) {
				return true
			}
		}
	}
	return false
}
