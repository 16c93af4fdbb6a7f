package pcapng

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unicode/utf8"
)

// Block types.
const (
	blockSection    uint32 = 0x0a0d0d0a
	blockInterface  uint32 = 1
	blockStatistics uint32 = 5
	blockPacket     uint32 = 6
)

// Options (§3.5), those of each block in its own section (§4).
const (
	optEnd     uint16 = 0
	optComment uint16 = 1

	shbHardware uint16 = 2
	shbOS       uint16 = 3
	shbUserAppl uint16 = 4

	ifName        uint16 = 2
	ifDescription uint16 = 3
	ifIPv4Addr    uint16 = 4
	ifIPv6Addr    uint16 = 5
	ifMACAddr     uint16 = 6
	ifTSResol     uint16 = 9
	ifFilter      uint16 = 11

	epbFlags     uint16 = 2
	epbDropCount uint16 = 4

	isbStartTime uint16 = 2
	isbEndTime   uint16 = 3
	isbIfRecv    uint16 = 4
	isbIfDrop    uint16 = 5
	isbAccepted  uint16 = 6
	isbUsrDeliv  uint16 = 8
)

const (
	byteOrderMagic = 0x1a2b3c4d
	nanoseconds    = 9 // if_tsresol: 10^-9 s
	maxOption      = 0xffff
)

// padded returns n rounded up to the 32 bits on which everything begins.
func padded(n int) int { return (n + 3) &^ 3 }

// A block is built in a byte slice: open, fields and options, close.
type block []byte

func (b *block) u16(v uint16) { *b = binary.LittleEndian.AppendUint16(*b, v) }
func (b *block) u32(v uint32) { *b = binary.LittleEndian.AppendUint32(*b, v) }

func (b *block) pad() {
	for len(*b)&3 != 0 {
		*b = append(*b, 0)
	}
}

func (b *block) open(typ uint32) {
	*b = (*b)[:0]
	b.u32(typ)
	b.u32(0)
}

// close ends the block.
func (b *block) close() { b.closeAround(0) }

// closeAround ends a block that will have n bytes more than it has here. Its
// length stands at both its ends (§3.1).
func (b *block) closeAround(n int) {
	n += len(*b) + 4
	binary.LittleEndian.PutUint32((*b)[4:8], uint32(n))
	b.u32(uint32(n))
}

func (b *block) optHeader(code uint16, n int) {
	b.u16(code)
	b.u16(uint16(n))
}

func (b *block) optBytes(code uint16, v []byte) {
	b.optHeader(code, len(v))
	*b = append(*b, v...)
	b.pad()
}

// optString adds a text unless it is empty, cut to what an option can hold.
func (b *block) optString(code uint16, s string) {
	if s == "" {
		return
	}
	s = cut(s, maxOption)
	b.optHeader(code, len(s))
	*b = append(*b, s...)
	b.pad()
}

// optFilter adds a filter in the language of tcpdump, kind 0 of those an
// interface can have (§4.2).
func (b *block) optFilter(s string) {
	if s != "" {
		b.optBytes(ifFilter, append([]byte{0}, cut(s, maxOption-1)...))
	}
}

func (b *block) opt32(code uint16, v uint32) {
	b.optHeader(code, 4)
	b.u32(v)
}

func (b *block) opt64(code uint16, v uint64) {
	b.optHeader(code, 8)
	*b = binary.LittleEndian.AppendUint64(*b, v)
}

// optTime adds a time as the two halves, high first, that statistics use (§4.6).
func (b *block) optTime(code uint16, t uint64) {
	b.optHeader(code, 8)
	b.u32(uint32(t >> 32))
	b.u32(uint32(t))
}

func (b *block) optMAC(m net.HardwareAddr) {
	if len(m) == 6 {
		b.optBytes(ifMACAddr, m)
	}
}

// optPrefix adds an interface's address: IPv4 with its mask, IPv6 with its
// prefix length.
func (b *block) optPrefix(p netip.Prefix) {
	switch a := p.Addr(); {
	case !p.IsValid():
	case a.Is4():
		v := a.As4()
		b.optHeader(ifIPv4Addr, 8)
		*b = append(*b, v[:]...)
		*b = append(*b, net.CIDRMask(p.Bits(), 32)...)
	default:
		v := a.As16()
		b.optBytes(ifIPv6Addr, append(v[:], byte(p.Bits())))
	}
}

func (b *block) optEnd() { b.optHeader(optEnd, 0) }

// cut returns as much of s as n bytes can hold, never half a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for least := n - utf8.UTFMax; n > least && !utf8.RuneStart(s[n]); {
		n--
	}
	return s[:n]
}
