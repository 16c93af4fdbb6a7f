package link

import (
	"encoding/binary"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// cut takes a super-segment apart: it puts the packets that b stands for, in
// order, and returns how many there were; 0 for a frame that is not what it
// says. It borrows b.
func cut(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	if b.GSOSize == 0 {
		return 0
	}
	switch b.GSO {
	case pkt.GSOUDP:
		return cutUDP(r, b, to)
	case pkt.GSOTCP4:
		return cutTCP(r, b, to)
	}
	return 0
}

// findIPv4 returns the packet in a frame, tagged or not, and where it begins;
// nil where it holds none of this protocol.
func findIPv4(frame []byte, proto uint8) (at int, ip wire.IPv4) {
	e, f := wire.ParseEther(frame)
	if f != wire.OK {
		return 0, nil
	}
	at, typ := wire.EtherLen, e.Type()
	if v, f := wire.ParseVLAN(e.Payload()); typ == wire.EtherTypeVLAN && f == wire.OK {
		at, typ = at+wire.VLANLen, v.Type()
	}
	if typ != wire.EtherTypeIPv4 {
		return 0, nil
	}
	if ip, f = wire.ParseIPv4(frame[at:]); f != wire.OK || ip.IsFragment() || ip.Proto() != proto {
		return 0, nil
	}
	return at, ip
}

// cutUDP makes several datagrams of one: stacks know none that is many.
func cutUDP(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	head, ip := findIPv4(b.Bytes(), wire.ProtoUDP)
	if ip == nil {
		return 0
	}
	u, f := wire.ParseUDP(ip.Payload())
	if f != wire.OK {
		return 0
	}
	size, count := int(b.GSOSize), 0
	hd := ip.Header()
	for data := u.Payload(); len(data) > 0 || count == 0; count++ {
		n := min(size, len(data))
		s := r.Cache.Get(head + hd.Len() + wire.UDPLen + n)
		frame := s.Extend(head + hd.Len() + wire.UDPLen + n)
		copy(frame, b.Bytes()[:head])
		at := head + wire.PutIPv4(frame[head:], &hd, wire.UDPLen+n)
		wire.PutUDP(frame[at:], u.SrcPort(), u.DstPort(), n)
		copy(frame[at+wire.UDPLen:], data[:n])
		if b.Sum != pkt.SumUnknown {
			s.Sum = pkt.SumPartial // filled in where it leaves the process
		}
		to(s)
		data = data[n:]
		hd.ID++
	}
	return count
}

// cutTCP makes segments of a super-segment, whose headers are theirs but for
// what their place decides. A frame of unknown checksum is no super-segment if
// that is wrong: its parts would be given right ones.
func cutTCP(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	frame := b.Bytes()
	at, ip := findIPv4(frame, wire.ProtoTCP)
	if ip == nil {
		return 0
	}
	t, f := wire.ParseTCP(ip.Payload())
	if f != wire.OK || b.Sum == pkt.SumUnknown && !t.ChecksumOK(ip.Src(), ip.Dst()) {
		return 0
	}
	data := t.Payload()
	head := at + ip.HeaderLen() + t.HeaderLen()
	for i, off := 0, 0; ; i++ {
		n := min(int(b.GSOSize), len(data)-off)
		s := r.Cache.Get(head + n)
		part := s.Extend(head + n)
		copy(part, frame[:head])
		copy(part[head:], data[off:off+n])
		setPlaceIPv4(part[at:], i)
		setPlaceTCP(part[at+ip.HeaderLen():], off, off+n == len(data))
		s.Info = b.Info
		s.GSO, s.GSOSize, s.Sum = pkt.GSONone, 0, pkt.SumPartial
		to(s)
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
