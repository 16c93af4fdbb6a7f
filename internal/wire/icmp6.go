package wire

import (
	"encoding/binary"
	"net/netip"
)

// ICMP6Len is the length in bytes of the header that all ICMPv6 messages in use
// share: RFC 4443 §2.1 defines four bytes, and every message has four more.
const ICMP6Len = 8

// ICMPv6 types (RFC 4443, RFC 2710, RFC 4861, RFC 3810). Those below 128 are
// errors.
const (
	ICMP6Unreachable     uint8 = 1
	ICMP6TooBig          uint8 = 2
	ICMP6TimeExceeded    uint8 = 3
	ICMP6ParamProblem    uint8 = 4
	ICMP6EchoRequest     uint8 = 128
	ICMP6EchoReply       uint8 = 129
	ICMP6MLDQuery        uint8 = 130
	ICMP6MLDv1Report     uint8 = 131
	ICMP6MLDDone         uint8 = 132
	ICMP6RouterSolicit   uint8 = 133
	ICMP6RouterAdvert    uint8 = 134
	ICMP6NeighborSolicit uint8 = 135
	ICMP6NeighborAdvert  uint8 = 136
	ICMP6Redirect        uint8 = 137
	ICMP6MLDv2Report     uint8 = 143
)

// Codes of ICMP6Unreachable (RFC 4443 §3.1, RFC 8883 §3).
const (
	ICMP6CodeNoRoute        uint8 = 0
	ICMP6CodeAdminProhib    uint8 = 1
	ICMP6CodeBeyondScope    uint8 = 2
	ICMP6CodeAddress        uint8 = 3
	ICMP6CodePort           uint8 = 4
	ICMP6CodeSourcePolicy   uint8 = 5
	ICMP6CodeRejectRoute    uint8 = 6
	ICMP6CodeHeadersTooLong uint8 = 8
)

// Codes of ICMP6TimeExceeded (RFC 4443 §3.3).
const (
	ICMP6CodeHopLimit   uint8 = 0
	ICMP6CodeReassembly uint8 = 1
)

// Codes of ICMP6ParamProblem (RFC 4443 §3.4, RFC 7112 §5, RFC 8883 §2). Pointer
// says which byte is meant.
const (
	ICMP6CodeHeader            uint8 = 0 // a header field is wrong
	ICMP6CodeNextHeader        uint8 = 1 // unknown next header
	ICMP6CodeOption            uint8 = 2 // unknown option
	ICMP6CodeFirstFragment     uint8 = 3 // headers go beyond the first fragment
	ICMP6CodeNextHeaderTransit uint8 = 5 // unknown next header, seen by a router
	ICMP6CodeHeaderTooBig      uint8 = 6
	ICMP6CodeChainTooLong      uint8 = 7
	ICMP6CodeTooManyHeaders    uint8 = 8
	ICMP6CodeTooManyOptions    uint8 = 9
	ICMP6CodeOptionTooBig      uint8 = 10
)

// ICMP6 is a view of an ICMPv6 message (RFC 4443 §2.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      |     code      |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|  echo:         identifier, sequence number                    |
//	|  too big:      MTU of the next hop                            |
//	|  param prob.:  pointer                                        |
//	+---------------------------------------------------------------+
//	|  payload: echoed data, or the packet an error is about        |
//	+---------------------------------------------------------------+
type ICMP6 []byte

// ParseICMP6 checks that b holds the eight bytes that all messages share. Which
// types exist is not judged.
func ParseICMP6(b []byte) (ICMP6, Fault) {
	if len(b) < ICMP6Len {
		return nil, Short
	}
	return b, OK
}

// Type returns the message type.
func (m ICMP6) Type() uint8 { return m[0] }

// Code returns the code, whose meaning depends on the type.
func (m ICMP6) Code() uint8 { return m[1] }

// Checksum returns the checksum as it stands in the message.
func (m ICMP6) Checksum() uint16 { return binary.BigEndian.Uint16(m[2:4]) }

// ChecksumOK reports whether the checksum over pseudo header and message is
// right for a message from src to dst (RFC 4443 §2.3).
func (m ICMP6) ChecksumOK(src, dst netip.Addr) bool {
	return Fold(Sum(m, PseudoSum(src, dst, ProtoICMPv6, len(m)))) == 0
}

// SetChecksum sums the message as one from src to dst and writes the checksum.
func (m ICMP6) SetChecksum(src, dst netip.Addr) {
	m[2], m[3] = 0, 0
	binary.BigEndian.PutUint16(m[2:4], Fold(Sum(m, PseudoSum(src, dst, ProtoICMPv6, len(m)))))
}

