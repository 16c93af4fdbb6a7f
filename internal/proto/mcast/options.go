package mcast

import (
	"net/netip"
	"syscall"
)

// The requests of the socket interface (RFC 3678 §4 and §5, and the older
// IP_ADD_MEMBERSHIP family, which are the same ones). Each checks in the order
// of the historic implementations, so that a program gets the errno it expects.
// ifIndex 0 means that no interface was found: EADDRNOTAVAIL. To requests about
// a membership that is there it may be AnyIf.

// AnyIf stands for the interface on which the socket joined the group first.
const AnyIf = -1

// Join makes the socket hear every source of the group (IP_ADD_MEMBERSHIP,
// MCAST_JOIN_GROUP): EXCLUDE{}. EINVAL: not a group, or the socket is a member
// in INCLUDE mode. EADDRINUSE: it is one already. ENOMEM: it has MaxMemberships.
func (g *Groups[S]) Join(m *Memberships[S], group netip.Addr, ifIndex int32, tun *Tunables) (Txn[S], error) {
	at, err := g.begin(m, group, ifIndex)
	switch {
	case err == nil && at.from.Mode == Include && group.Is4():
		err = syscall.EINVAL
	case err == nil && at.from.Mode != Undefined:
		err = syscall.EADDRINUSE
	case err == nil && m.Len() >= MaxMemberships:
		err = syscall.ENOMEM
	}
	if err != nil {
		return Txn[S]{}, err
	}
	return g.propose(m, &at, Filter{Mode: Exclude}, tun)
}

// Leave ends a membership of either mode (IP_DROP_MEMBERSHIP,
// MCAST_LEAVE_GROUP). EINVAL: not a group. EADDRNOTAVAIL: not a member.
func (g *Groups[S]) Leave(m *Memberships[S], group netip.Addr, ifIndex int32, tun *Tunables) (Txn[S], error) {
	if !group.IsMulticast() {
		return Txn[S]{}, syscall.EINVAL
	}
	at := m.seat(Key{group, ifIndex})
	if at.rec == nil {
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	}
	return g.propose(m, &at, Filter{}, tun)
}

// JoinSource adds a source to an INCLUDE membership, or makes one
// (IP_ADD_SOURCE_MEMBERSHIP, MCAST_JOIN_SOURCE_GROUP). EINVAL: not a group, not
// a source of its family, or the membership is EXCLUDE. EADDRNOTAVAIL: listed
// already. ENOMEM: MaxMemberships. ENOBUFS, ENOSPC: too many sources for the
// socket, for the interface.
func (g *Groups[S]) JoinSource(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr, tun *Tunables) (Txn[S], error) {
	at, err := g.beginSource(m, group, ifIndex, source)
	switch {
	case err != nil:
		return Txn[S]{}, err
	case at.from.Mode == Exclude:
		return Txn[S]{}, syscall.EINVAL
	case at.from.lists(source):
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	case at.from.Mode == Undefined && m.Len() >= MaxMemberships:
		return Txn[S]{}, syscall.ENOMEM
	case len(at.from.Sources) >= tun.socketSources(group):
		return Txn[S]{}, syscall.ENOBUFS
	}
	return g.propose(m, &at, Filter{Mode: Include, Sources: with(at.from.Sources, source)}, tun)
}

// LeaveSource takes a source out of an INCLUDE membership
// (IP_DROP_SOURCE_MEMBERSHIP, MCAST_LEAVE_SOURCE_GROUP). Without its last source
// the membership stays, as INCLUDE{}, and hears nothing. EINVAL: not a group or
// source. EADDRNOTAVAIL: no such membership, or the source is not listed.
func (g *Groups[S]) LeaveSource(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr, tun *Tunables) (Txn[S], error) {
	at, err := g.beginSource(m, group, ifIndex, source)
	switch {
	case err != nil:
		return Txn[S]{}, err
	case at.from.Mode != Include || !at.from.lists(source):
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	}
	return g.propose(m, &at, Filter{Mode: Include, Sources: without(at.from.Sources, source)}, tun)
}

// Block makes an EXCLUDE membership deaf to a source (IP_BLOCK_SOURCE,
// MCAST_BLOCK_SOURCE). EINVAL: not a group or source, or the membership is
// INCLUDE. EADDRNOTAVAIL: not a member, or blocked already. ENOBUFS, ENOSPC: as
// JoinSource.
func (g *Groups[S]) Block(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr, tun *Tunables) (Txn[S], error) {
	at, err := g.beginBlock(m, group, ifIndex, source)
	switch {
	case err != nil:
		return Txn[S]{}, err
	case at.from.lists(source):
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	case len(at.from.Sources) >= tun.socketSources(group):
		return Txn[S]{}, syscall.ENOBUFS
	}
	return g.propose(m, &at, Filter{Mode: Exclude, Sources: with(at.from.Sources, source)}, tun)
}

