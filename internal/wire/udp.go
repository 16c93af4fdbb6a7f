package wire

import (
	"encoding/binary"
	"net/netip"
)

// UDPLen is the length of a UDP header in bytes.
const UDPLen = 8

// UDP is a view of a UDP datagram, header and payload, cut to its length (RFC
// 768).
//
//	 0      7 8     15 16    23 24    31
//	+-----------------+-----------------+
//	|   source port   |destination port |
//	+-----------------+-----------------+
//	|     length      |    checksum     |
//	+-----------------+-----------------+
type UDP []byte

// ParseUDP checks that b holds a header and the length that it declares, and
// cuts off what follows.
func ParseUDP(b []byte) (UDP, Fault) {
	if len(b) < UDPLen {
		return nil, Short
	}
	n := int(b[4])<<8 | int(b[5])
	if n < UDPLen || n > len(b) {
		return nil, BadLength
	}
	return b[:n], OK
}

// SrcPort returns the source port, 0 if the sender wants no answer.
func (u UDP) SrcPort() uint16 { return binary.BigEndian.Uint16(u[0:2]) }

// DstPort returns the destination port.
func (u UDP) DstPort() uint16 { return binary.BigEndian.Uint16(u[2:4]) }

// Checksum returns the checksum as it stands in the datagram, 0 if the sender
// computed none.
func (u UDP) Checksum() uint16 { return binary.BigEndian.Uint16(u[6:8]) }

// Payload returns what follows the header.
func (u UDP) Payload() []byte { return u[UDPLen:] }

// ChecksumOK reports whether the checksum is right for a datagram from src to
// dst. No checksum is right over IPv4 (RFC 768) and wrong over IPv6 (RFC 8200
// §8.1).
func (u UDP) ChecksumOK(src, dst netip.Addr) bool {
	if u.Checksum() == 0 {
		return src.Is4()
	}
	return Fold(Sum(u, PseudoSum(src, dst, ProtoUDP, len(u)))) == 0
}

// SetChecksum sums the datagram as one from src to dst and writes the checksum.
func (u UDP) SetChecksum(src, dst netip.Addr) {
	u[6], u[7] = 0, 0
	sum := Fold(Sum(u, PseudoSum(src, dst, ProtoUDP, len(u))))
	// A sum of zero is sent as its other form: zero says "none" (RFC 768).
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(u[6:8], sum)
}

// PutUDP writes a UDP header for a payload of payloadLen bytes into
// b[:UDPLen]. The checksum is left zero, for SetChecksum or the device.
func PutUDP(b []byte, sport, dport uint16, payloadLen int) {
	if UDPLen+payloadLen > 65535 {
		panic("wire: UDP datagram too long")
	}
	_ = b[UDPLen-1]
	binary.BigEndian.PutUint16(b[0:2], sport)
	binary.BigEndian.PutUint16(b[2:4], dport)
	binary.BigEndian.PutUint16(b[4:6], uint16(UDPLen+payloadLen))
	binary.BigEndian.PutUint16(b[6:8], 0)
}
