package usrreq

import (
	"net/netip"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// TCPSock is one end of a TCP connection, as its user holds it.
type TCPSock struct{ *vnet.TCPSock }

// ConnectTCP begins to open a connection from local, whose address may be
// unspecified and whose port may be 0, and returns at once: Connected tells how it
// went. The errors are those of connect(2) that are known before anything is
// sent: EADDRNOTAVAIL, EADDRINUSE, ENETUNREACH, EAFNOSUPPORT, EINVAL, ENOENT
// (no such congestion control), ENETDOWN.
func ConnectTCP(st *vnet.Stack, local, remote netip.AddrPort, o *socket.TCPOptions) (TCPSock, syscall.Errno) {
	if o.CC != "" && !cc.Known(o.CC) {
		return TCPSock{}, syscall.ENOENT
	}
	v := st.View()
	own := *o
	remote, scope, e := scopedPort(v, remote)
	if e != 0 {
		return TCPSock{}, e
	}
	local, own.Scope, e = scopedPort(v, local)
	if e != 0 {
		return TCPSock{}, e
	}
	if own.Scope == 0 {
		own.Scope = scope
	}
	if own.Limit != nil && remote.IsValid() && local.Addr().IsValid() {
		if remote, local, e = limitTCP(own.Limit, remote, local); e != 0 {
			return TCPSock{}, e
		}
	}
	src, e := sourceTCP(st, local.Addr(), remote, &own)
	if e != 0 {
		return TCPSock{}, e
	}
	if local.Port() == 0 {
		s, e := connectAny(st, src, remote, &own)
		return s.of(&own, e)
	}
	c := new(vnet.TCPClaim)
	if e := bindTCP(st, c, netip.AddrPortFrom(local.Addr(), local.Port()), &own); e != 0 {
		return TCPSock{}, e
	}
	s, e := st.OpenTCP(netip.AddrPortFrom(src, local.Port()), remote, &own, c)
	if e != 0 {
		st.TCPPorts().Unbind(c)
	}
	return TCPSock{s}.of(&own, e)
}

// of returns a connection that has been begun, or was to be.
func (s TCPSock) of(o *socket.TCPOptions, e syscall.Errno) (TCPSock, syscall.Errno) {
	if e == 0 && o.Limit.Over() { // its jail was removed meanwhile
		s.Abort()
		return TCPSock{}, syscall.ENETDOWN
	}
	return s, e
}

// limitTCP returns the ends of a connection as they are for somebody who may use some
// addresses only.
func limitTCP(l *socket.Limit, remote, local netip.AddrPort) (netip.AddrPort, netip.AddrPort, syscall.Errno) {
	remote, e := peer(l, remote)
	a := local.Addr()
	if e == 0 && !a.IsUnspecified() {
		a, _, e = l.Local(a, true)
	}
	return remote, netip.AddrPortFrom(a, local.Port()), e
}

// sourceTCP checks the ends of a connection and returns its own address. It sets
// o.Scope where one of them is link-local.
func sourceTCP(st *vnet.Stack, local netip.Addr, remote netip.AddrPort, o *socket.TCPOptions) (netip.Addr, syscall.Errno) {
	v := st.View()
	dst := remote.Addr()
	switch {
	case st.Closed():
		return local, syscall.ENETDOWN
	case !dst.IsValid() || !local.IsValid():
		return local, syscall.EAFNOSUPPORT
	case int(o.FIB) >= st.FIBs():
		return local, syscall.EINVAL
	case remote.Port() == 0 || dst.IsUnspecified():
		return local, syscall.EADDRNOTAVAIL
	case dst.IsMulticast(), dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}), v.Hears(dst) && !v.IsOurs(dst): // RFC 9293 §3.9.2.3
		return local, syscall.EACCES
	}
	local, e := family(local, dst, o.V6Only)
	if e != 0 {
		return local, e
	}
	scope, e := own(v, local, o.Scope)
	if e != 0 {
		return local, e
	}
	switch {
	case ifaddr.IsLinkLocal(local):
		o.Scope = scope
	case !ifaddr.IsLinkLocal(dst):
		o.Scope = 0
	case o.Scope == 0:
		o.Scope = v.LinkOf(dst)
	}
	src, e := v.SourceTo(&socket.Options{FIB: o.FIB, OutIf: o.Scope, Limit: o.Limit}, local, dst)
	if o.Scope == 0 && ifaddr.IsLinkLocal(src) {
		o.Scope = v.LinkOf(src)
	}
	return src, e
}

// connectAny chooses the local port: those to one destination follow each other
// from a place that only the stack knows (RFC 6056 §3.3.3).
func connectAny(st *vnet.Stack, src netip.Addr, remote netip.AddrPort, o *socket.TCPOptions) (TCPSock, syscall.Errno) {
	tun := &st.View().V().IP
	first, last := uint16(tun.PortFirst), uint16(tun.PortLast)
	if first > last {
		first, last = last, first
	}
	n := uint32(last-first) + 1
	at := st.TCPHost().PortOffset(src, remote)
	for i := range n {
		local := netip.AddrPortFrom(src, first+uint16((at+i)%n))
		if local == remote || st.TCPPorts().Taken(local, o.Scope) {
			continue
		}
		if s, e := st.OpenTCP(local, remote, o, nil); e != syscall.EADDRINUSE {
			return TCPSock{s}, e
		}
	}
	return TCPSock{}, syscall.EADDRNOTAVAIL
}

// bindTCP binds a local address and port. EADDRNOTAVAIL where the address is not
// the stack's, EADDRINUSE for a conflict: with another binding, or, without
// SO_REUSEADDR, with a connection.
func bindTCP(st *vnet.Stack, c *vnet.TCPClaim, local netip.AddrPort, o *socket.TCPOptions) syscall.Errno {
	v := st.View()
	if !local.Addr().IsValid() {
		return syscall.EAFNOSUPPORT
	}
	local, scope, e := scopedPort(v, local)
	if e != 0 {
		return e
	}
	if scope == 0 {
		scope = o.Scope
	}
	if o.Limit != nil {
		var a netip.Addr
		if a, c.Only, e = o.Limit.Local(local.Addr(), o.V6Only); e != 0 {
			return e
		}
		local, c.Limited = netip.AddrPortFrom(a, local.Port()), true
	}
	if c.Scope, e = own(v, local.Addr(), scope); e != 0 {
		return e
	}
	switch {
	case int(o.FIB) >= st.FIBs():
		return syscall.EINVAL
	case local.Port() != 0 && !o.ReuseAddr && !o.ReusePort && busy(st, local, o.V6Only):
		return syscall.EADDRINUSE
	}
	if o.ReuseAddr {
		c.Reuse |= pcb.ReuseAddr
	}
	if o.ReusePort {
		c.Reuse |= pcb.ReusePort
	}
	c.V6Only = o.V6Only
	tun := &v.V().IP
	return st.TCPPorts().Bind(c, local, uint16(tun.PortFirst), uint16(tun.PortLast), uint32(st.Rand()))
}

// Connected returns 0 once the connection is open, waiting for that if wait, or
// why it is not.
func (s TCPSock) Connected(wait bool) error { return s.Out().Ready(wait) }
