package wire

import (
	"encoding/binary"
	"net/netip"
)

// Lengths in bytes of the parts of IGMPv3 messages, without source addresses.
const (
	IGMPv3QueryLen  = 12
	IGMPv3ReportLen = 8
	IGMPv3RecordLen = 8
)

// IGMPv3Query is a view of a version 3 membership query (RFC 3376 §4.1).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|  type = 0x11  | max resp code |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|                         group address                         |
//	+-------+-+-----+---------------+-------------------------------+
//	|   0   |S| QRV |     QQIC      |     number of sources (N)     |
//	+-------+-+-----+---------------+-------------------------------+
//	|                   N source addresses                          |
//	+---------------------------------------------------------------+
type IGMPv3Query []byte

// ParseIGMPv3Query checks that b holds a query with as many sources as it
// declares. What follows them is allowed and belongs to the checksum only (RFC
// 3376 §4.1.10), so b must be the whole IPv4 payload.
func ParseIGMPv3Query(b []byte) (IGMPv3Query, Fault) {
	if len(b) < IGMPv3QueryLen {
		return nil, Short
	}
	if b[0] != IGMPTypeQuery {
		return nil, BadType
	}
	if IGMPv3QueryLen+4*(int(b[10])<<8|int(b[11])) > len(b) {
		return nil, BadLength
	}
	return b, OK
}

// MaxResp returns the longest time to wait before an answer in tenths of a
// second, decoded.
func (q IGMPv3Query) MaxResp() int { return IGMPDecode(q[1]) }

// ChecksumOK reports whether the checksum over the whole message is right.
func (q IGMPv3Query) ChecksumOK() bool { return Checksum(q) == 0 }

// Group returns the group, 0.0.0.0 in a general query.
func (q IGMPv3Query) Group() netip.Addr { return IGMP(q).Group() }

// S reports whether routers are told not to change their timers (RFC 3376
// §4.1.5).
func (q IGMPv3Query) S() bool { return q[8]&8 != 0 }

// QRV returns the querier's robustness variable, 0 if it is above 7 (RFC 3376
// §4.1.6).
func (q IGMPv3Query) QRV() uint8 { return q[8] & 7 }

// QQIC returns the code of the querier's query interval as it stands in the
// query.
func (q IGMPv3Query) QQIC() uint8 { return q[9] }

// QQI returns the querier's query interval in seconds, decoded.
func (q IGMPv3Query) QQI() int { return IGMPDecode(q[9]) }

// NumSources returns how many sources are asked about, 0 in a general and in a
// group-specific query.
func (q IGMPv3Query) NumSources() int { return int(binary.BigEndian.Uint16(q[10:12])) }

// Source returns source number i, 0 <= i < NumSources.
func (q IGMPv3Query) Source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(q[IGMPv3QueryLen+4*i:]))
}

// IGMPv3QueryHeader holds what the sender of a version 3 query chooses.
type IGMPv3QueryHeader struct {
	MaxRespCode uint8      // see IGMPEncode; tenths of a second
	Group       netip.Addr // 0.0.0.0 for a general query
	S           bool
	QRV         uint8 // robustness variable; above 7 it is sent as 0 (RFC 3376 §4.1.6)
	QQIC        uint8 // see IGMPEncode; seconds
}

// PutIGMPv3Query writes a query with its checksum into b and returns its
// length. All addresses must be IPv4.
func PutIGMPv3Query(b []byte, h *IGMPv3QueryHeader, sources []netip.Addr) int {
	b = b[:IGMPv3QueryLen+4*len(sources)]
	g := h.Group.As4()
	b[0], b[1], b[2], b[3] = IGMPTypeQuery, h.MaxRespCode, 0, 0
	copy(b[4:8], g[:])
	b[8], b[9] = h.QRV, h.QQIC
	if h.QRV > 7 {
		b[8] = 0
	}
	if h.S {
		b[8] |= 8
	}
	putSources(b[10:], b[12:], sources)
	binary.BigEndian.PutUint16(b[2:4], Checksum(b))
	return len(b)
}

// putSources writes the number of sources to count and the sources to b.
func putSources(count, b []byte, sources []netip.Addr) {
	if len(sources) > 0xffff {
		panic("wire: more than 65535 sources")
	}
	binary.BigEndian.PutUint16(count, uint16(len(sources)))
	for i, s := range sources {
		a := s.As4()
		copy(b[4*i:4*i+4], a[:])
	}
}

// IGMPv3Report is a view of a version 3 membership report (RFC 3376 §4.2).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|  type = 0x22  |       0       |           checksum            |
//	+---------------+---------------+-------------------------------+
//	|               0               |     number of records (M)     |
//	+---------------+---------------+-------------------------------+
//	|                   M group records                             |
//	+---------------------------------------------------------------+
type IGMPv3Report []byte

