package gmp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/table"
)

// Database is what a router (RFC 3376 §6.2) or a snooping switch (RFC 4541)
// remembers of the reports it heard: for each port and group a filter mode, a
// group timer and the sources with theirs. A router has one port, number 0.
//
// A report costs the same however many ports reported the group before, and a
// report that only refreshes timers touches no queue. The zero value is empty.
type Database[A Address] struct {
	Seed   table.Seed                                     // may be set before first use
	Quiet  bool                                           // nobody asks for events, so keep none
	table  table.Table[portGroup[A], Group[A], *Group[A]] // of ports that have indexFrom or more
	groups int
	heap   heap[*Group[A]]
	ports  table.Pieces[portGroups[A]]
	events []Event[A]
	told   int // of events, already pulled
	turns  int32
	turnAt clock.Time // when so many turns were given to ask: see turn
	list   []A        // scratch: the sources of the record at hand, sorted
}

type portGroup[A Address] struct {
	port int32
	at   A
}

func (d *Database[A]) hash(k portGroup[A]) uint32 { return Hash(d.Seed, k.at, uint32(k.port)) }

// portGroups lists a port's groups, in the order of their first report. What comes
// before the first is the last.
type portGroups[A Address] struct {
	first *Group[A]
	n     int32
}

func (l *portGroups[A]) add(g *Group[A]) {
	if l.n++; l.first == nil {
		l.first, g.prev = g, g
		return
	}
	last := l.first.prev
	last.next, g.prev, l.first.prev = g, last, g
}

func (l *portGroups[A]) remove(g *Group[A]) {
	l.n--
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		l.first.prev = g.prev
	}
	if g == l.first {
		l.first = g.next
	} else {
		g.prev.next = g.next
	}
}

// Group is the state of one group on one port.
type Group[A Address] struct {
	Handle     int32 // the holder's, for whatever it keeps about AnyOn
	port       int32
	at         A
	place      int32
	blocked    int32 // sources that EXCLUDE mode does not forward
	mode       mcast.Mode
	next, prev *Group[A]
	sources    []source[A] // sorted
	until      clock.Time  // the group timer, EXCLUDE mode only
	wake       clock.Time  // not after the earliest timer, asks included
	older      *older      // nil unless hosts of older versions were heard
	asks       *asks[A]    // nil unless specific queries are to be sent
}

// older says until when hosts of older versions are believed to be there.
type older struct{ v1, v2 clock.Time }

// source runs until its time; in EXCLUDE mode one that is stopped is not forwarded
// (RFC 3376 §6.2.3).
type source[A Address] struct {
	at     A
	handle int32
	until  clock.Time
}

// stopped is the time of a source whose timer does not run. It is before all
// times, so that it never counts as running.
const stopped clock.Time = -1 << 62

// Key returns what the group is found by.
func (g *Group[A]) Key() portGroup[A] { return portGroup[A]{g.port, g.at} }

func (g *Group[A]) due() clock.Time { return g.wake }
func (g *Group[A]) slot() *int32    { return &g.place }

func (g *Group[A]) before(o *Group[A]) bool {
	if c := Compare(g.at, o.at); c != 0 {
		return c < 0
	}
	return g.port < o.port
}

// Port returns where the group is.
func (g *Group[A]) Port() int32 { return g.port }

// At returns the group's address.
func (g *Group[A]) At() A { return g.at }

// Any reports whether sources are forwarded that nobody named: EXCLUDE mode.
func (g *Group[A]) Any() bool { return g.mode == mcast.Exclude }

// Blocked returns how many sources are not forwarded in spite of Any.
func (g *Group[A]) Blocked() int { return int(g.blocked) }

// Next returns the port's next group.
func (g *Group[A]) Next() *Group[A] { return g.next }

// Sources calls visit for every source that is forwarded by name: INCLUDE mode.
func (g *Group[A]) Sources(visit func(source A, handle *int32)) {
	if g.mode == mcast.Include {
		for i := range g.sources {
			visit(g.sources[i].at, &g.sources[i].handle)
		}
	}
}

// Forwards reports whether datagrams of the source are wanted (RFC 3376 §6.3).
func (g *Group[A]) Forwards(src A) bool {
	i, found := g.search(src)
	if g.mode == mcast.Include {
		return found
	}
	return !found || g.sources[i].until != stopped
}

