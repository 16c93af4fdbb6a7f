package vnet

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// way finds the next hop for a packet that s sends to dst: by the interface
// the sender named, else by the socket's table.
func (s *Sock) way(v *View, o *socket.Options, dst netip.Addr, h *hop) syscall.Errno {
	if dst.IsMulticast() {
		return s.wayMulticast(v, o, dst, h)
	}
	if dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return s.wayBroadcast(v, o, dst, h)
	}
	why := s.st.route(v, o.FIB, dst, h)
	if o.OutIf != 0 && (why != pkt.NoReason || h.out.index != o.OutIf) {
		if e := wayBy(v, o.OutIf, dst, h); e != 0 {
			return e
		}
		why = pkt.NoReason
	}
	if why == pkt.Blackhole {
		h.out = nil
	}
	if e := routeErrno(why); e != 0 {
		return e
	}
	if o.DontRoute && h.gw {
		return syscall.ENETUNREACH
	}
	if !o.Broadcast && h.out != nil && !h.gw {
		if l := v.localOf(dst); l != nil && l.broadcast {
			return syscall.EACCES
		}
	}
	return 0
}

// wayBy takes the interface the sender named, though no route leaves by it: the
// destination is taken to be on its link.
func wayBy(v *View, index uint32, dst netip.Addr, h *hop) syscall.Errno {
	c := v.conf(index)
	switch {
	case c == nil:
		return syscall.EADDRNOTAVAIL
	case !c.up():
		return syscall.ENETDOWN
	}
	*h = hop{out: c, next: dst, mtu: c.mtu}
	return 0
}

// wayBroadcast sends a limited broadcast out of the interface that the sender
// named, else the one that has the socket's address, else the first that can
// broadcast.
func (s *Sock) wayBroadcast(v *View, o *socket.Options, dst netip.Addr, h *hop) syscall.Errno {
	if !o.Broadcast {
		return syscall.EACCES
	}
	if o.OutIf != 0 {
		return wayBy(v, o.OutIf, dst, h)
	}
	if l := v.localOf(s.Addrs.Load().Local.Addr()); l != nil {
		*h = hop{out: v.conf(l.ifIndex), next: dst}
	} else {
		for _, c := range v.ifs {
			if c != nil && c.up() && c.flags&FlagBroadcast != 0 && len(c.addrs) > 0 {
				*h = hop{out: c, next: dst}
				break
			}
		}
	}
	switch {
	case h.out == nil:
		return syscall.EHOSTUNREACH
	case !h.out.up():
		return syscall.ENETDOWN
	}
	h.mtu = h.out.mtu
	return 0
}

// WriteTo sends a datagram to dst, or to the connected address where dst is
// not valid. how may be nil. The errors are those of sendto(2): EMSGSIZE,
// EHOSTUNREACH, ENETDOWN, EACCES, EDESTADDRREQ, EISCONN, EHOSTDOWN, ….
func (s *Sock) WriteTo(data []byte, dst netip.AddrPort, how *socket.Send) (int, error) {
	a := s.Addrs.Load()
	if err := s.MayWrite(a); err != nil {
		return 0, err
	}
	switch {
	case !dst.IsValid() && !a.Remote.IsValid():
		return 0, syscall.EDESTADDRREQ
	case !dst.IsValid():
		dst = a.Remote
	case a.Remote.IsValid():
		return 0, syscall.EISCONN
	case !dst.Addr().Is4():
		return 0, syscall.EAFNOSUPPORT
	}
	if a.Remote.IsValid() {
		if e := s.Queue.Pending(); e != 0 {
			return 0, e
		}
	}
	v := s.st.view.Load()
	if len(data) > int(v.tun.UDP.MaxDgram) {
		return 0, syscall.EMSGSIZE
	}
	if dst.Port() == 0 && !s.Raw {
		return 0, syscall.EADDRNOTAVAIL
	}
	var e syscall.Errno
	if s.Raw {
		e = s.outRaw(v, a, data, dst.Addr(), how)
	} else {
		e = s.outUDP(v, a, data, dst, how)
	}
	if e != 0 {
		return 0, e
	}
	return len(data), nil
}

