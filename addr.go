package vimage

import (
	"net"
	"net/netip"
	"strings"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// family is which addresses the name of a network allows.
type family uint8

const (
	either family = iota // "tcp": an IPv6 socket hears IPv4 too (RFC 3493 §5.3)
	only4
	only6
)

// familyOf takes the name of a network apart: "tcp6" is transport "tcp" with
// only6. It returns false for any other transport.
func familyOf(network, transport string) (family, bool) {
	switch rest, ok := strings.CutPrefix(network, transport); {
	case !ok:
	case rest == "":
		return either, true
	case rest == "4":
		return only4, true
	case rest == "6":
		return only6, true
	}
	return either, false
}

func (f family) allows(a netip.Addr) bool {
	switch f {
	case only4:
		return a.Is4()
	case only6:
		return a.Is6()
	}
	return a.IsValid()
}

// unsuitable is package net's error for an address of the wrong family.
func unsuitable(what string) error {
	return &net.AddrError{Err: "no suitable address found", Addr: what}
}

// bind returns the address to listen at for the one that was asked for: as in
// package net, any address, of whichever family it is written, is those of both
// families where the network's name does not say otherwise.
func (f family) bind(a netip.AddrPort) (netip.AddrPort, error) {
	ip := a.Addr().Unmap()
	switch {
	case ip.IsValid() && (!ip.IsUnspecified() || ip.Zone() != ""):
	case f == only4:
		ip = netip.IPv4Unspecified()
	default:
		ip = netip.IPv6Unspecified()
	}
	if !f.allows(ip) {
		return a, unsuitable(ip.String())
	}
	return netip.AddrPortFrom(ip, a.Port()), nil
}

// wildcard is any address of the family of a.
func wildcard(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// peer returns the address to connect to for the one that was asked for: none is
// this host.
func (f family) peer(a netip.AddrPort) netip.AddrPort {
	ip := a.Addr().Unmap()
	if !ip.IsValid() {
		ip = f.loopback()
	}
	return netip.AddrPortFrom(ip, a.Port())
}

// source returns the address to connect from for the one that was asked for, to
// remote: any is any of remote's family.
func source(a, remote netip.AddrPort) netip.AddrPort {
	ip := a.Addr().Unmap()
	if !ip.IsValid() || ip.IsUnspecified() && ip.Zone() == "" {
		ip = wildcard(remote.Addr())
	}
	return netip.AddrPortFrom(ip, a.Port())
}

// loopback is where a host without a name is, to package net.
func (f family) loopback() netip.Addr {
	if f == only6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// splitAddr reads "host:port". The port may be a service's name.
func splitAddr(transport, s string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, err
	}
	n, err := net.LookupPort(transport, service)
	return host, uint16(n), err
}

// listenAddr reads "host:port" with a literal address, or none, to listen at.
func (f family) listenAddr(transport, s string) (netip.AddrPort, error) {
	host, port, err := splitAddr(transport, s)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var ip netip.Addr
	if host != "" {
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.AddrError{Err: "no IP address", Addr: host}
		}
	}
	return f.bind(netip.AddrPortFrom(ip, port))
}

// zoned adds to an address the interface on which it is meant, where it means
// something on one link only.
func zoned(v *ifnet.View, a netip.AddrPort, scope uint32) netip.AddrPort {
	if scope == 0 || a.Addr().Is4() {
		return a
	}
	return netip.AddrPortFrom(usrreq.Zoned(v, a.Addr(), scope), a.Port())
}

// ipAddr is an address as package net has it.
func ipAddr(a netip.Addr) *net.IPAddr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }

// fromIPAddr is the inverse of ipAddr; it returns an invalid address for nil.
func fromIPAddr(a *net.IPAddr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(a.IP)
	return ip.WithZone(a.Zone).Unmap()
}
