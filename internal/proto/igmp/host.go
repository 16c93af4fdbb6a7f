package igmp

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/table"
)

// addr is an IPv4 address in the four bytes it needs.
type addr [4]byte

func addrOf(a netip.Addr) addr    { return addr(a.As4()) }
func (a addr) netip() netip.Addr  { return netip.AddrFrom4(a) }
func (a addr) word() uint32       { return binary.BigEndian.Uint32(a[:]) }
func (a addr) hash() uint32       { return table.Seed{}.Word(uint64(a.word())) }
func (a addr) compare(b addr) int { return cmp.Compare(a.word(), b.word()) }

// Host reports the memberships of one interface. A Host without reportable
// groups holds nothing but itself; a group takes 64 bytes while nothing is to
// be sent.
type Host struct {
	first, last *group // all groups, in the order of joining
	work        *work  // nil while nothing is pending
	index       table.Table[addr, group, *group]
	v1, v2      clock.Time // when the older querier is forgotten (RFC 3376 §7.2.1)
	rng         rng
	groups      int32
	queryTime   uint16 // the querier's query interval, seconds
	robustness  uint8  // the querier's, 0 as long as none said
	base        uint8  // version without older queriers
	version     uint8  // in which the pending work was scheduled
	silent      bool
}

// indexFrom is the number of groups from which on they are found by hash.
const indexFrom = 9

// group is what the interface wants of one group; wanting nothing, it only
// lives until that has been reported.
type group struct {
	next, prev *group
	sources    []netip.Addr
	todo       *todo // nil while nothing is to be sent
	asked      clock.Time
	at         addr
	mode       mcast.Mode
	reporter   bool // versions 1 and 2: nobody reported after us
}

// Key returns what the group is found by.
func (g *group) Key() addr { return g.at }

func (g *group) filter() mcast.Filter { return mcast.Filter{Sources: g.sources, Mode: g.mode} }

// todo is what is to be sent about a group, and when.
type todo struct {
	reportAt clock.Time // the next state-change report
	answerAt clock.Time // the answer to a query
	changed  []change   // sources with retransmission state (RFC 3376 §5.1), sorted
	asked    []addr     // sources recorded for the answer (RFC 3376 §5.2), sorted
	written  int32      // sources of the current record already sent
	answered int32      // the same for the answer
	place    int32
	modeLeft uint8 // filter-mode-change records still to be sent
	blocks   bool  // the ALLOW record is sent, the BLOCK record is next
}

// change is a source whose change is still to be reported so many times.
type change struct {
	at   addr
	left uint8
}

// work is the interface's part of what is pending.
type work struct {
	heap      heap[*group]
	walk      *group     // the next group of a general answer that has begun
	walked    int32      // sources of that group already sent
	burst     int32      // messages of the answer sent in one go
	generalAt clock.Time // the answer to a general query
	drawnAt   clock.Time // when gap was drawn
	gap       time.Duration
}

func (g *group) due() clock.Time { return min(g.todo.reportAt, g.todo.answerAt) }
func (g *group) order() uint64   { return uint64(g.at.word()) }
func (g *group) slot() *int32    { return &g.todo.place }

// NewHost returns the engine of an interface. The seed decides the random
// delays. A silent interface (loopback, or without multicast) never sends.
func NewHost(t *Tunables, seed uint64, silent bool) Host {
	v := uint8(min(max(t.DefaultVersion, 1), 3))
	return Host{rng: rng(seed), base: v, version: v, silent: silent}
}

// Version returns the version in force: the interface's own, or that of the
// oldest querier lately heard (RFC 3376 §7.2.1).
func (h *Host) Version(now clock.Time, t *Tunables) int {
	switch {
	case now < h.v1 && t.V1Enable != 0:
		return 1
	case now < h.v2 && t.V2Enable != 0:
		return int(min(h.base, 2))
	}
	return int(h.base)
}

// Groups returns the number of groups that are, or are about to be, reported.
func (h *Host) Groups() int { return int(h.groups) }

// Deadline returns when Next will have something to say, clock.Never if not
// before the next Input or Change.
func (h *Host) Deadline() clock.Time {
	if h.work == nil {
		return clock.Never
	}
	return min(h.work.heap.deadline(), h.work.generalAt)
}

// reports says whether a group is ever reported. 224.0.0.1 never is (RFC 3376
// §6), nor anything on a silent interface.
func (h *Host) reports(a addr, t *Tunables) bool {
	if h.silent || a == (addr{224, 0, 0, 1}) {
		return false
	}
	return t.SendLocal != 0 || a[0] != 224 || a[1] != 0 || a[2] != 0
}

func (h *Host) find(a addr) *group {
	if h.groups >= indexFrom {
		return h.index.Get(a.hash(), a)
	}
	for g := h.first; g != nil; g = g.next {
		if g.at == a {
			return g
		}
	}
	return nil
}

func (h *Host) add(a addr) *group {
	g := &group{at: a, mode: mcast.Include, prev: h.last, asked: -clock.Never}
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
			h.index.Put(o.at.hash(), o)
		}
	case h.groups > indexFrom:
		h.index.Put(a.hash(), g)
	}
	return g
}

func (h *Host) remove(g *group) {
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
		h.index.Delete(g.at.hash(), g.at)
	}
	h.groups--
	if h.groups == indexFrom-1 {
		h.index.Clear()
	}
}

// plan returns the group's todo, made on first use.
func (h *Host) plan(g *group) *todo {
	if g.todo == nil {
		g.todo = &todo{reportAt: clock.Never, answerAt: clock.Never}
	}
	h.busy()
	return g.todo
}

func (h *Host) busy() *work {
	if h.work == nil {
		h.work = &work{generalAt: clock.Never, drawnAt: -clock.Never}
	}
	return h.work
}

// settle puts the group where its times belong, and lets go of what has no
// purpose any more.
func (h *Host) settle(g *group) {
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
func (h *Host) drop(g *group) {
	if g.todo == nil {
		return
	}
	h.work.heap.remove(g)
	g.todo = nil
}

// rest frees the interface's work when there is none.
func (h *Host) rest() {
	if w := h.work; w != nil && len(w.heap) == 0 && w.generalAt == clock.Never {
		h.work = nil
	}
}

func (h *Host) rv(t *Tunables) uint8 {
	if h.robustness != 0 {
		return h.robustness
	}
	return uint8(min(max(t.Robustness, 1), 7))
}
