package wait

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// entry is a connection in TIME-WAIT, in 120 bytes (a test holds it to 128).
type entry struct {
	key                Key
	prev, next         *entry // in the order of expires, among those of one class
	expires            clock.Time
	sndNxt, rcvNxt     wire.Seq
	tsOffset, tsRecent uint32
	fib                uint32
	spoke              uint32 // the millisecond of the last segment sent
	challenged         uint32 // the millisecond of the last challenge ACK
	window             uint16
	class              class
	traits             traits
}

// Key returns what the entry is found by.
func (w *entry) Key() Key { return w.key }

// class tells which of two lengths of time an entry waits for.
type class uint8

const (
	local class = iota
	remote
	classes
)

type traits uint8

const (
	timed      traits = 1 << iota // timestamps were agreed on
	challenger                    // challenged has a meaning
)

// fifo is a list of entries that wait equally long. When the tunable shrinks,
// those put in before it hold up the later ones, which expire no later than
// they would have.
type fifo struct{ first, last *entry }

func (f *fifo) push(w *entry) {
	w.prev, w.next = f.last, nil
	if f.last == nil {
		f.first = w
	} else {
		f.last.next = w
	}
	f.last = w
}

func (f *fifo) remove(w *entry) {
	if w.prev == nil {
		f.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		f.last = w.prev
	} else {
		w.next.prev = w.prev
	}
}

// start lets w, which is on no list, wait from now on.
func (t *Table) start(e *Env, now clock.Time, w *entry) {
	msl := e.T.MSL
	if w.class == local {
		msl = e.T.MSLLocal
	}
	w.expires = now.Add(2 * time.Duration(msl) * time.Millisecond)
	t.lists[w.class].push(w)
}

// first returns the entry that ends first, nil if there is none.
func (t *Table) first() *entry {
	a, b := t.lists[local].first, t.lists[remote].first
	if a == nil || b != nil && b.expires < a.expires {
		return b
	}
	return a
}

func (t *Table) hash(key Key) uint32 {
	return t.seed.Pair(key.Local.Addr(), key.Remote.Addr(), table.Ports(key.Local.Port(), key.Remote.Port(), 0))
}

// find returns the entry, nil if there is none whose time is not over.
func (t *Table) find(now clock.Time, key Key) *entry {
	w := t.index.Get(t.hash(key), key)
	if w == nil || now >= w.expires {
		return nil
	}
	return w
}

func (t *Table) remove(w *entry) {
	t.index.Delete(t.hash(w.key), w.key)
	t.lists[w.class].remove(w)
}

// milliseconds is the clock of timestamps (RFC 7323 §5.4), without an offset.
func milliseconds(now clock.Time) uint32 { return uint32(uint64(now) / uint64(time.Millisecond)) }
