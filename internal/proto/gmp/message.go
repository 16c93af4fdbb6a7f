package gmp

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/wire"
)

// headLen is the length of what stands before the records of a report, in IGMP
// (RFC 3376 §4.2) and in MLD (RFC 3810 §5.2).
const headLen = wire.IGMPv3ReportLen

// recordLen is the length of a record without sources (RFC 3376 §4.2, RFC 3810
// §5.2).
func recordLen[A Address]() int {
	var a A
	return 4 + len(a)
}

// Kind says what a Message is.
type Kind uint8

const (
	Report      Kind = iota // with records, of version 3
	OlderReport             // about one group
	Leave                   // of one group, in version 2
)

// Message is one message to send.
type Message[A Address] struct {
	Buf     []byte // the caller's, as long as a message may be
	N       int    // of a Report: bytes in Buf; the first eight are the caller's to fill in
	Records int    // that follow them
	Group   A      // of the other kinds, of which nothing is in Buf
	Kind    Kind
	Version uint8
}

// message collects the records of a report.
type message[A Address] struct {
	buf     []byte
	n       int // bytes written, 0 before the first record
	records int
	at      int // of the record that sources are added to
}

// begin starts a record for so many sources and returns how many of them fit.
// One that could go whole into a message of its own is not split; one that
// could not starts a message (RFC 3376 §4.2.16). false: send what there is.
func (m *message[A]) begin(typ uint8, g A, sources int) (room int, ok bool) {
	if m.n == 0 {
		m.n = headLen
	}
	size := recordLen[A]()
	room = (len(m.buf) - m.n - size) / len(g)
	if len(m.buf)-m.n < size || room < sources && m.records > 0 {
		return 0, false
	}
	m.at = m.n
	b := m.buf[m.n : m.n+size]
	b[0], b[1], b[2], b[3] = typ, 0, 0, 0
	copy(b[4:], raw(&g))
	m.n += size
	m.records++
	return room, true
}

// source adds a source to the record begun last.
func (m *message[A]) source(a A) {
	m.n += copy(m.buf[m.n:], raw(&a))
	count := m.buf[m.at+2 : m.at+4]
	binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)+1)
}

// list writes a record of a list, from source number *from on; false if the rest
// must go into another message. What does not fit into an EXCLUDE record is
// left out, the same sources every time (RFC 3376 §4.2.16).
func (m *message[A]) list(typ uint8, g A, list []netip.Addr, from *int32) bool {
	rest := list[*from:]
	room, ok := m.begin(typ, g, len(rest))
	if !ok {
		return false
	}
	n := min(room, len(rest))
	for _, s := range rest[:n] {
		m.source(AddrOf[A](s))
	}
	if n < len(rest) && typ != wire.IGMPIsEx && typ != wire.IGMPToEx {
		*from += int32(n)
		return false
	}
	*from = 0
	return true
}
