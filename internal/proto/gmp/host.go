package gmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/table"
)

// HostRules are what a host's tunables come to. They are borrowed for one call.
type HostRules struct {
	Unsolicited time.Duration // within which a change is reported again
	SourceDelay time.Duration // between queries about sources that are heeded, per group; negative: all are
	Robustness  uint8         // how often a change is reported, until a querier says otherwise
	V1, V2      bool          // older queriers and reports are heeded
	Suppress    bool          // reports of older hosts make the answer to a query superfluous
	ModeChange  bool          // joins and leaves of sources are reported as changes of the mode
}

// Host reports the memberships of one interface. A Host without reportable
// groups holds nothing but itself; a group takes 64 bytes (IPv6: 80) while
// nothing is to be sent.
type Host[A Address] struct {
	first, last *group[A] // all groups, in the order of joining
	work        *work[A]  // nil while nothing is pending
	index       table.Table[A, group[A], *group[A]]
	v1, v2      clock.Time // when the older querier is forgotten (RFC 3376 §7.2.1)
	rng         rng
	groups      int32
	queryResp   uint32 // the querier's query response interval, milliseconds, 0 as long as none said
	queryTime   uint16 // the querier's query interval, seconds, 0 as long as none said
	robustness  uint8  // the querier's, 0 as long as none said
	base        uint8  // version without older queriers
	version     uint8  // in which the pending work was scheduled
	silent      bool
	heard       bool // a querier, or another host of an older version
}

// indexFrom is the number of groups from which on they are found by hash.
const indexFrom = 9

// group is what the interface wants of one group; wanting nothing, it only
// lives until that has been reported.
type group[A Address] struct {
	next, prev *group[A]
	sources    []netip.Addr
	todo       *todo[A] // nil while nothing is to be sent
	asked      clock.Time
	at         A
	mode       mcast.Mode
	reporter   bool // versions 1 and 2: nobody reported after us
}

// Key returns what the group is found by.
func (g *group[A]) Key() A { return g.at }

func (g *group[A]) filter() mcast.Filter { return mcast.Filter{Sources: g.sources, Mode: g.mode} }

// todo is what is to be sent about a group, and when.
type todo[A Address] struct {
	reportAt clock.Time  // the next state-change report
	answerAt clock.Time  // the answer to a query
	changed  []change[A] // sources with retransmission state (RFC 3376 §5.1), sorted
	asked    []A         // sources recorded for the answer (RFC 3376 §5.2), sorted
	written  int32       // sources of the current record already sent
	answered int32       // the same for the answer
	place    int32
	modeLeft uint8 // filter-mode-change records still to be sent
	blocks   bool  // the ALLOW record is sent, the BLOCK record is next
}

// change is a source whose change is still to be reported so many times.
type change[A Address] struct {
	at   A
	left uint8
}

// work is the interface's part of what is pending.
type work[A Address] struct {
	heap      heap[*group[A]]
	walk      *group[A]  // the next group of a general answer that has begun
	walked    int32      // sources of that group already sent
	tokens    int32      // messages that may be sent before refillAt
	generalAt clock.Time // the answer to a general query
	refillAt  clock.Time // when there are as many tokens as a burst has messages
	drawnAt   clock.Time // when gap was drawn
	gap       time.Duration
	fresh     []*group[A] // changed while others wait for tokens: they go first
	sole      *group[A]   // changed when nothing else was due: the next message is its, so it is not in the heap for that
}

func (g *group[A]) due() clock.Time         { return min(g.todo.reportAt, g.todo.answerAt) }
func (g *group[A]) before(o *group[A]) bool { return Compare(g.at, o.at) < 0 }
func (g *group[A]) slot() *int32            { return &g.todo.place }

// NewHost returns the engine of an interface, of a version from 1 to 3. The seed
// decides the random delays. A silent interface (loopback, or without multicast)
// never sends.
func NewHost[A Address](version uint8, seed uint64, silent bool) Host[A] {
	return Host[A]{rng: rng(seed), base: version, version: version, silent: silent}
}

// Version returns the version in force: the interface's own, or that of the
// oldest querier lately heard (RFC 3376 §7.2.1).
func (h *Host[A]) Version(now clock.Time, r *HostRules) int {
	switch {
	case now < h.v1 && r.V1:
		return 1
	case now < h.v2 && r.V2:
		return int(min(h.base, 2))
	}
	return int(h.base)
}

