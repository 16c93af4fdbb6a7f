package wire

import (
	"encoding/binary"
	"net/netip"
)

// Where the checksum stands in the headers of TCP (RFC 9293 §3.1), UDP (RFC
// 768) and ICMPv6 (RFC 4443 §2.1).
const (
	tcpSum   = 16
	udpSum   = 6
	icmp6Sum = 2
)

// CompleteIPv4 fills in the checksum of the UDP or TCP message in a whole
// packet. It reports false, and has written nothing, for a fragment and for
// what is neither: those have no checksum that could be left out.
func CompleteIPv4(ip IPv4) bool {
	if ip.IsFragment() {
		return false
	}
	return complete(ip.Payload(), ip.Proto(), ip.Src(), ip.Dst())
}

// CompleteIPv6 is CompleteIPv4 for an IPv6 packet with or without extension
// headers, and for ICMPv6 too. A packet whose routing header has segments left,
// so that its last destination is another one, is left alone.
func CompleteIPv6(ip IPv6) bool {
	m := findIPv6(ip, 0)
	return m.proto != 0 && complete(ip[m.at:], m.proto, m.src, m.dst)
}

// CompletePacket is CompleteIPv4 or CompleteIPv6 of a packet whose upper layer
// has been found.
func CompletePacket(k Packet) bool {
	return !k.IsFragment() && complete(k.Payload(), k.Proto(), k.Src(), k.Dst())
}

// CompleteEther is CompleteIPv4 or CompleteIPv6 for an unchecked frame, tagged
// or not.
func CompleteEther(frame []byte) bool {
	m := findMessage(frame)
	return m.proto != 0 && complete(frame[m.at:m.end], m.proto, m.src, m.dst)
}

// PartialEther prepares a frame for a device that completes its transport
// checksum: it writes the sum of the pseudo header into the checksum field and
// returns where in the frame the message begins and where in the message that
// field is. It reports false, and has written nothing, where CompleteEther
// would.
func PartialEther(frame []byte) (start, offset int, ok bool) {
	m, offset, ok := sumPlace(frame)
	if ok {
		msg := frame[m.at:m.end]
		binary.BigEndian.PutUint16(msg[offset:], fold16(PseudoSum(m.src, m.dst, m.proto, len(msg))))
	}
	return m.at, offset, ok
}

// SumPlace returns what PartialEther does, and writes nothing.
func SumPlace(frame []byte) (start, offset int, ok bool) {
	m, offset, ok := sumPlace(frame)
	return m.at, offset, ok
}

// sumPlace finds the message of a frame, cut to its length, and where in it the
// checksum is.
func sumPlace(frame []byte) (m message, offset int, ok bool) {
	m = findMessage(frame)
	msg := frame[m.at:m.end]
	switch m.proto {
	case ProtoUDP:
		u, f := ParseUDP(msg)
		if f != OK {
			return message{}, 0, false
		}
		m.end, offset = m.at+len(u), udpSum
	case ProtoTCP:
		if len(msg) < TCPLen {
			return message{}, 0, false
		}
		offset = tcpSum
	case ProtoICMPv6:
		if m.src.Is4() || len(msg) < ICMP6Len {
			return message{}, 0, false
		}
		offset = icmp6Sum
	default:
		return message{}, 0, false
	}
	return m, offset, true
}

func complete(msg []byte, proto uint8, src, dst netip.Addr) bool {
	switch proto {
	case ProtoUDP:
		u, f := ParseUDP(msg)
		if f != OK {
			return false
		}
		u.SetChecksum(src, dst)
		return true
	case ProtoTCP:
		if len(msg) < TCPLen {
			return false
		}
		field := msg[tcpSum : tcpSum+2]
		field[0], field[1] = 0, 0
		binary.BigEndian.PutUint16(field, Fold(Sum(msg, PseudoSum(src, dst, proto, len(msg)))))
		return true
	case ProtoICMPv6:
		if src.Is4() || len(msg) < ICMP6Len {
			return false
		}
		ICMP6(msg).SetChecksum(src, dst)
		return true
	}
	return false
}

// message says where the transport message of a frame lies; proto is 0 where
// there is none.
type message struct {
	at, end  int
	proto    uint8
	src, dst netip.Addr
}

func findMessage(frame []byte) (m message) {
	e, f := ParseEther(frame)
	if f != OK {
		return m
	}
	typ, at := e.Type(), EtherLen
	if typ == EtherTypeVLAN {
		v, f := ParseVLAN(e.Payload())
		if f != OK {
			return m
		}
		typ, at = v.Type(), at+VLANLen
	}
	switch typ {
	case EtherTypeIPv4:
		if ip, f := ParseIPv4(frame[at:]); f == OK && !ip.IsFragment() {
			m = message{at + ip.HeaderLen(), at + len(ip), ip.Proto(), ip.Src(), ip.Dst()}
		}
	case EtherTypeIPv6:
		if ip, f := ParseIPv6(frame[at:]); f == OK {
			m = findIPv6(ip, at)
		}
	}
	return m
}

// findIPv6 finds the message of a packet whose checked bytes are ip and lie at
// the offset at of the frame.
func findIPv6(ip IPv6, at int) (m message) {
	c := ip.chain(ip.NextHeader(), IPv6Len)
	if c.cut || c.routed {
		return m
	}
	return message{at + c.off, at + len(ip), c.proto, ip.Src(), ip.Dst()}
}