// ParseIGMPv3Report checks that b holds a report with as many records, and each
// record as many sources and auxiliary words, as are declared. What follows the
// records is allowed and belongs to the checksum only (RFC 3376 §4.2.11), so b
// must be the whole IPv4 payload. Record types and groups are not judged.
func ParseIGMPv3Report(b []byte) (IGMPv3Report, Fault) {
	if len(b) < IGMPv3ReportLen {
		return nil, Short
	}
	if b[0] != IGMPTypeV3Report {
		return nil, BadType
	}
	rest := b[IGMPv3ReportLen:]
	for range int(b[6])<<8 | int(b[7]) {
		if len(rest) < IGMPv3RecordLen {
			return nil, BadLength
		}
		n := IGMPv3Record(rest).size()
		if n > len(rest) {
			return nil, BadLength
		}
		rest = rest[n:]
	}
	return b, OK
}

// ChecksumOK reports whether the checksum over the whole message is right.
func (m IGMPv3Report) ChecksumOK() bool { return Checksum(m) == 0 }

// NumRecords returns the number of group records.
func (m IGMPv3Report) NumRecords() int { return int(binary.BigEndian.Uint16(m[6:8])) }

// Records returns the group records, to be read by Next.
func (m IGMPv3Report) Records() IGMPv3Records {
	return IGMPv3Records{rest: m[IGMPv3ReportLen:], n: m.NumRecords()}
}

// IGMPv3Records is the checked list of a report's records.
type IGMPv3Records struct {
	rest []byte
	n    int
}

// Next takes the first record from the list; it reports false at the end.
func (l *IGMPv3Records) Next() (IGMPv3Record, bool) {
	if l.n == 0 {
		return nil, false
	}
	n := IGMPv3Record(l.rest).size()
	r := l.rest[:n]
	l.rest, l.n = l.rest[n:], l.n-1
	return r, true
}

// Group record types (RFC 3376 §4.2.12).
const (
	IGMPIsIn  uint8 = 1 // MODE_IS_INCLUDE
	IGMPIsEx  uint8 = 2 // MODE_IS_EXCLUDE
	IGMPToIn  uint8 = 3 // CHANGE_TO_INCLUDE_MODE
	IGMPToEx  uint8 = 4 // CHANGE_TO_EXCLUDE_MODE
	IGMPAllow uint8 = 5 // ALLOW_NEW_SOURCES
	IGMPBlock uint8 = 6 // BLOCK_OLD_SOURCES
)

// IGMPv3Record is a view of one group record.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	|     type      | aux data len  |     number of sources (N)     |
//	+---------------+---------------+-------------------------------+
//	|                         group address                         |
//	+---------------------------------------------------------------+
//	|                   N source addresses                          |
//	+---------------------------------------------------------------+
//	|                   auxiliary data, in 32-bit words             |
//	+---------------------------------------------------------------+
type IGMPv3Record []byte

// size returns the length that the record declares.
func (r IGMPv3Record) size() int { return r.auxAt() + 4*int(r[1]) }

func (r IGMPv3Record) auxAt() int { return IGMPv3RecordLen + 4*r.NumSources() }

// Type returns the record type; one that is not defined must be ignored (RFC
// 3376 §4.2.12).
func (r IGMPv3Record) Type() uint8 { return r[0] }

// Group returns the group that the record is about.
func (r IGMPv3Record) Group() netip.Addr { return netip.AddrFrom4([4]byte(r[4:8])) }

// NumSources returns the number of sources.
func (r IGMPv3Record) NumSources() int { return int(binary.BigEndian.Uint16(r[2:4])) }

// Source returns source number i, 0 <= i < NumSources.
func (r IGMPv3Record) Source(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(r[IGMPv3RecordLen+4*i:]))
}

// Aux returns the auxiliary data, which version 3 does not use (RFC 3376
// §4.2.10).
func (r IGMPv3Record) Aux() []byte { return r[r.auxAt():] }

// PutIGMPv3Record writes a record without auxiliary data into b and returns its
// length, IGMPv3RecordLen and 4 bytes for each source. All addresses must be
// IPv4.
func PutIGMPv3Record(b []byte, typ uint8, group netip.Addr, sources []netip.Addr) int {
	b = b[:IGMPv3RecordLen+4*len(sources)]
	g := group.As4()
	b[0], b[1] = typ, 0
	copy(b[4:8], g[:])
	putSources(b[2:], b[8:], sources)
	return len(b)
}

// PutIGMPv3Report writes the header of a report with its checksum into b, whose
// records must already be in their place, b[IGMPv3ReportLen:]. b must be as
// long as the message.
func PutIGMPv3Report(b []byte, numRecords int) {
	if numRecords > 0xffff {
		panic("wire: more than 65535 records")
	}
	clear(b[:IGMPv3ReportLen])
	b[0] = IGMPTypeV3Report
	binary.BigEndian.PutUint16(b[6:8], uint16(numRecords))
	binary.BigEndian.PutUint16(b[2:4], Checksum(b))
}
