package vnet

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

func (sh *shard) mldEnv(p *pass) mld.Env { return mld.Env{T: &p.v.Tun.MLD, S: &sh.six().mld} }

// inMLD takes a message of Multicast Listener Discovery. All of them come to
// shard 0.
func (sh *shard) inMLD(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	if p.in == nil || p.in.Port == nil || p.in.V6 == nil {
		sh.drop(p, b, pkt.NotForUs)
		return
	}
	x := ip.V6().Walk(&wire.ExtLimits{}, wire.WalkDest)
	v := p.in.V6.MLD.Input(p.r.Now(), sh.mldEnv(p), &mld.Packet{
		Src: ip.Src(), Dst: ip.Dst(), HopLimit: ip.TTL(), RouterAlert: x.RouterAlert,
		Own: p.v.IsOursOn(ip.Src(), p.in.Index), SumOK: b.Sum != pkt.SumUnknown, Payload: ip.Payload(),
	})
	sh.pullMLD(p, p.in)
	if v != mld.Accepted {
		sh.drop(p, b, pkt.Refused)
		return
	}
	sh.inRaw(p, b, ip, to)
	p.r.Cache.Free(b)
}

// listen lets an interface hear a group that the stack itself needs, and has it
// reported, or no longer.
func (sh *shard) listen(p *pass, c *ifnet.Conf, group netip.Addr, on bool, delay time.Duration) {
	c.Port.Accept(wire.MulticastMAC(group), on)
	if c.Mute {
		return
	}
	want := mcast.Filter{}
	if on {
		want.Mode = mcast.Exclude
	}
	c.V6.MLD.Change(p.r.Now(), sh.mldEnv(p), group, want, delay)
	sh.pullMLD(p, c)
}

// mldHeaders is the length of the IPv6 header and the hop-by-hop header with
// Router Alert.
const mldHeaders = wire.IPv6Len + 8

// pullMLD sends what the engine of an interface wants sent: from ::, while there
// is no other address (RFC 3590 §4).
func (sh *shard) pullMLD(p *pass, c *ifnet.Conf) {
	sh.stale = true
	for c.V6.MLD.Deadline() <= p.r.Now() {
		mtu := c.PacketMTU(true)
		b := p.r.Cache.Get(mtu)
		o := mld.Out{Buf: b.Extend(mtu - mldHeaders)}
		if !c.V6.MLD.Next(p.r.Now(), sh.mldEnv(p), &o) {
			p.r.Cache.Free(b)
			return
		}
		b.Trim(o.N)
		if !c.Carries(true) {
			sh.drop(p, b, pkt.InterfaceDown)
			continue
		}
		src := c.Addrs.LinkLocal()
		if !src.IsValid() {
			src = netip.IPv6Unspecified()
		}
		wire.ICMP6(b.Bytes()).SetChecksum(src, o.Dst)
		b.Sum = pkt.SumValid
		alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
		hd := wire.IPHeader{TTL: mld.HopLimit, Proto: wire.ProtoICMPv6, Src: src, Dst: o.Dst, Options: append(p.r.Scratch[:0], alert[:]...)}
		h := ifnet.Hop{Out: c, Next: o.Dst, MTU: mtu}
		sh.outIP(p, b, &hd, &h, false, false)
	}
}
