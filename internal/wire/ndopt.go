package wire

import (
	"encoding/binary"
	"net/netip"
)

// Types of neighbor discovery options (RFC 4861 §4.6, RFC 3971 §5.3.2, RFC 4191
// §2.3, RFC 8106 §5).
const (
	NDSourceLinkAddr uint8 = 1
	NDTargetLinkAddr uint8 = 2
	NDPrefixInfo     uint8 = 3
	NDRedirectedHdr  uint8 = 4
	NDMTU            uint8 = 5
	NDNonce          uint8 = 14
	NDRouteInfo      uint8 = 24
	NDRDNSS          uint8 = 25
	NDDNSSL          uint8 = 31
)

// NDInfinity is a lifetime, in seconds, that never ends (RFC 4861 §4.6.2).
const NDInfinity uint32 = 0xffffffff

// ndUnit is the unit that lengths of options are counted in.
const ndUnit = 8

// NDOptions is the checked list of a message's options, read from the front by
// Next.
type NDOptions []byte

// Next takes the first option from the list; it reports false at the end.
func (o *NDOptions) Next() (NDOption, bool) {
	b := *o
	if len(b) == 0 {
		return nil, false
	}
	n := int(b[1]) * ndUnit
	*o = b[n:]
	return NDOption(b[:n]), true
}

// Find returns the first option of this type.
func (o NDOptions) Find(typ uint8) (NDOption, bool) {
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		if opt.Type() == typ {
			return opt, true
		}
	}
	return nil, false
}

// LinkAddr returns the address in the first option of type typ, which is
// NDSourceLinkAddr or NDTargetLinkAddr.
func (o NDOptions) LinkAddr(typ uint8) (MAC, bool) {
	opt, ok := o.Find(typ)
	if !ok {
		return MAC{}, false
	}
	return opt.LinkAddr()
}

// NDOption is a view of one option: type, length in units of eight bytes, data.
// The readers report false for an option of another type, and for one of a
// length that its type does not have, which is to be ignored like an unknown one.
type NDOption []byte

// Type returns the type.
func (o NDOption) Type() uint8 { return o[0] }

// Data returns what follows the length.
func (o NDOption) Data() []byte { return o[2:] }

// LinkAddr returns the Ethernet address (RFC 2464 §6) that NDSourceLinkAddr and
// NDTargetLinkAddr carry.
func (o NDOption) LinkAddr() (MAC, bool) {
	if len(o) != ndUnit || o[0] != NDSourceLinkAddr && o[0] != NDTargetLinkAddr {
		return MAC{}, false
	}
	return MAC(o[2:8]), true
}

// AppendNDLinkAddr appends an option of type NDSourceLinkAddr or
// NDTargetLinkAddr.
func AppendNDLinkAddr(b []byte, typ uint8, mac MAC) []byte {
	return append(append(b, typ, 1), mac[:]...)
}

// NDPrefix is what a prefix information option says (RFC 4861 §4.6.2).
type NDPrefix struct {
	Prefix             netip.Prefix // the bits behind its length are zero
	OnLink, Autonomous bool
	Valid, Preferred   uint32 // seconds, or NDInfinity
}

// Prefix returns what NDPrefixInfo says.
//
//	+---------------+---------------+---------------+-+-+-----------+
//	|   type = 3    |  length = 4   | prefix length |L|A|     0     |
//	+---------------+---------------+---------------+-+-+-----------+
//	|                       valid lifetime                          |
//	+---------------------------------------------------------------+
//	|                     preferred lifetime                        |
//	+---------------------------------------------------------------+
//	|                               0                               |
//	+---------------------------------------------------------------+
//	|                         prefix (16)                           |
//	+---------------------------------------------------------------+
func (o NDOption) Prefix() (NDPrefix, bool) {
	if len(o) != 4*ndUnit || o[0] != NDPrefixInfo || o[2] > 128 {
		return NDPrefix{}, false
	}
	return NDPrefix{
		Prefix: netip.PrefixFrom(netip.AddrFrom16([16]byte(o[16:32])), int(o[2])).Masked(),
		OnLink: o[3]&0x80 != 0, Autonomous: o[3]&0x40 != 0,
		Valid: binary.BigEndian.Uint32(o[4:8]), Preferred: binary.BigEndian.Uint32(o[8:12]),
	}, true
}

// AppendNDPrefix appends a prefix information option.
func AppendNDPrefix(b []byte, p *NDPrefix) []byte {
	var flags uint8
	if p.OnLink {
		flags |= 0x80
	}
	if p.Autonomous {
		flags |= 0x40
	}
	b = append(b, NDPrefixInfo, 4, uint8(p.Prefix.Bits()), flags)
	b = binary.BigEndian.AppendUint32(b, p.Valid)
	b = binary.BigEndian.AppendUint32(b, p.Preferred)
	return appendAddr(append(b, 0, 0, 0, 0), p.Prefix.Masked().Addr())
}

// MTU returns the link's MTU in bytes that NDMTU carries.
func (o NDOption) MTU() (uint32, bool) {
	if len(o) != ndUnit || o[0] != NDMTU {
		return 0, false
	}
	return binary.BigEndian.Uint32(o[4:8]), true
}

// AppendNDMTU appends an MTU option.
func AppendNDMTU(b []byte, mtu uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, NDMTU, 1, 0, 0), mtu)
}

