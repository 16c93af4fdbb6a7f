package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/mroute"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// What a multicast router's interface has beside a host's. It is shard 0's.

// Asks tells whether the interface is a multicast router's, which asks the hosts of
// its link what they listen to.
func (c *Conf) Asks() bool { return c.Flags&(Querier|Downstream) != 0 }

// HearsAll tells whether the link must show the interface every frame to a group.
func (c *Conf) HearsAll() bool { return c.Flags&(Promisc|Querier|Downstream|AllMulti) != 0 }

// FollowQuerier makes the router's engines of the families that the interface has an
// address of, if it is a multicast router's; they ask from that address, and go when
// it goes. It tells the multicast routing, if there is one, what is not known any
// more.
func (c *Conf) FollowQuerier(now clock.Time, t *vars.Tunables, to *mroute.Table) {
	self := c.Addrs.First()
	switch {
	case !c.Asks() || !self.IsValid():
		if c.Query != nil {
			c.Iface.Query = nil
			to.DropListeners(c.Index, false)
		}
	case c.Query == nil:
		c.Iface.Query = igmp.NewRouter(now, &t.Query, self, true)
	default:
		c.Query.SetSelf(now, &t.Query, self)
	}
	if c.V6 == nil {
		return
	}
	self = c.Addrs.LinkLocal()
	switch {
	case !c.Asks() || !self.IsValid() || c.Flags&NoIPv6 != 0:
		if c.V6.Query != nil {
			c.V6.Query = nil
			to.DropListeners(c.Index, true)
		}
	case c.V6.Query == nil:
		c.V6.Query = mld.NewRouter(now, &t.Query6, self, true)
	default:
		c.V6.Query.SetSelf(now, &t.Query6, self)
	}
}

// NextListener tells of the next change of what a querier knows.
func (c *Conf) NextListener(e *mroute.Event) bool {
	if c.Query != nil {
		var ev igmp.Event
		if c.Query.NextEvent(&ev) {
			*e = listener(c.Index, &ev)
			return true
		}
	}
	if c.V6 != nil && c.V6.Query != nil {
		var ev mld.Event
		if c.V6.Query.NextEvent(&ev) {
			*e = listener(c.Index, &ev)
			return true
		}
	}
	return false
}

func listener[A gmp.Address](index uint32, ev *gmp.Event[A]) mroute.Event {
	e := mroute.Event{Index: index, Group: gmp.NetIP(ev.Group), Kind: mroute.Any, On: ev.What == gmp.AnyOn}
	switch ev.What {
	case gmp.SourceOn, gmp.SourceOff:
		e.Kind, e.On = mroute.Named, ev.What == gmp.SourceOn
	case gmp.BlockOn, gmp.BlockOff:
		e.Kind, e.On = mroute.Block, ev.What == gmp.BlockOn
	}
	if e.Kind != mroute.Any {
		e.Source = gmp.NetIP(ev.Source)
	}
	return e
}

// TellQuerier tells the multicast routing where this router is the one that asks.
func (c *Conf) TellQuerier(now clock.Time, to *mroute.Table) {
	to.SetQuerier(c.Index, false, c.Query != nil && c.Query.Querier(now))
	to.SetQuerier(c.Index, true, c.V6 != nil && c.V6.Query != nil && c.V6.Query.Querier(now))
}

// Queriers returns the addresses of the routers that ask on the interface, one of
// each family, as its own routers know them; invalid where it has none.
func (c *Conf) Queriers(now clock.Time) (four, six netip.Addr) {
	if c.Query != nil {
		four = c.Query.QuerierAddr(now)
	}
	if c.V6 != nil && c.V6.Query != nil {
		six = c.V6.Query.QuerierAddr(now)
	}
	return four, six
}

// Belongs tells whether the interface listens to a group because the stack itself
// does (RFC 1112 §7.2, RFC 4291 §2.8), as a host or a router.
func (v *View) Belongs(c *Conf, group netip.Addr) bool {
	b := group.As16()
	if group.Is4() {
		all := [3]byte(b[12:15]) == [3]byte{224, 0, 0}
		return all && (b[15] == 1 || b[15] == 2 && (v.Forwards(false) || c.Asks()) || b[15] == 22 && c.Asks())
	}
	if [14]byte(b[:14]) != [14]byte{0xff, b[1]} || b[14] != 0 || b[1] > 5 {
		return c.Addrs.Listens(group)
	}
	switch b[15] {
	case 1:
		return b[1] <= 2
	case 2:
		return v.Forwards(true) || c.Asks()
	}
	return b[15] == 22 && b[1] == 2 && c.Asks()
}

// heardOwn4 lets the host's engine hear what the router's asks: what this stack
// listens to must be known to switches and other routers as well.
func (c *Conf) heardOwn4(now clock.Time, e *GroupEnv, o *igmp.Out, hd *wire.IPHeader) {
	if c.IGMP != nil {
		m := igmp.Packet{Src: hd.Src, Dst: hd.Dst, TTL: hd.TTL, RouterAlert: true, Own: true, SumOK: true, Payload: o.Buf[:o.N]}
		c.IGMP.Input(now, e.igmp(), &m)
	}
}

// heardOwn6 is heardOwn4 for MLD.
func (c *Conf) heardOwn6(now clock.Time, e *GroupEnv, o *mld.Out, hd *wire.IPHeader) {
	m := mld.Packet{Src: hd.Src, Dst: hd.Dst, HopLimit: hd.TTL, RouterAlert: true, Own: true, SumOK: true, Payload: o.Buf[:o.N]}
	c.V6.MLD.Input(now, e.mld(), &m)
}