// outUDP builds a datagram and sends it.
func (s *Sock) outUDP(v *View, a *socket.Addrs, data []byte, dst netip.AddrPort, how *socket.Send) syscall.Errno {
	o := s.Opts.Load()
	if how != nil {
		o = how.Over(o)
	}
	var h hop
	local := v.isOurs(dst.Addr())
	if !local {
		if e := s.way(v, o, dst.Addr(), &h); e != 0 {
			return e
		}
		if h.out == nil {
			return 0 // a blackhole route
		}
	}
	src := a.Local.Addr()
	if how != nil && how.Src.IsValid() {
		if !v.isOurs(how.Src) {
			return syscall.EADDRNOTAVAIL
		}
		src = how.Src
	}
	if src.IsUnspecified() || src.IsMulticast() {
		if src = dst.Addr(); !local {
			src = h.source()
		}
	}
	if !src.IsValid() {
		return syscall.EADDRNOTAVAIL
	}
	st := s.st
	r := st.world.sched.Get()
	b := r.Cache.Get(wire.IPv4Len + wire.UDPLen + len(data))
	ud := b.Extend(wire.UDPLen + len(data))
	wire.PutUDP(ud, a.Local.Port(), dst.Port(), len(data))
	copy(ud[wire.UDPLen:], data)
	b.Sum = pkt.SumPartial
	hd := wire.IPv4Header{TOS: o.TOS, TTL: o.TTLFor(dst.Addr(), v.tun.IP.TTL), Proto: wire.ProtoUDP, Src: src, Dst: dst.Addr(), DF: o.DontFrag}
	sh := st.shardAt(0)
	if st.more != nil {
		sh = st.shardAt(int(wire.FlowHash(src.As4(), dst.Addr().As4(), a.Local.Port(), dst.Port(), wire.ProtoUDP)) % (1 + len(st.more)))
	}
	p := pass{r: r}
	sh.lock(&p)
	sh.hot.UDPOut++
	p.m.FIB = o.FIB
	e := sh.outIPv4(&p, b, &hd, &h, local, o.Loops(v.tun.Mcast.Loop))
	sh.unlock(&p)
	r.Done()
	return e
}

// outIPv4 takes a transport message made here, puts its IPv4 header in front
// and sends it: to ourselves if local, else to h.
func (sh *shard) outIPv4(p *pass, b *pkt.Buf, hd *wire.IPv4Header, h *hop, local, loop bool) syscall.Errno {
	if !local && p.v.arrival(h.out.index, h.out.gen) == nil {
		// It was removed after the sender had chosen it, before the shard was locked.
		sh.drop(p, b, pkt.NoInterface)
		return syscall.ENETDOWN
	}
	n := b.Len()
	hl := hd.Len()
	if hl+n > 65535 {
		sh.drop(p, b, pkt.TooBig)
		return syscall.EMSGSIZE
	}
	if hd.ID == 0 && (!hd.DF || !local && hl+n > h.mtu) {
		hd.ID = sh.nextID()
	}
	wire.PutIPv4(b.Push(hl), hd, n)
	ip := wire.IPv4(b.Bytes())
	sh.hot.OutRequests++
	if local {
		return sh.outLocal(p, b, ip)
	}
	if hd.Dst.IsMulticast() {
		return sh.outMulticast(p, b, ip, h, loop)
	}
	if h.out.flags&FlagBroadcast != 0 && sh.isBroadcast(p.v, h) {
		sh.loopCopy(p, b, h)
	}
	return sh.send(p, b, ip, h)
}

// nextID returns an identification for a packet that may be cut into
// fragments; shards draw from disjoint numbers (RFC 6864 §4.1 asks for nothing
// of packets that cannot be).
func (sh *shard) nextID() uint16 {
	n := uint16(1 + len(sh.st.more))
	sh.ipID += n
	return sh.ipID + uint16(sh.id)
}

// outLocal sends a packet to an address of our own: it passes the filter as
// one that leaves by the loopback interface and comes in there.
func (sh *shard) outLocal(p *pass, b *pkt.Buf, ip wire.IPv4) syscall.Errno {
	lo := p.v.conf(loIndex)
	h := hop{out: lo, next: ip.Dst(), mtu: lo.mtu}
	return sh.send(p, b, ip, &h)
}

// loIndex is the index of lo0, which every stack has.
const loIndex = 1

// loopCopy gives a copy of a packet that leaves by h to ourselves, as received
// on that interface.
func (sh *shard) loopCopy(p *pass, b *pkt.Buf, h *hop) {
	c := p.r.Cache.Clone(b)
	sh.rare().LoopbackCopy++
	sh.requeue(p, c, pkt.Meta{IfIndex: h.out.index, IfGen: h.out.gen, FIB: p.m.FIB}, pkt.WayInIP)
}
