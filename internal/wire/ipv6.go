package wire

import (
	"encoding/binary"
	"net/netip"
)

// Lengths of an IPv6 header and of a whole packet, in bytes.
const (
	IPv6Len       = 40 // without extension headers
	IPv6MaxPacket = IPv6Len + 65535
)

// Numbers of the extension headers (RFC 8200 §4, RFC 6275 §6.1) and of what is
// none (RFC 8200 §4.7).
const (
	ProtoHopByHop uint8 = 0
	ProtoRouting  uint8 = 43
	ProtoFragment uint8 = 44
	ProtoESP      uint8 = 50
	ProtoAH       uint8 = 51
	ProtoNoNext   uint8 = 59
	ProtoDestOpts uint8 = 60
	ProtoMobility uint8 = 135
)

// IPv6 is a view of an IPv6 packet, header and payload, cut to its payload
// length (RFC 8200 §3).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+---------------+---------------------------------------+
//	|version| traffic class |              flow label               |
//	+-------+---------------+-------+---------------+---------------+
//	|         payload length        |  next header  |   hop limit   |
//	+-------------------------------+---------------+---------------+
//	|                                                               |
//	|                        source address                         |
//	|                                                               |
//	|                                                               |
//	+---------------------------------------------------------------+
//	|                                                               |
//	|                      destination address                      |
//	|                                                               |
//	|                                                               |
//	+---------------------------------------------------------------+
type IPv6 []byte

// ParseIPv6 checks version and payload length of the packet that b begins with,
// and cuts off what follows it. It does not look into extension headers (Walk).
// A jumbogram, whose payload length is zero with a hop-by-hop header behind it
// (RFC 2675 §2), has a BadLength.
func ParseIPv6(b []byte) (IPv6, Fault) {
	if len(b) < IPv6Len {
		return nil, Short
	}
	if b[0]>>4 != 6 {
		return nil, BadVersion
	}
	n := IPv6Len + (int(b[4])<<8 | int(b[5]))
	if n > len(b) || n == IPv6Len && b[6] == ProtoHopByHop {
		return nil, BadLength
	}
	return b[:n], OK
}

// TrafficClass returns the traffic class: DSCP in the upper six bits (RFC
// 2474), ECN in the lower two (RFC 3168).
func (p IPv6) TrafficClass() uint8 { return p[0]<<4 | p[1]>>4 }

// FlowLabel returns the flow label, 20 bits, 0 if the sender chose none (RFC
// 6437).
func (p IPv6) FlowLabel() uint32 { return binary.BigEndian.Uint32(p[0:4]) & 0xfffff }

// PayloadLen returns the length in bytes of all that follows the first 40
// bytes, extension headers included.
func (p IPv6) PayloadLen() int { return int(binary.BigEndian.Uint16(p[4:6])) }

// NextHeader returns the number of the first extension header, or of the
// payload's protocol where there is none.
func (p IPv6) NextHeader() uint8 { return p[6] }

// HopLimit returns how many hops the packet may still go.
func (p IPv6) HopLimit() uint8 { return p[7] }

// Src returns the source address, without zone. An address of ::ffff:0:0/96
// stays what it is and does not become IPv4.
func (p IPv6) Src() netip.Addr { return netip.AddrFrom16([16]byte(p[8:24])) }

// Dst returns the destination address, as Src does.
func (p IPv6) Dst() netip.Addr { return netip.AddrFrom16([16]byte(p[24:40])) }

// Src16 returns the source address as sixteen bytes.
func (p IPv6) Src16() [16]byte { return [16]byte(p[8:24]) }

// Dst16 returns the destination address as sixteen bytes.
func (p IPv6) Dst16() [16]byte { return [16]byte(p[24:40]) }

// Payload returns what follows the first 40 bytes.
func (p IPv6) Payload() []byte { return p[IPv6Len:] }

// SetHopLimit changes the hop limit; no checksum covers it.
func (p IPv6) SetHopLimit(hops uint8) { p[7] = hops }

// SetTrafficClass changes the traffic class; no checksum covers it.
func (p IPv6) SetTrafficClass(tc uint8) {
	p[0] = 6<<4 | tc>>4
	p[1] = tc<<4 | p[1]&15
}

// IPv6Header holds the fields of an IPv6 header that its writer chooses.
type IPv6Header struct {
	TrafficClass         uint8
	FlowLabel            uint32 // 20 bits
	HopLimit, NextHeader uint8
	Src, Dst             netip.Addr // not the zero Addr; a zone is left out
}

// Header returns the fields of p's header.
func (p IPv6) Header() IPv6Header {
	return IPv6Header{
		TrafficClass: p.TrafficClass(), FlowLabel: p.FlowLabel(), HopLimit: p.HopLimit(), NextHeader: p.NextHeader(),
		Src: p.Src(), Dst: p.Dst(),
	}
}

// PutIPv6 writes the header h for a payload of payloadLen bytes, extension
// headers included, into b and returns the header's length. It panics when
// payloadLen exceeds what the header can say.
func PutIPv6(b []byte, h *IPv6Header, payloadLen int) int {
	if payloadLen > 65535 {
		panic("wire: IPv6 packet too long")
	}
	b = b[:IPv6Len]
	binary.BigEndian.PutUint32(b[0:4], 6<<28|uint32(h.TrafficClass)<<20|h.FlowLabel&0xfffff)
	binary.BigEndian.PutUint16(b[4:6], uint16(payloadLen))
	b[6], b[7] = h.NextHeader, h.HopLimit
	put16(b[8:24], h.Src)
	put16(b[24:40], h.Dst)
	return IPv6Len
}

// put16 writes an address. A copy of what As16 returns is four times as dear: it
// reads 16 bytes at once that were written as two words just before, which
// processors do not forward.
func put16(b []byte, a netip.Addr) {
	if a.Is6() {
		a.AppendBinary(b[:0:16]) // it cannot fail
		return
	}
	b16 := a.As16()
	copy(b, b16[:])
}

// words16 returns an address as two words, without As16 for the same reason.
func words16(a netip.Addr) (hi, lo uint64) {
	var b [16]byte
	put16(b[:], a)
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

// SolicitedNode returns the group that a node with the IPv6 address a listens
// to for neighbor solicitations: ff02::1:ff00:0/104 and the low 24 bits of a
// (RFC 4291 §2.7.1).
func SolicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}
