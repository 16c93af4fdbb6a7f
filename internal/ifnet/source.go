package ifnet

import (
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
	"github.com/seed88948545/vimage/internal/socket"
)

// Source returns the address to send from to dst over h, invalid if there is
// none.
func (v *View) Source(h *Hop, dst netip.Addr) netip.Addr {
	switch {
	case h.Src.IsValid():
		return h.Src
	case dst.Is4():
		return h.Out.Addrs.SourceFor(h.Next)
	}
	c := v.Policy.For(dst, h.Out.Index, v.prefs())
	best, rank := h.Out.best(&c)
	if rank != 0 || ifaddr.IsLinkLocal(dst) || dst.IsMulticast() {
		return best
	}
	// Nothing on that interface reaches as far as dst: an address of another may
	// be known there all the same (RFC 6724 §4, for routers).
	for _, o := range v.Ifs {
		if o == nil || o == h.Out {
			continue
		}
		if a, r := o.best(&c); r > rank {
			best, rank = a, r
		}
	}
	return best
}

func (v *View) prefs() addrsel.Prefs {
	if v.V().Auto.PreferTemp != 0 {
		return addrsel.PreferTemporary
	}
	return 0
}

// limited returns the source of a packet to dst over h, which may lead nowhere, that
// somebody sends who may use some addresses only: src, if that is one of them, else of
// IPv4 one of h's interface, else the first that the stack has; of IPv6 the one that
// suits best. It is invalid if there is none.
func (v *View) limited(l *socket.Limit, src, dst netip.Addr, h *Hop) netip.Addr {
	addrs, all := l.Addrs(dst.Is6())
	if all || src.IsValid() && slices.Contains(addrs, src) {
		return src
	}
	var out uint32
	if h.Out != nil {
		out = h.Out.Index
	}
	var best netip.Addr
	var rank uint64
	choose := v.Policy.For(dst, out, v.prefs())
	for _, a := range addrs {
		at := v.Local.Find(a)
		if at == nil || at.Broadcast {
			continue
		}
		if a.Is4() {
			if at.Index == out {
				return a
			}
			if !best.IsValid() {
				best = a
			}
			continue
		}
		if r := choose.Rank(&addrsel.Candidate{Addr: a, IfIndex: at.Index}); r > rank {
			best, rank = a, r
		}
	}
	return best
}

// best returns the interface's address that suits best, and how well.
func (c *Conf) best(choose *addrsel.Chooser) (best netip.Addr, rank uint64) {
	for i := range c.Addrs {
		a := &c.Addrs[i]
		if !a.Addr().Is6() || a.Flags&(ifaddr.Tentative|ifaddr.Duplicate|ifaddr.Anycast) != 0 {
			continue
		}
		s := addrsel.Candidate{Addr: a.Addr(), IfIndex: c.Index, Bits: uint8(a.Bits())}
		if a.Flags&(ifaddr.Deprecated|ifaddr.Optimistic) != 0 { // RFC 4429 §3.3
			s.Flags |= addrsel.Deprecated
		}
		if a.Flags&ifaddr.Temporary != 0 {
			s.Flags |= addrsel.Temporary
		}
		if r := choose.Rank(&s); r > rank {
			best, rank = a.Addr(), r
		}
	}
	return best, rank
}
