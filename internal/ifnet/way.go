package ifnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// Way finds the next hop for a packet that a socket sends from src to dst:
// by the interface the sender named, else by the socket's table. h.Out is nil
// where a route swallows it. The errors are those of sendto(2).
func (v *View) Way(o *socket.Options, src, dst netip.Addr, h *Hop) syscall.Errno {
	if dst.IsMulticast() {
		return v.wayMulticast(o, dst, h)
	}
	if dst.Is6() && o.NextHop.IsValid() {
		return v.wayNextHop(o, h)
	}
	if dst.Is4() && dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return v.wayBroadcast(o, src, dst, h)
	}
	why := v.Route(o.FIB, dst, o.OutIf, h)
	if o.OutIf != 0 && (why != pkt.NoReason || h.Out.Index != o.OutIf) {
		if e := v.wayBy(o.OutIf, dst, h); e != 0 {
			return e
		}
		why = pkt.NoReason
	}
	if why == pkt.Blackhole {
		h.Out = nil
	}
	if e := RouteErrno(why); e != 0 {
		return e
	}
	if o.DontRoute && h.Gateway {
		return syscall.ENETUNREACH
	}
	if !o.Broadcast && h.Out != nil && !h.Gateway {
		if l := v.Local.Find(dst); l != nil && l.Broadcast {
			return syscall.EACCES
		}
	}
	return 0
}

// Plan finds the next hop for what a socket sends behind hd, unless local says that
// it is for ourselves, and fills in the source, where hd has no address of one host,
// and the hop limit that suits the way. The errors are Way's, and EADDRNOTAVAIL
// where there is no address.
func (v *View) Plan(o *socket.Options, hd *wire.IPHeader, h *Hop, local bool) syscall.Errno {
	if !local {
		if e := v.Way(o, hd.Src, hd.Dst, h); e != 0 || h.Out == nil {
			return e
		}
	}
	if hd.Src.IsUnspecified() || hd.Src.IsMulticast() {
		if hd.Src = hd.Dst; !local {
			hd.Src = v.Source(h, hd.Dst)
		}
		if o.Limit != nil {
			hd.Src = v.limited(o.Limit, hd.Src, hd.Dst, h)
		}
	}
	if !hd.Src.IsValid() {
		return syscall.EADDRNOTAVAIL
	}
	if o.TTL < 0 && hd.Dst.Is6() && !hd.Dst.IsMulticast() {
		hd.TTL = v.TTL(h, hd.Dst)
	}
	return 0
}

// wayNextHop finds the neighbour that the sender named as next hop (RFC 3542
// §6.4).
func (v *View) wayNextHop(o *socket.Options, h *Hop) syscall.Errno {
	why := v.Route(o.FIB, o.NextHop, o.OutIf, h)
	if why != pkt.NoReason || h.Gateway || o.OutIf != 0 && h.Out.Index != o.OutIf {
		return syscall.EHOSTUNREACH
	}
	h.Gateway = true
	return 0
}

// wayBy takes the interface the sender named, though no route leaves by it: the
// destination is taken to be on its link.
func (v *View) wayBy(index uint32, dst netip.Addr, h *Hop) syscall.Errno {
	c := v.Conf(index)
	switch {
	case c == nil:
		return syscall.EADDRNOTAVAIL
	case !c.Carries(dst.Is6()):
		return syscall.ENETDOWN
	}
	*h = Hop{Out: c, Next: dst, MTU: c.PacketMTU(dst.Is6())}
	return 0
}

// wayBroadcast sends a limited broadcast out of the interface that the sender
// named, else the one that has the sender's address, else the first that can
// broadcast.
func (v *View) wayBroadcast(o *socket.Options, src, dst netip.Addr, h *Hop) syscall.Errno {
	if !o.Broadcast {
		return syscall.EACCES
	}
	if o.OutIf != 0 {
		return v.wayBy(o.OutIf, dst, h)
	}
	if l := v.Local.Find(src); l != nil {
		*h = Hop{Out: v.Conf(l.Index), Next: dst}
	} else {
		for _, c := range v.Ifs {
			if c != nil && c.Up() && c.Flags&Broadcast != 0 && c.Addrs.Has(false) {
				*h = Hop{Out: c, Next: dst}
				break
			}
		}
	}
	switch {
	case h.Out == nil:
		return syscall.EHOSTUNREACH
	case !h.Out.Up():
		return syscall.ENETDOWN
	}
	h.MTU = h.Out.MTU
	return 0
}

// wayMulticast finds the interface for a multicast packet: the one the socket
// or the sender named, else that of the route, which never has a gateway.
func (v *View) wayMulticast(o *socket.Options, dst netip.Addr, h *Hop) syscall.Errno {
	index := o.Multicast(dst.Is6()).If
	if dst.Is6() && o.OutIf != 0 {
		index = o.OutIf // RFC 3542 §6.2: what one packet says comes first
	}
	if index == 0 {
		if why := v.routeGroup(o.FIB, dst, h); why != pkt.NoReason {
			return RouteErrno(why)
		}
	} else {
		c := v.Conf(index)
		if c == nil {
			return syscall.EADDRNOTAVAIL
		}
		if !c.Carries(dst.Is6()) {
			return syscall.ENETDOWN
		}
		*h = Hop{Out: c, MTU: c.PacketMTU(dst.Is6())}
	}
	h.Next, h.Neighbor, h.Gateway = dst, nil, false
	if h.Out.Flags&Multicast == 0 {
		return syscall.ENETUNREACH
	}
	return 0
}

// routeGroup finds the link of a group by its route. Groups of IPv6 that are no
// wider than a link have none: they are on the first that there is.
func (v *View) routeGroup(table uint32, dst netip.Addr, h *Hop) pkt.Reason {
	why := v.Route(table, dst, 0, h)
	if why == pkt.NoReason || dst.Is4() {
		return why
	}
	c := v.firstMulticast(true, true)
	if c == nil {
		return why
	}
	*h = Hop{Out: c, MTU: c.PacketMTU(true)}
	return pkt.NoReason
}

// SourceTo returns the address that packets with these options to dst come
// from: from, if it is one, else that which suits their way. It returns
// ENETUNREACH where there is no way, EADDRNOTAVAIL where there is no address, and
// what else sendto(2) does.
func (v *View) SourceTo(o *socket.Options, from, dst netip.Addr) (netip.Addr, syscall.Errno) {
	chosen := from.IsValid() && !from.IsUnspecified()
	if v.IsOursOn(dst, o.OutIf) {
		if chosen {
			return from, 0
		}
		return v.sourceFor(o, dst, dst, &Hop{})
	}
	var h Hop
	if e := v.Way(o, from, dst, &h); e != 0 {
		if e == syscall.EHOSTUNREACH {
			e = syscall.ENETUNREACH
		}
		return netip.Addr{}, e
	}
	if h.Out == nil {
		return netip.Addr{}, syscall.ENETUNREACH // a blackhole has no interface
	}
	if chosen {
		return from, 0
	}
	return v.sourceFor(o, v.Source(&h, dst), dst, &h)
}

// sourceFor returns src, or where the options do not allow that, what they do.
func (v *View) sourceFor(o *socket.Options, src, dst netip.Addr, h *Hop) (netip.Addr, syscall.Errno) {
	if o.Limit != nil {
		src = v.limited(o.Limit, src, dst, h)
	}
	if !src.IsValid() {
		return src, syscall.EADDRNOTAVAIL
	}
	return src, 0
}
