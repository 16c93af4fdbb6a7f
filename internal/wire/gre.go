package wire

import "encoding/binary"

// ProtoGRE is the number of GRE as an upper layer, ProtoIPv4 and ProtoIPv6 those of
// packets within packets (RFC 2003, RFC 2473).
const (
	ProtoIPv4 uint8 = 4
	ProtoIPv6 uint8 = 41
	ProtoGRE  uint8 = 47
)

// EtherTypeTEB is the protocol type of a GRE packet that carries an Ethernet frame.
const EtherTypeTEB uint16 = 0x6558

// GRELen is the length of a GRE header without options, GREMaxLen that of the longest.
const (
	GRELen    = 4
	GREMaxLen = 16
)

const (
	greChecksum = 1 << 15
	greKey      = 1 << 13
	greSequence = 1 << 12
	greVersion  = 7
	// greMustBeZero are the bits 1, 4 and 5, by which RFC 1701 would lead the packet
	// somewhere else: RFC 2784 §2.3 has it discarded.
	greMustBeZero = 1<<14 | 1<<11 | 1<<10
)

// GRE is a view of a GRE packet (RFC 2784, RFC 2890).
//
//	 0                   1                   2                   3
//	+-+-+-+-+---------------+-----+-------------------------------+
//	|C| |K|S|   reserved    | ver |         protocol type         |
//	+-+-+-+-+---------------+-----+-------------------------------+
//	|     checksum (if C)         |        reserved (if C)        |
//	+-----------------------------+-------------------------------+
//	|                         key (if K)                          |
//	+-------------------------------------------------------------+
//	|                    sequence number (if S)                   |
//	+-------------------------------------------------------------+
type GRE []byte

// ParseGRE checks that b holds a header of version 0 with the options that it
// declares.
func ParseGRE(b []byte) (GRE, Fault) {
	if len(b) < GRELen {
		return nil, Short
	}
	g := GRE(b)
	switch flags := g.flags(); {
	case flags&greVersion != 0:
		return nil, BadVersion
	case flags&greMustBeZero != 0:
		return nil, BadOption
	case g.HeaderLen() > len(b):
		return nil, BadHdrLen
	}
	return g, OK
}

func (g GRE) flags() uint16 { return binary.BigEndian.Uint16(g[0:2]) }

// HeaderLen returns the length of the header with its options in bytes.
func (g GRE) HeaderLen() int {
	n := GRELen
	for _, bit := range [...]uint16{greChecksum, greKey, greSequence} {
		if g.flags()&bit != 0 {
			n += 4
		}
	}
	return n
}

// Type returns the EtherType of the payload.
func (g GRE) Type() uint16 { return binary.BigEndian.Uint16(g[2:4]) }

// HasChecksum reports whether header and payload are summed.
func (g GRE) HasChecksum() bool { return g.flags()&greChecksum != 0 }

// ChecksumOK reports whether the checksum, if there is one, is right.
func (g GRE) ChecksumOK() bool { return !g.HasChecksum() || Checksum(g) == 0 }

// Key returns the key; ok is false where there is none.
func (g GRE) Key() (key uint32, ok bool) {
	if g.flags()&greKey == 0 {
		return 0, false
	}
	at := GRELen
	if g.HasChecksum() {
		at += 4
	}
	return binary.BigEndian.Uint32(g[at:]), true
}

// Sequence returns the sequence number; ok is false where there is none.
func (g GRE) Sequence() (seq uint32, ok bool) {
	if g.flags()&greSequence == 0 {
		return 0, false
	}
	return binary.BigEndian.Uint32(g[g.HeaderLen()-4:]), true
}

// Payload returns what follows the header.
func (g GRE) Payload() []byte { return g[g.HeaderLen():] }

// GREHeader is what a GRE header says.
type GREHeader struct {
	Type                       uint16 // EtherType of the payload
	Checksum, HasKey, Sequence bool   // which options there are
	Key, Seq                   uint32
}

// Len returns the length of what PutGRE writes before the payload.
func (h *GREHeader) Len() int {
	n := GRELen
	for _, has := range [...]bool{h.Checksum, h.HasKey, h.Sequence} {
		if has {
			n += 4
		}
	}
	return n
}

// PutGRE writes h in front of a payload that is in b already, at h.Len(), and sums
// both if h says so.
func PutGRE(b []byte, h *GREHeader) {
	var flags uint16
	at := GRELen
	if h.Checksum {
		flags |= greChecksum
		binary.BigEndian.PutUint32(b[at:], 0)
		at += 4
	}
	if h.HasKey {
		flags |= greKey
		binary.BigEndian.PutUint32(b[at:], h.Key)
		at += 4
	}
	if h.Sequence {
		flags |= greSequence
		binary.BigEndian.PutUint32(b[at:], h.Seq)
	}
	binary.BigEndian.PutUint16(b[0:2], flags)
	binary.BigEndian.PutUint16(b[2:4], h.Type)
	if h.Checksum {
		binary.BigEndian.PutUint16(b[GRELen:], Checksum(b))
	}
}
