package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/event"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/wire"
)

// IsNeighbor tells whether an address is on the link of interface c.
func (v *View) IsNeighbor(c *Conf, a netip.Addr) bool {
	var h Hop
	return v.Route(c.FIB, a, c.Index, nil, &h) == pkt.NoReason && !h.Gateway && h.Out.Iface == c.Iface
}

// IsFirstHop tells whether packets to dst go to a neighbour on interface c first, as
// far as who says so with a redirect can know (RFC 4861 §8.1).
func (v *View) IsFirstHop(c *Conf, neighbor, dst netip.Addr) bool {
	if ifaddr.IsLinkLocal(dst) {
		return neighbor == dst
	}
	for rt := v.FIBs.Lookup(int(c.FIB), dst); rt != nil; rt = rt.Next {
		var h Hop
		one := *rt
		one.Next = nil
		if h.Follow(v, &one, nil, dst) == pkt.NoReason && h.Next == neighbor && h.Out.Iface == c.Iface {
			return true
		}
	}
	return false
}

// ARPFrame adds to a message that came in by interface c what routes and other
// interfaces know about it (behaviour 5.1, 5.3).
func (v *View) ARPFrame(c *Conf, a wire.ARP) arp.Frame {
	f := arp.Frame{ARP: a}
	sender := a.SenderIP()
	direct := v.IsNeighbor(c, sender)
	f.OffLink = !direct && !c.Addrs.Covers(sender)
	for _, o := range v.Ifs {
		if o != nil && o.Index != c.Index && o.FIB == c.FIB { // other tables, other networks
			nb := o.Neighbor(sender)
			f.WrongInterface = f.WrongInterface || nb != nil && nb.Header.Load() != nil
		}
	}
	if v.V().ARP.ProxyAll != 0 {
		var h Hop
		f.ProxySender = direct
		f.Proxy = v.Route(c.FIB, a.TargetIP(), 0, nil, &h) == pkt.NoReason && h.Out.Index != c.Index
	}
	return f
}

// NeighborChanged publishes what the path must know, and tells those who want to.
// Shard 0 is locked.
func (c *Conf) NeighborChanged(h *event.Hub, o *arp.Out[*pkt.Buf]) {
	kind := event.NeighResolved
	switch o.Event {
	case arp.TimedOut:
		kind = event.NeighTimedOut
	case arp.Expired:
		kind = event.NeighExpired
	case arp.Deleted:
		kind = event.NeighDeleted
	}
	if o.Event == arp.Resolved {
		c.Resolved(o.IP, o.MAC, c.MAC, wire.EtherTypeIPv4)
	} else {
		c.Unresolved(o.IP)
	}
	if !o.Own {
		c.neighborEvent(h, kind, o.IP, o.MAC)
	}
}

// NeighborChanged6 is NeighborChanged for IPv6. A neighbour that the path must not
// know any more, since it may have gone, may still be at the address it had.
func (c *Conf) NeighborChanged6(h *event.Hub, o *nd.Out[*pkt.Buf]) {
	kind := event.NeighResolved
	switch o.Event {
	case nd.TimedOut:
		kind = event.NeighTimedOut
	case nd.Expired:
		kind = event.NeighExpired
	case nd.Deleted:
		kind = event.NeighDeleted
	}
	if o.Event == nd.Resolved {
		c.Resolved(o.IP, o.MAC, c.MAC, wire.EtherTypeIPv6)
	} else {
		c.Unresolved(o.IP)
	}
	if kind != event.NeighResolved || o.Moved {
		c.neighborEvent(h, kind, o.IP, o.MAC)
	}
}

func (c *Conf) neighborEvent(h *event.Hub, kind event.Kind, ip netip.Addr, mac wire.MAC) {
	if !h.Idle() {
		h.Post(event.Event{Kind: kind, IfIndex: c.Index, Name: c.Name, FIB: event.AllFIBs, Prefix: netip.PrefixFrom(ip, ip.BitLen()), MAC: mac})
	}
}
