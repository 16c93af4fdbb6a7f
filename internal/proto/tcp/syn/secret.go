package syn

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Secret is what an attacker must not know: 32 random bytes, drawn once for a
// stack. All its shards use the same.
type Secret [32]byte

// label keeps apart what is made of one secret.
type label uint8

const (
	labelPair label = iota
	labelCookie
	labelFast
)

// ISN returns the initial sequence number of a connection that is opened now
// (RFC 6528 §3): a clock of 4 µs and a number that only the two ends and the
// secret decide.
func (s *Secret) ISN(now clock.Time, local, remote netip.AddrPort) wire.Seq {
	isn, _ := s.Pair(now, local, remote)
	return isn
}

// TSOffset returns what the connection adds to the time in its timestamps (in
// the spirit of RFC 7323 §5.4): always the same for the same two ends, so that
// timestamps go on where those of the last connection ended (RFC 6191).
func (s *Secret) TSOffset(local, remote netip.AddrPort) uint32 {
	_, off := s.Pair(0, local, remote)
	return off
}

// Pair returns ISN and TSOffset, for little more than the price of one.
func (s *Secret) Pair(now clock.Time, local, remote netip.AddrPort) (wire.Seq, uint32) {
	sum := s.sum(labelPair, 0, local, remote, 0)
	ticks := uint32(uint64(now) / uint64(4*time.Microsecond))
	return wire.Seq(ticks + binary.BigEndian.Uint32(sum[0:])), binary.BigEndian.Uint32(sum[4:])
}

// Above returns isn, or a number well above floor where isn is not: what a new
// connection uses whose predecessor with the same ends had sent up to floor
// (RFC 9293 §3.4.1, RFC 1122 §4.2.2.13).
func Above(isn, floor wire.Seq) wire.Seq {
	if floor.Less(isn) {
		return isn
	}
	return floor.Add(65535 + 2)
}

// Timestamp returns what a segment's timestamp says: milliseconds (RFC 7323
// §5.4 allows 1 ms to 1 s), from an origin that is the connection's own.
func Timestamp(now clock.Time, offset uint32) uint32 {
	return uint32(uint64(now)/uint64(time.Millisecond)) + offset
}

// sum hashes the secret with two ends, two numbers, and what it is for.
func (s *Secret) sum(l label, n uint32, local, remote netip.AddrPort, m uint64) [32]byte {
	var b [32 + 1 + 4 + 8 + 2*18]byte
	copy(b[:], s[:])
	b[32] = byte(l)
	binary.BigEndian.PutUint32(b[33:], n)
	binary.BigEndian.PutUint64(b[37:], m)
	i := 45 + putEnd(b[45:], local)
	i += putEnd(b[i:], remote)
	return sha256.Sum256(b[:i])
}

// putEnd writes an address and a port, in a length that tells the family.
func putEnd(b []byte, a netip.AddrPort) int {
	n := 16
	if ip := a.Addr(); ip.Is4() {
		v4 := ip.As4()
		n = copy(b, v4[:])
	} else {
		v6 := ip.As16()
		copy(b, v6[:])
	}
	binary.BigEndian.PutUint16(b[n:], a.Port())
	return n + 2
}
