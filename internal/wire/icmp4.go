package wire

import (
	"encoding/binary"
	"net/netip"
)

// ICMP4Len is the length in bytes of the header that all ICMP messages share.
const ICMP4Len = 8

// ICMP types (RFC 792, RFC 950, RFC 1256).
const (
	ICMP4EchoReply      uint8 = 0
	ICMP4Unreachable    uint8 = 3
	ICMP4SourceQuench   uint8 = 4
	ICMP4Redirect       uint8 = 5
	ICMP4Echo           uint8 = 8
	ICMP4RouterAdvert   uint8 = 9
	ICMP4RouterSolicit  uint8 = 10
	ICMP4TimeExceeded   uint8 = 11
	ICMP4ParamProblem   uint8 = 12
	ICMP4Timestamp      uint8 = 13
	ICMP4TimestampReply uint8 = 14
	ICMP4MaskRequest    uint8 = 17
	ICMP4MaskReply      uint8 = 18
)

// Codes of ICMP4Unreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const (
	ICMP4CodeNet          uint8 = 0
	ICMP4CodeHost         uint8 = 1
	ICMP4CodeProto        uint8 = 2
	ICMP4CodePort         uint8 = 3
	ICMP4CodeFragNeeded   uint8 = 4
	ICMP4CodeSourceRoute  uint8 = 5
	ICMP4CodeNetUnknown   uint8 = 6
	ICMP4CodeHostUnknown  uint8 = 7
	ICMP4CodeIsolated     uint8 = 8
	ICMP4CodeNetProhib    uint8 = 9
	ICMP4CodeHostProhib   uint8 = 10
	ICMP4CodeNetTOS       uint8 = 11
	ICMP4CodeHostTOS      uint8 = 12
	ICMP4CodeFilterProhib uint8 = 13
	ICMP4CodePrecedence   uint8 = 14
	ICMP4CodePrecCutoff   uint8 = 15
)

// Codes of ICMP4TimeExceeded and ICMP4ParamProblem (RFC 792, RFC 1122
// §3.2.2.5).
const (
	ICMP4CodeTTL           uint8 = 0 // time exceeded in transit
	ICMP4CodeReassembly    uint8 = 1 // time exceeded in reassembly
	ICMP4CodePointer       uint8 = 0 // Pointer says which byte is wrong
	ICMP4CodeOptionMissing uint8 = 1
)

// ICMP4 is a view of an ICMP message (RFC 792).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      |     code      |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|  echo:         identifier, sequence number                    |
//	|  unreachable:  0, length, MTU of the next hop if code is 4    |
//	|  redirect:     address of the better gateway                  |
//	|  param prob.:  pointer, length, 0                             |
//	+---------------------------------------------------------------+
//	|  payload: echoed data, or the packet an error is about        |
//	+---------------------------------------------------------------+
type ICMP4 []byte

// ParseICMP4 checks that b holds the eight bytes that all messages share. Which
// types exist is not judged.
func ParseICMP4(b []byte) (ICMP4, Fault) {
	if len(b) < ICMP4Len {
		return nil, Short
	}
	return b, OK
}

// Type returns the message type.
func (m ICMP4) Type() uint8 { return m[0] }

// Code returns the code, whose meaning depends on the type.
func (m ICMP4) Code() uint8 { return m[1] }

// Checksum returns the checksum as it stands in the message.
func (m ICMP4) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// ChecksumOK reports whether the checksum over the whole message is right.
func (m ICMP4) ChecksumOK() bool { return Checksum(m) == 0 }

// Rest returns bytes 4 to 7, whose meaning depends on the type.
func (m ICMP4) Rest() uint32 { return binary.BigEndian.Uint32(m[4:8]) }

// ID returns the identifier of an echo message.
func (m ICMP4) ID() uint16 { return binary.BigEndian.Uint16(m[4:6]) }

// Seq returns the sequence number of an echo message.
func (m ICMP4) Seq() uint16 { return binary.BigEndian.Uint16(m[6:8]) }

// MTU returns the next hop's MTU in bytes that ICMP4CodeFragNeeded carries (RFC
// 1191 §4), 0 from a router that does not tell.
func (m ICMP4) MTU() int { return int(binary.BigEndian.Uint16(m[6:8])) }