// Base returns the version without older queriers.
func (h *Host[A]) Base() int { return int(h.base) }

// Silent reports whether the interface never sends.
func (h *Host[A]) Silent() bool { return h.silent }

// Idle tells whether the engine knows nothing but the groups it was told of: nothing
// is to be sent, and nobody was ever heard. It may be forgotten then, and another
// made in its place that Restore tells of them.
func (h *Host[A]) Idle() bool { return h.work == nil && !h.heard && h.base == 3 }

// Restore tells a new engine of a group that was reported before, by one that was
// Idle and so of version 3.
func (h *Host[A]) Restore(a A, f mcast.Filter) {
	h.base, h.version = 3, 3
	if !f.Nothing() {
		g := h.add(a)
		g.sources, g.mode = f.Sources, f.Mode
	}
}

// Groups returns the number of groups that are, or are about to be, reported.
func (h *Host[A]) Groups() int { return int(h.groups) }

// Deadline returns when Next will have something to say, clock.Never if not
// before the next Input or Change.
func (h *Host[A]) Deadline() clock.Time {
	if h.work == nil {
		return clock.Never
	}
	w := h.work
	t := min(w.heap.deadline(), w.generalAt)
	if w.sole != nil {
		t = min(t, w.sole.todo.reportAt)
	}
	if w.tokens == 0 {
		t = max(t, w.refillAt)
	}
	return t
}

func (h *Host[A]) find(a A) *group[A] {
	if h.groups >= indexFrom {
		return h.index.Get(hash(a), a)
	}
	for g := h.first; g != nil; g = g.next {
		if g.at == a {
			return g
		}
	}
	return nil
}

func (h *Host[A]) add(a A) *group[A] {
	g := &group[A]{at: a, mode: mcast.Include, prev: h.last, asked: -clock.Never}
	if h.last == nil {
		h.first = g
	} else {
		h.last.next = g
	}
	h.last = g
	h.groups++
	switch {
	case h.groups == indexFrom:
		for o := h.first; o != nil; o = o.next {
			h.index.Put(hash(o.at), o)
		}
	case h.groups > indexFrom:
		h.index.Put(hash(a), g)
	}
	return g
}

func (h *Host[A]) remove(g *group[A]) {
	h.drop(g)
	if w := h.work; w != nil && w.walk == g {
		w.walk, w.walked = g.next, 0
	}
	if g.prev == nil {
		h.first = g.next
	} else {
		g.prev.next = g.next
	}
	if g.next == nil {
		h.last = g.prev
	} else {
		g.next.prev = g.prev
	}
	if h.groups >= indexFrom {
		h.index.Delete(hash(g.at), g.at)
	}
	h.groups--
	if h.groups == indexFrom-1 {
		h.index.Clear()
	}
}

// plan returns the group's todo, made on first use.
func (h *Host[A]) plan(g *group[A]) *todo[A] {
	if g.todo == nil {
		g.todo = &todo[A]{reportAt: clock.Never, answerAt: clock.Never}
	}
	h.busy()
	return g.todo
}

func (h *Host[A]) busy() *work[A] {
	if h.work == nil {
		h.work = &work[A]{generalAt: clock.Never, drawnAt: -clock.Never, refillAt: -clock.Never, tokens: burst}
	}
	return h.work
}

// settle puts the group where its times belong, and lets go of what has no
// purpose any more.
func (h *Host[A]) settle(g *group[A]) {
	if h.work.sole == g {
		h.work.sole = nil
	}
	if g.todo.reportAt != clock.Never || g.todo.answerAt != clock.Never {
		h.work.heap.fix(g)
		return
	}
	if g.filter().Nothing() {
		h.remove(g)
		return
	}
	h.drop(g)
}

// drop forgets what is pending for the group.
func (h *Host[A]) drop(g *group[A]) {
	if g.todo == nil {
		return
	}
	h.work.heap.remove(g)
	if h.work.sole == g {
		h.work.sole = nil
	}
	g.todo = nil
}

// rest frees the interface's work when there is none.
func (h *Host[A]) rest() {
	if w := h.work; w != nil && len(w.heap) == 0 && w.sole == nil && w.generalAt == clock.Never {
		h.work = nil
	}
}

func (h *Host[A]) rv(r *HostRules) uint8 {
	if h.robustness != 0 {
		return h.robustness
	}
	return min(max(r.Robustness, 1), 7)
}

func hash[A Address](a A) uint32 { return Hash(table.Seed{}, a, 0) }
