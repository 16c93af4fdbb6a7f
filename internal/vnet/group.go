package vnet

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// groupEnv is what the engines of IGMP and MLD borrow for one call.
func (sh *shard) groupEnv(p *pass, c *ifnet.Conf) ifnet.GroupEnv {
	e := ifnet.GroupEnv{T: p.v.V()}
	if c.IGMP != nil || c.Query != nil {
		e.Four = sh.rooms.Four()
	}
	if c.Query != nil {
		sh.rooms.Query()
		sh.rooms.IGMP() // a host hears its own router
	}
	if c.V6 != nil {
		e.Six = &sh.rooms.Six().Six
	}
	return e
}

// wakeIGMP makes the interface's engine for IPv4, unless it is there.
func (sh *shard) wakeIGMP(p *pass, c *ifnet.Conf) {
	if c.IGMP == nil {
		c.MakeIGMP(&p.v.V().IGMP, sh.st.Rand(), sh.st.listens(c.Index))
	}
}

// listens returns what somebody here is a member of on an interface, and the filters
// that come of it.
func (st *Stack) listens(index uint32) (all []gmp.HostGroup) {
	for _, s := range st.groups.All(int32(index)) {
		all = append(all, gmp.HostGroup{Group: s.At.Group, Filter: s.Merged()})
	}
	return all
}

// groupChanged tells IGMP or MLD that the interface wants something else of a group.
func (sh *shard) groupChanged(p *pass, c *ifnet.Conf, group netip.Addr, want mcast.Filter) {
	switch {
	case c.Port == nil || c.Mute:
		return
	case group.Is4():
		sh.wakeIGMP(p, c)
	case c.V6 == nil || c.Addrs.Listens(group):
		return
	}
	sh.report(p, c, group, want, 0)
}

// listen lets an interface hear a group of IPv6 that the stack itself needs, and
// has it reported, or no longer.
func (sh *shard) listen(p *pass, c *ifnet.Conf, group netip.Addr, on bool, delay time.Duration) {
	c.Port.Accept(wire.MulticastMAC(group), on)
	if c.Mute {
		return
	}
	want := mcast.Filter{}
	if on {
		want.Mode = mcast.Exclude
	}
	sh.report(p, c, group, want, delay)
}

// report has a change reported within delay.
func (sh *shard) report(p *pass, c *ifnet.Conf, group netip.Addr, want mcast.Filter, delay time.Duration) {
	env := sh.groupEnv(p, c)
	c.GroupChanged(p.r.Now(), &env, group, want, delay)
	sh.pullGroups(p, c)
}

// inGroup takes a message of the Internet Group Management Protocol or of Multicast
// Listener Discovery. All of them come to shard 0.
func (sh *shard) inGroup(p *pass, b *pkt.Buf, ip wire.Packet, to destKind) {
	if p.in == nil || p.in.Port == nil || ip.Is6() && p.in.V6 == nil {
		sh.drop(p, b, pkt.BadDest)
		return
	}
	if !ip.Is6() {
		sh.wakeIGMP(p, p.in)
		sh.rooms.IGMP()
	}
	env := sh.groupEnv(p, p.in)
	ok := p.in.InputGroup(p.r.Now(), &env, ip, p.v.IsOursOn(ip.Src(), p.in.Index), b.Sum != pkt.SumUnknown)
	sh.pullGroups(p, p.in)
	if !ok {
		sh.drop(p, b, pkt.Refused)
		return
	}
	sh.inRaw(p, b, ip, to)
	p.r.Cache.Free(b)
}

// maxGroupBurst is how many reports and queries a stack sends in one go. Others are
// served before it goes on.
const maxGroupBurst = 16

// pullGroups sends the reports and queries that are due on an interface.
func (sh *shard) pullGroups(p *pass, c *ifnet.Conf) {
	sh.stale = true
	defer c.Rest()
	if c.GroupDeadline() == never {
		return
	}
	env := sh.groupEnv(p, c)
	for c.GroupDeadline() <= p.r.Now() && p.said < maxGroupBurst {
		b := p.r.Cache.Get(c.MTU)
		var hd wire.IPHeader
		n := c.NextGroup(p.r.Now(), &env, b.Extend(c.MTU), p.r.Scratch[:0], &hd)
		if n == 0 {
			p.r.Cache.Free(b)
			break
		}
		b.Trim(n)
		p.said++
		if !c.Carries(hd.Dst.Is6()) {
			sh.drop(p, b, pkt.InterfaceDown)
			continue
		}
		b.Sum = pkt.SumValid
		h := ifnet.Hop{Out: c, Next: hd.Dst, MTU: c.PacketMTU(hd.Dst.Is6())}
		sh.outIP(p, b, &hd, &h, false, false)
	}
	if c.Query != nil || c.V6 != nil && c.V6.Query != nil {
		sh.pullListeners(p, c)
	}
}
