package reass

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// MaxLen is the greatest length of a datagram in bytes: IPv4 with its header,
// IPv6 without its fixed header.
const MaxLen = 65535

// Key says which datagram a fragment belongs to (RFC 791 §3.2, RFC 8200 §4.5).
type Key struct {
	Src, Dst netip.Addr // of one family, without zone
	ID       uint32
	Scope    uint32 // interface index if the addresses mean something there only, else 0
	Proto    uint8  // IPv4's protocol; 0 for IPv6, whose later fragments may carry anything
}

// Fragment is one received fragment.
type Fragment[P any] struct {
	Key    Key
	Off    int   // of the first byte of payload in the datagram's payload, in bytes
	Len    int   // of the payload, in bytes
	Hdr    int   // bytes before the payload that count towards MaxLen: IPv4's header, IPv6's extension headers before the fragment header
	Cost   int   // bytes of memory that Packet keeps; 0 stands for Len
	More   bool  // more fragments follow
	ECN    uint8 // the two low bits of the traffic class
	Packet P
}

// Piece is a fragment of a complete datagram.
type Piece[P any] struct {
	Off, Len int
	Packet   P
}

// Verdict is what Input decided about a fragment.
type Verdict uint8

// The verdicts.
const (
	Held     Verdict = iota // the table has taken the packet
	Complete                // Result.Pieces are the datagram; all packets are the caller's
	Refused                 // the packet is the caller's to free; Result.Reason says why
)

// Reason says why a fragment was refused or a datagram given up.
type Reason uint8

// The reasons.
const (
	None      Reason = iota
	BadLength        // no payload, or not a multiple of 8 bytes although more follow (RFC 791 §3.2)
	TooLong          // reaches beyond MaxLen
	TooSmall         // a first fragment shorter than MinFirst (RFC 1858 §3)
	Duplicate        // held already
	Overlap          // fragments overlap, or contradict each other about the end (RFC 5722 §4)
	MixedECN         // some fragments say not ECN-capable, some congestion (RFC 3168 §5.3)
	Abandoned        // an IPv6 datagram given up before, whose fragments still come in
	TooMany          // more than MaxFragments
	Full             // no room that giving up others could make
	Evicted          // given up to make room
	TimedOut         // did not become complete in time
	Cleared          // Clear was called
)

var reasonNames = [...]string{
	None: "none", BadLength: "bad length", TooLong: "too long", TooSmall: "too small", Duplicate: "duplicate",
	Overlap: "overlap", MixedECN: "mixed ecn", Abandoned: "abandoned", TooMany: "too many fragments", Full: "full",
	Evicted: "evicted", TimedOut: "timed out", Cleared: "cleared",
}

// String names the reason as counters and traces show it.
func (r Reason) String() string { return reasonNames[r] }

// Result is Input's answer.
type Result[P any] struct {
	Verdict Verdict
	Reason  Reason     // if Refused
	ECN     uint8      // if Complete: the datagram's two ECN bits
	Len     int        // if Complete: bytes of payload
	Pieces  []Piece[P] // if Complete: in order, without gap or overlap, the first at 0
}

type family uint8

const (
	v4 family = iota
	v6
)

// Table holds the datagrams of a stack (or of one of its shards) that are not
// complete yet. It is generic in the packets P it holds.
//
// The zero Table must be bound to tunables and statistics (Bind) before Input.
// All moments come from one clock and do not go backwards.
type Table[P any] struct {
	tun       *Tunables
	stats     *Stats
	queues    [2]queue[P]          // by family, the oldest first
	dead      queue[P]             // given up; their packets come out of Next
	spare     *datagram[P]         // memory for the next one
	datagrams map[Key]*datagram[P] // nil while they are few enough to walk
}

// Bind tells the table where its stack's tunables and counters are. It only
// stores the two pointers, so a caller may bind anew whenever either moves.
func (t *Table[P]) Bind(tun *Tunables, stats *Stats) { t.tun, t.stats = tun, stats }

// Input takes a fragment. If it completes its datagram the pieces are appended
// to pieces[:0], so that a caller who passes the same slice again and again
// costs no memory. A fragment that is alone the whole datagram (offset 0, no
// more) is Complete at once, whatever else the table holds (RFC 6946 §4).
func (t *Table[P]) Input(now clock.Time, f *Fragment[P], pieces []Piece[P]) Result[P] {
	fam := v4
	if !f.Key.Src.Is4() {
		fam = v6
	}
	lim := t.tun.limits(fam)
	fam.count(&t.stats.Fragments, &t.stats.Fragments6, 1)
	if f.Off == 0 && !f.More {
		fam.count(&t.stats.Reassembled, &t.stats.Reassembled6, 1)
		return Result[P]{Verdict: Complete, ECN: f.ECN & 3, Len: f.Len, Pieces: append(pieces[:0], Piece[P]{0, f.Len, f.Packet})}
	}
	if r := f.check(lim); r != None {
		return t.refuse(fam, r)
	}
	d := t.find(f.Key, fam)
	if d == nil {
		if d = t.open(now, f.Key, fam, lim); d == nil {
			return t.refuse(fam, Full)
		}
	}
	if d.abandoned {
		return t.refuse(fam, Abandoned)
	}
	at, r := d.place(f, lim)
	switch {
	case r == Duplicate:
		return t.refuse(fam, r)
	case r == None && !t.room(d, f.cost(), lim):
		r = Full
	}
	if r != None {
		t.abandon(d, r)
		return t.refuse(fam, r)
	}
	d.add(at, f)
	t.queues[fam].bytes += f.cost()
	if !d.complete() {
		return Result[P]{Verdict: Held}
	}
	return t.finish(d, pieces)
}

