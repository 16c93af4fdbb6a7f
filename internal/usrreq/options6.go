package usrreq

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// HopLimit returns the hop limit of unicast packets (IPV6_UNICAST_HOPS).
func (s Sock) HopLimit() int {
	if n := s.Opts.Load().TTL; n >= 0 {
		return n
	}
	return int(s.Stack().View().V().IP6.HopLimit)
}

// PathMTU returns the length of the longest packet that reaches the peer, as far
// as is known (IPV6_PATHMTU, RFC 3542 §11.4). ENOTCONN where there is no peer.
func (s Sock) PathMTU() (int, syscall.Errno) {
	a, o := s.Addrs.Load(), *s.Opts.Load()
	if !a.Remote.IsValid() {
		return 0, syscall.ENOTCONN
	}
	if o.OutIf = a.Scope; o.OutIf == 0 && a.Remote.Addr().IsMulticast() {
		o.OutIf = o.Multicast(a.Remote.Addr().Is6()).If
	}
	return pathMTU(s.Stack(), &o, a.Local, a.Remote)
}

// PathMTU returns the length of the longest packet that reaches the peer, as far
// as is known (IPV6_PATHMTU, RFC 3542 §11.4).
func (s TCPSock) PathMTU() (int, syscall.Errno) {
	o := socket.Options{FIB: s.FIB(), OutIf: s.Scope}
	return pathMTU(s.Stack(), &o, s.LocalAddr(), s.RemoteAddr())
}

func pathMTU(st *vnet.Stack, o *socket.Options, src, dst netip.AddrPort) (int, syscall.Errno) {
	v, to := st.View(), dst.Addr()
	if v.IsOursOn(to, o.OutIf) {
		h := v.ToSelf(to, o.OutIf)
		return h.MTU, 0
	}
	var h ifnet.Hop
	e := v.Way(o, &ifnet.Flow{Src: src, Dst: dst}, &h)
	if e == 0 && h.Out == nil { // a blackhole
		e = syscall.ENETUNREACH
	}
	if e != 0 {
		return 0, e
	}
	return st.MTUs().Limit(st.World().Clock().Now(), to, &h), 0
}