func (g *Group[A]) search(a A) (int, bool) {
	return slices.BinarySearchFunc(g.sources, a, func(s source[A], a A) int { return Compare(s.at, a) })
}

// What says what an Event is.
type What uint8

const (
	SourceOn  What = iota // (S,G) is forwarded, by name
	SourceOff             // not any more; Handle is the source's
	AnyOn                 // (*,G) is forwarded
	AnyOff                // not any more; Handle is the group's
	BlockOn               // S is not forwarded although (*,G) is
	BlockOff              // it is again, or AnyOff follows
)

var whatNames = [...]string{"source on", "source off", "any on", "any off", "block on", "block off"}

// String names the event as transcripts show it.
func (w What) String() string { return whatNames[w] }

// Event is a change of what is to be forwarded where. Source is zero with AnyOn
// and AnyOff.
type Event[A Address] struct {
	Port          int32
	Handle        int32
	Group, Source A
	What          What
}

// NextEvent returns the oldest event that was not yet pulled; false if there is
// none. Unless Quiet, pull after every call that may change something.
func (d *Database[A]) NextEvent(e *Event[A]) bool {
	if d.told == len(d.events) {
		d.events, d.told = d.events[:0], 0
		return false
	}
	*e = d.events[d.told]
	d.told++
	return true
}

func (d *Database[A]) tell(g *Group[A], w What, s source[A]) {
	if d.Quiet {
		return
	}
	h := s.handle
	if w == AnyOff {
		h = g.Handle
	}
	d.events = append(d.events, Event[A]{Port: g.port, Handle: h, Group: g.at, Source: s.at, What: w})
}

// Rules are the times and limits that reports and queries are judged by.
type Rules struct {
	Member     time.Duration // Group Membership Interval (RFC 3376 §8.4)
	LastMember time.Duration // Last Member Query Time (§8.8.2)
	MaxGroups  int32         // per port
	MaxSources int32         // per port and group
	Count      uint8         // Last Member Query Count (§8.8.1), of a querier
	Version    uint8         // groups are no more than this: 1 and 2 know no sources (§7.3); 0: 3
	Leave      LeaveRule
}

// LeaveRule says what happens when someone leaves and others may still be there.
type LeaveRule uint8

const (
	LeaveWait  LeaveRule = iota // the querier will ask: Query lowers the timers
	LeaveQuery                  // we are the querier: lower the timers and ask
	LeaveNow                    // nobody else can be there: stop at once
)

// compat is the Group Compatibility Mode (RFC 3376 §7.3.2): the version of the
// oldest host that was lately heard of, or of the queries, where that is older.
// Of a group that there is not (nil) no host was heard.
func (g *Group[A]) compat(now clock.Time, r *Rules) uint8 {
	var o *older
	if g != nil {
		o = g.older
	}
	switch {
	case o != nil && now < o.v1 || r.Version == 1:
		return 1
	case o != nil && now < o.v2 || r.Version == 2:
		return 2
	}
	return 3
}

// heardOlder notes a host of an older version (§8.13), which is believed to be there
// until then.
func (g *Group[A]) heardOlder(version uint8, until clock.Time) {
	if g.older == nil {
		g.older = &older{-clock.Never, -clock.Never}
	}
	if version == 1 {
		g.older.v1 = until
	} else {
		g.older.v2 = until
	}
}

// Len returns the number of groups, each port's counted.
func (d *Database[A]) Len() int { return d.groups }

// Lookup returns the state of the group on the port, nil if there is none.
func (d *Database[A]) Lookup(port int32, group A) *Group[A] {
	if int(port) >= d.ports.Len() {
		return nil
	}
	l := d.ports.At(port)
	if l.n >= indexFrom {
		k := portGroup[A]{port, group}
		return d.table.Get(d.hash(k), k)
	}
	g := l.first
	for g != nil && g.at != group {
		g = g.next
	}
	return g
}

// First returns the first group of the port; Group.Next leads on.
func (d *Database[A]) First(port int32) *Group[A] {
	if int(port) >= d.ports.Len() {
		return nil
	}
	return d.ports.At(port).first
}

// SourceHandle returns the word that the holder may keep with a source that was
// reported by SourceOn, nil if it is gone again. It is valid until the next
// report.
func (d *Database[A]) SourceHandle(port int32, group, src A) *int32 {
	if g := d.Lookup(port, group); g != nil {
		if i, found := g.search(src); found {
			return &g.sources[i].handle
		}
	}
	return nil
}

