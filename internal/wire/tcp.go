package wire

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// Lengths of a TCP header in bytes.
const (
	TCPLen    = 20 // without options
	TCPMaxLen = 60 // with 40 bytes of options
)

// TCPFlags are the control bits of a segment (RFC 9293 §3.1, RFC 3168 §6.1).
type TCPFlags uint8

// Control bits.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has tells whether all of the bits are set.
func (f TCPFlags) Has(bits TCPFlags) bool { return f&bits == bits }

// Any tells whether one of the bits is set.
func (f TCPFlags) Any(bits TCPFlags) bool { return f&bits != 0 }

// String lists the bits that are set, as "SYN|ACK".
func (f TCPFlags) String() string {
	var set []string
	for i, name := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"} {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	if set == nil {
		return "none"
	}
	return strings.Join(set, "|")
}

// TCP is a view of a TCP segment, header and payload (RFC 9293 §3.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------------------------------+-------------------------------+
//	|          source port          |       destination port        |
//	+-------------------------------+-------------------------------+
//	|                        sequence number                        |
//	+---------------------------------------------------------------+
//	|                    acknowledgment number                      |
//	+-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
//	| data  | rsvd  |C|E|U|A|P|R|S|F|            window             |
//	| offset|       |W|C|R|C|S|S|Y|I|                               |
//	|       |       |R|E|G|K|H|T|N|N|                               |
//	+-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
//	|           checksum            |        urgent pointer         |
//	+-------------------------------+-------------------------------+
//	|                 options, up to 40 bytes                       |
//	+---------------------------------------------------------------+
type TCP []byte

// ParseTCP checks that b holds a header and the options that it declares. It
// does not look into the options (Header) or at the checksum (ChecksumOK).
func ParseTCP(b []byte) (TCP, Fault) {
	if len(b) < TCPLen {
		return nil, Short
	}
	if n := int(b[12]>>4) * 4; n < TCPLen || n > len(b) {
		return nil, BadHdrLen
	}
	return b, OK
}

// SrcPort returns the source port.
func (t TCP) SrcPort() uint16 { return binary.BigEndian.Uint16(t[0:2]) }

// DstPort returns the destination port.
func (t TCP) DstPort() uint16 { return binary.BigEndian.Uint16(t[2:4]) }

// Flags returns the control bits.
func (t TCP) Flags() TCPFlags { return TCPFlags(t[13]) }

// Seq returns the sequence number.
func (t TCP) Seq() Seq { return Seq(binary.BigEndian.Uint32(t[4:8])) }

// Ack returns the acknowledgment number.
func (t TCP) Ack() Seq { return Seq(binary.BigEndian.Uint32(t[8:12])) }

// HeaderLen returns the length of the header with its options, in bytes.
func (t TCP) HeaderLen() int { return int(t[12]>>4) * 4 }

// Options returns the options as they stand.
func (t TCP) Options() []byte { return t[TCPLen:t.HeaderLen()] }

// Payload returns what follows the header.
func (t TCP) Payload() []byte { return t[t.HeaderLen():] }

// ChecksumOK tells whether the checksum is right for a segment from src to dst.
func (t TCP) ChecksumOK(src, dst netip.Addr) bool {
	return Fold(Sum(t, PseudoSum(src, dst, ProtoTCP, len(t)))) == 0
}

// TCPHeader is what the header of a segment says.
type TCPHeader struct {
	SrcPort, DstPort uint16
	Seq, Ack         Seq // Ack has a meaning where Flags has ACK
	Flags            TCPFlags
	Window           uint16 // as it stands, unscaled
	Urgent           uint16 // has a meaning where Flags has URG
	Options          TCPOptions
}

// Header reads the header into h. It returns BadOption, with the options before
// it and all else read, where an option runs past the header or has a length
// that it cannot have.
func (t TCP) Header(h *TCPHeader) Fault {
	h.SrcPort, h.DstPort = t.SrcPort(), t.DstPort()
	h.Seq, h.Ack = t.Seq(), t.Ack()
	h.Flags = t.Flags()
	h.Window = binary.BigEndian.Uint16(t[14:16])
	h.Urgent = binary.BigEndian.Uint16(t[18:20])
	if t.HeaderLen() == TCPLen {
		h.Options.Clear()
		return OK
	}
	return ParseTCPOptions(t.Options(), &h.Options)
}

// Len returns the length of the header in bytes, a multiple of 4.
func (h *TCPHeader) Len() int { return TCPLen + h.Options.Len() }

// PutTCP writes the header into b and returns its length. The checksum is left
// zero, for the device or CompleteIPv4.
func PutTCP(b []byte, h *TCPHeader) int {
	n := h.Len()
	_ = b[n-1]
	binary.BigEndian.PutUint16(b[0:2], h.SrcPort)
	binary.BigEndian.PutUint16(b[2:4], h.DstPort)
	binary.BigEndian.PutUint32(b[4:8], uint32(h.Seq))
	binary.BigEndian.PutUint32(b[8:12], uint32(h.Ack))
	b[12], b[13] = byte(n/4)<<4, byte(h.Flags)
	binary.BigEndian.PutUint16(b[14:16], h.Window)
	binary.BigEndian.PutUint16(b[16:18], 0)
	binary.BigEndian.PutUint16(b[18:20], h.Urgent)
	if n > TCPLen {
		putTCPOptions(b[TCPLen:n], &h.Options)
	}
	return n
}
