package wire

import (
	"encoding/binary"
	"net/netip"
)

// A MAC is an Ethernet address.
type MAC [6]byte

// BroadcastMAC returns ff:ff:ff:ff:ff:ff.
func BroadcastMAC() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// MulticastMAC returns the Ethernet address that frames to the multicast group
// carry: 01:00:5e and the low 23 bits of an IPv4 group (RFC 1112 §6.4), 33:33
// and the low 32 bits of an IPv6 group (RFC 2464 §7).
func MulticastMAC(group netip.Addr) MAC {
	if group.Is4() {
		a := group.As4()
		return MAC{0x01, 0x00, 0x5e, a[1] & 0x7f, a[2], a[3]}
	}
	var a [16]byte
	put16(a[:], group)
	return MAC{0x33, 0x33, a[12], a[13], a[14], a[15]}
}

// IsMulticast reports whether the group bit is set, which it also is in the
// broadcast address.
func (m MAC) IsMulticast() bool { return m[0]&1 != 0 }

// IsBroadcast reports whether m is ff:ff:ff:ff:ff:ff.
func (m MAC) IsBroadcast() bool { return m == BroadcastMAC() }

// IsZero reports whether m is 00:00:00:00:00:00.
func (m MAC) IsZero() bool { return m == MAC{} }

// String returns m as 02:00:00:00:00:01.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	var s [17]byte
	for i, c := range m {
		if i > 0 {
			s[3*i-1] = ':'
		}
		s[3*i], s[3*i+1] = digits[c>>4], digits[c&15]
	}
	return string(s[:])
}

// EtherLen is the length of an Ethernet header in bytes.
const EtherLen = 14

// EtherTypes (IANA IEEE 802 numbers).
const (
	EtherTypeIPv4 uint16 = 0x0800
	EtherTypeARP  uint16 = 0x0806
	EtherTypeVLAN uint16 = 0x8100
	EtherTypeIPv6 uint16 = 0x86dd
)

// Ether is a view of an Ethernet frame without preamble and check sequence.
//
//	 0                   6                   12    14
//	+-------------------+-------------------+-----+---------- -
//	|    destination    |      source       |type | payload
//	+-------------------+-------------------+-----+---------- -
type Ether []byte

// ParseEther checks that b holds an Ethernet header. A short frame is padded on
// the wire and the frame does not say where its payload ends: the payload's own
// header does.
func ParseEther(b []byte) (Ether, Fault) {
	if len(b) < EtherLen {
		return nil, Short
	}
	return b, OK
}

// Dst returns the destination address.
func (e Ether) Dst() MAC { return MAC(e[0:6]) }

// Src returns the source address.
func (e Ether) Src() MAC { return MAC(e[6:12]) }

// Type returns the EtherType; below 0x0600 it is an IEEE 802.3 length.
func (e Ether) Type() uint16 { return binary.BigEndian.Uint16(e[12:14]) }

// Payload returns what follows the header.
func (e Ether) Payload() []byte { return e[EtherLen:] }

// PutEther writes an Ethernet header into b[:EtherLen].
func PutEther(b []byte, dst, src MAC, typ uint16) {
	_ = b[EtherLen-1]
	copy(b[0:6], dst[:])
	copy(b[6:12], src[:])
	binary.BigEndian.PutUint16(b[12:14], typ)
}

// VLANLen is the length in bytes of what an IEEE 802.1Q tag adds to a frame.
const VLANLen = 4

// VLAN is a view of the payload of a frame of type EtherTypeVLAN: the tag
// control information, the inner EtherType and the inner payload (IEEE 802.1Q
// §9.6).
//
//	 0      3   4           16              32
//	+------+---+-----------+---------------+------ -
//	| PCP  |DEI|  VLAN id  |     type      | payload
//	+------+---+-----------+---------------+------ -
type VLAN []byte

// ParseVLAN checks that b holds a tag and the inner type.
func ParseVLAN(b []byte) (VLAN, Fault) {
	if len(b) < VLANLen {
		return nil, Short
	}
	return b, OK
}

// ID returns the VLAN identifier, 0..4095; 0 is a frame that only has a
// priority, 4095 is reserved.
func (v VLAN) ID() uint16 { return binary.BigEndian.Uint16(v[0:2]) & 0x0fff }

// PCP returns the priority code point, 0..7.
func (v VLAN) PCP() uint8 { return v[0] >> 5 }

// DEI returns the drop eligible indicator.
func (v VLAN) DEI() bool { return v[0]&0x10 != 0 }

// Type returns the inner EtherType.
func (v VLAN) Type() uint16 { return binary.BigEndian.Uint16(v[2:4]) }

// Payload returns what follows the inner type.
func (v VLAN) Payload() []byte { return v[VLANLen:] }

// PutVLAN writes a tag and the inner EtherType into b[:VLANLen]. Of id the low
// 12 bits count, of pcp the low 3.
func PutVLAN(b []byte, id uint16, pcp uint8, dei bool, typ uint16) {
	_ = b[VLANLen-1]
	tci := uint16(pcp)<<13 | id&0x0fff
	if dei {
		tci |= 0x1000
	}
	binary.BigEndian.PutUint16(b[0:2], tci)
	binary.BigEndian.PutUint16(b[2:4], typ)
}
