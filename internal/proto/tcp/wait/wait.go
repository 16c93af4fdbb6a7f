package wait

import (
	"iter"
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Key names a connection. Addresses have no zone.
type Key struct {
	Local, Remote netip.AddrPort
	Scope         uint32 // interface index, where the addresses are link-local
}

// State is what a connection leaves behind.
type State struct {
	Key Key
	// SndNxt is the number after our FIN, RcvNxt the one after the peer's.
	SndNxt, RcvNxt wire.Seq
	// Window is the window field of the last segment sent.
	Window uint16
	// FIB is the one that answers are sent in.
	FIB uint32
	// Timestamps were agreed on: TSOffset is added to the time in milliseconds
	// in what we send, TSRecent is the peer's last.
	Timestamps         bool
	TSOffset, TSRecent uint32
	// Local: the peer is on a network of ours (net.inet.tcp.msl_local).
	Local bool
}

// Table holds the connections of one shard that are in TIME-WAIT: about 160
// bytes for each.
type Table struct {
	seed  table.Seed
	index table.Table[Key, entry, *entry]
	lists [classes]fifo
}

// New returns an empty table.
func New(seed table.Seed) *Table { return &Table{seed: seed} }

// Add remembers a connection for twice the maximum segment lifetime. Where
// there are too many, the one that would have ended first is forgotten.
func (t *Table) Add(e *Env, now clock.Time, s *State) {
	t.Remove(s.Key)
	var w *entry
	for t.index.Len() >= int(e.T.Max) {
		w = t.first()
		t.remove(w)
		e.S.Recycled++
	}
	if w == nil {
		w = &entry{}
	}
	*w = entry{
		key: s.Key, sndNxt: s.SndNxt, rcvNxt: s.RcvNxt, tsOffset: s.TSOffset, tsRecent: s.TSRecent,
		fib: s.FIB, window: s.Window, spoke: milliseconds(now), class: remote,
	}
	if s.Timestamps {
		w.traits = timed
	}
	if s.Local {
		w.class = local
	}
	t.index.Put(t.hash(w.key), w)
	t.start(e, now, w)
	e.S.Added++
}

// Has tells whether there is an entry.
func (t *Table) Has(now clock.Time, key Key) bool { return t.find(now, key) != nil }

// CanReuse tells whether connect may make a new connection with the ends of
// one in TIME-WAIT: if timestamps were in use and the new one's will be later,
// so that nothing can mistake segments (RFC 6191 seen from the other side). It
// must Remove the entry then, and use sequence numbers above floor (syn.Above)
// and the same timestamp offset (syn.Secret.TSOffset).
//
// There is no obstacle, either, where ok is false because there is no entry:
// ask Has first.
func (t *Table) CanReuse(e *Env, now clock.Time, key Key) (floor wire.Seq, ok bool) {
	w := t.find(now, key)
	if w == nil || e.T.Reuse == 0 || w.traits&timed == 0 || int32(milliseconds(now)-w.spoke) <= 0 {
		return 0, false
	}
	e.S.Reused++
	return w.sndNxt, true
}

// Remove forgets an entry, if there is one.
func (t *Table) Remove(key Key) {
	if w := t.index.Get(t.hash(key), key); w != nil {
		t.remove(w)
	}
}

// Expire forgets the entries whose time is over.
func (t *Table) Expire(e *Env, now clock.Time) {
	for w := t.first(); w != nil && w.expires <= now; w = t.first() {
		t.remove(w)
		e.S.Expired++
	}
}

// Deadline returns when Expire will have something to do, clock.Never while
// the table is empty.
func (t *Table) Deadline() clock.Time {
	if w := t.first(); w != nil {
		return w.expires
	}
	return clock.Never
}

// Len returns the number of entries.
func (t *Table) Len() int { return t.index.Len() }

// Entry is what is shown of an entry.
type Entry struct {
	Key     Key
	FIB     uint32
	Expires clock.Time
}

// All ranges over the entries, those that end first in front, local peers'
// before the others. The loop must not change the table.
func (t *Table) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.lists {
			for w := t.lists[i].first; w != nil; w = w.next {
				if !yield(Entry{w.key, w.fib, w.expires}) {
					return
				}
			}
		}
	}
}
