package nd

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/wire"
)

// hopLimit is that of all messages: nobody can send it from further away
// (RFC 4861 §3.1).
const hopLimit = 255

// minMTU is what any link carries (RFC 8200 §5).
const minMTU = 1280

// Message is a neighbour solicitation or advertisement to be sent.
type Message struct {
	Src, Dst netip.Addr
	DstMAC   wire.MAC // of the frame
	Target   netip.Addr
	LinkAddr wire.MAC // option: source's in a solicitation, target's in an advertisement; none if zero
	Nonce    [6]byte  // option of a solicitation (RFC 7527); none if zero
	Advert   bool     // an advertisement
	Flags    uint8    // wire.NARouter, NASolicited, NAOverride; of an advertisement
}

// MaxMessageLen is the largest that Len returns.
const MaxMessageLen = wire.IPv6Len + wire.NeighborSolicitLen + 8 + 8

// Len returns the length in bytes of the packet that Put writes.
func (m *Message) Len() int {
	n := wire.IPv6Len + wire.NeighborSolicitLen
	if !m.LinkAddr.IsZero() {
		n += 8
	}
	if m.Nonce != [6]byte{} {
		n += 8
	}
	return n
}

// Put writes the message as an IPv6 packet into b[:m.Len()]. The ICMPv6
// checksum is left zero.
func (m *Message) Put(b []byte) {
	n := m.Len() - wire.IPv6Len
	at := putHeader(b, m.Src, m.Dst, n)
	o := b[at:at:len(b)]
	if m.Advert {
		o = wire.AppendNA(o, m.Flags, m.Target)
	} else {
		o = wire.AppendNS(o, m.Target)
	}
	if !m.LinkAddr.IsZero() {
		o = wire.AppendNDLinkAddr(o, m.optionType(), m.LinkAddr)
	}
	if m.Nonce != [6]byte{} {
		wire.AppendNDNonce(o, m.Nonce[:])
	}
}

func (m *Message) optionType() uint8 {
	if m.Advert {
		return wire.NDTargetLinkAddr
	}
	return wire.NDSourceLinkAddr
}

func putHeader(b []byte, src, dst netip.Addr, n int) int {
	return wire.PutIPv6(b, &wire.IPv6Header{HopLimit: hopLimit, NextHeader: wire.ProtoICMPv6, Src: src, Dst: dst}, n)
}

// MaxRedirectLen is the most that PutRedirect writes.
const MaxRedirectLen = minMTU

// PutRedirect writes the redirect that tells the sender of packet of a better
// next hop for its destination, as an IPv6 packet (RFC 4861 §8.2): from src, the
// router's link-local address, with target the better router's link-local
// address or the destination itself, and mac its link address or zero. As much
// of packet is quoted as fits 1,280 bytes. It returns the length; b has room for
// MaxRedirectLen. The ICMPv6 checksum is left zero. When to redirect, and how
// often, is the caller's.
func PutRedirect(b []byte, src, target netip.Addr, mac wire.MAC, packet wire.IPv6) int {
	const overhead = wire.IPv6Len + wire.RedirectLen + 8 // with the option's own header
	room := minMTU - overhead
	if !mac.IsZero() {
		room -= 8
	}
	quoted := packet[:min(len(packet), room&^7)]
	o := wire.AppendRedirect(b[wire.IPv6Len:wire.IPv6Len], target, packet.Dst())
	if !mac.IsZero() {
		o = wire.AppendNDLinkAddr(o, wire.NDTargetLinkAddr, mac)
	}
	o = wire.AppendNDRedirected(o, quoted)
	return putHeader(b, src, packet.Src(), len(o)) + len(o)
}
