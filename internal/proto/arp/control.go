package arp

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// local is an address of the interface, in the order of adding.
type local[P any] struct {
	prefix netip.Prefix
	entry  *entry[P]
}

// SetLink tells the table about its interface, at first and whenever something
// changes. A new hardware address, and an interface coming up, announces all
// own addresses. Whoever keeps complete link headers must rebuild them if the
// hardware address changed; no events tell.
func (t *Table[P]) SetLink(now clock.Time, l Link) {
	was := t.link
	t.link = l
	for _, o := range t.locals {
		o.entry.mac = l.MAC
		switch {
		case !l.Up:
			t.disarm(o.entry)
		case !was.Up || was.MAC != l.MAC:
			o.entry.asked = 0
			t.announce(now, o.entry)
		}
	}
}

// AddAddress makes prefix's address an own address of the interface: an entry
// that does not age, and is announced at once if the interface is up. The
// prefix's length serves to choose the sender of requests. An entry that was
// there is replaced. Returns EINVAL if the address cannot be a host's.
func (t *Table[P]) AddAddress(now clock.Time, prefix netip.Prefix) syscall.Errno {
	ip := prefix.Addr()
	if !ip.Is4() || ip.IsUnspecified() || ip.IsMulticast() {
		return syscall.EINVAL
	}
	if e := t.entries[key(ip)]; e != nil {
		t.drop(e)
	}
	e := t.insert(key(ip), Permanent)
	e.flags, e.mac = Own|Static, t.link.MAC
	t.locals = append(t.locals, local[P]{prefix, e})
	t.pend(e, doResolved)
	t.announce(now, e)
	return 0
}

// DelAddress takes an own address away. Returns ENOENT if it is none.
func (t *Table[P]) DelAddress(ip netip.Addr) syscall.Errno {
	e := t.find(ip)
	if e == nil || e.flags&Own == 0 {
		return syscall.ENOENT
	}
	t.drop(e)
	return 0
}

// Set adds or replaces an entry by hand. With expire clock.Never it is static;
// else it goes at that moment unless an ARP packet confirms it before, which
// makes it like any other. publish makes the table answer for ip. Packets that
// waited for ip are sent. Returns EPERM for an own address, EINVAL for what is
// no host's address.
func (t *Table[P]) Set(ip netip.Addr, mac wire.MAC, publish bool, expire clock.Time) syscall.Errno {
	if !ip.Is4() || !isHost(ip) {
		return syscall.EINVAL
	}
	e := t.entries[key(ip)]
	if e == nil {
		e = t.insert(key(ip), Incomplete)
	}
	if e.flags&Own != 0 {
		return syscall.EPERM
	}
	e.flags, e.mac, e.expire, e.tries = 0, mac, expire, 0
	if publish {
		e.flags = Published
	}
	if expire == clock.Never {
		e.flags |= Static
		t.setState(e, Permanent)
	} else {
		t.setState(e, Reachable)
	}
	e.todo &^= doRequest | doWatch | doAsk | doDecide
	t.arm(e, expire)
	t.pend(e, doResolved|doFlush)
	return 0
}

// Delete removes an entry. Returns ENOENT if there is none, EPERM for an own
// address.
func (t *Table[P]) Delete(ip netip.Addr) syscall.Errno {
	e := t.find(ip)
	if e == nil {
		return syscall.ENOENT
	}
	if e.flags&Own != 0 {
		return syscall.EPERM
	}
	t.drop(e)
	return 0
}

// Scrub removes the learned and unresolved entries inside prefix, in order of
// address; with static also those set by hand. Own addresses stay.
func (t *Table[P]) Scrub(prefix netip.Prefix, static bool) {
	for _, e := range t.sorted() {
		if e.flags&Own == 0 && (static || e.flags&Static == 0) && prefix.Contains(e.addr()) {
			t.drop(e)
		}
	}
}

// Clear removes everything, own addresses too: the interface goes away. What
// was held comes out of Next as DropPacket.
func (t *Table[P]) Clear() {
	for _, e := range t.sorted() {
		t.drop(e)
	}
}

// drop removes e because the caller wants so.
func (t *Table[P]) drop(e *entry[P]) {
	if e.flags&Own != 0 {
		t.locals = slices.DeleteFunc(t.locals, func(o local[P]) bool { return o.entry == e })
	}
	t.remove(e, Deleted)
}

func (t *Table[P]) find(ip netip.Addr) *entry[P] {
	if t == nil || !ip.Is4() {
		return nil
	}
	return t.entries[key(ip)]
}

// source chooses the own address that asks for ip: the one with the longest
// prefix that covers ip, else the first. Without any it is invalid.
func (t *Table[P]) source(ip netip.Addr) netip.Addr {
	best := -1
	for i, o := range t.locals {
		if o.prefix.Contains(ip) && (best < 0 || o.prefix.Bits() > t.locals[best].prefix.Bits()) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return t.locals[best].prefix.Addr()
	case len(t.locals) > 0:
		return t.locals[0].prefix.Addr()
	}
	return netip.Addr{}
}

// Entry is a copy of an entry, for listings.
type Entry struct {
	IP     netip.Addr
	MAC    wire.MAC // zero while State is Incomplete
	State  State
	Flags  Flags
	Expire clock.Time // when it goes unless it is answered again; clock.Never if it does not age
	Held   int        // packets that wait
}

// Len returns the number of entries.
func (t *Table[P]) Len() int {
	if t == nil {
		return 0
	}
	return len(t.entries)
}

// Lookup returns a copy of the entry for ip.
func (t *Table[P]) Lookup(ip netip.Addr) (Entry, bool) {
	e := t.find(ip)
	if e == nil {
		return Entry{}, false
	}
	return e.copy(), true
}

// AppendEntries appends copies of all entries, in order of address.
func (t *Table[P]) AppendEntries(to []Entry) []Entry {
	if t == nil {
		return to
	}
	for _, e := range t.sorted() {
		to = append(to, e.copy())
	}
	return to
}

func (e *entry[P]) copy() Entry {
	c := Entry{IP: e.addr(), MAC: e.mac, State: e.state, Flags: e.flags, Expire: e.expire, Held: len(e.held)}
	if e.state == Incomplete {
		c.Expire = e.when
	}
	return c
}

func (t *Table[P]) sorted() []*entry[P] {
	all := make([]*entry[P], 0, len(t.entries))
	for _, e := range t.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry[P]) int { return int(int64(a.ip) - int64(b.ip)) })
	return all
}