// Deadline returns when Expire will have something to do.
func (d *Database[A]) Deadline() clock.Time { return d.heap.deadline() }

// Expire lets the timers of one group run out (RFC 3376 §6.2.2, §6.2.3, §6.5);
// false if none is due. Pull the events, then call again.
func (d *Database[A]) Expire(now clock.Time) bool {
	if d.heap.deadline() > now {
		return false
	}
	d.expire(now, d.heap.top())
	return true
}

// expire does so for one group and sets its next wake; false if the group is
// gone.
func (d *Database[A]) expire(now clock.Time, g *Group[A]) bool {
	kept := g.sources[:0]
	for _, s := range g.sources {
		switch {
		case s.until == stopped || s.until > now:
		case g.mode == mcast.Include:
			d.tell(g, SourceOff, s)
			continue
		default:
			s.until = stopped
			g.blocked++
			d.tell(g, BlockOn, s)
		}
		kept = append(kept, s)
	}
	g.sources = kept
	if g.mode == mcast.Exclude && g.until <= now {
		d.toInclude(g)
	}
	if len(g.sources) == 0 && g.mode == mcast.Include {
		d.drop(g)
		return false
	}
	g.wake = g.earliest()
	d.heap.fix(g)
	return true
}

func (g *Group[A]) earliest() clock.Time {
	t := clock.Never
	if g.mode == mcast.Exclude {
		t = g.until
	}
	for i := range g.sources {
		if u := g.sources[i].until; u != stopped {
			t = min(t, u)
		}
	}
	if g.asks != nil {
		t = min(t, g.asks.at())
	}
	return t
}

// DropPort forgets everything about the port.
func (d *Database[A]) DropPort(port int32) {
	for g := d.First(port); g != nil; g = d.First(port) {
		if g.mode == mcast.Exclude {
			d.tell(g, AnyOff, source[A]{})
		}
		for _, s := range g.sources {
			if g.mode == mcast.Include {
				d.tell(g, SourceOff, s)
			}
		}
		d.drop(g)
	}
}

func (d *Database[A]) add(port int32, a A) *Group[A] {
	g := &Group[A]{port: port, at: a, mode: mcast.Include, wake: clock.Never}
	d.groups++
	l := d.ports.Need(port)
	l.add(g)
	switch {
	case l.n == indexFrom:
		for o := l.first; o != nil; o = o.next {
			d.table.Put(d.hash(o.Key()), o)
		}
	case l.n > indexFrom:
		d.table.Put(d.hash(g.Key()), g)
	}
	return g
}

func (d *Database[A]) drop(g *Group[A]) {
	d.heap.remove(g)
	d.groups--
	l := d.ports.At(g.port)
	if l.n >= indexFrom {
		d.table.Delete(d.hash(g.Key()), g.Key())
	}
	l.remove(g)
	if l.n == indexFrom-1 {
		for o := l.first; o != nil; o = o.next {
			d.table.Delete(d.hash(o.Key()), o.Key())
		}
	}
}

// GroupState is a group as people read it.
type GroupState struct {
	Group   netip.Addr
	Mode    mcast.Mode
	Left    time.Duration // of the group timer, in EXCLUDE mode
	Sources []SourceState // sorted
}

// SourceState is a source of a group; without time left it is not forwarded.
type SourceState struct {
	Source netip.Addr
	Left   time.Duration
}

// State returns the port's groups, sorted.
func (d *Database[A]) State(now clock.Time, port int32) []GroupState {
	var list []GroupState
	for g := d.First(port); g != nil; g = g.next {
		s := GroupState{Group: NetIP(g.at), Mode: g.mode}
		if g.mode == mcast.Exclude {
			s.Left = g.until.Sub(now)
		}
		for _, src := range g.sources {
			left := time.Duration(0)
			if src.until != stopped {
				left = src.until.Sub(now)
			}
			s.Sources = append(s.Sources, SourceState{NetIP(src.at), left})
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b GroupState) int { return a.Group.Compare(b.Group) })
	return list
}

// sorted reads the sources of a record into the scratch list.
func (d *Database[A]) sorted(list Sources[A]) []A {
	d.list = d.list[:0]
	for i := range list.Len() {
		d.list = append(d.list, list.At(i))
	}
	slices.SortFunc(d.list, Compare)
	return slices.Compact(d.list)
}
