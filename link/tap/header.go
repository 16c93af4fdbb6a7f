package tap

import (
	"encoding/binary"

	"github.com/seed88948545/vimage/link"
)

// hdrLen is the length of struct virtio_net_hdr_mrg_rxbuf, which stands before
// every frame (Virtual I/O Device 1.2 §5.1.6). Its last field, the number of
// buffers, has no meaning for a TAP. Byte order is little-endian, which
// TUNSETVNETLE asks for.
//
//	 0       1         2         4          6            8             10         12
//	+-------+---------+---------+----------+------------+-------------+-----------+
//	| flags |gso type | hdr len | gso size | csum start | csum offset | (buffers) |
//	+-------+---------+---------+----------+------------+-------------+-----------+
const hdrLen = 12

const (
	flagNeedsCsum = 1
	flagDataValid = 2

	gsoNone  = 0
	gsoTCP4  = 1
	gsoTCP6  = 4
	gsoUDPL4 = 5
	gsoECN   = 0x80 // added to a TCP type when CWR is set
)

const (
	tcpSumOffset = 16
	udpSumOffset = 6
	tcpMinLen    = 20
	udpLen       = 8
	tcpFlagCWR   = 0x80

	ipv4Len  = 20
	ipv6Len  = 40
	tagLen   = 4
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeVLAN = 0x8100
)

// decode returns what the header says of the frame that follows it, or false
// if it says what cannot be of this frame. The header's own length field is not
// taken: the kernel puts there how much of the packet lay in one piece.
func decode(hdr *[hdrLen]byte, frame []byte) (link.Meta, bool) {
	m := link.Meta{Len: len(frame)}
	switch flags := hdr[0]; {
	case flags&flagNeedsCsum != 0:
		m.Sum = link.SumPartial
		m.SumStart = binary.LittleEndian.Uint16(hdr[6:8])
		m.SumOffset = binary.LittleEndian.Uint16(hdr[8:10])
	case flags&flagDataValid != 0:
		m.Sum = link.SumValid
	}
	switch hdr[1] &^ gsoECN {
	case gsoNone:
	case gsoTCP4:
		m.GSO = link.GSOTCP4
	case gsoTCP6:
		m.GSO = link.GSOTCP6
	case gsoUDPL4:
		m.GSO = link.GSOUDP
	default:
		return m, false
	}
	if m.GSO != link.GSONone {
		m.Size = binary.LittleEndian.Uint16(hdr[4:6])
		m.HeaderLen = transportEnd(&m, frame)
	}
	return m, valid(&m, frame)
}

// encode writes the header for a frame in the state m, or returns false if m
// cannot be the state of this frame.
func encode(hdr *[hdrLen]byte, m *link.Meta, frame []byte) bool {
	*hdr = [hdrLen]byte{}
	if !valid(m, frame) {
		return false
	}
	if m.Sum == link.SumPartial {
		hdr[0] = flagNeedsCsum
		binary.LittleEndian.PutUint16(hdr[6:8], m.SumStart)
		binary.LittleEndian.PutUint16(hdr[8:10], m.SumOffset)
	}
	switch m.GSO {
	case link.GSONone:
		return true
	case link.GSOTCP4:
		hdr[1] = gsoTCP4
	case link.GSOTCP6:
		hdr[1] = gsoTCP6
	case link.GSOUDP:
		hdr[1] = gsoUDPL4
	}
	if m.GSO != link.GSOUDP && frame[m.SumStart+13]&tcpFlagCWR != 0 {
		hdr[1] |= gsoECN
	}
	binary.LittleEndian.PutUint16(hdr[2:4], m.HeaderLen)
	binary.LittleEndian.PutUint16(hdr[4:6], m.Size)
	return true
}

// valid reports whether every offset of m lies inside the frame and, for a
// super-segment, whether it is of the protocols that m names: the kernel refuses
// another. What lies between is not looked at, extension headers of IPv6 least.
func valid(m *link.Meta, frame []byte) bool {
	if m.Sum == link.SumPartial {
		if m.SumStart < etherLen || int(m.SumStart)+int(m.SumOffset)+2 > len(frame) {
			return false
		}
	}
	want := uint16(tcpSumOffset)
	typ, ip := network(frame)
	least := ip + ipv4Len
	if typ == typeIPv6 {
		least = ip + ipv6Len
	}
	switch m.GSO {
	case link.GSONone:
		return true
	case link.GSOTCP4:
		if typ != typeIPv4 {
			return false
		}
	case link.GSOTCP6:
		if typ != typeIPv6 {
			return false
		}
	case link.GSOUDP:
		want = udpSumOffset
		if typ != typeIPv4 && typ != typeIPv6 {
			return false
		}
	default:
		return false
	}
	return int(m.SumStart) >= least && m.Sum == link.SumPartial && m.SumOffset == want && m.Size > 0 &&
		m.HeaderLen != 0 && m.HeaderLen == transportEnd(m, frame)
}

// network returns what an Ethernet frame, tagged or not, holds and where that
// begins; 0 for a frame that is too short.
func network(frame []byte) (typ uint16, at int) {
	for at = etherLen; at <= len(frame) && at <= linkRoom; at += tagLen {
		if typ = binary.BigEndian.Uint16(frame[at-2:]); typ != typeVLAN {
			return typ, at
		}
	}
	return 0, at
}

// transportEnd returns where the transport header of a super-segment ends, or 0
// if that is not inside the frame.
func transportEnd(m *link.Meta, frame []byte) uint16 {
	start := int(m.SumStart)
	end := start + udpLen
	if m.GSO != link.GSOUDP {
		if start+tcpMinLen > len(frame) {
			return 0
		}
		n := int(frame[start+12]>>4) * 4
		if n < tcpMinLen {
			return 0
		}
		end = start + n
	}
	if end > len(frame) || end > 0xffff {
		return 0
	}
	return uint16(end)
}
