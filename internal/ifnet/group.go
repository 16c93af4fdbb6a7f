package ifnet

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// IGMP and MLD are one protocol in two families. What differs between them for
// an interface is here: which engine, whose address, what header. All of it is
// shard 0's.

// GroupEnv is what the engines of both families borrow for one call: Four and Six
// may be nil where the family has none.
type GroupEnv struct {
	T    *vars.Tunables
	Four *vars.Four
	Six  *vars.Six
}

func (e *GroupEnv) igmp() igmp.Env        { return igmp.Env{T: &e.T.IGMP, S: e.Four.IGMP, Sent: &e.Four.Sent} }
func (e *GroupEnv) query() igmp.RouterEnv { return igmp.RouterEnv{T: &e.T.Query, S: e.Four.Query} }
func (e *GroupEnv) mld() mld.Env          { return mld.Env{T: &e.T.MLD, S: &e.Six.MLD} }
func (e *GroupEnv) query6() mld.RouterEnv { return mld.RouterEnv{T: &e.T.Query6, S: e.Six.Query} }

// MakeIGMP makes the engine that reports groups of IPv4, and tells it what one that
// went to Rest had reported: what the interface listens to.
func (c *Conf) MakeIGMP(t *igmp.Tunables, seed uint64, listens []gmp.HostGroup) {
	c.Iface.IGMP = c.newIGMP(t, seed, listens)
}

func (c *Conf) newIGMP(t *igmp.Tunables, seed uint64, listens []gmp.HostGroup) *igmp.Host {
	h := new(igmp.Host)
	*h = igmp.NewHost(t, seed, c.silent())
	for _, g := range listens {
		if g.Group.Is4() && !c.Mute {
			h.Restore(t, g.Group, g.Filter)
		}
	}
	return h
}

// Rest forgets the engine of IPv4 while it has nothing to say and nobody to heed.
func (c *Conf) Rest() {
	if c.IGMP != nil && c.IGMP.Idle() {
		c.Iface.IGMP = nil
	}
}

func (c *Conf) silent() bool { return c.Flags&Loopback != 0 || c.Flags&Multicast == 0 }

// GroupChanged tells the engine of the group's family, which must be there, that
// the interface now wants something else of it: to be reported within delay.
func (c *Conf) GroupChanged(now clock.Time, e *GroupEnv, group netip.Addr, want mcast.Filter, delay time.Duration) {
	if group.Is4() {
		c.IGMP.Change(now, e.igmp(), group, want)
	} else {
		c.V6.MLD.Change(now, e.mld(), group, want, delay)
	}
}

// InputGroup takes a message of IGMP or MLD, for hosts and for multicast routers,
// and tells whether it was good for something. The engine of the family must be
// there; own says that the message came from an address of ours.
func (c *Conf) InputGroup(now clock.Time, e *GroupEnv, ip wire.Packet, own, sumOK bool) bool {
	if ip.Is6() {
		x := ip.V6().Walk(&wire.ExtLimits{}, wire.WalkDest)
		m := mld.Packet{
			Src: ip.Src(), Dst: ip.Dst(), HopLimit: ip.TTL(), RouterAlert: x.RouterAlert,
			Own: own, SumOK: sumOK, Payload: ip.Payload(),
		}
		v := c.V6.MLD.Input(now, e.mld(), &m)
		if c.V6.Query != nil {
			c.V6.Query.Input(now, e.query6(), &m)
		}
		return v == mld.Accepted
	}
	m := igmp.Packet{
		Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), RouterAlert: ip.V4().HasRouterAlert(),
		Own: own, SumOK: sumOK, Payload: ip.Payload(),
	}
	v := c.IGMP.Input(now, e.igmp(), &m)
	if c.Query != nil {
		c.Query.Input(now, e.query(), &m)
	}
	return v == igmp.Accepted
}

// AnnounceGroups reports all groups of a family again: from now on there is a link,
// or an address to do so from.
func (c *Conf) AnnounceGroups(now clock.Time, e *GroupEnv, is6 bool) {
	switch {
	case is6 && c.V6 != nil:
		c.V6.MLD.Announce(now, e.mld())
	case !is6 && c.IGMP != nil:
		c.IGMP.Announce(now, e.igmp())
	}
}

