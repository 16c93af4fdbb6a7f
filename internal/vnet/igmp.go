package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// igmpHost returns the engine that reports what an interface listens to, made
// at its first use.
func (sh *shard) igmpHost(p *pass, c *ifConf) *igmp.Host {
	if c.igmp == nil {
		h := igmp.NewHost(&p.v.tun.IGMP, sh.st.Rand(), c.flags&FlagLoopback != 0 || c.flags&FlagMulticast == 0)
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
		Own: p.v.IsOurs(ip.Src()), SumOK: b.Sum != pkt.SumUnknown, Payload: ip.Payload(),
	}
	v := sh.igmpHost(p, p.in).Input(p.r.Now(), sh.igmpEnv(p), &m)
	sh.pullIGMP(p, p.in)
	if p.in.query != nil {
		p.in.query.Input(p.r.Now(), sh.queryEnv(p), &m)
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
func (sh *shard) pullIGMP(p *pass, c *ifConf) {
	env := sh.igmpEnv(p)
	sh.pullMessages(p, c, c.igmp.Deadline, func(o *igmp.Out) bool { return c.igmp.Next(p.r.Now(), env, o) })
}

// pullQuery sends the queries of a multicast router's interface.
func (sh *shard) pullQuery(p *pass, c *ifConf) {
	env := sh.queryEnv(p)
	sh.pullMessages(p, c, c.query.Deadline, func(o *igmp.Out) bool { return c.query.Next(p.r.Now(), env, o) })
}

func (sh *shard) pullMessages(p *pass, c *ifConf, deadline func() clock.Time, next func(*igmp.Out) bool) {
	sh.stale = true
	for deadline() <= p.r.Now() {
		b := p.r.Cache.Get(c.mtu)
		o := igmp.Out{Buf: b.Extend(c.mtu - igmpHeader)}
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
	c := st.view.Load().conf(ifIndex)
	switch {
	case c == nil || c.port == nil:
		return syscall.ENXIO
	case on && !c.addrs.First().IsValid():
		return syscall.EADDRNOTAVAIL
	case on == (c.query != nil):
		return 0
	}
	return st.control(func(sh *shard, p *pass) syscall.Errno {
		c.port.SetPromisc(on || c.watch) // reports go to many groups
		c.Iface.query = nil
		if on {
			c.Iface.query = igmp.NewRouter(p.r.Now(), &p.v.tun.Query, c.addrs.First(), false)
			sh.pullQuery(p, c)
		}
		return 0
	})
}

// QuerierGroups returns what a multicast router's interface knows of its
// groups, sorted; false where it is none.
func (st *Stack) QuerierGroups(ifIndex uint32) (groups []igmp.GroupState, ok bool) {
	st.control(func(sh *shard, p *pass) syscall.Errno {
		if c := p.v.conf(ifIndex); c != nil && c.query != nil {
			groups, ok = c.query.State(p.r.Now()), true
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
		if c := p.v.conf(ifIndex); c != nil && c.igmp != nil {
			pending = c.igmp.Deadline() != clock.Never
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
	c := st.view.Load().conf(ifIndex)
	if c == nil || c.port == nil {
		return syscall.ENXIO
	}
	return st.control(func(*shard, *pass) syscall.Errno {
		c.Iface.watch = on
		c.port.SetPromisc(on || c.query != nil)
		return 0
	})
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
	hd := wire.IPv4Header{TOS: o.TOS, TTL: 1, DF: true, Proto: wire.ProtoIGMP, Src: c.addrs.First(), Dst: o.Dst}
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