// Rest returns bytes 4 to 7, whose meaning depends on the type.
func (m ICMP6) Rest() uint32 { return binary.BigEndian.Uint32(m[4:8]) }

// ID returns the identifier of an echo message.
func (m ICMP6) ID() uint16 { return binary.BigEndian.Uint16(m[4:6]) }

// Seq returns the sequence number of an echo message.
func (m ICMP6) Seq() uint16 { return binary.BigEndian.Uint16(m[6:8]) }

// MTU returns the next hop's MTU in bytes that ICMP6TooBig carries.
func (m ICMP6) MTU() uint32 { return m.Rest() }

// Pointer returns the offset of the wrong byte in the quoted packet that
// ICMP6ParamProblem carries; it may lie beyond what is quoted.
func (m ICMP6) Pointer() uint32 { return m.Rest() }

// Payload returns what follows the first eight bytes.
func (m ICMP6) Payload() []byte { return m[ICMP6Len:] }

// IsError reports whether the message is an error (RFC 4443 §2.1), which is
// never answered with an error. A redirect is not one by its type, but must not
// be answered either (RFC 4443 §2.4 (e.2)).
func (m ICMP6) IsError() bool { return m[0] < 128 }

// Quoted returns the packet that an error message is about, BadType if the
// message is not one of the four errors that are defined.
func (m ICMP6) Quoted() (QuotedIPv6, Fault) {
	b := m.Payload()
	switch m[0] {
	case ICMP6Unreachable, ICMP6TimeExceeded:
		// Extensions may follow the quoted packet; byte 4 then is its length
		// in 64-bit words, at least 128 bytes (RFC 4884 §4).
		if n := int(m[4]) * 8; n >= 128 && n < len(b) {
			b = b[:n]
		}
	case ICMP6TooBig, ICMP6ParamProblem:
	default:
		return nil, BadType
	}
	return ParseQuotedIPv6(b)
}

// PutICMP6 writes the first eight bytes of a message into b. The checksum is
// left zero, for SetChecksum.
func PutICMP6(b []byte, typ, code uint8, rest uint32) {
	_ = b[ICMP6Len-1]
	b[0], b[1], b[2], b[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(b[4:8], rest)
}

// QuotedIPv6 is a view of the beginning of an IPv6 packet as an ICMPv6 error
// quotes it: the whole header, and as much of the payload as there was room
// for. TotalLen may exceed its length.
type QuotedIPv6 []byte

// ParseQuotedIPv6 checks that b holds a whole IPv6 header and cuts off what
// lies beyond the packet's payload length.
func ParseQuotedIPv6(b []byte) (QuotedIPv6, Fault) {
	p, f := ParseIPv6(b)
	// The length is judged last, so the header is whole.
	if f == BadLength && QuotedIPv6(b).TotalLen() > len(b) {
		return b, OK
	}
	return QuotedIPv6(p), f
}

// TotalLen returns the length that the packet had, in bytes.
func (q QuotedIPv6) TotalLen() int { return IPv6Len + IPv6(q).PayloadLen() }

// Src returns the source address.
func (q QuotedIPv6) Src() netip.Addr { return IPv6(q).Src() }

// Dst returns the destination address.
func (q QuotedIPv6) Dst() netip.Addr { return IPv6(q).Dst() }

// Header returns the fields of the header.
func (q QuotedIPv6) Header() IPv6Header { return IPv6(q).Header() }

// Payload returns what is quoted of all that follows the first 40 bytes.
func (q QuotedIPv6) Payload() []byte { return IPv6(q).Payload() }

// Upper returns the protocol of the upper layer and what is quoted of it, with
// all extension headers skipped; false if the quote ends before it or is a later
// fragment.
func (q QuotedIPv6) Upper() (proto uint8, b []byte, ok bool) {
	p := IPv6(q)
	c := p.chain(p.NextHeader(), IPv6Len)
	if c.proto == ProtoFragment {
		f, fault := ParseFragment6(p[min(c.off, len(p)):])
		if fault != OK || f.Offset() != 0 {
			return 0, nil, false
		}
		c = p.chain(f.NextHeader(), c.off+FragmentLen)
	}
	if c.off > len(p) || isExtension(c.proto) {
		return 0, nil, false
	}
	return c.proto, p[c.off:], true
}

// Ports returns the protocol of the upper layer and its first two 16-bit words,
// which are the ports of TCP and UDP; false if the quote does not hold them or
// is a later fragment.
func (q QuotedIPv6) Ports() (proto uint8, src, dst uint16, ok bool) {
	proto, b, ok := q.Upper()
	if !ok || len(b) < 4 {
		return 0, 0, 0, false
	}
	return proto, binary.BigEndian.Uint16(b[0:2]), binary.BigEndian.Uint16(b[2:4]), true
}
