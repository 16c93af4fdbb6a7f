package wait

import (
	"iter"
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Key names a connection. Addresses have no zone.
type Key struct{ Local, Remote netip.AddrPort }

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

// Verdict is what became of a segment.
type Verdict uint8

const (
	// None: no entry is for it.
	None Verdict = iota
	// Dropped: the entry took it, and nothing is to be done.
	Dropped
	// Answer: the reply's Hdr is to be sent.
	Answer
	// Reopen: it is a SYN that begins a new connection, if somebody listens:
	// then Remove the entry, and let the new one's sequence numbers lie above
	// the reply's Floor. Otherwise the SYN is to be dropped.
	Reopen
)

// Reply is what Input gives back.
type Reply struct {
	Hdr   wire.TCPHeader // with Answer
	FIB   uint32         // with Answer
	Floor wire.Seq       // with Reopen
}

// Table holds the connections of one shard that are in TIME-WAIT. The zero
// value is an empty table.
type Table struct {
	seed table.Seed
}

// New returns an empty table.
func New(seed table.Seed) *Table { return &Table{seed: seed} }

// Add remembers a connection for twice the maximum segment lifetime. Where
// there are too many, the one that would have ended first is forgotten.
func (t *Table) Add(e *Env, now clock.Time, s *State) {}

// Input takes a segment with n bytes of payload. With verdicts that do not use
// it, r is left alone.
func (t *Table) Input(e *Env, now clock.Time, key Key, h *wire.TCPHeader, n int, r *Reply) Verdict {
	return None
}

// Has tells whether there is an entry.
func (t *Table) Has(now clock.Time, key Key) bool { return false }

// CanReuse tells whether connect may make a new connection with the ends of
// one in TIME-WAIT: if timestamps were in use and the new one's will be later,
// so that nothing can mistake segments (RFC 6191 seen from the other side). It
// must Remove the entry then, and use sequence numbers above floor (syn.Above)
// and the same timestamp offset (syn.Secret.TSOffset).
func (t *Table) CanReuse(e *Env, now clock.Time, key Key) (floor wire.Seq, ok bool) {
	return 0, false
}

// Remove forgets an entry, if there is one.
func (t *Table) Remove(key Key) {}

// Expire forgets the entries whose time is over.
func (t *Table) Expire(e *Env, now clock.Time) {}

// Deadline returns when Expire will have something to do, clock.Never while
// the table is empty.
func (t *Table) Deadline() clock.Time { return clock.Never }

// Len returns the number of entries.
func (t *Table) Len() int { return 0 }

// Entry is what is shown of an entry.
type Entry struct {
	Key     Key
	FIB     uint32
	Expires clock.Time
}

// All ranges over the entries, those that end first in front (local peers'
// before the others).
func (t *Table) All() iter.Seq[Entry] { return func(func(Entry) bool) {} }