// NDRoute is what a route information option says (RFC 4191 §2.3).
type NDRoute struct {
	Prefix     netip.Prefix // the bits behind its length are zero
	Preference int8         // 1 high, 0 medium, -1 low
	Lifetime   uint32       // seconds, or NDInfinity
}

// RouteInfo returns what NDRouteInfo says; false also for the reserved
// preference, with which the option must be ignored (RFC 4191 §2.3).
//
//	+---------------+---------------+---------------+-----+---+-----+
//	|   type = 24   | length 1 to 3 | prefix length |  0  |Prf|  0  |
//	+---------------+---------------+---------------+-----+---+-----+
//	|                       route lifetime                          |
//	+---------------------------------------------------------------+
//	|                       prefix (0, 8 or 16)                     |
//	+---------------------------------------------------------------+
func (o NDOption) RouteInfo() (NDRoute, bool) {
	if o[0] != NDRouteInfo || len(o) > 3*ndUnit || o[2] > 128 || int(o[2]) > (len(o)-ndUnit)*8 {
		return NDRoute{}, false
	}
	pref, ok := decodePreference(o[3])
	if !ok {
		return NDRoute{}, false
	}
	var a [16]byte
	copy(a[:], o[8:])
	return NDRoute{
		Prefix:     netip.PrefixFrom(netip.AddrFrom16(a), int(o[2])).Masked(),
		Preference: pref, Lifetime: binary.BigEndian.Uint32(o[4:8]),
	}, true
}

// AppendNDRouteInfo appends a route information option.
func AppendNDRouteInfo(b []byte, r *NDRoute) []byte {
	n := (r.Prefix.Bits() + 63) / 64
	b = append(b, NDRouteInfo, uint8(1+n), uint8(r.Prefix.Bits()), encodePreference(r.Preference))
	b = binary.BigEndian.AppendUint32(b, r.Lifetime)
	a := r.Prefix.Masked().Addr().As16()
	return append(b, a[:n*8]...)
}

// RDNSS returns the lifetime in seconds and the addresses of the recursive DNS
// servers that NDRDNSS carries (RFC 8106 §5.1), at least one.
func (o NDOption) RDNSS() (lifetime uint32, servers NDServers, ok bool) {
	if o[0] != NDRDNSS || len(o) < 3*ndUnit || len(o)%16 != ndUnit {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(o[4:8]), NDServers(o[8:]), true
}

// NDServers is a list of addresses, read from the front by Next.
type NDServers []byte

// Len returns the number of addresses.
func (s NDServers) Len() int { return len(s) / 16 }

// Next takes the first address from the list; it reports false at the end.
func (s *NDServers) Next() (netip.Addr, bool) {
	b := *s
	if len(b) == 0 {
		return netip.Addr{}, false
	}
	*s = b[16:]
	return netip.AddrFrom16([16]byte(b)), true
}

// AppendNDRDNSS appends an option with the addresses of up to 127 recursive DNS
// servers, at least one.
func AppendNDRDNSS(b []byte, lifetime uint32, servers []netip.Addr) []byte {
	if len(servers) == 0 || len(servers) > 127 {
		panic("wire: number of DNS servers")
	}
	b = append(b, NDRDNSS, uint8(1+2*len(servers)), 0, 0)
	b = binary.BigEndian.AppendUint32(b, lifetime)
	for _, a := range servers {
		b = appendAddr(b, a)
	}
	return b
}

// Nonce returns the random bytes, at least six, that NDNonce carries (RFC 3971
// §5.3.2, RFC 7527 §4.1); nil if the option is of another type.
func (o NDOption) Nonce() []byte {
	if o[0] != NDNonce {
		return nil
	}
	return o[2:]
}

// AppendNDNonce appends a nonce option, padded with zeros to a multiple of eight
// bytes: nonces of 6, 14, … bytes fill it.
func AppendNDNonce(b, nonce []byte) []byte {
	return appendPadded(append(b, NDNonce, ndUnits(2+len(nonce))), 2, nonce)
}

// Redirected returns the beginning of the packet that a redirect is about, which
// may have padding behind it; nil if the option is of another type.
func (o NDOption) Redirected() []byte {
	if o[0] != NDRedirectedHdr {
		return nil
	}
	return o[8:]
}

// AppendNDRedirected appends an option with the beginning of the packet that a
// redirect is about, padded with zeros to a multiple of eight bytes. The caller
// has cut it so that the message fits the minimum MTU (RFC 4861 §4.6.3).
func AppendNDRedirected(b, packet []byte) []byte {
	b = append(b, NDRedirectedHdr, ndUnits(8+len(packet)), 0, 0, 0, 0, 0, 0)
	return appendPadded(b, 8, packet)
}

// ndUnits returns the length field of an option of n bytes.
func ndUnits(n int) uint8 {
	n = (n + ndUnit - 1) / ndUnit
	if n > 255 {
		panic("wire: neighbor discovery option too long")
	}
	return uint8(n)
}

// appendPadded appends data and as many zeros as an option needs that has done
// bytes before it.
func appendPadded(b []byte, done int, data []byte) []byte {
	b = append(b, data...)
	for n := done + len(data); n%ndUnit != 0; n++ {
		b = append(b, 0)
	}
	return b
}
