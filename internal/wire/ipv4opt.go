package wire

import "encoding/binary"

// IPv4 option types, with the copied flag (0x80) where it belongs (RFC 791
// §3.1).
const (
	IPv4OptEnd         uint8 = 0
	IPv4OptNop         uint8 = 1
	IPv4OptRecordRoute uint8 = 7
	IPv4OptTimestamp   uint8 = 68
	IPv4OptLooseRoute  uint8 = 131
	IPv4OptStrictRoute uint8 = 137
	IPv4OptRouterAlert uint8 = 148 // RFC 2113
)

// RouterAlert returns the Router Alert option, "every router shall examine
// this packet" (RFC 2113 §2.1), which fills a multiple of four bytes.
func RouterAlert() [4]byte { return [4]byte{IPv4OptRouterAlert, 4, 0, 0} }

// IPv4Options is a checked list of options, read from the front by Next.
type IPv4Options []byte

// ParseIPv4Options checks the options of an IPv4 header. It cuts the list at
// the end-of-list octet. On BadOption the list holds the options before the bad
// one, so that IPv4Len plus its length is what a Parameter Problem message
// (RFC 792) points at.
func ParseIPv4Options(b []byte) (IPv4Options, Fault) {
	for i := 0; i < len(b); {
		switch b[i] {
		case IPv4OptEnd:
			return b[:i], OK
		case IPv4OptNop:
			i++
		default:
			// The length octet counts itself and the type (RFC 791 §3.1).
			if len(b)-i < 2 || b[i+1] < 2 || int(b[i+1]) > len(b)-i {
				return b[:i], BadOption
			}
			i += int(b[i+1])
		}
	}
	return b, OK
}

// Next takes the first option from the list, skipping no-operation octets; it
// reports false at the end of the list.
func (o *IPv4Options) Next() (IPv4Option, bool) {
	b := *o
	for len(b) > 0 && b[0] == IPv4OptNop {
		b = b[1:]
	}
	if len(b) == 0 {
		*o = b
		return nil, false
	}
	n := int(b[1])
	*o = b[n:]
	return IPv4Option(b[:n]), true
}

// IPv4Option is a view of one option with its type and length octets.
type IPv4Option []byte

// Type returns the option's type octet.
func (o IPv4Option) Type() uint8 { return o[0] }

// Copied reports whether every fragment of a packet carries this option, not
// only the first (RFC 791 §3.1).
func (o IPv4Option) Copied() bool { return o[0]&0x80 != 0 }

// Data returns what follows the length octet.
func (o IPv4Option) Data() []byte { return o[2:] }

// HasRouterAlert reports whether the options hold a Router Alert of value 0
// (RFC 2113 §2.1). The packets that carry one hold nearly always nothing else,
// so that is looked at first.
func (p IPv4) HasRouterAlert() bool {
	b := p.Options()
	if len(b) == 0 {
		return false
	}
	if binary.BigEndian.Uint32(b) == 0x94040000 {
		return true
	}
	opts, _ := ParseIPv4Options(b)
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		if len(o) == 4 && binary.BigEndian.Uint32(o) == 0x94040000 {
			return true
		}
	}
	return false
}
