package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/icmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// inIPv6 takes a packet whose IPv6 header begins at raw, in the order of inIPv4;
// what is a matter of options there are the hop-by-hop options here.
func (sh *shard) inIPv6(p *pass, b *pkt.Buf, raw []byte) {
	sh.rooms.Six().InReceives++
	ip6, f := wire.ParseIPv6(raw)
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	if p.in != nil && !p.in.Carries(true) {
		sh.drop(p, b, pkt.InterfaceDown)
		return
	}
	if why := p.v.Sane6(p.from(), ip6); why != pkt.NoReason {
		sh.drop(p, b, why)
		return
	}
	ip, ok := ip6.Plain()
	if !ok {
		if ip, ok = sh.walk(p, b, ip, wire.WalkTransit); !ok {
			return
		}
	}
	if p.v.Filter != nil {
		if b, ip = sh.filterIn(p, b, ip); b == nil {
			return
		}
	}
	sh.dispatch6(p, b, ip)
}

// dispatch6 decides whether a packet is ours.
func (sh *shard) dispatch6(p *pass, b *pkt.Buf, ip wire.Packet) {
	dst := ip.Dst()
	switch {
	case p.m.NextHop.IsValid() && p.v.IsOurs(p.m.NextHop):
		sh.deliver(p, b, ip, destUnicast)
	case p.m.NextHop.IsValid(): // a filter has decided where it goes
		sh.forward(p, b, ip)
	case ip.ToGroup6():
		sh.inMulticast(p, b, ip)
	case p.v.IsOursOn(dst, p.scope()):
		sh.deliver(p, b, ip, destUnicast)
	default:
		sh.forward(p, b, ip)
	}
}

// scope returns the index of the interface on which link-local addresses of the
// packet at hand mean something: 0, any, for one that came from ourselves.
func (p *pass) scope() uint32 {
	if p.in == nil || p.in.Port == nil {
		return 0
	}
	return p.in.Index
}

// walk goes over those extension headers that concern us of a packet that has
// some. It takes b where it returns false.
func (sh *shard) walk(p *pass, b *pkt.Buf, ip wire.Packet, how wire.WalkHow) (wire.Packet, bool) {
	limits := p.v.V().IP6.Limits()
	x := ip.V6().Walk(&limits, how)
	if x.Problem != wire.ExtOK {
		sh.errExt(p, b, ip, &x)
		return ip, false
	}
	ip = wire.Packet6(ip.V6(), &x)
	if how == wire.WalkDest && ip.HeaderLen() > wire.IPv6Len && sh.st.more != nil && !ip.IsFragment() {
		return ip, sh.atHome(p, b, ip)
	}
	return ip, true
}

// atHome tells whether a packet is in the shard of its flow, and else takes it
// there: behind extension headers nobody has looked for ports before.
func (sh *shard) atHome(p *pass, b *pkt.Buf, ip wire.Packet) bool {
	if t := ip.Payload(); (ip.Proto() == wire.ProtoTCP || ip.Proto() == wire.ProtoUDP) && len(t) >= wire.UDPLen {
		u := wire.UDP(t) // the ports of both are in the same place
		home := sh.st.flowShard(ip.Src(), ip.Dst(), u.SrcPort(), u.DstPort(), ip.Proto())
		if home != sh {
			b, _ = sh.own(p, b, ip)
			b.Meta = pkt.Meta{FIB: p.m.FIB, Way: pkt.WayDeliver}
			if p.in != nil {
				b.Meta.IfIndex, b.Meta.IfGen = p.in.Index, p.in.Gen
			}
			if !home.Queue.Put(p.r, b) {
				sh.drop(p, b, pkt.QueueFull)
			}
			return false
		}
	}
	return true
}

// flowShard returns the shard of a flow.
func (st *Stack) flowShard(src, dst netip.Addr, sport, dport uint16, proto uint8) *shard {
	if st.more == nil {
		return &st.sh
	}
	return st.shardAt(int(wire.FlowHashAddr(src, dst, sport, dport, proto)) % (st.Shards()))
}

// errExt takes a packet whose extension headers cannot be (RFC 8200 §4.2).
func (sh *shard) errExt(p *pass, b *pkt.Buf, ip wire.Packet, x *wire.Ext) {
	sh.rooms.Six().BadExt++
	many := ip.Dst().IsMulticast() || p.l2 == toMany
	if x.Problem == wire.ExtTell || x.Problem == wire.ExtTellUnicast && !many {
		sh.complain(p, &icmp.Cause{Kind: icmp.ParamProblem, Packet: ip, Code: x.Code, Pointer: uint32(x.Pointer)})
	}
	sh.drop(p, b, pkt.BadOptions)
}
