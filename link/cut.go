package link

import (
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// cutUDP takes a frame that stands for several UDP datagrams and puts these
// instead: stacks know no datagram that is many. It returns how many there were,
// 0 for a frame that is no such thing, which is freed.
func cutUDP(r *netisr.Runner, b *pkt.Buf, to func(*pkt.Buf)) int {
	defer r.Cache.Free(b)
	e, f := wire.ParseEther(b.Bytes())
	if f != wire.OK || e.Type() != wire.EtherTypeIPv4 {
		return 0
	}
	ip, f := wire.ParseIPv4(e.Payload())
	if f != wire.OK || ip.IsFragment() || ip.Proto() != wire.ProtoUDP {
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
		s := r.Cache.Get(wire.EtherLen + hd.Len() + wire.UDPLen + n)
		frame := s.Extend(wire.EtherLen + hd.Len() + wire.UDPLen + n)
		copy(frame, e[:wire.EtherLen])
		at := wire.EtherLen + wire.PutIPv4(frame[wire.EtherLen:], &hd, wire.UDPLen+n)
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
