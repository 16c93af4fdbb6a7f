package vnet

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/wire"
)

// inUDP takes a datagram.
func (sh *shard) inUDP(p *pass, b *pkt.Buf, ip wire.IPv4, to destKind) {
	sh.hot.UDPIn++
	u, f := wire.ParseUDP(ip.Payload())
	if f != wire.OK {
		sh.drop(p, b, pkt.BadTransport)
		return
	}
	if b.Sum == pkt.SumUnknown && u.Checksum() != 0 && !u.ChecksumOK(ip.Src(), ip.Dst()) {
		sh.drop(p, b, pkt.BadTransportSum)
		return
	}
	local := netip.AddrPortFrom(ip.Dst(), u.DstPort())
	remote := netip.AddrPortFrom(ip.Src(), u.SrcPort())
	switch to {
	case destMulticast:
		sh.inUDPMulticast(p, b, ip, u)
	case destBroadcast:
		sh.inUDPBroadcast(p, b, ip, u, local, remote)
	default:
		s := sh.st.udp.Lookup(sh.st.world.seed, local, remote)
		if s == nil {
			sh.errNoPort(p, b, ip)
			return
		}
		sh.toSock(p, s, b, ip, u)
		p.r.Cache.Free(b)
	}
}

// toSock hands a datagram to one socket. It borrows b.
func (sh *shard) toSock(p *pass, s *Sock, b *pkt.Buf, ip wire.IPv4, u wire.UDP) {
	var index uint32
	if p.in != nil {
		index = p.in.index
	}
	if !s.enqueue(p, b, ip, u.Payload(), index) {
		sh.rare().SocketFull++
		sh.lose(p, b, pkt.SocketFull)
		return
	}
	sh.hot.UDPDelivered++
}

// inUDPBroadcast gives a broadcast to every socket it suits, up to the first
// that does not share its port.
func (sh *shard) inUDPBroadcast(p *pass, b *pkt.Buf, ip wire.IPv4, u wire.UDP, local, remote netip.AddrPort) {
	sh.rare().Broadcasts++
	found := false
	socks := sh.st.udp.Port(sh.st.world.seed, local.Port())
	for i := range socks {
		o := &socks[i]
		if !suits(o, local.Addr(), remote) {
			continue
		}
		found = true
		sh.toSock(p, o.Sock, b, ip, u)
		if o.Sock.PCB().Reuse == 0 {
			break
		}
	}
	if !found {
		sh.drop(p, b, pkt.NoPort)
		return
	}
	p.r.Cache.Free(b)
}

// suits tells whether a datagram to several may be for o.
func suits(o *pcb.Bound[*Sock], dst netip.Addr, remote netip.AddrPort) bool {
	if o.Connected {
		return o.Remote == remote
	}
	return o.Addr == dst || o.Addr.IsUnspecified() && o.Addr.Is4() == dst.Is4()
}

// ListenUDP returns a UDP socket bound to local; port 0 means any.
// It returns EADDRNOTAVAIL for an address that is not the stack's,
// EADDRINUSE for a conflict.
func (st *Stack) ListenUDP(local netip.AddrPort, fib uint32, reuse pcb.Reuse) (*Sock, syscall.Errno) {
	s := new(Sock)
	s.init(st, wire.ProtoUDP)
	s.Reuse = reuse
	if fib != 0 {
		if int(fib) >= st.fibs.Len() {
			return nil, syscall.EINVAL
		}
		s.Option(func(o *socket.Options) { o.FIB = fib })
	}
	if e := st.bindUDP(s, local); e != 0 {
		return nil, e
	}
	return s, 0
}

func (st *Stack) bindUDP(s *Sock, local netip.AddrPort) syscall.Errno {
	a := local.Addr()
	if !a.Is4() {
		return syscall.EAFNOSUPPORT
	}
	if !a.IsUnspecified() && !a.IsMulticast() && st.view.Load().localOf(a) == nil {
		return syscall.EADDRNOTAVAIL
	}
	st.sh.mu.Lock()
	defer st.sh.mu.Unlock()
	if st.closed.Load() {
		return syscall.ENETDOWN
	}
	tun := &st.view.Load().tun.IP
	var e syscall.Errno
	if local.Port() != 0 {
		e = st.udp.Bind(st.world.seed, s, local)
	} else {
		e = st.udp.BindAny(st.world.seed, s, a, uint16(tun.PortFirst), uint16(tun.PortLast), uint32(st.rand()))
	}
	if e == 0 {
		s.Addrs.Store(&socket.Addrs{Local: s.Local})
		st.register(s)
	}
	return e
}

// Connect makes s send to and receive from remote only. The local address is
// chosen by the route to it if it is not yet. EISCONN where a UDP socket is
// connected already, EBADF where it is closed.
func (s *Sock) Connect(remote netip.AddrPort) syscall.Errno {
	st := s.st
	v := st.view.Load()
	if !remote.Addr().Is4() {
		return syscall.EAFNOSUPPORT
	}
	if remote.Port() == 0 && !s.Raw {
		return syscall.EADDRNOTAVAIL
	}
	src := s.Addrs.Load().Local.Addr()
	if src.IsUnspecified() || !src.IsValid() {
		var e syscall.Errno
		if src, e = s.sourceTo(v, remote.Addr()); e != 0 {
			return e
		}
	}
	st.sh.mu.Lock()
	defer st.sh.mu.Unlock()
	switch a := s.Addrs.Load(); {
	case a.Closed:
		return syscall.EBADF
	case a.Remote.IsValid() && !s.Raw:
		return syscall.EISCONN
	}
	if s.Raw {
		s.Addrs.Store(&socket.Addrs{Local: netip.AddrPortFrom(src, 0), Remote: remote})
		return 0
	}
	e := st.udp.Connect(st.world.seed, s, src, remote)
	if e == 0 {
		s.Addrs.Store(&socket.Addrs{Local: s.Local, Remote: s.Remote})
	}
	return e
}

// sourceTo chooses the source address of packets to dst.
func (s *Sock) sourceTo(v *View, dst netip.Addr) (netip.Addr, syscall.Errno) {
	if v.isOurs(dst) {
		return dst, 0
	}
	var h hop
	if e := s.way(v, s.Opts.Load(), dst, &h); e != 0 {
		if e == syscall.EHOSTUNREACH {
			e = syscall.ENETUNREACH
		}
		return netip.Addr{}, e
	}
	if h.out == nil {
		return netip.Addr{}, syscall.ENETUNREACH // a blackhole has no interface
	}
	src := h.source()
	if !src.IsValid() {
		return src, syscall.EADDRNOTAVAIL
	}
	return src, 0
}

// source returns the address to send from over h.
func (h *hop) source() netip.Addr {
	if h.src.IsValid() {
		return h.src
	}
	return h.out.sourceFor(h.next)
}

// Close closes the socket and leaves its groups. It returns net.ErrClosed
// where it was closed already.
func (s *Sock) Close() error {
	st := s.st
	r := st.world.sched.Get()
	defer r.Done()
	if !s.Queue.Close(r.Cache.Free) {
		return net.ErrClosed
	}
	p := pass{r: r}
	st.sh.lock(&p)
	last := *s.Addrs.Load()
	last.Closed = true
	s.Addrs.Store(&last)
	st.sh.leaveAll(&p, s)
	if s.Raw {
		st.raws.remove(s)
	} else {
		st.udp.Delete(st.world.seed, s)
	}
	st.unregister(s)
	st.sh.unlock(&p)
	r.Wake(&s.Queue)
	return nil
}
