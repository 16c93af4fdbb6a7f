package wire

import (
	"encoding/binary"
	"net/netip"
)

// IPHeader is what goes in front of an upper layer, in terms of both families:
// the addresses decide which it is.
type IPHeader struct {
	Src, Dst netip.Addr
	// Options is IPv4's options, filled up to a multiple of four; of IPv6 whole
	// hop-by-hop options headers, of which PutIP sets the first byte.
	Options   []byte
	FlowLabel uint32 // of IPv6
	ID        uint16 // of IPv4
	TOS       uint8
	TTL       uint8
	Proto     uint8
	DF        bool // of IPv4: IPv6 packets are never cut on their way
	// MF and FragOffset, in bytes, are of IPv4 and of fragments that somebody made
	// by hand.
	MF         bool
	FragOffset uint16
}

// Len returns the length in bytes of what PutIP writes.
func (h *IPHeader) Len() int {
	if h.Dst.Is4() {
		return IPv4Len + len(h.Options)
	}
	return IPv6Len + len(h.Options)
}

// TCPHeadersLen returns the length of the headers of a segment to or from an address
// without options.
func TCPHeadersLen(a netip.Addr) int {
	if a.Is4() {
		return IPv4Len + TCPLen
	}
	return IPv6Len + TCPLen
}

// PutIP writes h in front of an upper layer of n bytes that is in b already, at
// h.Len(), and returns the packet.
func PutIP(b []byte, h *IPHeader, n int) Packet {
	if h.Dst.Is4() {
		h4 := IPv4Header{TOS: h.TOS, ID: h.ID, DF: h.DF, MF: h.MF, FragOffset: int(h.FragOffset), TTL: h.TTL, Proto: h.Proto, Src: h.Src, Dst: h.Dst, Options: h.Options}
		at := PutIPv4(b, &h4, n)
		return Packet4(IPv4(b[:at+n]))
	}
	h6 := IPv6Header{TrafficClass: h.TOS, FlowLabel: h.FlowLabel, HopLimit: h.TTL, NextHeader: h.Proto, Src: h.Src, Dst: h.Dst}
	if len(h.Options) > 0 {
		h6.NextHeader = ProtoHopByHop
		copy(b[IPv6Len:], h.Options)
		b[IPv6Len] = h.Proto
	}
	PutIPv6(b, &h6, len(h.Options)+n)
	at := h.Len()
	return Packet{b: b[:at+n], upper: uint32(at), proto: h.Proto, is: packetIs6}
}

// ParseIP checks a packet of either family. Of an IPv6 packet the upper layer is
// looked for only behind hop-by-hop options.
func ParseIP(b []byte) (Packet, Fault) {
	if len(b) > 0 && b[0]>>4 == 6 {
		p, f := ParseIPv6(b)
		if f != OK {
			return Packet{}, f
		}
		x := p.Walk(&ExtLimits{}, WalkTransit)
		if x.Problem != ExtOK {
			return Packet{}, BadOption
		}
		return Packet6(p, &x), OK
	}
	p, f := ParseIPv4(b)
	if f != OK {
		return Packet{}, f
	}
	return Packet4(p), OK
}

// In returns the same packet as it is at the beginning of b, where it was copied
// or moved to.
func (k Packet) In(b []byte) Packet {
	k.b = b[:len(k.b)]
	return k
}

// DecTTL takes one off the time to live or the hop limit.
func (k Packet) DecTTL() {
	if k.Is6() {
		k.b[7]--
	} else {
		IPv4(k.b).DecTTL()
	}
}

// UndoTTL undoes DecTTL.
func (k Packet) UndoTTL() {
	if k.Is6() {
		k.b[7]++
	} else {
		IPv4(k.b).UndoTTL()
	}
}

// JoinFragment6 writes into b, which holds a whole packet, the headers that its
// first fragment has before the fragment header at hl, without the latter, and
// with the congestion mark ecn.
func JoinFragment6(b []byte, first IPv6, hl int, ecn uint8) {
	copy(b, first[:hl])
	binary.BigEndian.PutUint16(b[4:6], uint16(len(b)-IPv6Len))
	x := first.Walk(&ExtLimits{}, WalkDest)
	b[x.NextOff] = first[hl]
	IPv6(b).SetTrafficClass(IPv6(b).TrafficClass()&^3 | ecn)
}

// lastNext returns where in an IPv6 packet the number of its upper layer stands.
func (k Packet) lastNext() int {
	x := IPv6(k.b).Walk(&ExtLimits{}, WalkDest)
	return x.NextOff
}

// Destination returns where an unchecked frame is to be routed, invalid if it is no
// packet.
func Destination(f []byte) netip.Addr {
	if len(f) < EtherLen+IPv4Len {
		return netip.Addr{}
	}
	switch ip := f[EtherLen:]; {
	case Ether(f).Type() == EtherTypeIPv4:
		return IPv4(ip).Dst()
	case Ether(f).Type() == EtherTypeIPv6 && len(ip) >= IPv6Len:
		return IPv6(ip).Dst()
	}
	return netip.Addr{}
}

// SegmentLen returns how long the packets are that a super-segment k stands for, if
// each has size bytes of payload, behind a header of its own if it is of TCP.
func (k Packet) SegmentLen(size int, tcp bool) int {
	n := k.HeaderLen() + size
	if t, f := ParseTCP(k.Payload()); f == OK && tcp {
		n += t.HeaderLen()
	}
	return n
}
