package usrreq

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// WriteTo sends a datagram to dst, or to the connected address where dst is
// not valid. how may be nil. The errors are those of sendto(2): EMSGSIZE,
// EHOSTUNREACH, ENETDOWN, EACCES, EDESTADDRREQ, EISCONN, EHOSTDOWN, ….
func (s Sock) WriteTo(data []byte, dst netip.AddrPort, how *socket.Send) (int, error) {
	a := s.Addrs.Load()
	if err := s.MayWrite(a); err != nil {
		return 0, err
	}
	v := s.Stack().View()
	o, e := s.Opts.Load(), syscall.Errno(0)
	src, scope := a.Local.Addr(), a.Scope
	switch {
	case !dst.IsValid() && !a.Remote.IsValid():
		return 0, syscall.EDESTADDRREQ
	case !dst.IsValid():
		dst = a.Remote
	case a.Remote.IsValid():
		return 0, syscall.EISCONN
	default:
		if dst, scope, e = scopedPort(v, dst); e != 0 {
			return 0, e
		}
		if o.Limit != nil {
			if dst, e = peer(o.Limit, dst); e != 0 {
				return 0, e
			}
		}
		if scope == 0 {
			scope = a.Scope
		}
		if src, e = family(src, dst.Addr(), o.V6Only); e != 0 {
			return 0, e
		}
		if s.Raw && s.Is6 && dst.Addr().Is4() {
			return 0, syscall.EAFNOSUPPORT // a raw socket is of one family
		}
	}
	if a.Remote.IsValid() {
		if e := s.Queue.Pending(); e != 0 {
			return 0, e
		}
	}
	if how != nil {
		o = how.Over(o)
		if how.Src.IsValid() {
			if src = how.Src.Unmap(); !s.Raw && !v.IsOurs(src) || o.Limit != nil && !o.Limit.Allows(src) {
				return 0, syscall.EADDRNOTAVAIL
			}
		}
	}
	if scope != 0 && o.OutIf == 0 {
		by := *o
		by.OutIf = scope
		o = &by
	}
	if len(data) > int(v.V().UDP.MaxDgram) {
		return 0, syscall.EMSGSIZE
	}
	if dst.Port() == 0 && !s.Raw {
		return 0, syscall.EADDRNOTAVAIL
	}
	if s.Raw {
		e = s.sendRaw(v, o, data, src, dst.Addr())
	} else {
		e = s.sendUDP(v, o, data, netip.AddrPortFrom(src, a.Local.Port()), dst)
	}
	if e != 0 {
		return 0, e
	}
	return len(data), nil
}

// sendUDP builds a datagram and sends it.
func (s Sock) sendUDP(v *ifnet.View, o *socket.Options, data []byte, src, dst netip.AddrPort) syscall.Errno {
	r := s.Stack().World().Sched().Get()
	b := r.Cache.Get(wire.IPv6Len + wire.UDPLen + len(data))
	ud := b.Extend(wire.UDPLen + len(data))
	wire.PutUDP(ud, src.Port(), dst.Port(), len(data))
	copy(ud[wire.UDPLen:], data)
	b.Sum = pkt.SumPartial
	hd := wire.IPHeader{TOS: o.TOS, TTL: s.ttl(v, o, dst.Addr()), Proto: wire.ProtoUDP, Src: src.Addr(), Dst: dst.Addr(), DF: o.DontFrag}
	e := s.Output(r, v, b, &hd, o)
	r.Done()
	return e
}

// ttl returns the TTL of packets to dst.
func (s Sock) ttl(v *ifnet.View, o *socket.Options, dst netip.Addr) uint8 {
	if dst.Is6() {
		return o.TTLFor(dst, v.V().IP6.HopLimit)
	}
	return o.TTLFor(dst, v.V().IP.TTL)
}

// sendRaw sends a payload, or a packet with its IPv4 header if the socket says so.
func (s Sock) sendRaw(v *ifnet.View, o *socket.Options, data []byte, src, dst netip.Addr) syscall.Errno {
	hd := wire.IPHeader{TOS: o.TOS, TTL: s.ttl(v, o, dst), Proto: s.Protocol, Dst: dst, DF: o.DontFrag, Src: src}
	if dst.Is6() {
		return s.output(v, &hd, data, o)
	}
	if o.HdrIncl {
		var room [wire.IPv4MaxLen]byte
		ip, ok := ownHeader(room[:], data)
		if !ok {
			return syscall.EINVAL
		}
		hd = wire.IPHeader{TOS: ip.TOS(), ID: ip.ID(), DF: ip.DF(), MF: ip.MF(), FragOffset: uint16(ip.FragOffset()), TTL: ip.TTL(), Proto: ip.Proto(), Src: ip.Src(), Dst: ip.Dst(), Options: ip.Options()}
		data = data[len(ip):]
		if o.Limit != nil && !hd.Src.IsUnspecified() && !o.Limit.Allows(hd.Src) {
			return syscall.EADDRNOTAVAIL
		}
	}
	if o.RouterAlert && len(hd.Options) == 0 {
		ra := wire.RouterAlert()
		hd.Options = ra[:]
	}
	if len(data)+hd.Len() > wire.IPv4MaxPacket {
		return syscall.EMSGSIZE
	}
	return s.output(v, &hd, data, o)
}

// output sends data behind a header.
func (s Sock) output(v *ifnet.View, hd *wire.IPHeader, data []byte, o *socket.Options) syscall.Errno {
	if hd.Dst.Is6() && len(data) < s.LeastPayload(o) {
		return syscall.EINVAL // RFC 3542 §3.1: the stack fills in the checksum
	}
	r := s.Stack().World().Sched().Get()
	b := r.Cache.Get(hd.Len() + len(data))
	copy(b.Extend(len(data)), data)
	b.Sum = pkt.SumValid
	e := s.Output(r, v, b, hd, o)
	r.Done()
	return e
}

// ownHeader returns a copy, made in room, of the IPv4 header that data begins
// with. What it says of the packet's length does not count: the stack knows
// better.
func ownHeader(room, data []byte) (wire.IPv4, bool) {
	if len(data) < wire.IPv4Len {
		return nil, false
	}
	n := copy(room, data[:min(len(data), int(data[0]&15)*4)])
	if n < wire.IPv4Len {
		return nil, false
	}
	binary.BigEndian.PutUint16(room[2:4], uint16(n))
	ip, f := wire.ParseIPv4(room[:n])
	return ip, f == wire.OK && ip.HeaderLen() == n
}
