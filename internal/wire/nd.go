package wire

import (
	"encoding/binary"
	"net/netip"
)

// Lengths in bytes of the neighbor discovery messages without options, from the
// ICMPv6 header on.
const (
	NeighborSolicitLen = 24
	NeighborAdvertLen  = 24
	RouterSolicitLen   = 8
	RouterAdvertLen    = 16
	RedirectLen        = 40
)

// parseND checks what the five messages have in common: length, type, code 0
// and that every option has a length that fits (RFC 4861 §6.1, §7.1, §8.1).
func parseND(b []byte, typ uint8, size int) Fault {
	if len(b) < size {
		return Short
	}
	if b[0] != typ || b[1] != 0 {
		return BadType
	}
	for rest := b[size:]; len(rest) > 0; rest = rest[int(rest[1])*ndUnit:] {
		if len(rest) < 2 || rest[1] == 0 || int(rest[1])*ndUnit > len(rest) {
			return BadOption
		}
	}
	return OK
}

// NeighborSolicit is a view of a neighbor solicitation (RFC 4861 §4.3).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|  type = 135   |   code = 0    |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|                               0                               |
//	+---------------------------------------------------------------+
//	|                        target address (16)                    |
//	+---------------------------------------------------------------+
//	|                        options                                |
//	+---------------------------------------------------------------+
type NeighborSolicit []byte

// ParseNeighborSolicit checks length, type, code and the lengths of the
// options. Hop limit, checksum and addresses are not judged.
func ParseNeighborSolicit(b []byte) (NeighborSolicit, Fault) {
	if f := parseND(b, ICMP6NeighborSolicit, NeighborSolicitLen); f != OK {
		return nil, f
	}
	return b, OK
}

// Target returns the address that is asked for.
func (m NeighborSolicit) Target() netip.Addr { return netip.AddrFrom16([16]byte(m[8:24])) }

// Options returns the options, to be read by Next.
func (m NeighborSolicit) Options() NDOptions { return NDOptions(m[NeighborSolicitLen:]) }

// AppendNS appends a neighbor solicitation without options. The checksum is left
// zero, for ICMP6.SetChecksum, here and in all that follow.
func AppendNS(b []byte, target netip.Addr) []byte {
	return appendAddr(append(b, ICMP6NeighborSolicit, 0, 0, 0, 0, 0, 0, 0), target)
}

// Flags of a neighbor advertisement (RFC 4861 §4.4).
const (
	NARouter    uint8 = 0x80 // the sender is a router
	NASolicited uint8 = 0x40 // in answer to a solicitation
	NAOverride  uint8 = 0x20 // replaces a link address that is known
)

// NeighborAdvert is a view of a neighbor advertisement (RFC 4861 §4.4).
//
//	+---------------+---------------+-------------------------------+
//	|  type = 136   |   code = 0    |           checksum            |
//	+-+-+-+---------+---------------+-------------------------------+
//	|R|S|O|                         0                               |
//	+-+-+-+---------------------------------------------------------+
//	|                        target address (16)                    |
//	+---------------------------------------------------------------+
//	|                        options                                |
//	+---------------------------------------------------------------+
type NeighborAdvert []byte

// ParseNeighborAdvert checks what ParseNeighborSolicit checks.
func ParseNeighborAdvert(b []byte) (NeighborAdvert, Fault) {
	if f := parseND(b, ICMP6NeighborAdvert, NeighborAdvertLen); f != OK {
		return nil, f
	}
	return b, OK
}

// Flags returns NARouter, NASolicited and NAOverride as they are set.
func (m NeighborAdvert) Flags() uint8 { return m[4] & (NARouter | NASolicited | NAOverride) }

// Router reports whether the sender is a router.
func (m NeighborAdvert) Router() bool { return m[4]&NARouter != 0 }

// Solicited reports whether the message answers a solicitation.
func (m NeighborAdvert) Solicited() bool { return m[4]&NASolicited != 0 }

// Override reports whether a link address that is known is to be replaced.
func (m NeighborAdvert) Override() bool { return m[4]&NAOverride != 0 }

// Target returns the address that is advertised.
func (m NeighborAdvert) Target() netip.Addr { return netip.AddrFrom16([16]byte(m[8:24])) }

// Options returns the options, to be read by Next.
func (m NeighborAdvert) Options() NDOptions { return NDOptions(m[NeighborAdvertLen:]) }

// AppendNA appends a neighbor advertisement without options.
func AppendNA(b []byte, flags uint8, target netip.Addr) []byte {
	return appendAddr(append(b, ICMP6NeighborAdvert, 0, 0, 0, flags, 0, 0, 0), target)
}

// RouterSolicit is a view of a router solicitation (RFC 4861 §4.1): the ICMPv6
// header, four bytes of zero, options.
type RouterSolicit []byte

// ParseRouterSolicit checks what ParseNeighborSolicit checks.
func ParseRouterSolicit(b []byte) (RouterSolicit, Fault) {
	if f := parseND(b, ICMP6RouterSolicit, RouterSolicitLen); f != OK {
		return nil, f
	}
	return b, OK
}

