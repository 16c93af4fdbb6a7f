package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// IGMPLen is the length in bytes of an IGMPv1 or IGMPv2 message and of the part
// that all versions share.
const IGMPLen = 8

// IGMP message types (RFC 3376 §4).
const (
	IGMPTypeQuery    uint8 = 0x11
	IGMPTypeV1Report uint8 = 0x12
	IGMPTypeDVMRP    uint8 = 0x13
	IGMPTypeV2Report uint8 = 0x16
	IGMPTypeV2Leave  uint8 = 0x17
	IGMPTypeV3Report uint8 = 0x22
)

// IGMP is a view of an IGMP message of any version.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      | max resp code |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|                         group address                         |
//	+---------------------------------------------------------------+
type IGMP []byte

// ParseIGMP checks that b holds the eight bytes that all versions share. b must
// be the whole IPv4 payload: its length tells the versions apart.
func ParseIGMP(b []byte) (IGMP, Fault) {
	if len(b) < IGMPLen {
		return nil, Short
	}
	return b, OK
}

// Type returns the message type.
func (m IGMP) Type() uint8 { return m[0] }

// MaxRespCode returns the second byte: in a version 2 query the time to answer
// in tenths of a second, in a version 3 query its code (IGMPDecode).
func (m IGMP) MaxRespCode() uint8 { return m[1] }

// Checksum returns the checksum as it stands in the message.
func (m IGMP) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// ChecksumOK reports whether the checksum over the whole message is right.
func (m IGMP) ChecksumOK() bool { return Checksum(m) == 0 }

// Group returns the group address of every message but a version 3 report; in
// a general query it is 0.0.0.0.
func (m IGMP) Group() netip.Addr { return netip.AddrFrom4([4]byte(m[4:8])) }

// QueryVersion returns the version of the protocol that a query is of, 1 to 3;
// 0 if there is no version of that length, in which case it must be ignored
// (RFC 3376 §7.1).
func (m IGMP) QueryVersion() int {
	switch {
	case len(m) >= IGMPv3QueryLen:
		return 3
	case len(m) > IGMPLen:
		return 0
	case m[1] == 0:
		return 1
	}
	return 2
}

// PutIGMP writes a version 1 or 2 message with its checksum into b[:IGMPLen].
// group must be IPv4.
func PutIGMP(b []byte, typ, maxRespCode uint8, group netip.Addr) {
	b = b[:IGMPLen]
	g := group.As4()
	b[0], b[1], b[2], b[3] = typ, maxRespCode, 0, 0
	copy(b[4:8], g[:])
	binary.BigEndian.PutUint16(b[2:4], Checksum(b))
}

// IGMPMaxValue is the largest number that a code can stand for.
const IGMPMaxValue = 0x1f << 10

// IGMPDecode returns the number that a version 3 Max Resp Code (tenths of a
// second) or QQIC (seconds) stands for: itself below 128, else a floating-point
// number (RFC 3376 §4.1.1, §4.1.7).
//
//	 0 1 2 3 4 5 6 7
//	+-+-----+-------+
//	|1| exp | mant  |    (mant | 0x10) << (exp + 3)
//	+-+-----+-------+
func IGMPDecode(code uint8) int {
	if code < 128 {
		return int(code)
	}
	return int(code&15|0x10) << (code>>4&7 + 3)
}

// IGMPEncode returns the code of the largest number not above v that has one,
// v from 0 to IGMPMaxValue.
func IGMPEncode(v int) uint8 {
	v = min(max(v, 0), IGMPMaxValue)
	if v < 128 {
		return uint8(v)
	}
	exp := bits.Len(uint(v)) - 8
	return 0x80 | uint8(exp)<<4 | uint8(v>>(exp+3))&15
}
