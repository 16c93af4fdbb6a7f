package topo

import (
	"net/netip"

	"go.yaml.in/yaml/v4"
)

const (
	addrHint    = "write an IPv4 address, as 192.0.2.1 or 192.0.2.1/24"
	anyAddrHint = "write an address, as 192.0.2.1, 192.0.2.1/24, 2001:db8::1 or 2001:db8::1/64"
)

// address reads an IPv4 address.
func (d *decoder) address(name string, to *addr) key {
	return d.addressOf(name, to, addrHint, func(a addr) bool { return a.ip.Is4() })
}

// anyAddress reads an address of either family.
func (d *decoder) anyAddress(name string, to *addr) key {
	return d.addressOf(name, to, anyAddrHint, func(addr) bool { return true })
}

func (d *decoder) addressOf(name string, to *addr, want string, fits func(addr) bool) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		s, ok := d.scalar(name, v, want)
		if !ok {
			return
		}
		a, ok := parseAddr(s)
		if !ok || !fits(a) {
			d.at(v.Line, "%s is %q: %s", name, s, want)
			return
		}
		a.line = v.Line
		*to = a
	}}
}

// parseAddr reads an address, or one with the length of its subnet.
func parseAddr(s string) (addr, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return addr{ip: p.Addr(), bits: p.Bits()}, !p.Addr().Is4In6()
	}
	ip, err := netip.ParseAddr(s)
	return addr{ip: ip, bits: -1}, err == nil && !ip.Is4In6() && ip.Zone() == ""
}

func (d *decoder) subnet(name string, to *subnet) key {
	return d.subnetOf(name, to, "write a prefix of IPv4 from /8 to /30, as 192.0.2.0/24", func(p netip.Prefix) bool {
		return p.Addr().Is4() && p.Bits() >= 8 && p.Bits() <= 30
	})
}

func (d *decoder) subnet6(name string, to *subnet) key {
	return d.subnetOf(name, to, "write a prefix of IPv6 from /16 to /126, as 2001:db8:1::/64", func(p netip.Prefix) bool {
		return p.Addr().Is6() && p.Bits() >= 16 && p.Bits() <= 126
	})
}

func (d *decoder) subnetOf(name string, to *subnet, want string, fits func(netip.Prefix) bool) key {
	return key{name: name, to: func(name string, v *yaml.Node) {
		s, ok := d.scalar(name, v, want)
		if !ok {
			return
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil || !fits(p):
			d.at(v.Line, "%s is %q: %s", name, s, want)
		case p != p.Masked():
			d.at(v.Line, "%s is %s, an address in %v: write %v", name, s, p.Masked(), p.Masked())
		case !unicast(p.Addr()):
			d.at(v.Line, "%s is %s, where no host can be: choose one of %s", name, s, hosts(p.Addr()))
		default:
			*to = subnet{p, v.Line}
		}
	}}
}

// unicast tells whether an address may be given to a host on a link.
func unicast(a netip.Addr) bool {
	if a.Is6() {
		return !a.IsMulticast() && !a.IsLinkLocalUnicast() && a.As16()[0] != 0
	}
	b := a.As4()
	return b[0] > 0 && b[0] < 224 && b[0] != 127
}

// hosts says where hosts' addresses of a's family are.
func hosts(a netip.Addr) string {
	if a.Is6() {
		return "100:: to fdff:ffff::, but not link-local ones, which nodes have by themselves"
	}
	return "1.0.0.0 to 223.255.255.255, but not 127.0.0.0/8"
}