// HostStates returns what the engines of the families that the interface speaks
// report; nil where it does not. The engines listen to what the interface does.
func (c *Conf) HostStates(now clock.Time, t *vars.Tunables, listens []gmp.HostGroup) (four, six *gmp.HostState) {
	if c.Addrs.Has(false) || c.IGMP != nil {
		h := c.IGMP
		if h == nil { // at rest: what it would say
			h = c.newIGMP(&t.IGMP, 0, listens)
		}
		s := h.State(now, &t.IGMP)
		four = &s
	}
	if c.V6 != nil {
		s := c.V6.MLD.State(now, &t.MLD)
		six = &s
	}
	return four, six
}

// GroupDeadline returns when NextGroup will have something to say.
func (c *Conf) GroupDeadline() clock.Time {
	at := clock.Never
	if c.IGMP != nil {
		at = c.IGMP.Deadline()
	}
	if c.Query != nil {
		at = min(at, c.Query.Deadline())
	}
	if c.V6 != nil {
		at = min(at, c.V6.MLD.Deadline())
		if c.V6.Query != nil {
			at = min(at, c.V6.Query.Deadline())
		}
	}
	return at
}

// NextGroup writes the next message of IGMP or MLD that is due into buf, which is
// as long as the MTU, and returns its length, 0 if there is none. The header that
// it wants is in hd, with options in scratch.
func (c *Conf) NextGroup(now clock.Time, e *GroupEnv, buf, scratch []byte, hd *wire.IPHeader) int {
	if c.IGMP != nil && c.IGMP.Deadline() <= now {
		o := igmp.Out{Buf: buf[:c.MTU-wire.IPv4Len-4]}
		if c.IGMP.Next(now, e.igmp(), &o) {
			return c.header4(&o, scratch, hd)
		}
	}
	if c.Query != nil && c.Query.Deadline() <= now {
		o := igmp.Out{Buf: buf[:c.MTU-wire.IPv4Len-4]}
		if c.Query.Next(now, e.query(), &o) {
			c.header4(&o, scratch, hd)
			c.heardOwn4(now, e, &o, hd)
			return o.N
		}
	}
	if c.V6 != nil {
		return c.nextGroup6(now, e, buf[:c.PacketMTU(true)-wire.IPv6Len-8], scratch, hd)
	}
	return 0
}

func (c *Conf) nextGroup6(now clock.Time, e *GroupEnv, buf, scratch []byte, hd *wire.IPHeader) int {
	o := mld.Out{Buf: buf}
	if c.V6.MLD.Deadline() <= now && c.V6.MLD.Next(now, e.mld(), &o) {
		return c.header6(&o, scratch, hd)
	}
	o = mld.Out{Buf: buf}
	if q := c.V6.Query; q != nil && q.Deadline() <= now && q.Next(now, e.query6(), &o) {
		c.header6(&o, scratch, hd)
		c.heardOwn6(now, e, &o, hd)
		return o.N
	}
	return 0
}

// header4 returns the length of a message whose header it fills in. Without an
// address the source is 0.0.0.0 (RFC 3376 §4.2.13).
func (c *Conf) header4(o *igmp.Out, scratch []byte, hd *wire.IPHeader) int {
	*hd = wire.IPHeader{TOS: o.TOS, TTL: igmp.TTL, DF: true, Proto: wire.ProtoIGMP, Src: c.Addrs.First(), Dst: o.Dst}
	if !hd.Src.IsValid() {
		hd.Src = netip.IPv4Unspecified()
	}
	if o.RouterAlert {
		ra := wire.RouterAlert()
		hd.Options = append(scratch[:0], ra[:]...)
	}
	return o.N
}

// header6 is header4 for MLD, whose checksum it fills in as well: from ::, while
// there is no other address (RFC 3590 §4).
func (c *Conf) header6(o *mld.Out, scratch []byte, hd *wire.IPHeader) int {
	src := c.Addrs.LinkLocal()
	if !src.IsValid() {
		src = netip.IPv6Unspecified()
	}
	wire.ICMP6(o.Buf[:o.N]).SetChecksum(src, o.Dst)
	alert := wire.RouterAlert6(wire.ProtoICMPv6, 0)
	*hd = wire.IPHeader{TTL: mld.HopLimit, Proto: wire.ProtoICMPv6, Src: src, Dst: o.Dst, Options: append(scratch[:0], alert[:]...)}
	return o.N
}
