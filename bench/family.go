package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// family is an IP version, with the addresses that the cases use in it.
type family uint8

const (
	ip4 family = 4
	ip6 family = 6
)

// prefix6 begins the name of a case over IPv6, and of its rows.
const prefix6 = "ip6."

// is6 tells whether it is IPv6.
func (f family) is6() bool { return f == ip6 }

// familyOf returns an address's.
func familyOf(a netip.Addr) family {
	if a.Is6() {
		return ip6
	}
	return ip4
}

// pick returns the address for the family.
func (f family) pick(four, six string) netip.Addr {
	if f.is6() {
		return netip.MustParseAddr(six)
	}
	return netip.MustParseAddr(four)
}

// in returns the prefix of the family's usual length with the address in it.
func (f family) in(a netip.Addr) netip.Prefix {
	if f.is6() {
		return netip.PrefixFrom(a, 64)
	}
	return netip.PrefixFrom(a, 24)
}

func (f family) addrA() netip.Prefix     { return f.in(f.pick("10.1.0.1", "2001:db8:1::1")) }
func (f family) addrB() netip.Prefix     { return f.in(f.pick("10.1.0.2", "2001:db8:1::2")) }
func (f family) fanoutGroup() netip.Addr { return f.pick("239.2.3.4", "ff05::2:3:4") }

// groups is where the groups of the case joins are counted from.
func (f family) groups() netip.Addr { return f.pick("239.1.0.0", "ff05::239:1:0:0") }

// multicast is what a route to all groups is for.
func (f family) multicast() netip.Prefix {
	if f.is6() {
		return netip.MustParsePrefix("ff00::/8")
	}
	return netip.MustParsePrefix("224.0.0.0/4")
}

// The router has routerIn() on the interface where frames enter and
// routerOut() on the other, where gateway() is the next hop of every route.
func (f family) routerIn() netip.Prefix  { return f.in(f.pick("10.1.0.1", "2001:db8:1::1")) }
func (f family) routerOut() netip.Prefix { return f.in(f.pick("10.2.0.1", "2001:db8:2::1")) }
func (f family) gateway() netip.Addr     { return f.pick("10.2.0.2", "2001:db8:2::2") }
func (f family) source() netip.Addr      { return f.pick("10.1.0.2", "2001:db8:1::2") }

// synSources is the network the SYNs claim to be from, behind gateway().
func (f family) synSources() netip.Prefix {
	if f.is6() {
		return netip.MustParsePrefix("2001:db8:c612::/48")
	}
	return netip.MustParsePrefix("198.18.0.0/15")
}

// idleHost is the addresses of the i-th stack that is made: over IPv6 it has
// both families, and a link-local address besides the global one.
func (f family) idleHost(i int) []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(plus(netip.MustParseAddr("10.1.0.0"), i+1), 8)}
	if f.is6() {
		all = append(all,
			netip.PrefixFrom(plus(netip.MustParseAddr("fe80::1:0:0"), i+1), 64),
			netip.PrefixFrom(plus(netip.MustParseAddr("2001:db8:1::1:0:0"), i+1), 64))
	}
	return all
}

// network names the family's form of a network of package net.
func (f family) network(of string) string { return fmt.Sprintf("%s%d", of, f) }

// etherType is the type of Ethernet frames of the family.
func (f family) etherType() uint16 {
	if f.is6() {
		return 0x86dd
	}
	return 0x0800
}

// headerLen is the length of the family's IP header.
func (f family) headerLen() int {
	if f.is6() {
		return 40
	}
	return 20
}

// putHeader writes the family's IP header in front of a payload that fills ip.
func (f family) putHeader(ip []byte, proto uint8, src, dst netip.Addr) {
	hl := f.headerLen()
	n := len(src.AsSlice())
	copy(ip[hl-2*n:], src.AsSlice())
	copy(ip[hl-n:], dst.AsSlice())
	if f.is6() {
		ip[0], ip[6], ip[7] = 0x60, proto, 64
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-hl))
		return
	}
	ip[0], ip[8], ip[9] = 0x45, 64, proto
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[10:], headerSum(ip[:hl]))
}

// bits returns the length of the i-th of n routes.
func (f family) bits(i, n int) int {
	if !f.is6() {
		// Equal shares of the lengths /16 to /28: gVisor takes a table in time
		// proportional to the square of the number of routes of one length.
		return 16 + 13*i/n
	}
	// About what is in the Internet's table: half of it /48, an eighth /32, and
	// the rest between, with some /64 of the router's own organisation.
	at := float64(i) / float64(n)
	for _, share := range []struct {
		upTo float64
		bits int
	}{{0.02, 29}, {0.14, 32}, {0.20, 36}, {0.30, 40}, {0.40, 44}, {0.45, 46}, {0.93, 48}, {0.96, 56}} {
		if at < share.upTo {
			return share.bits
		}
	}
	return 64
}

// plus returns the address n after a.
func plus(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	low := b[len(b)-4:]
	binary.BigEndian.PutUint32(low, binary.BigEndian.Uint32(low)+uint32(n))
	sum, _ := netip.AddrFromSlice(b)
	return sum
}