// Unblock undoes Block (IP_UNBLOCK_SOURCE, MCAST_UNBLOCK_SOURCE), with the same
// errors; EADDRNOTAVAIL also if the source is not blocked.
func (g *Groups[S]) Unblock(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr, tun *Tunables) (Txn[S], error) {
	at, err := g.beginBlock(m, group, ifIndex, source)
	switch {
	case err != nil:
		return Txn[S]{}, err
	case !at.from.lists(source):
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	}
	return g.propose(m, &at, Filter{Mode: Exclude, Sources: without(at.from.Sources, source)}, tun)
}

// SetFilter replaces the whole filter of a membership (IP_MSFILTER,
// setsourcefilter). The socket must be a member already. Duplicates are ignored,
// and the list is copied. ENOBUFS: more sources than a socket may have. EINVAL:
// bad mode, or not a group. EADDRNOTAVAIL: not a member. EAFNOSUPPORT: a source
// of another family. ENOSPC: too many for the interface.
//
// Deviation: FreeBSD keeps the old entries when the new list is empty; here, as
// RFC 3678 §4.2.1 has it, an empty list replaces like any other.
func (g *Groups[S]) SetFilter(m *Memberships[S], group netip.Addr, ifIndex int32, mode Mode, sources []netip.Addr, tun *Tunables) (Txn[S], error) {
	if len(sources) > tun.socketSources(group) {
		return Txn[S]{}, syscall.ENOBUFS
	}
	if mode != Include && mode != Exclude {
		return Txn[S]{}, syscall.EINVAL
	}
	at, err := g.begin(m, group, ifIndex)
	if err != nil {
		return Txn[S]{}, err
	}
	if at.from.Mode == Undefined {
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	}
	for _, s := range sources {
		if !s.IsValid() || s.Is4() != group.Is4() {
			return Txn[S]{}, syscall.EAFNOSUPPORT
		}
	}
	return g.propose(m, &at, Filter{Mode: mode, Sources: Sorted(sources)}, tun)
}

// Replace gives a member that is no socket its filter, whatever it had before: what
// a proxy wants upstream (RFC 4605 §4.1). The zero Filter ends the membership. How
// many it has is its own affair. EINVAL: not a group. EADDRNOTAVAIL: ifIndex is 0, or
// there is no membership to end. ENOSPC: too many sources for the interface.
func (g *Groups[S]) Replace(m *Memberships[S], group netip.Addr, ifIndex int32, to Filter, tun *Tunables) (Txn[S], error) {
	at, err := g.begin(m, group, ifIndex)
	switch {
	case err != nil:
		return Txn[S]{}, err
	case at.from.Mode == Undefined && to.Mode == Undefined:
		return Txn[S]{}, syscall.EADDRNOTAVAIL
	}
	return g.propose(m, &at, to, tun)
}

// Filter returns the socket's filter (getsourcefilter). EINVAL: ifIndex is 0, or
// not a group. EADDRNOTAVAIL: not a member.
func (g *Groups[S]) Filter(m *Memberships[S], group netip.Addr, ifIndex int32) (Filter, error) {
	if ifIndex == 0 || !group.IsMulticast() {
		return Filter{}, syscall.EINVAL
	}
	at := m.seat(Key{group, ifIndex})
	if at.rec == nil {
		return Filter{}, syscall.EADDRNOTAVAIL
	}
	return at.from, nil
}

// begin does the checks that come first in every request and returns where the
// socket's membership is, or would be.
func (g *Groups[S]) begin(m *Memberships[S], group netip.Addr, ifIndex int32) (seat[S], error) {
	if !group.IsMulticast() {
		return seat[S]{}, syscall.EINVAL
	}
	if ifIndex == 0 {
		return seat[S]{}, syscall.EADDRNOTAVAIL
	}
	return m.seat(Key{group, ifIndex}), nil
}

func (g *Groups[S]) beginSource(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr) (seat[S], error) {
	if !group.IsMulticast() || !source.IsValid() || source.Is4() != group.Is4() || source.Is6() && source.IsMulticast() {
		return seat[S]{}, syscall.EINVAL
	}
	return g.begin(m, group, ifIndex)
}

func (g *Groups[S]) beginBlock(m *Memberships[S], group netip.Addr, ifIndex int32, source netip.Addr) (seat[S], error) {
	at, err := g.beginSource(m, group, ifIndex, source)
	switch {
	case err != nil:
		return at, err
	case at.from.Mode == Undefined:
		return at, syscall.EADDRNOTAVAIL
	case at.from.Mode != Exclude:
		return at, syscall.EINVAL
	}
	return at, nil
}
