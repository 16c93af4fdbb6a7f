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

// groupChanged tells IGMP that the interface wants something else of a group.
func (sh *shard) groupChanged(p *pass, c *ifnet.Conf, group netip.Addr, want mcast.Filter) {
	if c.Port == nil || c.Mute {
		return
	}
	sh.igmpHost(p, c).Change(p.r.Now(), sh.igmpEnv(p), group, want)
	sh.pullIGMP(p, c)
}

// inIGMP takes a message of the Internet Group Management Protocol. All of
// them come to shard 0.
func (sh *shard) inIGMP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	if p.in == nil || p.in.Port == nil {
		sh.drop(p, b, pkt.BadDest)
		return
	}
	m := igmp.Packet{
		Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), RouterAlert: ip.HasRouterAlert(),
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

// SetQuerier makes an interface that of a multicast router, which asks who
// listens to what and remembers the answers, or of a host again. It returns
// ENXIO where there is no such interface and EADDRNOTAVAIL where it has no
// address.
func (st *Stack) SetQuerier(ifIndex uint32, on bool) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	c := st.view.Load().Conf(ifIndex)
	switch {
	case c == nil || c.Port == nil:
		return syscall.ENXIO
	case on && !c.Addrs.First().IsValid():
		return syscall.EADDRNOTAVAIL
	case on == (c.Query != nil):
		return 0
	}
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c.Port.SetPromisc(on || c.Flags&ifnet.Promisc != 0) // reports go to many groups
		c.Iface.Query = nil
		if on {
			c.Iface.Query = igmp.NewRouter(p.r.Now(), &p.v.Tun.Query, c.Addrs.First(), false)
			sh.pullQuery(p, c)
		}
		return 0
	})
}

// QuerierGroups returns what a multicast router's interface knows of its
// groups, sorted; false where it is none.
func (st *Stack) QuerierGroups(ifIndex uint32) (groups []igmp.GroupState, ok bool) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if c := p.v.Conf(ifIndex); c != nil && c.Query != nil {
			groups, ok = c.Query.State(p.r.Now()), true
		}
		return 0
	})
	return groups, ok
}

// ReportsPending tells whether IGMP has something to send on an interface: a
// report that is to be repeated, or the answer to a query.
func (st *Stack) ReportsPending(ifIndex uint32) bool {
	pending := false
	st.control(func(_ *shard, p *pass) syscall.Errno {
		if c := p.v.Conf(ifIndex); c != nil && c.IGMP != nil {
			pending = c.IGMP.Deadline() != clock.Never
		}
		return 0
	})
	return pending
}

// SetPromiscuous asks the link for every frame, or no longer. ENXIO where there
// is no such interface.
func (st *Stack) SetPromiscuous(ifIndex uint32, on bool) syscall.Errno {
	st.ctl.Lock()
	defer st.ctl.Unlock()
	c := st.view.Load().Conf(ifIndex)
	if c == nil || c.Port == nil {
		return syscall.ENXIO
	}
	i := c.Info()
	if i.Flags &^= ifnet.Promisc; on {
		i.Flags |= ifnet.Promisc
	}
	st.SetInterface(&i)
	return st.control(func(*shard, *pass) syscall.Errno {
		c.Port.SetPromisc(on || c.Query != nil)
		return 0
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
	hd := wire.IPv4Header{TOS: o.TOS, TTL: 1, DF: true, Proto: wire.ProtoIGMP, Src: c.Addrs.First(), Dst: o.Dst}
	if !hd.Src.IsValid() {
		hd.Src = netip.IPv4Unspecified()
	}
	if o.RouterAlert {
		ra := wire.RouterAlert()
		hd.Options = append(p.r.Scratch[:0], ra[:]...)
	}
	b.Sum = pkt.SumValid
	h := ifnet.Hop{Out: c, Next: o.Dst, MTU: c.MTU}
	sh.outIPv4(p, b, &hd, &h, false, false)
}
