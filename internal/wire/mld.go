package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Lengths in bytes of the parts of MLD messages, from the ICMPv6 header on,
// without source addresses.
const (
	MLDLen         = 24 // version 1, and the part of a query that both versions share
	MLDv2QueryLen  = 28
	MLDv2ReportLen = 8
	MLDv2RecordLen = 20
)

// MLD is a view of a query of either version, a version 1 report or a done
// message (RFC 2710 §3).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      |     code      |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|         max resp code         |               0               |
//	+-------------------------------+-------------------------------+
//	|                                                               |
//	|                   multicast address                           |
//	|                                                               |
//	|                                                               |
//	+---------------------------------------------------------------+
type MLD []byte

// ParseMLD checks that b holds the 24 bytes of the message. b must be the whole
// ICMPv6 message: its length tells the versions of a query apart. A version 2
// report is BadType.
func ParseMLD(b []byte) (MLD, Fault) {
	if len(b) < MLDLen {
		return nil, Short
	}
	if b[0] < ICMP6MLDQuery || b[0] > ICMP6MLDDone {
		return nil, BadType
	}
	return b, OK
}

// Type returns the message type.
func (m MLD) Type() uint8 { return m[0] }

// MaxRespCode returns, in a version 1 query, the time to answer in
// milliseconds, and in a version 2 query its code (MLDDecode).
func (m MLD) MaxRespCode() uint16 { return binary.BigEndian.Uint16(m[4:6]) }

// Group returns the group address; in a general query it is ::.
func (m MLD) Group() netip.Addr { return netip.AddrFrom16([16]byte(m[8:24])) }

// ChecksumOK reports whether the checksum is right for a message from src to
// dst.
func (m MLD) ChecksumOK(src, dst netip.Addr) bool { return ICMP6(m).ChecksumOK(src, dst) }

// QueryVersion returns the version of the protocol that a query is of, 1 or 2;
// 0 if there is no version of that length, in which case it must be ignored
// (RFC 3810 §8.1).
func (m MLD) QueryVersion() int {
	switch {
	case len(m) >= MLDv2QueryLen:
		return 2
	case len(m) == MLDLen:
		return 1
	}
	return 0
}

// PutMLD writes a version 1 message into b[:MLDLen]. The checksum is left zero,
// for ICMP6.SetChecksum, here and in all that follow. group must be IPv6.
func PutMLD(b []byte, typ uint8, maxRespCode uint16, group netip.Addr) {
	b = b[:MLDLen]
	g := group.As16()
	b[0], b[1], b[2], b[3] = typ, 0, 0, 0
	binary.BigEndian.PutUint16(b[4:6], maxRespCode)
	b[6], b[7] = 0, 0
	copy(b[8:24], g[:])
}

// MLDMaxValue is the largest number of milliseconds that a Max Resp Code can
// stand for.
const MLDMaxValue = 0x1fff << 10

// MLDDecode returns the number of milliseconds that a version 2 Max Resp Code
// stands for: itself below 32768, else a floating-point number (RFC 3810
// §5.1.3). QQIC is as in IGMPv3 (IGMPDecode, IGMPEncode).
//
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//	+-+-----+-----------------------+
//	|1| exp |         mant          |    (mant | 0x1000) << (exp + 3)
//	+-+-----+-----------------------+
func MLDDecode(code uint16) int {
	if code < 32768 {
		return int(code)
	}
	return int(code&0xfff|0x1000) << (code>>12&7 + 3)
}

// MLDEncode returns the code of the largest number not above v that has one, v
// from 0 to MLDMaxValue.
func MLDEncode(v int) uint16 {
	v = min(max(v, 0), MLDMaxValue)
	if v < 32768 {
		return uint16(v)
	}
	exp := bits.Len(uint(v)) - 16
	return 0x8000 | uint16(exp)<<12 | uint16(v>>(exp+3))&0xfff
}

