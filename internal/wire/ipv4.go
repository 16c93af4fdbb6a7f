package wire

import (
	"encoding/binary"
	"net/netip"
)

// Lengths of an IPv4 header and of a whole packet, in bytes.
const (
	IPv4Len       = 20 // without options
	IPv4MaxLen    = 60 // with 40 bytes of options
	IPv4MaxPacket = 65535
)

// Protocol numbers (IANA).
const (
	ProtoICMP   uint8 = 1
	ProtoIGMP   uint8 = 2
	ProtoTCP    uint8 = 6
	ProtoUDP    uint8 = 17
	ProtoICMPv6 uint8 = 58
)

const (
	ipv4FlagDF   = 0x4000
	ipv4FlagMF   = 0x2000
	ipv4FragMask = 0x1fff
)

// IPv4 is a view of an IPv4 packet, header and payload, cut to its total
// length (RFC 791 §3.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+-------+---------------+-------------------------------+
//	|version|  IHL  |      TOS      |         total length          |
//	+-------+-------+---------------+-----+-------------------------+
//	|        identification         |0 D M|     fragment offset     |
//	+---------------+---------------+-----+-------------------------+
//	| time to live  |   protocol    |        header checksum        |
//	+---------------+---------------+-------------------------------+
//	|                        source address                         |
//	+---------------------------------------------------------------+
//	|                      destination address                      |
//	+---------------------------------------------------------------+
//	|                 options, up to 40 bytes                       |
//	+---------------------------------------------------------------+
type IPv4 []byte

// ParseIPv4 checks version, header length and total length of the packet that
// b begins with, and cuts off what follows it (an Ethernet frame's padding).
// It does not look into the options (ParseIPv4Options) or at the checksum
// (ChecksumOK).
func ParseIPv4(b []byte) (IPv4, Fault) {
	if len(b) < IPv4Len {
		return nil, Short
	}
	if b[0]>>4 != 4 {
		return nil, BadVersion
	}
	h, n := int(b[0]&15)*4, int(b[2])<<8|int(b[3])
	if h < IPv4Len || h > len(b) {
		return nil, BadHdrLen
	}
	if n < h || n > len(b) {
		return nil, BadLength
	}
	return b[:n], OK
}

// HeaderLen returns the length of the header with its options in bytes, 20..60.
func (p IPv4) HeaderLen() int { return int(p[0]&15) * 4 }

// TOS returns the type of service byte: DSCP in the upper six bits (RFC 2474),
// ECN in the lower two (RFC 3168).
func (p IPv4) TOS() uint8 { return p[1] }

// TotalLen returns the length of header and payload in bytes, len(p).
func (p IPv4) TotalLen() int { return int(binary.BigEndian.Uint16(p[2:4])) }

// ID returns the identification that the fragments of one packet share.
func (p IPv4) ID() uint16 { return binary.BigEndian.Uint16(p[4:6]) }

// DF reports whether the packet must not be fragmented.
func (p IPv4) DF() bool { return p[6]&(ipv4FlagDF>>8) != 0 }

// MF reports whether fragments follow this one.
func (p IPv4) MF() bool { return p[6]&(ipv4FlagMF>>8) != 0 }

// FragOffset returns where in the original payload this one begins, in bytes.
func (p IPv4) FragOffset() int {
	return int(binary.BigEndian.Uint16(p[6:8])&ipv4FragMask) * 8
}

// IsFragment reports whether p is a part of a packet only.
func (p IPv4) IsFragment() bool {
	return binary.BigEndian.Uint16(p[6:8])&(ipv4FlagMF|ipv4FragMask) != 0
}

// TTL returns the time to live in hops.
func (p IPv4) TTL() uint8 { return p[8] }

// Proto returns the number of the protocol that the payload belongs to.
func (p IPv4) Proto() uint8 { return p[9] }

// Checksum returns the header checksum as it stands in the packet.
func (p IPv4) Checksum() uint16 { return binary.BigEndian.Uint16(p[10:12]) }

// ChecksumOK reports whether the header checksum is right.
func (p IPv4) ChecksumOK() bool { return Checksum(p[:p.HeaderLen()]) == 0 }

// Src returns the source address.
func (p IPv4) Src() netip.Addr { return netip.AddrFrom4([4]byte(p[12:16])) }

// Dst returns the destination address.
func (p IPv4) Dst() netip.Addr { return netip.AddrFrom4([4]byte(p[16:20])) }

// Src4 returns the source address as four bytes.
func (p IPv4) Src4() [4]byte { return [4]byte(p[12:16]) }

// Dst4 returns the destination address as four bytes.
func (p IPv4) Dst4() [4]byte { return [4]byte(p[16:20]) }

// Options returns the options as they stand in the header, of a length that is
// a multiple of four, empty in nearly every packet. ParseIPv4Options checks
// them.
func (p IPv4) Options() []byte { return p[IPv4Len:p.HeaderLen()] }