// check judges a fragment by itself.
func (f *Fragment[P]) check(lim limits) Reason {
	switch {
	case f.Len <= 0 || f.More && f.Len%8 != 0:
		return BadLength
	case f.Off+f.Len+f.Hdr > MaxLen:
		return TooLong
	case f.Off == 0 && f.Len < int(lim.first):
		return TooSmall
	}
	return None
}

func (f *Fragment[P]) cost() int { return max(f.Cost, f.Len) }

func (t *Table[P]) refuse(fam family, r Reason) Result[P] {
	fam.count(&t.stats.Dropped, &t.stats.Dropped6, 1)
	return Result[P]{Verdict: Refused, Reason: r}
}

// open begins a datagram, in the place of the oldest if there are too many.
func (t *Table[P]) open(now clock.Time, k Key, fam family, lim limits) *datagram[P] {
	if lim.datagrams == 0 || lim.fragments == 0 {
		return nil
	}
	q := &t.queues[fam]
	for lim.datagrams > 0 && q.len >= int(lim.datagrams) {
		t.give(q.head, Evicted)
	}
	d := t.spare
	if d == nil {
		d = new(datagram[P])
	}
	t.spare = nil
	d.key, d.fam, d.total = k, fam, -1
	d.expires = now.Add(time.Duration(lim.ttl) * time.Second)
	q.push(d)
	t.index(d)
	return d
}

// room makes room for n more bytes of d by giving up older datagrams, and says
// whether that was possible.
func (t *Table[P]) room(d *datagram[P], n int, lim limits) bool {
	q := &t.queues[d.fam]
	for q.bytes+n > int(lim.bytes) {
		oldest := q.head
		if oldest == d {
			oldest = d.next
		}
		if oldest == nil {
			return false
		}
		t.give(oldest, Evicted)
	}
	return true
}

// finish takes the complete datagram d out and hands its pieces over.
func (t *Table[P]) finish(d *datagram[P], pieces []Piece[P]) Result[P] {
	d.fam.count(&t.stats.Reassembled, &t.stats.Reassembled6, 1)
	r := Result[P]{Verdict: Complete, ECN: d.ecn(), Len: d.total, Pieces: append(pieces[:0], d.pieces...)}
	t.remove(d)
	t.recycle(d)
	return r
}

// abandon gives d up because of what came in. An IPv6 datagram is remembered
// until its time is over, because fragments still to come are to be discarded
// too (RFC 5722 §4); IPv4's 16-bit identification comes around too soon for
// that.
func (t *Table[P]) abandon(d *datagram[P], r Reason) {
	if r == Overlap {
		d.fam.count(&t.stats.Overlaps, &t.stats.Overlaps6, 1)
	}
	if d.fam == v4 || r == Full {
		t.give(d, r)
		return
	}
	ghost := t.spare
	if ghost == nil {
		ghost = new(datagram[P])
	}
	t.spare = nil
	ghost.key, ghost.fam, ghost.expires, ghost.abandoned = d.key, d.fam, d.expires, true
	t.queues[d.fam].replace(d, ghost)
	t.index(ghost)
	t.bury(d, r)
}

// give takes d out of the table and leaves its packets to Next.
func (t *Table[P]) give(d *datagram[P], r Reason) {
	if r == Evicted {
		d.fam.count(&t.stats.Evicted, &t.stats.Evicted6, 1)
	}
	t.remove(d)
	t.bury(d, r)
}

func (t *Table[P]) bury(d *datagram[P], r Reason) {
	d.reason, d.have = r, 0 // from here on have counts what Next has handed out
	d.fam.count(&t.stats.Dropped, &t.stats.Dropped6, len(d.pieces))
	if len(d.pieces) == 0 {
		t.recycle(d)
		return
	}
	t.dead.push(d)
}

// remove takes d out of map and queue.
func (t *Table[P]) remove(d *datagram[P]) {
	t.queues[d.fam].remove(d)
	if delete(t.datagrams, d.key); len(t.datagrams) == 0 {
		t.datagrams = nil
	}
}

// recycle keeps one datagram's memory for the next, without its packets.
func (t *Table[P]) recycle(d *datagram[P]) {
	clear(d.pieces)
	*d = datagram[P]{pieces: d.pieces[:0]}
	t.spare = d
}

// Len returns how many datagrams are held.
func (t *Table[P]) Len() int { return t.queues[v4].len + t.queues[v6].len }

// Clear gives everything up; the packets come out of Next.
func (t *Table[P]) Clear() {
	for f := range t.queues {
		for t.queues[f].head != nil {
			t.give(t.queues[f].head, Cleared)
		}
	}
	t.spare = nil
}