// Pointer returns the offset of the wrong byte in the quoted packet that
// ICMP4ParamProblem carries.
func (m ICMP4) Pointer() uint8 { return m[4] }

// Gateway returns the address that ICMP4Redirect carries.
func (m ICMP4) Gateway() netip.Addr { return netip.AddrFrom4([4]byte(m[4:8])) }

// Payload returns what follows the first eight bytes.
func (m ICMP4) Payload() []byte { return m[ICMP4Len:] }

// IsError reports whether the message is about another packet, which it then
// quotes. Such a message is never answered with an error (RFC 1122 §3.2.2).
func (m ICMP4) IsError() bool {
	switch m[0] {
	case ICMP4Unreachable, ICMP4SourceQuench, ICMP4Redirect, ICMP4TimeExceeded, ICMP4ParamProblem:
		return true
	}
	return false
}

// Quoted returns the packet that an error message is about, BadType if the
// message is not an error.
func (m ICMP4) Quoted() (QuotedIPv4, Fault) {
	if !m.IsError() {
		return nil, BadType
	}
	b := m.Payload()
	// Extensions may follow the quoted packet; byte 5 then is its length in
	// 32-bit words, at least 128 bytes (RFC 4884 §4).
	switch m[0] {
	case ICMP4Unreachable, ICMP4TimeExceeded, ICMP4ParamProblem:
		if n := int(m[5]) * 4; n >= 128 && n < len(b) {
			b = b[:n]
		}
	}
	return ParseQuotedIPv4(b)
}

// PutICMP4 writes the first eight bytes of a message into b and its checksum,
// for which the payload must already be in its place, b[8:8+payloadLen].
func PutICMP4(b []byte, typ, code uint8, rest uint32, payloadLen int) {
	b = b[:ICMP4Len+payloadLen]
	b[0], b[1], b[2], b[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(b[4:8], rest)
	binary.BigEndian.PutUint16(b[2:4], Checksum(b))
}

// QuotedIPv4 is a view of the beginning of an IPv4 packet as an ICMP error
// quotes it: the whole header, and as much of the payload as the sender of the
// error liked, at least eight bytes by RFC 792. TotalLen may exceed its length.
type QuotedIPv4 []byte

// ParseQuotedIPv4 checks that b holds a whole IPv4 header and cuts off what
// lies beyond the packet's total length.
func ParseQuotedIPv4(b []byte) (QuotedIPv4, Fault) {
	p, f := ParseIPv4(b)
	// The length is judged last, so the header is whole.
	if f == BadLength && IPv4(b).TotalLen() > len(b) {
		return b, OK
	}
	return QuotedIPv4(p), f
}

// HeaderLen returns the length of the header with its options in bytes.
func (q QuotedIPv4) HeaderLen() int { return IPv4(q).HeaderLen() }

// TotalLen returns the length that the packet had, in bytes.
func (q QuotedIPv4) TotalLen() int { return IPv4(q).TotalLen() }

// FragOffset returns where in the original payload this one begins, in bytes;
// only at 0 does the payload begin with the upper layer's header.
func (q QuotedIPv4) FragOffset() int { return IPv4(q).FragOffset() }

// Proto returns the number of the protocol that the payload belongs to.
func (q QuotedIPv4) Proto() uint8 { return q[9] }

// Src returns the source address.
func (q QuotedIPv4) Src() netip.Addr { return IPv4(q).Src() }

// Dst returns the destination address.
func (q QuotedIPv4) Dst() netip.Addr { return IPv4(q).Dst() }

// Header returns the fields of the header; Options points into q.
func (q QuotedIPv4) Header() IPv4Header { return IPv4(q).Header() }

// Payload returns what is quoted of the payload.
func (q QuotedIPv4) Payload() []byte { return IPv4(q).Payload() }

// Ports returns the first two 16-bit words of the payload, which are the ports
// of TCP and UDP; false if the quote does not hold them or is a later fragment.
func (q QuotedIPv4) Ports() (src, dst uint16, ok bool) {
	b := q.Payload()
	if len(b) < 4 || q.FragOffset() != 0 {
		return 0, 0, false
	}
	return binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4]), true
}
