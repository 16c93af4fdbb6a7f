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
	v := s.Stack().View()
	if len(data) > int(v.Tunables().UDP.MaxDgram) {
		return 0, syscall.EMSGSIZE
	}
	if dst.Port() == 0 && !s.Raw {
		return 0, syscall.EADDRNOTAVAIL
	}
	var e syscall.Errno
	if s.Raw {
		e = s.sendRaw(v, a, data, dst.Addr(), how)
	} else {
		e = s.sendUDP(v, a, data, dst, how)
	}
	if e != 0 {
		return 0, e
	}
	return len(data), nil
}

// sendUDP builds a datagram and sends it.
func (s Sock) sendUDP(v *ifnet.View, a *socket.Addrs, data []byte, dst netip.AddrPort, how *socket.Send) syscall.Errno {
	o := s.Opts.Load()
	src := a.Local.Addr()
	if how != nil {
		o = how.Over(o)
		if how.Src.IsValid() {
			if src = how.Src; !v.IsOurs(src) {
				return syscall.EADDRNOTAVAIL
			}
		}
	}
	r := s.Stack().World().Sched().Get()
	b := r.Cache.Get(wire.IPv4Len + wire.UDPLen + len(data))
	ud := b.Extend(wire.UDPLen + len(data))
	wire.PutUDP(ud, a.Local.Port(), dst.Port(), len(data))
	copy(ud[wire.UDPLen:], data)
	b.Sum = pkt.SumPartial
	hd := wire.IPv4Header{TOS: o.TOS, TTL: o.TTLFor(dst.Addr(), v.Tunables().IP.TTL), Proto: wire.ProtoUDP, Src: src, Dst: dst.Addr(), DF: o.DontFrag}
	e := s.Output(r, v, b, &hd, o)
	r.Done()
	return e
}

// sendRaw sends a payload, or a packet with its header if the socket says so.
func (s Sock) sendRaw(v *ifnet.View, a *socket.Addrs, data []byte, dst netip.Addr, how *socket.Send) syscall.Errno {
	o := s.Opts.Load()
	if how != nil {
		o = how.Over(o)
	}
	hd := wire.IPv4Header{TOS: o.TOS, TTL: o.TTLFor(dst, v.Tunables().IP.TTL), Proto: s.Protocol, Dst: dst, DF: o.DontFrag, Src: a.Local.Addr()}
	if o.HdrIncl {
		var room [wire.IPv4MaxLen]byte
		ip, ok := ownHeader(room[:], data)
		if !ok {
			return syscall.EINVAL
		}
		hd = ip.Header()
		data = data[len(ip):]
	}
	if how != nil && how.Src.IsValid() {
		hd.Src = how.Src
	}
	if o.RouterAlert && len(hd.Options) == 0 {
		ra := wire.RouterAlert()
		hd.Options = ra[:]
	}
	if len(data)+hd.Len() > wire.IPv4MaxPacket {
		return syscall.EMSGSIZE
	}
	r := s.Stack().World().Sched().Get()
	b := r.Cache.Get(hd.Len() + len(data))
	copy(b.Extend(len(data)), data)
	b.Sum = pkt.SumValid
	e := s.Output(r, v, b, &hd, o)
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
