package tunnel

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Out is what goes in front of a packet or frame.
type Out struct {
	hd   wire.IPHeader
	kind Kind
	gre  wire.GREHeader
	udp  [2]uint16 // source and destination port
	vni  uint32
}

// Encap says what goes in front of a packet, or of a frame, that enters the tunnel
// with its checksums complete; o is then filled in.
func (t *Tunnel) Encap(now clock.Time, inner []byte, tun *Tunables, o *Out) Drop {
	*o = Out{kind: t.Kind, hd: wire.IPHeader{Src: t.Local, Dst: t.Remote, TTL: t.ttl(tun), Proto: t.proto()}}
	why := NotDropped
	if t.Kind.Ethernet() {
		why = t.enterFrame(now, inner, o)
	} else {
		why = t.enterPacket(inner, o)
	}
	if why != NotDropped {
		t.stats.Refused++
		return why
	}
	if t.Kind == GRE || t.Kind == GRETAP {
		o.gre.Seq = t.seq
		t.seq++
	}
	if t.Kind != VXLAN {
		o.hd.ID = t.id
		t.id++
	}
	t.stats.Entered++
	return NotDropped
}

// enterPacket is Encap for IP packets.
func (t *Tunnel) enterPacket(inner []byte, o *Out) Drop {
	ip, f := wire.ParseIP(inner)
	if f != wire.OK {
		return Unsupported
	}
	typ := wire.EtherTypeIPv4
	if ip.Is6() {
		typ = wire.EtherTypeIPv6
		if t.Kind == GIF {
			o.hd.Proto = wire.ProtoIPv6
		}
	}
	if t.looped(ip) {
		return Looped
	}
	o.hd.TOS = ingress(ip.TOS())
	o.hd.FlowLabel = wire.FlowHashIP(inner) & 0xfffff
	o.gre = t.gre(typ)
	return NotDropped
}

// enterFrame is Encap for Ethernet frames.
func (t *Tunnel) enterFrame(now clock.Time, inner []byte, o *Out) Drop {
	e, f := wire.ParseEther(inner)
	if f != wire.OK {
		return Unsupported
	}
	hash := t.macs.hash(e.Dst()) ^ t.macs.hash(e.Src())
	if p := packetIn(inner); p != nil {
		if ip, f := wire.ParseIP(p); f == wire.OK && t.looped(ip) {
			return Looped
		}
		tos, _ := tosOf(p)
		o.hd.TOS = ingress(tos)
		if h := wire.FlowHashIP(p); h != 0 {
			hash = h
		}
	}
	o.hd.FlowLabel = hash & 0xfffff
	if t.Kind == GRETAP {
		o.gre = t.gre(wire.EtherTypeTEB)
		return NotDropped
	}
	// RFC 7348 §5: the source port is of the flow, so that routers can spread them.
	o.udp = [2]uint16{uint16(0xc000 | hash>>18), t.Port}
	o.vni = t.VNI
	o.hd.DF = true
	if to := t.macs.find(now, e.Dst()); to.IsValid() {
		o.hd.Dst = to
	} else {
		t.stats.Flooded++
	}
	return NotDropped
}

// looped tells whether a packet that is about to enter the tunnel came out of it
// on this side.
func (t *Tunnel) looped(ip wire.Packet) bool {
	if ip.Src() != t.Local || ip.Proto() != t.proto() && !(t.Kind == GIF && ip.Proto() == wire.ProtoIPv6) {
		return false
	}
	if t.Kind != VXLAN {
		return ip.Dst() == t.Remote
	}
	u, f := wire.ParseUDP(ip.Payload())
	if f != wire.OK || u.DstPort() != t.Port {
		return false
	}
	v, f := wire.ParseVXLAN(u.Payload())
	return f == wire.OK && v.VNI() == t.VNI
}

func (t *Tunnel) ttl(tun *Tunables) uint8 {
	switch {
	case t.TTL != 0:
		return t.TTL
	case t.Kind == VXLAN:
		return 64
	case t.Kind == GIF && t.Local.Is4():
		return uint8(tun.GIFTTL)
	case t.Kind == GIF:
		return uint8(tun.GIFHops)
	case t.Local.Is4():
		return uint8(tun.GRETTL)
	}
	return uint8(tun.GREHops)
}

// Dst returns where the outer packet goes.
func (o *Out) Dst() netip.Addr { return o.hd.Dst }

// Len returns the length in bytes of what Put writes.
func (o *Out) Len() int {
	n := o.hd.Len()
	switch o.kind {
	case GRE, GRETAP:
		n += o.gre.Len()
	case VXLAN:
		n += wire.UDPLen + wire.VXLANLen
	}
	return n
}

// Put writes the outer headers in front of what is in b already, at Len. It returns
// false where the outer packet still needs the checksum of its transport layer: UDP's,
// which over IPv4 is left out (RFC 7348 §5) and over IPv6 must not be.
func (o *Out) Put(b []byte) (complete bool) {
	hl := o.hd.Len()
	complete = true
	switch o.kind {
	case GRE, GRETAP:
		wire.PutGRE(b[hl:], &o.gre)
	case VXLAN:
		wire.PutUDP(b[hl:], o.udp[0], o.udp[1], len(b)-hl-wire.UDPLen)
		wire.PutVXLAN(b[hl+wire.UDPLen:], o.vni)
		complete = o.hd.Dst.Is4()
	}
	wire.PutIP(b, &o.hd, len(b)-hl)
	return complete
}
