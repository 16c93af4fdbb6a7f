package usrreq

import (
	"net"
	"net/netip"
	"syscall"

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
	s := Sock{st.NewSock(wire.ProtoUDP, false)}
	s.Reuse = reuse
	if fib != 0 {
		if int(fib) >= st.FIBs() {
			return Sock{}, syscall.EINVAL
		}
		s.Option(func(o *socket.Options) { o.FIB = fib })
	}
	e := mayBind(st, local.Addr())
	if e == 0 {
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
	e := mayBind(st, local)
	switch {
	case e == syscall.EAFNOSUPPORT:
		return Sock{}, e
	case int(fib) >= st.FIBs():
		return Sock{}, syscall.EINVAL
	case e != 0:
		return Sock{}, e
	}
	s := Sock{st.NewSock(proto, true)}
	s.Option(func(o *socket.Options) { o.FIB = fib })
	if e := s.Bind(netip.AddrPortFrom(local, 0)); e != 0 {
		return Sock{}, e
	}
	return s, 0
}

// mayBind tells whether a datagram socket may have the address: its own, those
// of its subnets' broadcasts, and groups.
func mayBind(st *vnet.Stack, a netip.Addr) syscall.Errno {
	switch {
	case !a.Is4():
		return syscall.EAFNOSUPPORT
	case !a.IsUnspecified() && !a.IsMulticast() && !st.View().Hears(a):
		return syscall.EADDRNOTAVAIL
	}
	return 0
}

// Connect makes s send to and receive from remote only. The local address is
// chosen by the route to it if it is not yet. EISCONN where a UDP socket is
// connected already, EBADF where it is closed.
func (s Sock) Connect(remote netip.AddrPort) syscall.Errno {
	if !remote.Addr().Is4() {
		return syscall.EAFNOSUPPORT
	}
	if remote.Port() == 0 && !s.Raw {
		return syscall.EADDRNOTAVAIL
	}
	src := s.Addrs.Load().Local.Addr()
	if src.IsUnspecified() || !src.IsValid() {
		var e syscall.Errno
		if src, e = s.Stack().View().SourceTo(s.Opts.Load(), src, remote.Addr()); e != 0 {
			return e
		}
	}
	return s.Pair(src, remote)
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
