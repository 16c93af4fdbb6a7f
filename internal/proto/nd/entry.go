package nd

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// State is where a neighbour's entry stands (RFC 4861 §7.3.2).
type State uint8

// The states, with FreeBSD's values up to Probe.
const (
	Incomplete State = iota // asked for, not answered
	Reachable               // known to be there
	Stale                   // not known to be there, and not used since
	Delay                   // used; word from above may still save the probe
	Probe                   // being probed
	Permanent               // set by hand, or an own address; does not age
)

var stateNames = [...]string{
	Incomplete: "incomplete", Reachable: "reachable", Stale: "stale",
	Delay: "delay", Probe: "probe", Permanent: "permanent",
}

// String names the state.
func (s State) String() string { return stateNames[s] }

// Flags are properties of an entry, with FreeBSD's values.
type Flags uint8

// The flags.
const (
	Static    Flags = 0x02 // set by hand; messages do not change it
	Own       Flags = 0x04 // an address of this interface
	Published Flags = 0x20 // answered for on behalf of another host (proxy)
	Router    Flags = 0x80 // the neighbour is a router (IsRouter)
)

// todo is the set of things Next still has to hand out for an entry, done from
// the lowest bit to the highest.
type todo uint16

const (
	doFlush todo = 1 << iota
	doPublish
	doReady
	doDuplicate
	doSolicit
	doAdvertise
	doRouterLost
	doGone
	doUnreachable
	doDrop
)

// take clears bit and reports whether it was set.
func (d *todo) take(bit todo) bool {
	was := *d & bit
	*d &^= bit
	return was != 0
}

// entry is a neighbour, or, with a job, something that is being done for an
// own or proxied address: then it is in no index.
type entry[P any] struct {
	ip      netip.Addr
	src     netip.Addr // of the packet that asked last
	mac     wire.MAC
	told    wire.MAC // mac as the last event had it
	state   State
	flags   Flags
	gateway bool // packets were sent to it as to a router
	pending bool // is in the list of Next
	failed  bool // the first packet of those to drop is still to come
	gone    Event
	todo    todo

	asked  int32 // solicitations since the last answer
	hints  int32 // lives it owes to word from above
	at     int32 // place in the heap, -1 if no timer runs
	when   clock.Time
	seq    uint64     // when was set as the seq-th: orders equal moments
	hinted clock.Time // the last word from above

	held         []P
	job          *job
	next         *entry[P] // in the list of Next
	older, newer *entry[P] // in the list of the stale
}

// Key returns the neighbour's address.
func (e *entry[P]) Key() netip.Addr { return e.ip }

// get returns the entry of a neighbour, or nil.
func (t *Table[P]) get(ip netip.Addr) *entry[P] {
	return t.index.Get(t.hash.Addr(ip, 0), ip)
}

// insert makes an entry for an address that has none.
func (t *Table[P]) insert(ip netip.Addr, s State) *entry[P] {
	e := &entry[P]{ip: ip, state: s, at: -1}
	t.index.Put(t.hash.Addr(ip, 0), e)
	t.enter(e, s)
	return e
}

// setState moves e to another state.
func (t *Table[P]) setState(e *entry[P], s State) {
	t.leave(e)
	t.enter(e, s)
}

// enter gives e its state and keeps count of what is limited.
func (t *Table[P]) enter(e *entry[P], s State) {
	e.state = s
	if s != Permanent {
		t.learned++
	}
	switch s {
	case Incomplete:
		t.incomplete++
	case Stale:
		e.older = t.youngest
		if e.older != nil {
			e.older.newer = e
		} else {
			t.oldest = e
		}
		t.youngest = e
	}
}

// leave undoes enter.
func (t *Table[P]) leave(e *entry[P]) {
	if e.state != Permanent {
		t.learned--
	}
	switch e.state {
	case Incomplete:
		t.incomplete--
	case Stale:
		if e.older != nil {
			e.older.newer = e.newer
		} else {
			t.oldest = e.newer
		}
		if e.newer != nil {
			e.newer.older = e.older
		} else {
			t.youngest = e.older
		}
		e.older, e.newer = nil, nil
	}
}

// room makes sure that one more neighbour may be learned, at the expense of the
// one that nobody has used for the longest time. It counts where there is none.
func (t *Table[P]) room() bool {
	switch {
	case t.learned < int(t.tun.MaxEntries):
		return true
	case t.oldest == nil:
		t.stats.Full++
		return false
	}
	t.stats.Evicted++
	t.remove(t.oldest, Expired)
	return true
}

// remove takes e out of the table. What it still holds goes with it, by Next.
func (t *Table[P]) remove(e *entry[P], why Event) {
	t.disarm(e)
	t.leave(e)
	t.index.Delete(t.hash.Addr(e.ip, 0), e.ip)
	e.todo &= doFlush | doRouterLost
	e.gone = why
	t.pend(e, doGone)
	if e.state == Incomplete {
		e.failed = why == TimedOut
		t.pend(e, doDrop)
	}
}

// pend leaves something about e to Next.
func (t *Table[P]) pend(e *entry[P], what todo) {
	e.todo |= what
	if e.pending {
		return
	}
	e.pending = true
	if t.tail == nil {
		t.head = e
	} else {
		t.tail.next = e
	}
	t.tail = e
}

// unpend drops the first entry of Next's list.
func (t *Table[P]) unpend() {
	e := t.head
	t.head, e.next, e.pending = e.next, nil, false
	if t.head == nil {
		t.tail = nil
	}
}
