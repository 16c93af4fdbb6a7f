package wire

import (
	"encoding/binary"
	"net/netip"
)

// tcpSum is where the checksum stands in a TCP header (RFC 9293 §3.1), udpSum
// where in UDP's (RFC 768).
const (
	tcpSum = 16
	udpSum = 6
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

// CompleteEther is CompleteIPv4 for an unchecked frame, tagged or not, of
// either family. An IPv6 packet with extension headers is left alone.
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
	m := findMessage(frame)
	msg := frame[m.at:m.end]
	switch m.proto {
	case ProtoUDP:
		u, f := ParseUDP(msg)
		if f != OK {
			return 0, 0, false
		}
		msg, offset = u, udpSum
	case ProtoTCP:
		if len(msg) < TCPLen {
			return 0, 0, false
		}
		offset = tcpSum
	default:
		return 0, 0, false
	}
	binary.BigEndian.PutUint16(msg[offset:], fold16(PseudoSum(m.src, m.dst, m.proto, len(msg))))
	return m.at, offset, true
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
		m = findIPv6(frame, at)
	}
	return m
}

// ipv6Len is the length of an IPv6 header (RFC 8200 §3).
const ipv6Len = 40

func findIPv6(frame []byte, at int) (m message) {
	ip := frame[at:]
	if len(ip) < ipv6Len || ip[0]>>4 != 6 {
		return m
	}
	n := int(binary.BigEndian.Uint16(ip[4:6]))
	if n > len(ip)-ipv6Len {
		return m
	}
	return message{at + ipv6Len, at + ipv6Len + n, ip[6], netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))}
}
