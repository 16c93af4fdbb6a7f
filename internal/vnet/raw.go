package vnet

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// rawSocks is the stack's raw sockets: a list that is replaced when one comes
// or goes. Every packet for the stack is compared with all of them.
type rawSocks struct{ list atomic.Pointer[[]*Sock] }

func (l *rawSocks) all() []*Sock {
	if s := l.list.Load(); s != nil {
		return *s
	}
	return nil
}

func (l *rawSocks) any() bool { return l.list.Load() != nil }

// add and remove change the list. Shard 0 is locked.
func (l *rawSocks) add(s *Sock) {
	next := append(slices.Clone(l.all()), s)
	l.list.Store(&next)
}

func (l *rawSocks) remove(s *Sock) {
	next := slices.DeleteFunc(slices.Clone(l.all()), func(o *Sock) bool { return o == s })
	if len(next) == 0 {
		l.list.Store(nil)
		return
	}
	l.list.Store(&next)
}

// ListenRaw returns a raw socket for an IP protocol, 0 for all. It receives
// packets to local, or to any address if that is unspecified. It returns
// EADDRNOTAVAIL for an address that is not the stack's and EINVAL for an
// unknown table.
func (st *Stack) ListenRaw(proto uint8, local netip.Addr, fib uint32) (*Sock, syscall.Errno) {
	switch {
	case !local.Is4():
		return nil, syscall.EAFNOSUPPORT
	case int(fib) >= st.fibs.Len():
		return nil, syscall.EINVAL
	case !local.IsUnspecified() && !local.IsMulticast() && st.view.Load().localOf(local) == nil:
		return nil, syscall.EADDRNOTAVAIL
	}
	s := &Sock{}
	s.Raw = true
	s.init(st, proto)
	s.Option(func(o *socket.Options) { o.FIB = fib })
	s.Addrs.Store(&socket.Addrs{Local: netip.AddrPortFrom(local, 0)})
	st.sh.mu.Lock()
	defer st.sh.mu.Unlock()
	if st.closed.Load() {
		return nil, syscall.ENETDOWN
	}
	st.raws.add(s)
	st.register(s)
	return s, 0
}

// inRaw gives a packet to every raw socket it suits and tells whether there
// was one. It borrows b.
func (sh *shard) inRaw(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) bool {
	socks := sh.st.raws.all()
	if len(socks) == 0 {
		return false
	}
	found := false
	var full *pkt.Buf // b with its checksum filled in, for readers of bytes
	for _, s := range socks {
		if !s.suitsRaw(p, ip, to) {
			continue
		}
		found = true
		src, data := b, ip
		if b.Sum == pkt.SumPartial {
			if full == nil {
				full = p.r.Cache.Clone(b)
				sumIPv4(wire.IPv4(full.Slice(b.Offset(ip), len(ip))))
			}
			src, data = full, wire.IPv4(full.Slice(b.Offset(ip), len(ip)))
		}
		var index uint32
		if p.in != nil {
			index = p.in.index
		}
		if s.enqueue(p, src, data, data, index) {
			sh.rare().RawDelivered++
		} else {
			sh.rare().SocketFull++
			sh.lose(p, b, pkt.SocketFull)
		}
	}
	if full != nil {
		p.r.Cache.Free(full)
	}
	return found
}

// suitsRaw tells whether a raw socket gets a packet (behaviour 6.7): by
// protocol and addresses, and multicast other than IGMP by its memberships, if
// it has any.
func (s *Sock) suitsRaw(p *pass, ip wire.IPv4, to destKind) bool {
	if s.Protocol != 0 && s.Protocol != ip.Proto() {
		return false
	}
	a, o := s.Addrs.Load(), s.Opts.Load()
	if l := a.Local.Addr(); !l.IsUnspecified() && l != ip.Dst() {
		return false
	}
	if a.Remote.IsValid() && a.Remote.Addr() != ip.Src() {
		return false
	}
	if o.ICMPFilter && ip.Proto() == wire.ProtoICMP {
		if m, f := wire.ParseICMP4(ip.Payload()); f != wire.OK || o.ICMPAllow[m.Type()/32]>>(m.Type()%32)&1 == 0 {
			return false
		}
	}
	if to != destMulticast || ip.Proto() == wire.ProtoIGMP || !o.Mcast || p.in == nil {
		return true
	}
	snap := s.st.groups.Lookup(ip.Dst(), int32(p.in.index))
	if snap == nil {
		return false
	}
	for i := range snap.Members {
		if snap.Members[i].Socket == s {
			return snap.Members[i].Match(ip.Src())
		}
	}
	return false
}

// outRaw sends a payload, or a packet with its header if the socket says so.
func (s *Sock) outRaw(v *View, a *socket.Addrs, data []byte, dst netip.Addr, how *socket.Send) syscall.Errno {
	o := s.Opts.Load()
	if how != nil {
		o = how.Over(o)
	}
	hd := wire.IPv4Header{TOS: o.TOS, TTL: o.TTLFor(dst, v.tun.IP.TTL), Proto: s.Protocol, Dst: dst, DF: o.DontFrag, Src: a.Local.Addr()}
	if o.HdrIncl {
		var room [wire.IPv4MaxLen]byte
		ip, ok := ownHeader(room[:], data)
		if !ok {
			return syscall.EINVAL
		}
		hd = ip.Header()
		data, dst = data[len(ip):], ip.Dst()
	}
	if how != nil && how.Src.IsValid() {
		hd.Src = how.Src
	}
	var h hop
	local := v.isOurs(dst)
	if !local {
		if e := s.way(v, o, dst, &h); e != 0 || h.out == nil {
			return e
		}
	}
	if hd.Src.IsUnspecified() || hd.Src.IsMulticast() {
		if hd.Src = dst; !local {
			hd.Src = h.source()
		}
		if !hd.Src.IsValid() {
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
	r := s.st.world.sched.Get()
	b := r.Cache.Get(hd.Len() + len(data))
	copy(b.Extend(len(data)), data)
	b.Sum = pkt.SumValid
	p := pass{r: r}
	sh := s.st.shardAt(0)
	sh.lock(&p)
	p.m.FIB = o.FIB
	e := sh.outIPv4(&p, b, &hd, &h, local, o.Loops(v.tun.Mcast.Loop))
	sh.unlock(&p)
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
