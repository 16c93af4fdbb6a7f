package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// igmpHost returns the engine that reports what an interface listens to, made
// at its first use.
func (sh *shard) igmpHost(p *pass, c *ifnet.Conf) *igmp.Host {
	if c.IGMP == nil {
		h := igmp.NewHost(&p.v.Tun.IGMP, sh.st.Rand(), c.Flags&ifnet.Loopback != 0 || c.Flags&ifnet.Multicast == 0)
		c.Iface.IGMP = &h
	}
	return c.IGMP
}

// groupChanged tells IGMP or MLD that the interface wants something else of a group.
func (sh *shard) groupChanged(p *pass, c *ifnet.Conf, group netip.Addr, want mcast.Filter) {
	if c.Port == nil || c.Mute {
		return
	}
	if group.Is6() {
		if c.V6 != nil && !c.Addrs.Listens(group) {
			c.V6.MLD.Change(p.r.Now(), sh.mldEnv(p), group, want, 0)
			sh.pullMLD(p, c)
		}
		return
	}
	sh.igmpHost(p, c).Change(p.r.Now(), sh.igmpEnv(p), group, want)
	sh.pullIGMP(p, c)
}

// inIGMP takes a message of the Internet Group Management Protocol. All of
// them come to shard 0.
func (sh *shard) inIGMP(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	if p.in == nil || p.in.Port == nil {
		sh.drop(p, b, pkt.BadDest)
		return
	}
	m := igmp.Packet{
		Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), RouterAlert: ip.V4().HasRouterAlert(),
		Own: p.v.IsOurs(ip.Src()), SumOK: b.Sum != pkt.SumUnknown, Payload: ip.Payload(),
	}
	v := sh.igmpHost(p, p.in).Input(p.r.Now(), sh.igmpEnv(p), &m)
	sh.pullIGMP(p, p.in)
	if p.in.Query != nil {
		p.in.Query.Input(p.r.Now(), sh.queryEnv(p), &m)
		sh.pullQuery(p, p.in)
	}
	if v != igmp.Accepted {
		sh.drop(p, b, pkt.Refused)
		return
	}
	sh.inRaw(p, b, ip, to)
	p.r.Cache.Free(b)
}

// pullIGMP sends what the engine of an interface wants sent.
func (sh *shard) pullIGMP(p *pass, c *ifnet.Conf) {
	env := sh.igmpEnv(p)
	sh.pullMessages(p, c, c.IGMP.Deadline, func(o *igmp.Out) bool { return c.IGMP.Next(p.r.Now(), env, o) })
}

// pullQuery sends the queries of a multicast router's interface.
func (sh *shard) pullQuery(p *pass, c *ifnet.Conf) {
	env := sh.queryEnv(p)
	sh.pullMessages(p, c, c.Query.Deadline, func(o *igmp.Out) bool { return c.Query.Next(p.r.Now(), env, o) })
}

func (sh *shard) pullMessages(p *pass, c *ifnet.Conf, deadline func() clock.Time, next func(*igmp.Out) bool) {
	sh.stale = true
	for deadline() <= p.r.Now() {
		b := p.r.Cache.Get(c.MTU)
		o := igmp.Out{Buf: b.Extend(c.MTU - igmpHeader)}
		if !next(&o) {
			p.r.Cache.Free(b)
			return
		}
		b.Trim(o.N)
		sh.sendIGMP(p, c, b, &o)
	}
}

// IGMP runs f on what IGMP keeps for an interface, and does what it then wants
// done. It returns ENXIO where there is no such interface, or it is lo0.
func (st *Stack) IGMP(index uint32, f func(now clock.Time, v *ifnet.View, c *ifnet.Conf) syscall.Errno) syscall.Errno {
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c := p.v.Conf(index)
		if c == nil || c.Port == nil {
			return syscall.ENXIO
		}
		e := f(p.r.Now(), p.v, c)
		if c.Query != nil {
			sh.pullQuery(p, c)
		}
		return e
	})
}

// igmpHeader is the length of the IPv4 header with Router Alert.
const igmpHeader = wire.IPv4Len + 4

// sendIGMP takes a message and sends it on its interface. Without an address
// the source is 0.0.0.0 (RFC 3376 §4.2.13).
func (sh *shard) sendIGMP(p *pass, c *ifnet.Conf, b *pkt.Buf, o *igmp.Out) {
	if !c.Up() {
		sh.drop(p, b, pkt.InterfaceDown)
		return
	}
	hd := wire.IPHeader{TOS: o.TOS, TTL: 1, DF: true, Proto: wire.ProtoIGMP, Src: c.Addrs.First(), Dst: o.Dst}
	if !hd.Src.IsValid() {
		hd.Src = netip.IPv4Unspecified()
	}
	if o.RouterAlert {
		ra := wire.RouterAlert()
		hd.Options = append(p.r.Scratch[:0], ra[:]...)
	}
	b.Sum = pkt.SumValid
	h := ifnet.Hop{Out: c, Next: o.Dst, MTU: c.MTU}
	sh.outIP(p, b, &hd, &h, false, false)
}
