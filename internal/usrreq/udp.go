package usrreq

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Sock is a datagram socket, UDP or raw IP, as its user holds it.
type Sock struct{ *vnet.Sock }

// ListenUDP returns a UDP socket bound to local; port 0 means any.
// It returns EADDRNOTAVAIL for an address that is not the stack's,
// EADDRINUSE for a conflict.
func ListenUDP(st *vnet.Stack, local netip.AddrPort, fib uint32, reuse pcb.Reuse) (Sock, syscall.Errno) {
	return listenUDP(Sock{st.NewSock(wire.ProtoUDP, false)}, local, fib, reuse)
}

// ListenUDP6 is ListenUDP for a socket that hears no IPv4, even if it is bound
// to :: (IPV6_V6ONLY).
func ListenUDP6(st *vnet.Stack, local netip.AddrPort, fib uint32, reuse pcb.Reuse) (Sock, syscall.Errno) {
	s := Sock{st.NewSock(wire.ProtoUDP, false)}
	s.SetV6Only(true)
	return listenUDP(s, local, fib, reuse)
}

func listenUDP(s Sock, local netip.AddrPort, fib uint32, reuse pcb.Reuse) (Sock, syscall.Errno) {
	st := s.Stack()
	s.Reuse = reuse
	if fib != 0 {
		if int(fib) >= st.FIBs() {
			return Sock{}, syscall.EINVAL
		}
		s.Option(func(o *socket.Options) { o.FIB = fib })
	}
	local, scope, e := mayBind(st, local)
	if e == 0 {
		s.Scope, s.Is6 = scope, local.Addr().Is6()
		e = s.Bind(local)
	}
	if e != 0 {
		return Sock{}, e
	}
	return s, 0
}

// ListenRaw returns a raw socket for an IP protocol, 0 for all. It receives
// packets to local, or to any address if that is unspecified. It returns
// EADDRNOTAVAIL for an address that is not the stack's and EINVAL for an
// unknown table.
func ListenRaw(st *vnet.Stack, proto uint8, local netip.Addr, fib uint32) (Sock, syscall.Errno) {
	at, scope, e := mayBind(st, netip.AddrPortFrom(local, 0))
	switch {
	case int(fib) >= st.FIBs():
		return Sock{}, syscall.EINVAL
	case e != 0:
		return Sock{}, e
	}
	s := Sock{st.NewSock(proto, true)}
	s.Option(func(o *socket.Options) { o.FIB = fib })
	s.Scope, s.Is6 = scope, at.Addr().Is6()
	if e := s.Bind(at); e != 0 {
		return Sock{}, e
	}
	return s, 0
}

// mayBind tells whether a datagram socket may have the address: its own, those
// of its subnets' broadcasts, and groups. It returns it as Scoped does.
func mayBind(st *vnet.Stack, local netip.AddrPort) (netip.AddrPort, uint32, syscall.Errno) {
	v := st.View()
	if !local.Addr().IsValid() {
		return local, 0, syscall.EAFNOSUPPORT
	}
	local, scope, e := scopedPort(v, local)
	if a := local.Addr(); e == 0 && !a.IsMulticast() && !(a.Is4() && v.Hears(a)) {
		scope, e = own(v, a, scope)
	}
	return local, scope, e
}

// Connect makes s send to and receive from remote only. The local address is
// chosen by the route to it if it is not yet. EISCONN where a UDP socket is
// connected already, EBADF where it is closed.
func (s Sock) Connect(remote netip.AddrPort) syscall.Errno {
	if !remote.Addr().IsValid() {
		return syscall.EAFNOSUPPORT
	}
	v, o := s.Stack().View(), *s.Opts.Load()
	remote, scope, e := scopedPort(v, remote)
	if e != 0 {
		return e
	}
	if remote.Port() == 0 && !s.Raw {
		return syscall.EADDRNOTAVAIL
	}
	a := s.Addrs.Load()
	if scope == 0 {
		scope = a.Scope
	}
	src, e := family(a.Local.Addr(), remote.Addr(), o.V6Only)
	if e != 0 {
		return e
	}
	o.OutIf = scope
	if src.IsUnspecified() || !src.IsValid() {
		if src, e = v.SourceTo(&o, &ifnet.Flow{Src: netip.AddrPortFrom(src, a.Local.Port()), Dst: remote}); e != 0 {
			return e
		}
	}
	if scope == 0 && ifaddr.IsLinkLocal(remote.Addr()) {
		scope = v.LinkOf(remote.Addr())
	}
	return s.Pair(src, remote, scope)
}

// Close closes the socket and leaves its groups. It returns net.ErrClosed
// where it was closed already.
func (s Sock) Close() error {
	r := s.Stack().World().Sched().Get()
	defer r.Done()
	if !s.Queue.Close(r.Cache.Free) {
		return net.ErrClosed
	}
	s.Detach(r)
	r.Wake(&s.Queue)
	return nil
}

// CloseAll closes every socket of a stack that goes.
func CloseAll(st *vnet.Stack) {
	for _, l := range st.TCPPorts().Listeners() {
		TCPListener{l}.Close()
	}
	for s := st.Newest(); s != nil; s = st.Newest() {
		Sock{s}.Close()
	}
}
