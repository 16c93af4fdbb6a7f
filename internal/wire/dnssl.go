package wire

import (
	"encoding/binary"
	"strings"
)

// DNSSL returns the lifetime in seconds and the search list that NDDNSSL carries
// (RFC 8106 §5.2), at least one name; false also if a name is malformed.
func (o NDOption) DNSSL() (lifetime uint32, names NDNames, ok bool) {
	if o[0] != NDDNSSL || len(o) < 2*ndUnit {
		return 0, nil, false
	}
	names = NDNames(o[8:])
	n := 0
	for n < len(names) && names[n] != 0 { // a name of no label is padding
		size := nameLen(names[n:])
		if size == 0 {
			return 0, nil, false
		}
		n += size
	}
	return binary.BigEndian.Uint32(o[4:8]), names[:n], n > 0
}

// nameLen returns the length in bytes of the name that b begins with (RFC 1035
// §3.1), 0 if it is malformed.
func nameLen(b []byte) int {
	for n := 0; n < len(b) && n < 255; n += 1 + int(b[n]) {
		switch {
		case b[n] == 0:
			return n + 1
		case b[n] > 63:
			return 0
		}
	}
	return 0
}

// NDNames is a checked list of domain names, read from the front by Next.
type NDNames []byte

// Next takes the first name from the list; it reports false at the end.
func (l *NDNames) Next() (NDName, bool) {
	b := *l
	if len(b) == 0 {
		return nil, false
	}
	n := nameLen(b)
	*l = b[n:]
	return NDName(b[:n]), true
}

// NDName is a domain name as labels, each behind its length (RFC 1035 §3.1).
type NDName []byte

// String returns the labels with dots between them, without one at the end. A
// byte that is no letter, digit, hyphen or underscore shows as \DDD (RFC 1035
// §5.1).
func (d NDName) String() string {
	var s strings.Builder
	for b := []byte(d); b[0] != 0; b = b[1+int(b[0]):] {
		if s.Len() > 0 {
			s.WriteByte('.')
		}
		for _, c := range b[1 : 1+int(b[0])] {
			if c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' {
				s.WriteByte(c)
			} else {
				s.Write([]byte{'\\', '0' + c/100, '0' + c/10%10, '0' + c%10})
			}
		}
	}
	return s.String()
}

// AppendNDDNSSL appends an option with a search list of at least one name, each
// plain labels with dots between them, with or without one at the end. It reports
// false, and has appended nothing, if a name is empty or has an empty or overlong
// label or is too long itself, or if all do not fit one option.
func AppendNDDNSSL(b []byte, lifetime uint32, names []string) ([]byte, bool) {
	at := len(b)
	out := binary.BigEndian.AppendUint32(append(b, NDDNSSL, 0, 0, 0), lifetime)
	for _, name := range names {
		name = strings.TrimSuffix(name, ".")
		if len(name) > 253 { // 255 with the first length and the last
			return b, false
		}
		for label := range strings.SplitSeq(name, ".") {
			if len(label) == 0 || len(label) > 63 {
				return b, false
			}
			out = append(append(out, uint8(len(label))), label...)
		}
		out = append(out, 0)
	}
	n := len(out) - at
	if len(names) == 0 || n > 255*ndUnit {
		return b, false
	}
	out[at+1] = ndUnits(n)
	return appendPadded(out, n, nil), true
}
