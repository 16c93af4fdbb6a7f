package usrreq

import (
	"net/netip"
	"strconv"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/proto/tcp"
	"github.com/seed88948545/vimage/internal/socket"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Scoped returns an address as the stack knows it, without zone and, if it is
// IPv4's in disguise, undisguised (RFC 3493 §3.7), and the index of the interface
// that its zone names, by name or number; 0 if it has none. ENXIO where there is no
// such interface.
func Scoped(v *ifnet.View, a netip.Addr) (netip.Addr, uint32, syscall.Errno) {
	zone := a.Zone()
	if a = a.Unmap(); zone == "" {
		return a, 0, 0
	}
	a = a.WithZone("")
	if c := v.Named(zone); c != nil {
		return a, c.Index, 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil && v.Conf(uint32(n)) != nil {
		return a, uint32(n), 0
	}
	return a, 0, syscall.ENXIO
}

// Zoned is the inverse of Scoped: it adds to an address that means something on
// one link only the name of the interface with index scope, or the index where
// that has gone. Other addresses stay as they are, as do all for scope 0.
func Zoned(v *ifnet.View, a netip.Addr, scope uint32) netip.Addr {
	if scope == 0 || !a.Is6() || !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() && !a.IsInterfaceLocalMulticast() {
		return a
	}
	if c := v.Conf(scope); c != nil {
		return a.WithZone(c.Name)
	}
	return a.WithZone(strconv.FormatUint(uint64(scope), 10))
}

// scopedPort is Scoped for an address with a port.
func scopedPort(v *ifnet.View, a netip.AddrPort) (netip.AddrPort, uint32, syscall.Errno) {
	ip, scope, e := Scoped(v, a.Addr())
	return netip.AddrPortFrom(ip, a.Port()), scope, e
}

// peer returns where a socket that is limited to some addresses, if l is not nil,
// sends what is for a.
func peer(l *socket.Limit, a netip.AddrPort) (netip.AddrPort, syscall.Errno) {
	if l == nil {
		return a, 0
	}
	ip, e := l.Peer(a.Addr())
	return netip.AddrPortFrom(ip, a.Port()), e
}

// own tells whether a socket may have the local address, as it is meant on the
// interface with index scope, and returns that interface's index: of a link-local
// address without a zone the one that has it.
func own(v *ifnet.View, a netip.Addr, scope uint32) (uint32, syscall.Errno) {
	if a.IsUnspecified() {
		return scope, 0
	}
	if !ifaddr.IsLinkLocal(a) {
		if !v.IsOurs(a) {
			return 0, syscall.EADDRNOTAVAIL
		}
		return scope, 0
	}
	l := v.Local.Find(a)
	if scope != 0 {
		l = v.Local.FindOn(a, scope)
	}
	if l == nil {
		return 0, syscall.EADDRNOTAVAIL
	}
	return l.Index, 0
}

// family tells whether a socket that is bound to local may talk to dst, and
// returns local as it is in dst's family: a socket that is bound to :: talks IPv4
// too, unless it is for IPv6 only.
func family(local, dst netip.Addr, v6only bool) (netip.Addr, syscall.Errno) {
	switch {
	case local.Is4() == dst.Is4():
		return local, 0
	case local.Is4():
		return local, syscall.EAFNOSUPPORT
	case v6only || !local.IsUnspecified():
		return local, syscall.ENETUNREACH
	}
	return netip.IPv4Unspecified(), 0
}

// busy tells whether a connection uses a local address that a claim without
// SO_REUSEADDR is about to take.
func busy(st *vnet.Stack, local netip.AddrPort, v6only bool) bool {
	for e := range st.TCPEntries() {
		if e.Local.Port() != local.Port() || e.State == tcp.TIMEWAIT {
			continue
		}
		a := local.Addr()
		any := a.IsUnspecified() && (a.Is4() == e.Local.Addr().Is4() || a.Is6() && !v6only)
		if any || a == e.Local.Addr() {
			return true
		}
	}
	return false
}
