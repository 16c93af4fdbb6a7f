package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// judge asks the filter.
func (sh *shard) judge(p *pass, ip wire.Packet, out *ifnet.Conf) pfil.Verdict {
	if sh.rare(); sh.cold.asked == nil {
		sh.cold.asked = new(pfil.Packet)
	}
	f := sh.cold.asked
	*f = pfil.Packet{IP: ip, FIB: p.m.FIB, Rule: p.m.Rule}
	if p.in != nil {
		f.In = p.in.Name
	}
	if out != nil {
		f.Out = out.Name
	}
	p.m.Rule = 0
	v := p.v.Filter.Filter(f)
	f.IP = wire.Packet{}
	return v
}

// filterIn takes a packet that came in. It returns it if it is to go on.
func (sh *shard) filterIn(p *pass, b *pkt.Buf, ip wire.Packet) (*pkt.Buf, wire.Packet) {
	v := sh.judge(p, ip, nil)
	switch v.Action {
	case pfil.Drop:
		sh.drop(p, b, pkt.Filtered)
		return nil, ip
	case pfil.Deliver:
		sh.deliver(p, b, ip, destUnicast)
		return nil, ip
	case pfil.Divert:
		sh.toDivert(p, b, ip, &v, false)
		return nil, ip
	case pfil.Tee:
		sh.tee(p, b, ip, &v, false)
	case pfil.Reroute:
		sh.rare().Rerouted++
		p.m.NextHop = v.NextHop
	case pfil.SetFIB:
		sh.rare().Rerouted++
		p.m.FIB = sh.st.fibs.Or0(v.FIB)
	}
	return b, ip
}

// filterOut takes a packet on its way to h and returns it if it is to go on,
// with h changed if it now goes elsewhere: looked up once more, not filtered
// again.
func (sh *shard) filterOut(p *pass, b *pkt.Buf, ip wire.Packet, h *ifnet.Hop) (*pkt.Buf, wire.Packet, syscall.Errno) {
	v := sh.judge(p, ip, h.Out)
	next := ip.Dst()
	switch v.Action {
	case pfil.Drop:
		sh.drop(p, b, pkt.Filtered)
		return nil, ip, syscall.EACCES
	case pfil.Deliver:
		sh.claim(p, b, h)
		return nil, ip, 0
	case pfil.Divert:
		sh.toDivert(p, b, ip, &v, true)
		return nil, ip, 0
	case pfil.Tee:
		sh.tee(p, b, ip, &v, true)
		return b, ip, 0
	case pfil.Reroute:
		next = v.NextHop
	case pfil.SetFIB:
		p.m.FIB = sh.st.fibs.Or0(v.FIB)
	default:
		return b, ip, 0
	}
	sh.rare().Rerouted++
	if next.IsMulticast() || h.Out.Port == nil {
		return b, ip, 0 // the interface is fixed
	}
	if p.v.IsOurs(next) {
		sh.claim(p, b, h)
		return nil, ip, 0
	}
	if why := p.v.Route(p.m.FIB, next, h.Out.Index, &ifnet.Flow{Packet: ip.Bytes()}, h); why != pkt.NoReason {
		sh.drop(p, b, why)
		return nil, ip, ifnet.RouteErrno(why)
	}
	return b, ip, 0
}

// claim lets a packet that was on its way to h come in here instead.
func (sh *shard) claim(p *pass, b *pkt.Buf, h *ifnet.Hop) {
	sh.requeue(p, b, pkt.Meta{IfIndex: h.Out.Index, IfGen: h.Out.Gen, FIB: p.m.FIB}, pkt.WayDeliver)
}

// toDivert takes a packet for a divert socket.
func (sh *shard) toDivert(p *pass, b *pkt.Buf, ip wire.Packet, v *pfil.Verdict, outgoing bool) {
	to := p.v.Divert.Find(v.Port)
	if to == nil {
		sh.drop(p, b, pkt.NoDivert)
		return
	}
	if !outgoing {
		b, ip = sh.own(p, b, ip)
	}
	if b.Sum == pkt.SumPartial && !ip.IsFragment() {
		b = p.r.Cache.UnshareHeader(b)
		wire.CompletePacket(ip.In(b.Bytes()))
		b.Sum = pkt.SumValid
	}
	sh.rare().Diverted++
	m := pfil.Diverted{Rule: v.Tag, FIB: p.m.FIB, Outgoing: outgoing}
	if p.in != nil {
		m.IfIndex = p.in.Index
	}
	to.Divert(p.r, b, m)
}

// tee gives a copy to a divert socket. It borrows b.
func (sh *shard) tee(p *pass, b *pkt.Buf, ip wire.Packet, v *pfil.Verdict, outgoing bool) {
	c := p.r.Cache.Clone(b)
	sh.toDivert(p, c, ip.In(c.Slice(b.Offset(ip.Bytes()), ip.Len())), v, outgoing)
}

// Enqueue takes a packet and lets it enter the stack as its Meta says; false where
// the queue is full.
func (st *Stack) Enqueue(r *netisr.Runner, b *pkt.Buf) bool {
	if !st.shardOf(b.Bytes()).Queue.Put(r, b) {
		r.Cache.Free(b)
		return false
	}
	return true
}

// outAgain takes a packet that was on its way out and comes back to be routed.
func (sh *shard) outAgain(p *pass, b *pkt.Buf) {
	ip, f := wire.ParseIP(b.Bytes())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	if p.v.IsOurs(ip.Dst()) {
		sh.outLocal(p, b, ip, 0)
		return
	}
	var h ifnet.Hop
	if out := p.in; out != nil && ip.Dst().IsMulticast() { // by a given interface
		h = ifnet.Hop{Out: out, MTU: out.PacketMTU(ip.Is6())}
		p.in = nil
	} else if why := p.v.Route(p.m.FIB, ip.Dst(), 0, &ifnet.Flow{Packet: ip.Bytes()}, &h); why != pkt.NoReason {
		sh.drop(p, b, why)
		return
	}
	h.MTU = sh.st.mtus.Limit(p.r.Now(), ip.Dst(), &h)
	if ip.Dst().IsMulticast() {
		h.Next, h.Neighbor, h.Gateway = ip.Dst(), nil, false
	}
	sh.send(p, b, ip, &h)
}
