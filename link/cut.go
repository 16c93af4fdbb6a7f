package link

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// cut takes a super-segment apart: it puts the packets that b stands for, in
// order, and returns how many there were; 0 for a frame that is not what it
// says. It borrows b.
func cut(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	s, ok := findSuper(b.Bytes(), b.GSO)
	return s.cut(ok, r, b, to)
}

// CutFrame is what links do to a super-segment that they cannot carry: it puts the
// frames that b stands for, in order, and returns how many there were; 0 for a frame
// that is not what it says. It borrows b.
func CutFrame(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int { return cut(r, b, to) }

// CutPacket is CutFrame for what begins with its IP header.
func CutPacket(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	s, ok := findSuperAt(b.Bytes(), 0, b.GSO)
	return s.cut(ok, r, b, to)
}

func (s *super) cut(found bool, r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	switch {
	case !found || b.GSOSize == 0:
		return 0
	case b.GSO == pkt.GSOUDP:
		return cutUDP(r, b, s, to)
	}
	return cutTCP(r, b, s, to)
}

// super is what matters of a super-segment's frame: where in it the packet
// begins and where the transport message, and that message.
type super struct {
	ip, upper int
	msg       []byte
	src, dst  netip.Addr
}

// findSuper looks for a super-segment of a kind in a frame, tagged or not. It
// reports false where there is none.
func findSuper(frame []byte, kind pkt.GSO) (s super, ok bool) {
	e, f := wire.ParseEther(frame)
	if f != wire.OK {
		return s, false
	}
	at, typ := wire.EtherLen, e.Type()
	if v, f := wire.ParseVLAN(e.Payload()); typ == wire.EtherTypeVLAN && f == wire.OK {
		at, typ = at+wire.VLANLen, v.Type()
	}
	if typ != wire.EtherTypeIPv4 && typ != wire.EtherTypeIPv6 || len(frame) == at || (frame[at]>>4 == 6) != (typ == wire.EtherTypeIPv6) {
		return s, false
	}
	return findSuperAt(frame, at, kind)
}

// findSuperAt is findSuper where the packet begins at a place that is known.
func findSuperAt(frame []byte, at int, kind pkt.GSO) (s super, ok bool) {
	if at >= len(frame) {
		return s, false
	}
	var proto uint8
	switch version := frame[at] >> 4; {
	case version == 4 && kind != pkt.GSOTCP6:
		ip, f := wire.ParseIPv4(frame[at:])
		if f != wire.OK || ip.IsFragment() {
			return s, false
		}
		proto = ip.Proto()
		s = super{at, at + ip.HeaderLen(), ip.Payload(), ip.Src(), ip.Dst()}
	case version == 6 && kind != pkt.GSOTCP4:
		ip, f := wire.ParseIPv6(frame[at:])
		if f != wire.OK {
			return s, false
		}
		var off int
		if proto, off = upperIPv6(ip); off > len(ip) {
			return s, false
		}
		s = super{at, at + off, ip[off:], ip.Src(), ip.Dst()}
	default:
		return s, false
	}
	switch kind {
	case pkt.GSOUDP:
		u, f := wire.ParseUDP(s.msg)
		s.msg = u
		return s, proto == wire.ProtoUDP && f == wire.OK
	case pkt.GSOTCP4, pkt.GSOTCP6:
		_, f := wire.ParseTCP(s.msg)
		return s, proto == wire.ProtoTCP && f == wire.OK
	}
	return s, false
}

// upperIPv6 returns what is behind the extension headers that each part of a
// super-segment can have, and where. Options are none of a link's business.
func upperIPv6(ip wire.IPv6) (proto uint8, off int) {
	proto, off = ip.NextHeader(), wire.IPv6Len
	for off+8 <= len(ip) {
		switch {
		case proto == wire.ProtoHopByHop, proto == wire.ProtoDestOpts:
		case proto == wire.ProtoRouting && ip[off+3] == 0: // no segments left: the checksum is for this destination
		default:
			return proto, off
		}
		proto, off = ip[off], off+8*(int(ip[off+1])+1) // RFC 8200 §4.3
	}
	return proto, off
}

// sumOK tells whether the checksum of a message that nobody has verified is right.
func (s *super) sumOK(kind pkt.GSO) bool {
	if kind == pkt.GSOUDP {
		return wire.UDP(s.msg).ChecksumOK(s.src, s.dst)
	}
	return wire.TCP(s.msg).ChecksumOK(s.src, s.dst)
}

// part makes the i-th packet: the frame's headers, of which head bytes are
// copied, with its own length, and data. It has no checksum.
func (s *super) part(r *netisr.Runner, b *pkt.Buf, head, i int, data []byte) *pkt.Buf {
	c := r.Cache.Get(head + len(data))
	frame := c.Extend(head + len(data))
	copy(frame, b.Bytes()[:head])
	copy(frame[head:], data)
	if s.src.Is4() {
		setPlaceIPv4(frame[s.ip:], i)
	} else {
		binary.BigEndian.PutUint16(frame[s.ip+4:], uint16(len(frame)-s.ip-wire.IPv6Len))
	}
	c.Info = b.Info
	c.GSO, c.GSOSize, c.Sum = pkt.GSONone, 0, pkt.SumPartial
	return c
}

// cutUDP makes several datagrams of one: stacks know none that is many. IPv4
// ones without a checksum stay so (RFC 768); in IPv6 there are none (RFC 8200 §8.1).
func cutUDP(r *netisr.Runner, b *pkt.Buf, s *super, to func(*pkt.Buf)) int {
	u := wire.UDP(s.msg)
	bare := b.Sum == pkt.SumUnknown && u.Checksum() == 0 && s.src.Is4()
	if b.Sum == pkt.SumUnknown && !bare && !s.sumOK(b.GSO) {
		return 0
	}
	count := 0
	for data := u.Payload(); len(data) > 0 || count == 0; count++ {
		n := min(int(b.GSOSize), len(data))
		c := s.part(r, b, s.upper+wire.UDPLen, count, data[:n])
		wire.PutUDP(c.Bytes()[s.upper:], u.SrcPort(), u.DstPort(), n)
		if bare {
			c.Sum = pkt.SumUnknown
		}
		to(c)
		data = data[n:]
	}
	return count
}

// cutTCP makes segments of a super-segment, whose headers are theirs but for
// what their place decides. A frame of unknown checksum is no super-segment if
// that is wrong: its parts would be given right ones.
func cutTCP(r *netisr.Runner, b *pkt.Buf, s *super, to func(*pkt.Buf)) int {
	if b.Sum == pkt.SumUnknown && !s.sumOK(b.GSO) {
		return 0
	}
	t := wire.TCP(s.msg)
	data := t.Payload()
	for i, off := 0, 0; ; i++ {
		n := min(int(b.GSOSize), len(data)-off)
		c := s.part(r, b, s.upper+t.HeaderLen(), i, data[off:off+n])
		setPlaceTCP(c.Bytes()[s.upper:], off, off+n == len(data))
		to(c)
		if off += n; off == len(data) {
			return i + 1
		}
	}
}

// setPlaceIPv4 gives the i-th packet its length, its identification, which
// counts up (RFC 791 §3.1), and its checksum.
func setPlaceIPv4(p []byte, i int) {
	binary.BigEndian.PutUint16(p[2:4], uint16(len(p)))
	binary.BigEndian.PutUint16(p[4:6], binary.BigEndian.Uint16(p[4:6])+uint16(i))
	wire.IPv4(p).SetChecksum()
}

// setPlaceTCP makes a copy of a super-segment's header that of the part that
// begins off bytes into it. The checksum is left to where it leaves the process.
func setPlaceTCP(p []byte, off int, last bool) {
	binary.BigEndian.PutUint32(p[4:8], binary.BigEndian.Uint32(p[4:8])+uint32(off))
	flags := wire.TCPFlags(p[13])
	if !last {
		flags &^= wire.FIN | wire.PSH
	}
	if off > 0 {
		flags &^= wire.CWR // RFC 3168 §6.1.2: on the first segment after the window was reduced
	}
	if urgent := int(binary.BigEndian.Uint16(p[18:20])); flags.Has(wire.URG) && off > 0 {
		// RFC 9293 §3.1: the pointer counts from the segment's own number.
		if urgent -= off; urgent <= 0 {
			flags &^= wire.URG
			urgent = 0
		}
		binary.BigEndian.PutUint16(p[18:20], uint16(urgent))
	}
	p[13] = byte(flags)
	p[16], p[17] = 0, 0
}