// Payload returns what follows the header.
func (p IPv4) Payload() []byte { return p[p.HeaderLen():] }

// DecTTL lowers the time to live by one and mends the checksum (RFC 1141, RFC
// 1624). The caller has made sure that the time to live is not zero.
func (p IPv4) DecTTL() {
	was := binary.BigEndian.Uint16(p[8:10])
	p[8]--
	p.mend(was, was-0x100)
}

// UndoTTL takes DecTTL back: an ICMP error quotes the packet as it was received.
func (p IPv4) UndoTTL() {
	was := binary.BigEndian.Uint16(p[8:10])
	p[8]++
	p.mend(was, was+0x100)
}

// SetTOS changes the type of service byte and mends the checksum.
func (p IPv4) SetTOS(tos uint8) {
	was := binary.BigEndian.Uint16(p[0:2])
	p[1] = tos
	p.mend(was, was&0xff00|uint16(tos))
}

// SetSrc changes the source address and mends the header checksum, not that of
// the payload.
func (p IPv4) SetSrc(a netip.Addr) { p.setAddr(12, a.As4()) }

// SetDst changes the destination address and mends the header checksum, not
// that of the payload.
func (p IPv4) SetDst(a netip.Addr) { p.setAddr(16, a.As4()) }

// SetChecksum sums the header and writes its checksum.
func (p IPv4) SetChecksum() {
	p[10], p[11] = 0, 0
	binary.BigEndian.PutUint16(p[10:12], Checksum(p[:p.HeaderLen()]))
}

func (p IPv4) mend(was, is uint16) {
	binary.BigEndian.PutUint16(p[10:12], UpdateChecksum(p.Checksum(), was, is))
}

func (p IPv4) setAddr(at int, a [4]byte) {
	was, is := binary.BigEndian.Uint32(p[at:]), binary.BigEndian.Uint32(a[:])
	binary.BigEndian.PutUint32(p[at:], is)
	binary.BigEndian.PutUint16(p[10:12], UpdateChecksum32(p.Checksum(), was, is))
}

// IPv4Header holds the fields of an IPv4 header that its writer chooses. The
// lengths and the checksum follow from them.
type IPv4Header struct {
	TOS        uint8
	ID         uint16
	DF, MF     bool
	FragOffset int // bytes, a multiple of 8
	TTL, Proto uint8
	Src, Dst   netip.Addr // IPv4; the unspecified address is 0.0.0.0, not the zero Addr
	Options    []byte     // at most 40 bytes
}

// Header returns the fields of p's header; Options points into p.
func (p IPv4) Header() IPv4Header {
	return IPv4Header{
		TOS: p.TOS(), ID: p.ID(), DF: p.DF(), MF: p.MF(), FragOffset: p.FragOffset(),
		TTL: p.TTL(), Proto: p.Proto(), Src: p.Src(), Dst: p.Dst(), Options: p.Options(),
	}
}

// Len returns the length of the header in bytes, options padded to a multiple
// of four.
func (h *IPv4Header) Len() int { return IPv4Len + (len(h.Options)+3)&^3 }

// PutIPv4 writes the header h for a payload of payloadLen bytes with its
// checksum into b and returns the header's length. Options are padded with
// end-of-list octets. It panics when options or total length exceed what the
// header can say.
func PutIPv4(b []byte, h *IPv4Header, payloadLen int) int {
	n := h.Len()
	if n > IPv4MaxLen || n+payloadLen > IPv4MaxPacket {
		panic("wire: IPv4 packet too long")
	}
	b = b[:n]
	b[0], b[1] = 4<<4|uint8(n/4), h.TOS
	binary.BigEndian.PutUint16(b[2:4], uint16(n+payloadLen))
	binary.BigEndian.PutUint16(b[4:6], h.ID)
	frag := uint16(h.FragOffset/8) & ipv4FragMask
	if h.DF {
		frag |= ipv4FlagDF
	}
	if h.MF {
		frag |= ipv4FlagMF
	}
	binary.BigEndian.PutUint16(b[6:8], frag)
	b[8], b[9], b[10], b[11] = h.TTL, h.Proto, 0, 0
	src, dst := h.Src.As4(), h.Dst.As4()
	copy(b[12:16], src[:])
	copy(b[16:20], dst[:])
	clear(b[IPv4Len+copy(b[IPv4Len:], h.Options):])
	binary.BigEndian.PutUint16(b[10:12], Checksum(b))
	return n
}

// AppendCopied appends the options that every fragment must carry (RFC 791 §3.1:
// the copied flag).
func (p IPv4) AppendCopied(to []byte) []byte {
	o, f := ParseIPv4Options(p.Options())
	if f != OK {
		return to
	}
	for opt, ok := o.Next(); ok; opt, ok = o.Next() {
		if opt.Copied() {
			to = append(to, opt...)
		}
	}
	return to
}
