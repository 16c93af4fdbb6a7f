package vimage

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/usrreq"
)

// order sorts the addresses of a peer, the best first (RFC 6724 §6).
func (s *Stack) order(ips []netip.Addr) {
	if len(ips) < 2 {
		return
	}
	v := s.st.View()
	list := make([]addrsel.Destination, len(ips))
	for i, ip := range ips {
		list[i].Addr = ip
		dst, scope, e := usrreq.Scoped(v, ip)
		var src netip.Addr
		if e == 0 {
			src, e = v.SourceTo(&socket.Options{FIB: uint32(s.fib), OutIf: scope, Limit: s.cred.Limit()}, netip.Addr{}, dst)
		}
		if list[i].Unreachable = e != 0; e == 0 {
			list[i].Source = candidate(v, src)
		}
	}
	v.Policy.Order(list)
	for i := range list {
		ips[i] = list[i].Addr
	}
}

// candidate describes an address of the stack's own.
func candidate(v *ifnet.View, a netip.Addr) addrsel.Candidate {
	c := addrsel.Candidate{Addr: a}
	l := v.Local.Find(a)
	if l == nil {
		return c
	}
	c.IfIndex = l.Index
	if l.Flags&(ifaddr.Deprecated|ifaddr.Optimistic) != 0 {
		c.Flags |= addrsel.Deprecated
	}
	if l.Flags&ifaddr.Temporary != 0 {
		c.Flags |= addrsel.Temporary
	}
	if conf := v.Conf(l.Index); conf != nil {
		if e := conf.Addrs.Find(a); e != nil {
			c.Bits = uint8(e.Bits())
		}
	}
	return c
}

// interleave lets the families take turns, beginning with that of the first
// address (RFC 8305 §4).
func interleave(ips []netip.Addr) []netip.Addr {
	if len(ips) == 0 {
		return ips
	}
	var same, other []netip.Addr
	for _, ip := range ips {
		if ip.Is4() == ips[0].Is4() {
			same = append(same, ip)
		} else {
			other = append(other, ip)
		}
	}
	all := make([]netip.Addr, 0, len(ips))
	for i := range ips {
		if i < len(same) {
			all = append(all, same[i])
		}
		if i < len(other) {
			all = append(all, other[i])
		}
	}
	return all
}
