package usrreq

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// Sock is a datagram socket, UDP or raw IP, as its user holds it.
type Sock struct{ *vnet.Sock }

// Owner is what a socket inherits from whoever makes it.
type Owner struct {
	FIB   uint32        // routing table
	Limit *socket.Limit // which addresses it may use; nil: all
}

// ListenUDP returns a UDP socket bound to local; port 0 means any.
// It returns EADDRNOTAVAIL for an address that is not the stack's,
// EADDRINUSE for a conflict.
func ListenUDP(st *vnet.Stack, local netip.AddrPort, fib uint32, reuse pcb.Reuse) (Sock, syscall.Errno) {
	return Owner{FIB: fib}.ListenUDP(st, local, reuse, false)
}

// ListenUDP6 is ListenUDP for a socket that hears no IPv4, even if it is bound
// to :: (IPV6_V6ONLY).
func ListenUDP6(st *vnet.Stack, local netip.AddrPort, fib uint32, reuse pcb.Reuse) (Sock, syscall.Errno) {
	return Owner{FIB: fib}.ListenUDP(st, local, reuse, true)
}

// ListenUDP is the function of that name for a socket of o's, which hears no IPv4
// with v6only. EAFNOSUPPORT where o may use no address of the family.
func (o Owner) ListenUDP(st *vnet.Stack, local netip.AddrPort, reuse pcb.Reuse, v6only bool) (Sock, syscall.Errno) {
	if int(o.FIB) >= st.FIBs() {
		return Sock{}, syscall.EINVAL
	}
	s := Sock{st.NewSock(wire.ProtoUDP, false)}
	s.Reuse = reuse
	if o != (Owner{}) || v6only {
		s.Option(func(own *socket.Options) { own.FIB, own.Limit, own.V6Only = o.FIB, o.Limit, v6only })
	}
	local, scope, e := mayBind(st, local)
	if e == 0 && o.Limit != nil {
		var a netip.Addr
		a, s.Only, e = o.Limit.Local(local.Addr(), v6only)
		local, s.Limited = netip.AddrPortFrom(a, local.Port()), true
		if e == 0 {
			_, _, e = mayBind(st, local)
		}
	}
	if e == 0 {
		s.Scope, s.Is6 = scope, local.Addr().Is6()
		e = s.Bind(local)
	}
	return s.of(o, e)
}

// of returns a socket of o's that has been bound, or was to be.
func (s Sock) of(o Owner, e syscall.Errno) (Sock, syscall.Errno) {
	if e == 0 && o.Limit.Over() { // its jail was removed meanwhile
		s.Close()
		e = syscall.ENETDOWN
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
	return Owner{FIB: fib}.ListenRaw(st, proto, local)
}

// ListenRaw is the function of that name for a socket of o's. Bound to any address, it
// receives packets to groups as well as those to the addresses that o may use.
func (o Owner) ListenRaw(st *vnet.Stack, proto uint8, local netip.Addr) (Sock, syscall.Errno) {
	at, scope, e := mayBind(st, netip.AddrPortFrom(local, 0))
	if e == 0 && o.Limit != nil {
		var a netip.Addr
		if a, _, e = o.Limit.Local(at.Addr(), true); e == 0 && !at.Addr().IsUnspecified() {
			at, scope, e = mayBind(st, netip.AddrPortFrom(a, 0))
		}
	}
	switch {
	case int(o.FIB) >= st.FIBs():
		return Sock{}, syscall.EINVAL
	case e != 0:
		return Sock{}, e
	}
	s := Sock{st.NewSock(proto, true)}
	s.Option(func(own *socket.Options) { own.FIB, own.Limit = o.FIB, o.Limit })
	s.Scope, s.Is6 = scope, at.Addr().Is6()
	return s.of(o, s.Bind(at))
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
	if remote, e = peer(o.Limit, remote); e != 0 {
		return e
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
		if src, e = v.SourceTo(&o, src, remote.Addr()); e != 0 {
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
