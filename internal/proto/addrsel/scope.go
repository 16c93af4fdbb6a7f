package addrsel

import "net/netip"

// Scope says how far an address reaches (RFC 4291 §2.7, RFC 7346 §2). Greater is
// farther. The values between are administrators' to use.
type Scope uint8

// The scopes.
const (
	ScopeNone      Scope = 0 // of an invalid address
	ScopeInterface Scope = 1
	ScopeLink      Scope = 2
	ScopeRealm     Scope = 3
	ScopeAdmin     Scope = 4
	ScopeSite      Scope = 5
	ScopeOrg       Scope = 8
	ScopeGlobal    Scope = 14
)

// ScopeOf returns the scope of an address of either family. The unspecified
// address, which has none (RFC 4007 §4), counts as global. A group of the
// reserved scopes 0 and 15 keeps that number.
func ScopeOf(a netip.Addr) Scope {
	switch {
	case !a.IsValid():
		return ScopeNone
	case a.Is4() || a.Is4In6():
		return scope4(a.Unmap().As4())
	}
	return scope6(a.As16())
}

// scope6 is RFC 6724 §3.1: loopback is link-local, unique local addresses are
// global.
func scope6(b [16]byte) Scope {
	switch {
	case b[0] == 0xff:
		return Scope(b[1] & 15)
	case b[0] == 0xfe && b[1]&0xc0 == 0x80:
		return ScopeLink
	case b[0] == 0xfe && b[1]&0xc0 == 0xc0:
		return ScopeSite
	case b == [16]byte{15: 1}:
		return ScopeLink
	}
	return ScopeGlobal
}

// scope4 is RFC 6724 §3.2 for hosts, private ones among them, and RFC 2365 §8
// for groups.
func scope4(b [4]byte) Scope {
	switch {
	case b[0] == 127, b[0] == 169 && b[1] == 254:
		return ScopeLink
	case b[0] == 224 && b[1] == 0 && b[2] == 0:
		return ScopeLink
	case b[0] == 239 && b[1] == 255:
		return ScopeRealm
	case b[0] == 239:
		return ScopeOrg // 239.192.0.0/14, and what it may grow into (RFC 2365 §6.2.1)
	}
	return ScopeGlobal
}
