package vnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// igmpHost returns the engine that reports what an interface listens to, made
// at its first use.
func (sh *shard) igmpHost(p *pass, c *ifConf) *igmp.Host {
	if c.igmp == nil {
		h := igmp.NewHost(&p.v.tun.IGMP, sh.st.rand(), c.flags&FlagLoopback != 0 || c.flags&FlagMulticast == 0)
		c.Iface.igmp = &h
	}
	return c.igmp
}

// groupChanged tells IGMP that the interface wants something else of a group.
func (sh *shard) groupChanged(p *pass, c *ifConf, group netip.Addr, want mcast.Filter) {
	if c.port == nil || c.mute {
		return
	}
	sh.igmpHost(p, c).Change(p.r.Now(), sh.igmpEnv(p), group, want)
	sh.pullIGMP(p, c)
}

// inIGMP takes a message of the Internet Group Management Protocol. All of
// them come to shard 0.
func (sh *shard) inIGMP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	if p.in == nil || p.in.port == nil {
		sh.drop(p, b, pkt.BadDest)
		return
	}
	m := igmp.Packet{
		Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), RouterAlert: ip.HasRouterAlert(),
		Own: p.v.isOurs(ip.Src()), SumOK: b.Sum != pkt.SumUnknown, Payload: ip.Payload(),
	}
	v := sh.igmpHost(p, p.in).Input(p.r.Now(), sh.igmpEnv(p), &m)
	sh.pullIGMP(p, p.in)
	if v != igmp.Accepted {
		sh.drop(p, b, pkt.Refused)
		return
	}
	sh.inRaw(p, b, ip, to)
	p.r.Cache.Free(b)
}

// pullIGMP sends what the engine of an interface wants sent.
func (sh *shard) pullIGMP(p *pass, c *ifConf) {
	sh.stale = true
	env := sh.igmpEnv(p)
	for c.igmp.Deadline() <= p.r.Now() {
		b := p.r.Cache.Get(c.mtu)
		o := igmp.Out{Buf: b.Extend(c.mtu - igmpHeader)}
		if !c.igmp.Next(p.r.Now(), env, &o) {
			p.r.Cache.Free(b)
			return
		}
		b.Trim(o.N)
		sh.sendIGMP(p, c, b, &o)
	}
}

// igmpHeader is the length of the IPv4 header with Router Alert.
const igmpHeader = wire.IPv4Len + 4

// sendIGMP takes a message and sends it on its interface. Without an address
// the source is 0.0.0.0 (RFC 3376 §4.2.13).
func (sh *shard) sendIGMP(p *pass, c *ifConf, b *pkt.Buf, o *igmp.Out) {
	if !c.up() {
		sh.drop(p, b, pkt.InterfaceDown)
		return
	}
	hd := wire.IPv4Header{TOS: o.TOS, TTL: 1, DF: true, Proto: wire.ProtoIGMP, Src: c.primary(), Dst: o.Dst}
	if !hd.Src.IsValid() {
		hd.Src = netip.IPv4Unspecified()
	}
	if o.RouterAlert {
		ra := wire.RouterAlert()
		hd.Options = append(p.r.Scratch[:0], ra[:]...)
	}
	b.Sum = pkt.SumValid
	h := hop{out: c, next: o.Dst, mtu: c.mtu}
	sh.outIPv4(p, b, &hd, &h, false, false)
}