// MLDv2Query is a view of a version 2 query (RFC 3810 §5.1): that of version 1,
// and behind it:
//
//	+-------+-+-----+---------------+-------------------------------+
//	|   0   |S| QRV |     QQIC      |     number of sources (N)     |
//	+-------+-+-----+---------------+-------------------------------+
//	|                   N source addresses (16 each)                |
//	+---------------------------------------------------------------+
type MLDv2Query []byte

// ParseMLDv2Query checks that b holds a query with as many sources as it
// declares. What follows them is allowed and belongs to the checksum only (RFC
// 3810 §5.1.12), so b must be the whole ICMPv6 message.
func ParseMLDv2Query(b []byte) (MLDv2Query, Fault) {
	if len(b) < MLDv2QueryLen {
		return nil, Short
	}
	if b[0] != ICMP6MLDQuery {
		return nil, BadType
	}
	if MLDv2QueryLen+16*(int(b[26])<<8|int(b[27])) > len(b) {
		return nil, BadLength
	}
	return b, OK
}

// MaxResp returns the longest time to wait before an answer in milliseconds,
// decoded.
func (q MLDv2Query) MaxResp() int { return MLDDecode(MLD(q).MaxRespCode()) }

// Group returns the group, :: in a general query.
func (q MLDv2Query) Group() netip.Addr { return MLD(q).Group() }

// S reports whether routers are told not to change their timers (RFC 3810
// §5.1.7).
func (q MLDv2Query) S() bool { return q[24]&8 != 0 }

// QRV returns the querier's robustness variable, 0 if it is above 7 (RFC 3810
// §5.1.8).
func (q MLDv2Query) QRV() uint8 { return q[24] & 7 }

// QQIC returns the code of the querier's query interval as it stands in the
// query.
func (q MLDv2Query) QQIC() uint8 { return q[25] }

// QQI returns the querier's query interval in seconds, decoded (RFC 3810
// §5.1.9).
func (q MLDv2Query) QQI() int { return IGMPDecode(q[25]) }

// NumSources returns how many sources are asked about, 0 in a general and in a
// group-specific query.
func (q MLDv2Query) NumSources() int { return int(binary.BigEndian.Uint16(q[26:28])) }

// Source returns source number i, 0 <= i < NumSources.
func (q MLDv2Query) Source(i int) netip.Addr {
	return netip.AddrFrom16([16]byte(q[MLDv2QueryLen+16*i:]))
}

// MLDv2QueryHeader holds what the sender of a version 2 query chooses.
type MLDv2QueryHeader struct {
	MaxRespCode uint16     // see MLDEncode; milliseconds
	Group       netip.Addr // :: for a general query
	S           bool
	QRV         uint8 // robustness variable; above 7 it is sent as 0 (RFC 3810 §5.1.8)
	QQIC        uint8 // see IGMPEncode; seconds
}

// PutMLDv2Query writes a query into b and returns its length. All addresses must
// be IPv6.
func PutMLDv2Query(b []byte, h *MLDv2QueryHeader, sources []netip.Addr) int {
	b = b[:MLDv2QueryLen+16*len(sources)]
	PutMLD(b, ICMP6MLDQuery, h.MaxRespCode, h.Group)
	b[24], b[25] = h.QRV, h.QQIC
	if h.QRV > 7 {
		b[24] = 0
	}
	if h.S {
		b[24] |= 8
	}
	putSources16(b[26:], b[28:], sources)
	return len(b)
}

// putSources16 writes the number of sources to count and the sources to b.
func putSources16(count, b []byte, sources []netip.Addr) {
	if len(sources) > 0xffff {
		panic("wire: more than 65535 sources")
	}
	binary.BigEndian.PutUint16(count, uint16(len(sources)))
	for i, s := range sources {
		a := s.As16()
		copy(b[16*i:16*i+16], a[:])
	}
}

// MLDv2Report is a view of a version 2 report (RFC 3810 §5.2).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|  type = 143   |       0       |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|               0               |     number of records (M)     |
//	+---------------+---------------+-------------------------------+
//	|                   M multicast address records                 |
//	+---------------------------------------------------------------+
type MLDv2Report []byte

