package wire

import "net/netip"

// Packet is a checked packet of either family with the place where its upper
// layer begins. It is four words, made to be passed by value; the zero Packet
// is none. The bytes of the view it was made from keep their capacity.
type Packet struct {
	b     []byte
	upper uint32
	proto uint8
	is    packetIs
}

type packetIs uint8

const (
	packetIs6 packetIs = 1 << iota
	packetIsFragment
)

// Packet4 returns p as a Packet.
func Packet4(p IPv4) Packet {
	k := Packet{b: p, upper: uint32(p.HeaderLen()), proto: p.Proto()}
	if p.IsFragment() {
		k.is = packetIsFragment
	}
	return k
}

// Packet6 returns p, over which a walk found x without a problem, as a Packet.
// For a fragment, the fragment header is where the upper layer would be.
func Packet6(p IPv6, x *Ext) Packet {
	k := Packet{b: p, upper: uint32(x.Off), proto: x.Proto, is: packetIs6}
	if x.Fragment {
		k.is |= packetIsFragment
	}
	return k
}

// Plain returns p as a Packet if no extension header follows its header; else
// there is a walk to be made.
func (p IPv6) Plain() (Packet, bool) {
	return Packet{b: p, upper: IPv6Len, proto: p[6], is: packetIs6}, !isExtension(p[6])
}

// IsPlain6 reports whether k is an IPv6 packet without extension headers.
func (k Packet) IsPlain6() bool { return k.is&packetIs6 != 0 && !isExtension(k.b[6]) }

// ToGroup6 reports whether k, an IPv6 packet, is for a multicast group.
func (k Packet) ToGroup6() bool { return k.b[24] == 0xff }

// IsValid reports whether k is a packet.
func (k Packet) IsValid() bool { return k.b != nil }

// Is6 reports whether k is an IPv6 packet.
func (k Packet) Is6() bool { return k.is&packetIs6 != 0 }

// IsFragment reports whether k is a part of a packet only; for an IPv6 packet,
// as the walk told.
func (k Packet) IsFragment() bool { return k.is&packetIsFragment != 0 }

// Bytes returns the whole packet.
func (k Packet) Bytes() []byte { return k.b }

// Len returns the length of the whole packet in bytes.
func (k Packet) Len() int { return len(k.b) }

// HeaderLen returns the offset of the upper layer: the length of the IPv4
// header, or of the IPv6 header with the extension headers that were walked
// over. For an IPv6 fragment it is the offset of the fragment header.
func (k Packet) HeaderLen() int { return int(k.upper) }

// Payload returns what begins at HeaderLen.
func (k Packet) Payload() []byte { return k.b[k.upper:] }

// Proto returns the number of the upper layer; for an IPv6 fragment, of what is
// behind the fragment header.
func (k Packet) Proto() uint8 { return k.proto }

// TTL returns the time to live or the hop limit.
func (k Packet) TTL() uint8 {
	if k.Is6() {
		return k.b[7]
	}
	return k.b[8]
}

// TOS returns the type of service byte or the traffic class.
func (k Packet) TOS() uint8 {
	if k.Is6() {
		return IPv6(k.b).TrafficClass()
	}
	return k.b[1]
}

// Src returns the source address. It is written so that the compiler inlines it,
// as is Dst: a cut at both ends, or the accessor of the view, costs too much.
func (k Packet) Src() netip.Addr {
	if k.is&packetIs6 != 0 {
		return netip.AddrFrom16([16]byte(k.b[8:]))
	}
	return netip.AddrFrom4([4]byte(k.b[12:]))
}

// Dst returns the destination address.
func (k Packet) Dst() netip.Addr {
	if k.is&packetIs6 != 0 {
		return netip.AddrFrom16([16]byte(k.b[24:]))
	}
	return netip.AddrFrom4([4]byte(k.b[16:]))
}

// V4 returns the view that Packet4 was given; it must not be asked of an IPv6
// packet.
func (k Packet) V4() IPv4 { return k.b }

// V6 returns the view that Packet6 was given; it must not be asked of an IPv4
// packet.
func (k Packet) V6() IPv6 { return k.b }
