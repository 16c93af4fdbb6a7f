package tunnel

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// In says where the inner packet or frame is.
type In struct {
	Off, Len int // in the outer packet
	tos      uint8
	mark     bool // tos is to be written
}

// Decap takes apart a packet that came through the tunnel. Unless verify is set its
// checksums are known to be right.
func (t *Tunnel) Decap(now clock.Time, outer wire.Packet, tun *Tunables, verify bool, in *In) Drop {
	var inner []byte
	var why Drop
	switch t.Kind {
	case GIF:
		inner = outer.Payload()
	case VXLAN:
		inner, why = t.leaveVXLAN(outer, verify)
	default:
		inner, why = t.leaveGRE(outer.Payload())
	}
	if why == NotDropped {
		why = t.inside(outer, inner, in)
	}
	if why != NotDropped {
		t.stats.Refused++
		return why
	}
	if t.Kind == VXLAN && !t.NoLearning {
		t.learn(now, wire.Ether(inner).Src(), outer.Src(), tun)
	}
	t.stats.Left++
	return NotDropped
}

func (t *Tunnel) leaveGRE(b []byte) ([]byte, Drop) {
	g, f := wire.ParseGRE(b)
	if f != wire.OK {
		return nil, BadHeader
	}
	key, has := g.Key()
	seq, numbered := g.Sequence()
	switch {
	case !g.ChecksumOK():
		return nil, BadChecksum
	case has != t.HasKey || key != t.Key: // RFC 2890 §2.1
		return nil, NotOurs
	case t.Checksum && !g.HasChecksum(), t.Sequence && !numbered:
		return nil, BadHeader
	case t.Kind == GRETAP && g.Type() != wire.EtherTypeTEB:
		return nil, Unsupported // RFC 2784 §2.4: silently
	case t.Kind == GRE && g.Type() != wire.EtherTypeIPv4 && g.Type() != wire.EtherTypeIPv6:
		return nil, Unsupported
	case t.Sequence && t.heard && int32(seq-t.next) < 0: // RFC 2890 §2.2
		return nil, Late
	}
	t.heard, t.next = numbered, seq+1
	return g.Payload(), NotDropped
}

func (t *Tunnel) leaveVXLAN(outer wire.Packet, verify bool) ([]byte, Drop) {
	u, f := wire.ParseUDP(outer.Payload())
	if f != wire.OK {
		return nil, BadHeader
	}
	if verify && !u.ChecksumOK(outer.Src(), outer.Dst()) {
		return nil, BadChecksum
	}
	v, f := wire.ParseVXLAN(u.Payload())
	switch {
	case f != wire.OK:
		return nil, BadHeader
	case v.VNI() != t.VNI:
		return nil, NotOurs
	}
	return v.Payload(), NotDropped
}

// inside fills in in, for inner bytes that are a part of outer's.
func (t *Tunnel) inside(outer wire.Packet, inner []byte, in *In) Drop {
	*in = In{Off: outer.Len() - len(inner), Len: len(inner)}
	packet := inner
	if t.Kind.Ethernet() {
		if len(inner) < wire.EtherLen {
			return BadHeader
		}
		packet = packetIn(inner)
	} else {
		ip, f := wire.ParseIP(inner)
		if f != wire.OK || t.Kind == GIF && ip.Is6() != (outer.Proto() == wire.ProtoIPv6) {
			return BadHeader
		}
		in.Len = ip.Len()
	}
	tos, ok := tosOf(packet)
	if !ok {
		return NotDropped
	}
	mark, ok := egress(tos, outer.TOS())
	if !ok {
		return Congested
	}
	if mark != tos&3 {
		in.tos, in.mark = tos&^3|mark, true
		t.stats.Marked++
	}
	return NotDropped
}

// Mark gives the inner packet or frame, which begins b, the congestion mark that it
// leaves the tunnel with.
func (in *In) Mark(b []byte, ethernet bool) {
	if !in.mark {
		return
	}
	if ethernet {
		b = packetIn(b)
	}
	setTOS(b, in.tos)
}