// ParseMLDv2Report checks that b holds a report with as many records, and each
// record as many sources and auxiliary words, as are declared. What follows the
// records is allowed and belongs to the checksum only (RFC 3810 §5.2.11), so b
// must be the whole ICMPv6 message. Record types and groups are not judged.
func ParseMLDv2Report(b []byte) (MLDv2Report, Fault) {
	if len(b) < MLDv2ReportLen {
		return nil, Short
	}
	if b[0] != ICMP6MLDv2Report {
		return nil, BadType
	}
	rest := b[MLDv2ReportLen:]
	for range int(b[6])<<8 | int(b[7]) {
		if len(rest) < MLDv2RecordLen {
			return nil, BadLength
		}
		n := MLDv2Record(rest).size()
		if n > len(rest) {
			return nil, BadLength
		}
		rest = rest[n:]
	}
	return b, OK
}

// NumRecords returns the number of records.
func (m MLDv2Report) NumRecords() int { return int(binary.BigEndian.Uint16(m[6:8])) }

// Records returns the records, to be read by Next.
func (m MLDv2Report) Records() MLDv2Records {
	return MLDv2Records{rest: m[MLDv2ReportLen:], n: m.NumRecords()}
}

// MLDv2Records is the checked list of a report's records.
type MLDv2Records struct {
	rest []byte
	n    int
}

// Next takes the first record from the list; it reports false at the end.
func (l *MLDv2Records) Next() (MLDv2Record, bool) {
	if l.n == 0 {
		return nil, false
	}
	n := MLDv2Record(l.rest).size()
	r := l.rest[:n]
	l.rest, l.n = l.rest[n:], l.n-1
	return r, true
}

// MLDv2Record is a view of one multicast address record. Its types are those of
// IGMPv3: IGMPIsIn and so on (RFC 3810 §5.2.12).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      | aux data len  |     number of sources (N)     |
//	+---------------+---------------+-------------------------------+
//	|                   multicast address (16)                      |
//	+---------------------------------------------------------------+
//	|                   N source addresses (16 each)                |
//	+---------------------------------------------------------------+
//	|                   auxiliary data, in 32-bit words             |
//	+---------------------------------------------------------------+
type MLDv2Record []byte

// size returns the length that the record declares.
func (r MLDv2Record) size() int { return r.auxAt() + 4*int(r[1]) }

func (r MLDv2Record) auxAt() int { return MLDv2RecordLen + 16*r.NumSources() }

// Type returns the record type; one that is not defined must be ignored (RFC
// 3810 §5.2.12).
func (r MLDv2Record) Type() uint8 { return r[0] }

// Group returns the group that the record is about.
func (r MLDv2Record) Group() netip.Addr { return netip.AddrFrom16([16]byte(r[4:20])) }

// NumSources returns the number of sources.
func (r MLDv2Record) NumSources() int { return int(binary.BigEndian.Uint16(r[2:4])) }

// Source returns source number i, 0 <= i < NumSources.
func (r MLDv2Record) Source(i int) netip.Addr {
	return netip.AddrFrom16([16]byte(r[MLDv2RecordLen+16*i:]))
}

// Aux returns the auxiliary data, which version 2 does not use (RFC 3810
// §5.2.10).
func (r MLDv2Record) Aux() []byte { return r[r.auxAt():] }

// PutMLDv2Record writes a record without auxiliary data into b and returns its
// length, MLDv2RecordLen and 16 bytes for each source. All addresses must be
// IPv6.
func PutMLDv2Record(b []byte, typ uint8, group netip.Addr, sources []netip.Addr) int {
	b = b[:MLDv2RecordLen+16*len(sources)]
	g := group.As16()
	b[0], b[1] = typ, 0
	copy(b[4:20], g[:])
	putSources16(b[2:], b[20:], sources)
	return len(b)
}

// PutMLDv2Report writes the header of a report into b, whose records lie at
// b[MLDv2ReportLen:] by the time SetChecksum is called.
func PutMLDv2Report(b []byte, numRecords int) {
	if numRecords > 0xffff {
		panic("wire: more than 65535 records")
	}
	PutICMP6(b, ICMP6MLDv2Report, 0, uint32(numRecords))
}
