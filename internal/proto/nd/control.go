package nd

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// SetLink tells the table about its interface, at first and whenever something
// changes. An interface that comes up asks for its addresses, after random
// delays, and announces those it had; a new hardware address is announced three
// times (RFC 4861 §7.2.6). Whoever keeps complete link headers must rebuild them
// if the hardware address changed; no events tell.
func (t *Table[P]) SetLink(now clock.Time, l Link) {
	was := t.link
	t.link = l
	works := l.Up && !l.Disabled
	began := works && (!was.Up || was.Disabled)
	if !works {
		t.halt()
		return
	}
	for i := range t.locals {
		a := &t.locals[i]
		switch {
		case a.state < Preferred && a.job == nil:
			t.claim(now, a, true)
		case a.state == Preferred && a.flags&Anycast == 0 && was.MAC != l.MAC && !was.MAC.IsZero():
			t.announce(now, a, maxNeighborAdv)
		case a.state == Preferred && a.flags&Anycast == 0 && began:
			t.announce(now, a, 1)
		}
	}
}

// halt ends all that is being done for own addresses, until the interface comes
// up again. What Next has already is still told.
func (t *Table[P]) halt() {
	for i := range t.locals {
		a := &t.locals[i]
		if a.job == nil {
			continue
		}
		t.disarm(a.job)
		a.job.todo &= doReady | doDuplicate
		a.job = nil
	}
}

// disable stops IPv6 on the interface, until SetLink says otherwise.
func (t *Table[P]) disable() {
	t.link.Disabled = true
	t.halt()
}

// Set adds or replaces an entry by hand. With expire clock.Never it is static;
// else it is reachable until then and goes on like any other. publish makes the
// table answer for ip (the caller joins its solicited-node group). Packets that
// waited for ip are sent. Returns EPERM for an own address, EINVAL for what is no
// host's address, ENOBUFS for one more that ages where MaxEntries is reached.
func (t *Table[P]) Set(ip netip.Addr, mac wire.MAC, publish bool, expire clock.Time) syscall.Errno {
	if !isHost(ip) {
		return syscall.EINVAL
	}
	if t.local(ip) != nil {
		return syscall.EPERM
	}
	e, state := t.get(ip), Permanent
	if expire != clock.Never {
		state = Reachable
		if (e == nil || e.state == Permanent) && !t.room() {
			return syscall.ENOBUFS
		}
	}
	if e == nil {
		e = t.insert(ip, state)
	}
	t.setState(e, state)
	e.flags &= Router
	e.mac, e.asked, e.hints, e.hinted = mac, 0, 0, 0
	if publish {
		e.flags |= Published
	}
	if expire == clock.Never {
		e.flags |= Static
	}
	e.todo &^= doSolicit
	t.arm(e, expire)
	t.pend(e, doFlush|doPublish)
	return 0
}

// Delete removes an entry. Returns ENOENT if there is none, EPERM for an own
// address.
func (t *Table[P]) Delete(ip netip.Addr) syscall.Errno {
	if t == nil {
		return syscall.ENOENT
	}
	if t.local(ip) != nil {
		return syscall.EPERM
	}
	e := t.get(ip)
	if e == nil {
		return syscall.ENOENT
	}
	t.remove(e, Deleted)
	return 0
}

// Scrub removes the learned and unresolved entries inside prefix, in order of
// address; with static also those set by hand.
func (t *Table[P]) Scrub(prefix netip.Prefix, static bool) {
	for _, e := range t.sorted() {
		if (static || e.flags&Static == 0) && prefix.Contains(e.ip) {
			t.remove(e, Deleted)
		}
	}
}

// Clear removes everything, own addresses too: the interface goes away. What
// was held comes out of Next as DropPacket.
func (t *Table[P]) Clear() {
	for i := range t.locals {
		t.stop(&t.locals[i])
	}
	t.locals = nil
	for _, e := range t.sorted() {
		t.remove(e, Deleted)
	}
	for len(t.timers) > 0 { // answers that waited for their moment
		t.disarm(t.timers[0])
	}
	t.late = 0
}

// Settle discards what Next would yield and has the table announce nothing
// more: for one that was made after its interface had begun to use its
// addresses.
func (t *Table[P]) Settle() {
	for t.head != nil {
		t.head.todo = 0
		t.unpend()
	}
	for i := range t.locals {
		if t.locals[i].state == Preferred {
			t.stop(&t.locals[i])
		}
	}
}

// Entry is a copy of an entry, for listings.
type Entry struct {
	IP     netip.Addr
	MAC    wire.MAC // zero while State is Incomplete
	State  State
	Flags  Flags
	Expire clock.Time // when State ends by itself; clock.Never if it does not
	Asked  int        // solicitations that were not answered
	Held   int        // packets that wait
}

// Len returns the number of entries, without own addresses.
func (t *Table[P]) Len() int {
	if t == nil {
		return 0
	}
	return t.index.Len()
}

// Lookup returns a copy of the entry for ip, which may be an own address.
func (t *Table[P]) Lookup(ip netip.Addr) (Entry, bool) {
	if t == nil {
		return Entry{}, false
	}
	if a := t.mine(ip); a != nil {
		return t.ownEntry(a), true
	}
	if e := t.get(ip); e != nil {
		return e.copy(), true
	}
	return Entry{}, false
}

// AppendEntries appends copies of all entries, own addresses that are in use
// among them, in order of address.
func (t *Table[P]) AppendEntries(to []Entry) []Entry {
	if t == nil {
		return to
	}
	n := len(to)
	for i := range t.locals {
		if s := t.locals[i].state; s == Preferred || s == Optimistic {
			to = append(to, t.ownEntry(&t.locals[i]))
		}
	}
	for e := range t.index.All() {
		to = append(to, e.copy())
	}
	slices.SortFunc(to[n:], func(a, b Entry) int { return a.IP.Compare(b.IP) })
	return to
}

func (t *Table[P]) ownEntry(a *address[P]) Entry {
	return Entry{IP: a.ip, MAC: t.link.MAC, State: Permanent, Flags: Own | Static, Expire: clock.Never}
}

func (e *entry[P]) copy() Entry {
	c := Entry{
		IP: e.ip, MAC: e.mac, State: e.state, Flags: e.flags, Expire: clock.Never,
		Asked: int(e.asked), Held: len(e.held),
	}
	if e.at >= 0 {
		c.Expire = e.when
	}
	return c
}

func (t *Table[P]) sorted() []*entry[P] {
	all := make([]*entry[P], 0, t.index.Len())
	for e := range t.index.All() {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry[P]) int { return a.ip.Compare(b.ip) })
	return all
}
