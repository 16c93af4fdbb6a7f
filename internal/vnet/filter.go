package vnet

import (
	"syscall"

	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

type divertPort struct {
	port uint16
	to   pfil.Diverter
}

// SetFilter installs f, or removes the filter if f is nil.
func (st *Stack) SetFilter(f pfil.Filter) {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	st.change(func(v *View) { v.filter = f })
	st.Barrier()
}

// SetDivert installs the listener of a divert port, or removes it if d is nil.
// It returns EADDRINUSE where the port has one.
func (st *Stack) SetDivert(port uint16, d pfil.Diverter) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	old := st.view.Load().divert
	next := make([]divertPort, 0, len(old)+1)
	for _, o := range old {
		if o.port != port {
			next = append(next, o)
		} else if d != nil {
			return syscall.EADDRINUSE
		}
	}
	if d != nil {
		next = append(next, divertPort{port, d})
	}
	st.change(func(v *View) { v.divert = next })
	st.Barrier()
	return 0
}

// judge asks the filter.
func (sh *shard) judge(p *pass, ip wire.IPv4, out *ifConf) pfil.Verdict {
	if sh.asked == nil {
		sh.asked = new(pfil.Packet)
	}
	f := sh.asked
	*f = pfil.Packet{IP: ip, FIB: p.m.FIB, Rule: p.m.Rule}
	if p.in != nil {
		f.In = p.in.name
	}
	if out != nil {
		f.Out = out.name
	}
	p.m.Rule = 0
	v := p.v.filter.Filter(f)
	f.IP = nil
	return v
}

// filterIn takes a packet that came in. It returns it if it is to go on.
func (sh *shard) filterIn(p *pass, b *pkt.Buf, ip wire.IPv4) (*pkt.Buf, wire.IPv4) {
	v := sh.judge(p, ip, nil)
	switch v.Action {
	case pfil.Drop:
		sh.drop(p, b, pkt.Filtered)
		return nil, nil
	case pfil.Deliver:
		sh.deliver(p, b, ip, destUnicast)
		return nil, nil
	case pfil.Divert:
		sh.toDivert(p, b, ip, &v, false)
		return nil, nil
	case pfil.Tee:
		sh.tee(p, b, ip, &v, false)
	case pfil.Reroute:
		sh.rare().Rerouted++
		p.m.NextHop = v.NextHop
	case pfil.SetFIB:
		sh.rare().Rerouted++
		p.m.FIB = sh.st.fibOr0(v.FIB)
	}
	return b, ip
}

// filterOut takes a packet on its way to h and returns it if it is to go on,
// with h changed if it now goes elsewhere: looked up once more, not filtered
// again.
func (sh *shard) filterOut(p *pass, b *pkt.Buf, ip wire.IPv4, h *hop) (*pkt.Buf, wire.IPv4, syscall.Errno) {
	v := sh.judge(p, ip, h.out)
	next := ip.Dst()
	switch v.Action {
	case pfil.Drop:
		sh.drop(p, b, pkt.Filtered)
		return nil, nil, syscall.EACCES
	case pfil.Deliver:
		sh.claim(p, b, h)
		return nil, nil, 0
	case pfil.Divert:
		sh.toDivert(p, b, ip, &v, true)
		return nil, nil, 0
	case pfil.Tee:
		sh.tee(p, b, ip, &v, true)
		return b, ip, 0
	case pfil.Reroute:
		next = v.NextHop
	case pfil.SetFIB:
		p.m.FIB = sh.st.fibOr0(v.FIB)
	default:
		return b, ip, 0
	}
	sh.rare().Rerouted++
	if next.IsMulticast() || h.out.port == nil {
		return b, ip, 0 // the interface is fixed
	}
	if p.v.IsOurs(next) {
		sh.claim(p, b, h)
		return nil, nil, 0
	}
	if why := sh.st.route(p.v, p.m.FIB, next, h); why != pkt.NoReason {
		sh.drop(p, b, why)
		return nil, nil, routeErrno(why)
	}
	return b, ip, 0
}

