package arp

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// State is where an entry stands.
type State uint8

// The states.
const (
	Incomplete State = iota // asked for, not answered
	Reachable               // answered
	Verify                  // answered long ago; refreshed if it is used, else it goes
	Permanent               // set by hand, or an own address; does not age
)

var stateNames = [...]string{Incomplete: "incomplete", Reachable: "reachable", Verify: "verify", Permanent: "permanent"}

// String names the state.
func (s State) String() string { return stateNames[s] }

// Flags are properties of an entry, with FreeBSD's values.
type Flags uint8

// The flags.
const (
	Static    Flags = 0x02 // set by hand; ARP packets do not change it
	Own       Flags = 0x04 // an address of this interface
	Published Flags = 0x20 // answered for on behalf of another host (proxy ARP)
)

// todo is the set of things Next still has to hand out for an entry, done from
// the lowest bit to the highest.
type todo uint16

const (
	doResolved todo = 1 << iota
	doFlush
	doRequest
	doWatch
	doAsk
	doDecide // AskUsed was handed out and can be judged
	doGone
	doDrop
)

// take clears bit and reports whether it was set.
func (d *todo) take(bit todo) bool {
	was := *d & bit
	*d &^= bit
	return was != 0
}

type entry[P any] struct {
	ip      uint32
	mac     wire.MAC
	state   State
	flags   Flags
	used    bool // was sent to since Watch
	pending bool // is in the list of Next
	gone    Event
	todo    todo

	asked  int32 // requests since the last answer; gratuitous ones of an own address
	tries  int32 // refreshes left
	at     int32 // place in the heap, -1 if no timer runs
	when   clock.Time
	seq    uint64 // when was set as the seq-th: orders equal moments
	sent   clock.Time
	expire clock.Time // clock.Never if the entry does not age

	held []P
	next *entry[P]
}

func (e *entry[P]) addr() netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], e.ip)
	return netip.AddrFrom4(b)
}

func key(ip netip.Addr) uint32 {
	b := ip.As4()
	return binary.BigEndian.Uint32(b[:])
}

// insert makes an entry for an address that has none.
func (t *Table[P]) insert(k uint32, s State) *entry[P] {
	e := &entry[P]{ip: k, state: s, at: -1, expire: clock.Never}
	if t.entries == nil {
		t.entries = make(map[uint32]*entry[P])
	}
	t.entries[k] = e
	if s != Permanent {
		t.learned++
	}
	return e
}

// setState changes e's state and keeps count of what MaxEntries limits.
func (t *Table[P]) setState(e *entry[P], s State) {
	if e.state == Permanent {
		t.learned++
	}
	if s == Permanent {
		t.learned--
	}
	e.state = s
}

// full says that one more learned entry is too many, and counts that.
func (t *Table[P]) full() bool {
	if t.learned < int(t.tun.MaxEntries) {
		return false
	}
	t.stats.Full++
	return true
}

// remove takes e out of the table. What it still holds goes with it, by Next.
func (t *Table[P]) remove(e *entry[P], why Event) {
	t.disarm(e)
	delete(t.entries, e.ip)
	if len(t.entries) == 0 {
		t.entries, t.timers = nil, nil
	}
	if e.state != Permanent {
		t.learned--
	}
	e.todo &^= doRequest | doWatch | doAsk | doDecide
	e.gone = why
	t.pend(e, doGone)
	if e.state == Incomplete {
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
