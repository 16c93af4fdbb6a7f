package igmp

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/wire"
)

// TTL is the time to live of every IGMP message (RFC 3376 §4).
const TTL = 1

// Out is one message to send: IP protocol 2, TTL 1, from the interface's address
// (0.0.0.0 if it has none), not fragmented.
type Out struct {
	Buf         []byte     // the caller's, as long as a message may be: the MTU less 24
	N           int        // bytes of the message in Buf
	Dst         netip.Addr // the group to send to
	TOS         uint8      // 0xC0, Internetwork Control, in version 3 (RFC 3376 §4)
	RouterAlert bool       // with the Router Alert option
}

const precedence = 0xc0

// message collects the records of a report.
type message struct {
	buf     []byte
	n       int // bytes written, 0 before the first record
	records int
	at      int // of the record that sources are added to
}

// begin starts a record for so many sources and returns how many of them fit.
// One that could go whole into a message of its own is not split; one that
// could not starts a message (RFC 3376 §4.2.16). false: send what there is.
func (m *message) begin(typ uint8, g addr, sources int) (room int, ok bool) {
	if m.n == 0 {
		m.n = wire.IGMPv3ReportLen
	}
	room = (len(m.buf) - m.n - wire.IGMPv3RecordLen) / 4
	if len(m.buf)-m.n < wire.IGMPv3RecordLen || room < sources && m.records > 0 {
		return 0, false
	}
	m.at = m.n
	b := m.buf[m.n : m.n+wire.IGMPv3RecordLen]
	b[0], b[1], b[2], b[3] = typ, 0, 0, 0
	copy(b[4:], g[:])
	m.n += wire.IGMPv3RecordLen
	m.records++
	return room, true
}

// source adds a source to the record begun last.
func (m *message) source(a addr) {
	m.n += copy(m.buf[m.n:], a[:])
	count := m.buf[m.at+2 : m.at+4]
	binary.BigEndian.PutUint16(count, binary.BigEndian.Uint16(count)+1)
}

// list writes a record of a list, from source number *from on; false if the rest
// must go into another message. What does not fit into an EXCLUDE record is
// left out, the same sources every time (RFC 3376 §4.2.16).
func (m *message) list(typ uint8, g addr, list []netip.Addr, from *int32) bool {
	rest := list[*from:]
	room, ok := m.begin(typ, g, len(rest))
	if !ok {
		return false
	}
	n := min(room, len(rest))
	for _, s := range rest[:n] {
		m.source(addrOf(s))
	}
	if n < len(rest) && typ != wire.IGMPIsEx && typ != wire.IGMPToEx {
		*from += int32(n)
		return false
	}
	*from = 0
	return true
}

// finish completes a version 3 report.
func (m *message) finish(e Env, out *Out) {
	wire.PutIGMPv3Report(m.buf[:m.n], m.records)
	out.N, out.Dst, out.TOS = m.n, netip.AddrFrom4([4]byte{224, 0, 0, 22}), precedence
	out.RouterAlert = e.T.RouterAlert != 0
	e.S.Sent++
}