// claim lets a packet that was on its way to h come in here instead.
func (sh *shard) claim(p *pass, b *pkt.Buf, h *hop) {
	sh.requeue(p, b, pkt.Meta{IfIndex: h.out.index, IfGen: h.out.gen, FIB: p.m.FIB}, pkt.WayDeliver)
}

// fibOr0 returns f, or 0 where there is no such table (behaviour 4.3, rule 3c).
func (st *Stack) fibOr0(f uint32) uint32 {
	if int(f) >= st.fibs.Len() {
		return 0
	}
	return f
}

// toDivert takes a packet for a divert socket.
func (sh *shard) toDivert(p *pass, b *pkt.Buf, ip wire.IPv4, v *pfil.Verdict, outgoing bool) {
	for _, d := range p.v.divert {
		if d.port != v.Port {
			continue
		}
		if !outgoing {
			b, ip = sh.own(p, b, ip)
		}
		if b.Sum == pkt.SumPartial && !ip.IsFragment() {
			b = p.r.Cache.UnshareHeader(b)
			sumIPv4(wire.IPv4(b.Bytes()))
			b.Sum = pkt.SumValid
		}
		sh.rare().Diverted++
		m := pfil.Diverted{Rule: v.Tag, FIB: p.m.FIB, Outgoing: outgoing}
		if p.in != nil {
			m.IfIndex = p.in.index
		}
		d.to.Divert(p.r, b, m)
		return
	}
	sh.drop(p, b, pkt.NoDivert)
}

// tee gives a copy to a divert socket. It borrows b.
func (sh *shard) tee(p *pass, b *pkt.Buf, ip wire.IPv4, v *pfil.Verdict, outgoing bool) {
	c := p.r.Cache.Clone(b)
	sh.toDivert(p, c, wire.IPv4(c.Slice(b.Offset(ip), len(ip))), v, outgoing)
}

// Reinject puts an IPv4 packet back where a divert socket took it from: the
// filter goes on after rule m.Rule. It returns EINVAL for bytes that are no
// packet, EADDRNOTAVAIL where the arrival interface has gone, and ENOBUFS where
// the stack's queue is full.
func (st *Stack) Reinject(data []byte, m pfil.Diverted) syscall.Errno {
	ip, f := wire.ParseIPv4(data)
	if f != wire.OK || len(ip) > 65535 {
		return syscall.EINVAL
	}
	meta := pkt.Meta{FIB: m.FIB, Rule: m.Rule, Way: pkt.WayOutIP}
	if !m.Outgoing {
		c := st.view.Load().conf(m.IfIndex)
		if c == nil {
			return syscall.EADDRNOTAVAIL
		}
		meta.IfIndex, meta.IfGen, meta.Way = c.index, c.gen, pkt.WayInIP
	}
	r := st.world.sched.Get()
	defer r.Done()
	b := r.Cache.Get(len(ip))
	copy(b.Extend(len(ip)), ip)
	b.Meta = meta
	if m.Outgoing {
		wire.IPv4(b.Bytes()).SetChecksum()
	}
	if !st.shardAt(0).Queue.Put(r, b) {
		r.Cache.Free(b)
		return syscall.ENOBUFS
	}
	return 0
}

// outAgain takes a packet that was on its way out and comes back to be routed.
func (sh *shard) outAgain(p *pass, b *pkt.Buf) {
	ip, f := wire.ParseIPv4(b.Bytes())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadHeader)
		return
	}
	if p.v.IsOurs(ip.Dst()) {
		sh.outLocal(p, b, ip)
		return
	}
	var h hop
	if why := sh.st.route(p.v, p.m.FIB, ip.Dst(), &h); why != pkt.NoReason {
		sh.drop(p, b, why)
		return
	}
	if ip.Dst().IsMulticast() {
		h.next, h.nb, h.gw = ip.Dst(), nil, false
	}
	sh.send(p, b, ip, &h)
}
