package auto

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// EUI64 returns the modified EUI-64 interface identifier of an Ethernet address
// (RFC 4291 appendix A, RFC 2464 §4).
func EUI64(m wire.MAC) uint64 {
	return binary.BigEndian.Uint64([]byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// StableID returns the interface identifier of RFC 7217 §5: the lower 64 bits
// of a hash over the prefix, the interface's name, the network's identity (may
// be empty), the number of duplicates met so far and a secret. The same
// arguments give the same identifier for ever. Fields of variable length are
// preceded by their length, so that no two lists of arguments are the same
// bytes.
func StableID(p netip.Prefix, name, network string, dups uint8, secret *[32]byte) uint64 {
	var buf [160]byte
	b := appendIdentity(buf[:0], p, name, network)
	return identifier(append(append(b, dups), secret[:]...))
}

// temporaryID returns an identifier that nobody without the secret can link to
// another or foresee (RFC 8981 §3.3.2): as StableID, with the moment and a
// random number besides.
func temporaryID(p netip.Prefix, link *Link, now clock.Time, random uint64) uint64 {
	var buf [160]byte
	b := appendIdentity(buf[:0], p, link.Name, link.Network)
	b = binary.BigEndian.AppendUint64(append(b, "temporary"...), uint64(now))
	b = binary.BigEndian.AppendUint64(b, random)
	return identifier(append(b, link.Secret[:]...))
}

func appendIdentity(b []byte, p netip.Prefix, name, network string) []byte {
	a := p.Masked().Addr().As16()
	b = append(append(b, a[:]...), uint8(p.Bits()))
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(name))), name...)
	return append(binary.BigEndian.AppendUint32(b, uint32(len(network))), network...)
}

func identifier(b []byte) uint64 {
	h := sha256.Sum256(b)
	return binary.BigEndian.Uint64(h[24:])
}

// reserved tells whether an identifier means something else (RFC 5453 with its
// registry): the subnet-router anycast address, IANA's Ethernet block, the
// reserved subnet anycast addresses.
func reserved(id uint64) bool {
	return id == 0 || id>>24 == 0x02005efffe || id >= 0xfdffffffffffff80 && id <= 0xfdffffffffffffff
}

// interfaceID returns the identifier for addresses in p after so many
// duplicates, and how many it counts as: RFC 7217 §5 step 2 skips reserved ones
// as if they were duplicates. It reports false if the link has neither a secret
// nor a hardware address to make one of.
func (l *Link) interfaceID(p netip.Prefix, dups uint8) (uint64, uint8, bool) {
	if !l.Stable || l.Secret == nil {
		return EUI64(l.MAC), dups, !l.MAC.IsZero()
	}
	for {
		id := StableID(p, l.Name, l.Network, dups, l.Secret)
		if !reserved(id) || dups == 255 {
			return id, dups, !reserved(id)
		}
		dups++
	}
}

// join puts a prefix of up to 64 bits and an identifier together.
func join(p netip.Prefix, id uint64) (ip [16]byte) {
	ip = p.Addr().As16()
	binary.BigEndian.PutUint64(ip[8:], id)
	return ip
}
