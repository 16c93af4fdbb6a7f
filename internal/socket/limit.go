package socket

import (
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
)

// Limit says which of a stack's addresses a socket may use: those of a jail that
// shares the stack of its parent (behaviour 1.2). A socket without one may use all. It
// never changes: a socket keeps the one it was made with.
type Limit struct {
	Jail      int32        // number of the jail
	Gone      *atomic.Bool // the jail has been removed
	Four, Six Allowed
}

// Allowed is which addresses of one family may be used.
type Allowed struct {
	All   bool
	Addrs []netip.Addr // unless All; none of them: the family is disabled
}

func (l *Limit) family(is6 bool) *Allowed {
	if is6 {
		return &l.Six
	}
	return &l.Four
}

func (a *Allowed) none() bool { return !a.All && len(a.Addrs) == 0 }

// Allows tells whether a, which is the address of one host, is among the jail's.
func (l *Limit) Allows(a netip.Addr) bool {
	f := l.family(a.Is6())
	return f.All || slices.Contains(f.Addrs, a)
}

// Addrs returns the jail's addresses of a family, the first one first; all is true
// where the family is not limited.
func (l *Limit) Addrs(is6 bool) (addrs []netip.Addr, all bool) {
	f := l.family(is6)
	return f.Addrs, f.All
}

// Local returns the address that a socket gets that asks to be bound to a: the
// loopback address is the jail's first, and any address is what only says, where that
// is not nil: several, of which those that are any address of a family stand for that
// family alone. EAFNOSUPPORT where the jail has no address of the family,
// EADDRNOTAVAIL for one that is not the jail's. Deviation: groups may be bound to,
// which FreeBSD's jails may not.
func (l *Limit) Local(a netip.Addr, v6only bool) (local netip.Addr, only []netip.Addr, e syscall.Errno) {
	switch {
	case a.IsUnspecified():
		return l.any(a, v6only)
	case l.family(a.Is6()).none():
		return a, nil, syscall.EAFNOSUPPORT
	case a.IsMulticast() || l.Allows(a):
		return a, nil, 0
	case a.IsLoopback():
		return l.family(a.Is6()).Addrs[0], nil, 0
	}
	return a, nil, syscall.EADDRNOTAVAIL
}

// any is Local for any address, of both families where it is :: and not v6only.
func (l *Limit) any(a netip.Addr, v6only bool) (netip.Addr, []netip.Addr, syscall.Errno) {
	dual := a.Is6() && !v6only
	if l.family(a.Is6()).All && (!dual || l.Four.All) {
		return a, nil, 0
	}
	var only []netip.Addr
	if a.Is6() {
		only = l.Six.stand(only, a)
	}
	if a.Is4() || dual {
		only = l.Four.stand(only, netip.IPv4Unspecified())
	}
	switch {
	case len(only) == 0:
		return a, nil, syscall.EAFNOSUPPORT
	case len(only) == 1:
		return only[0], nil, 0
	case a.Is6() && l.Six.none():
		a = netip.IPv4Unspecified()
	}
	return a, only, 0
}

// stand appends the addresses that any address of the family stands for.
func (a *Allowed) stand(to []netip.Addr, any netip.Addr) []netip.Addr {
	if a.All {
		return append(to, any)
	}
	return append(to, a.Addrs...)
}

// Peer returns the address that a socket talks to that is told to talk to a: in place
// of the loopback address the jail's first. EAFNOSUPPORT as in Local.
func (l *Limit) Peer(a netip.Addr) (netip.Addr, syscall.Errno) {
	f := l.family(a.Is6())
	switch {
	case f.none():
		return a, syscall.EAFNOSUPPORT
	case f.All || !a.IsLoopback() || slices.Contains(f.Addrs, a):
		return a, 0
	}
	return f.Addrs[0], 0
}

// Over tells whether the jail of a limit, which may be nil, has been removed.
func (l *Limit) Over() bool { return l != nil && l.Gone.Load() }
