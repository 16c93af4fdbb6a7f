package addrsel

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// num is an address as a number, an IPv4 one in its mapped form.
type num struct{ hi, lo uint64 }

func number(a netip.Addr) num {
	b := a.As16()
	return num{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (n num) addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return netip.AddrFrom16(b)
}

// mask keeps the first k bits. A shift by 64 or more gives 0.
func (n num) mask(k uint8) num {
	if k <= 64 {
		return num{n.hi &^ (^uint64(0) >> k), 0}
	}
	return num{n.hi, n.lo &^ (^uint64(0) >> (k - 64))}
}

// common counts the leading bits that two addresses share.
func (n num) common(m num) int {
	if n.hi != m.hi {
		return bits.LeadingZeros64(n.hi ^ m.hi)
	}
	return 64 + bits.LeadingZeros64(n.lo^m.lo)
}

// commonPrefix is CommonPrefixLen of RFC 6724 §2.2: the bits that a source
// shares with a destination, as far as the source's prefix reaches, of which the
// caller tells the length in the source's own family. 0 means that it does not
// know, and a prefix of one address says nothing of where the interface's part
// begins: then the first 64 bits count, of IPv4 all.
func commonPrefix(src num, length uint8, dst num, v4 bool) int {
	limit := int(length)
	switch {
	case v4 && length == 0:
		limit = 128
	case v4:
		limit += 96
	case length == 0 || length == 128:
		limit = 64
	}
	return min(src.common(dst), limit)
}