// Options returns the options, to be read by Next.
func (m RouterSolicit) Options() NDOptions { return NDOptions(m[RouterSolicitLen:]) }

// AppendRS appends a router solicitation without options.
func AppendRS(b []byte) []byte { return append(b, ICMP6RouterSolicit, 0, 0, 0, 0, 0, 0, 0) }

// RouterAdvert is a view of a router advertisement (RFC 4861 §4.2, RFC 4191
// §2.2).
//
//	+---------------+---------------+-------------------------------+
//	|  type = 134   |   code = 0    |           checksum            |
//	+---------------+-+-+-+---+-----+-------------------------------+
//	| cur hop limit |M|O|H|Prf|  0  |       router lifetime         |
//	+---------------+-+-+-+---+-----+-------------------------------+
//	|                        reachable time                         |
//	+---------------------------------------------------------------+
//	|                        retrans timer                          |
//	+---------------------------------------------------------------+
//	|                        options                                |
//	+---------------------------------------------------------------+
type RouterAdvert []byte

// ParseRouterAdvert checks what ParseNeighborSolicit checks.
func ParseRouterAdvert(b []byte) (RouterAdvert, Fault) {
	if f := parseND(b, ICMP6RouterAdvert, RouterAdvertLen); f != OK {
		return nil, f
	}
	return b, OK
}

// RAHeader holds what a router advertisement says besides its options.
type RAHeader struct {
	HopLimit   uint8  // 0 says nothing
	Managed    bool   // addresses by DHCPv6
	Other      bool   // other configuration by DHCPv6
	Preference int8   // 1 high, 0 medium, -1 low (RFC 4191 §2.1)
	Lifetime   uint16 // as a default router, seconds; 0 if it is none
	Reachable  uint32 // milliseconds; 0 says nothing
	Retrans    uint32 // milliseconds; 0 says nothing
}

// Header returns what the message says besides its options.
func (m RouterAdvert) Header() RAHeader {
	// The reserved preference counts as medium (RFC 4191 §2.2).
	pref, _ := decodePreference(m[5])
	return RAHeader{
		HopLimit: m[4], Managed: m[5]&0x80 != 0, Other: m[5]&0x40 != 0, Preference: pref,
		Lifetime:  binary.BigEndian.Uint16(m[6:8]),
		Reachable: binary.BigEndian.Uint32(m[8:12]), Retrans: binary.BigEndian.Uint32(m[12:16]),
	}
}

// Options returns the options, to be read by Next.
func (m RouterAdvert) Options() NDOptions { return NDOptions(m[RouterAdvertLen:]) }

// AppendRA appends a router advertisement without options.
func AppendRA(b []byte, h *RAHeader) []byte {
	flags := encodePreference(h.Preference)
	if h.Managed {
		flags |= 0x80
	}
	if h.Other {
		flags |= 0x40
	}
	b = append(b, ICMP6RouterAdvert, 0, 0, 0, h.HopLimit, flags)
	b = binary.BigEndian.AppendUint16(b, h.Lifetime)
	b = binary.BigEndian.AppendUint32(b, h.Reachable)
	return binary.BigEndian.AppendUint32(b, h.Retrans)
}

// decodePreference reads the two bits that RFC 4191 §2.1 defines; false, and
// medium, for the value that is reserved.
func decodePreference(flags uint8) (int8, bool) {
	switch flags >> 3 & 3 {
	case 1:
		return 1, true
	case 3:
		return -1, true
	case 2:
		return 0, false
	}
	return 0, true
}

func encodePreference(pref int8) uint8 { return uint8(pref) & 3 << 3 }

// Redirect is a view of a redirect (RFC 4861 §4.5).
//
//	+---------------+---------------+-------------------------------+
//	|  type = 137   |   code = 0    |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|                               0                               |
//	+---------------------------------------------------------------+
//	|                        target address (16)                    |
//	+---------------------------------------------------------------+
//	|                        destination address (16)               |
//	+---------------------------------------------------------------+
//	|                        options                                |
//	+---------------------------------------------------------------+
type Redirect []byte

// ParseRedirect checks what ParseNeighborSolicit checks.
func ParseRedirect(b []byte) (Redirect, Fault) {
	if f := parseND(b, ICMP6Redirect, RedirectLen); f != OK {
		return nil, f
	}
	return b, OK
}

// Target returns the better next hop, which is Dst itself if that is on the
// link.
func (m Redirect) Target() netip.Addr { return netip.AddrFrom16([16]byte(m[8:24])) }

// Dst returns the destination that is redirected.
func (m Redirect) Dst() netip.Addr { return netip.AddrFrom16([16]byte(m[24:40])) }

// Options returns the options, to be read by Next.
func (m Redirect) Options() NDOptions { return NDOptions(m[RedirectLen:]) }

// AppendRedirect appends a redirect without options.
func AppendRedirect(b []byte, target, dst netip.Addr) []byte {
	return appendAddr(appendAddr(append(b, ICMP6Redirect, 0, 0, 0, 0, 0, 0, 0), target), dst)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	raw := a.As16()
	return append(b, raw[:]...)
}
