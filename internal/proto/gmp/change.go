package gmp

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// Change tells the engine what the interface now wants of a group that is to be
// reported: the New filter of a mcast transaction. The first report is due at a
// random moment within the delay, at once if that is 0. The filter's list must
// not be written to afterwards.
func (h *Host[A]) Change(now clock.Time, r *HostRules, a A, f mcast.Filter, delay time.Duration) {
	h.Adapt(now, r)
	g := h.find(a)
	if g == nil {
		if f.Nothing() {
			return
		}
		g = h.add(a)
	}
	old := g.filter()
	g.sources, g.mode = f.Sources, f.Mode
	if f.Nothing() {
		g.sources, g.mode = nil, mcast.Include
	}
	if h.version < 3 {
		h.changeOlder(now, g, old, r, delay)
		return
	}
	if !h.record(g, old, r) {
		return
	}
	p := g.todo
	p.reportAt, p.written, p.blocks = h.rng.within(now, delay), 0, false
	if g.filter().Nothing() {
		p.answerAt, p.asked = clock.Never, nil
	}
	if delay == 0 {
		h.work.prompt(now, g)
		if h.alone(now, g) {
			return
		}
	}
	h.settle(g)
}

// alone tells whether a change that is due at once is all that is: then whoever
// pulls gets it, and the heap hears of the group when it is to be reported again.
func (h *Host[A]) alone(now clock.Time, g *group[A]) bool {
	w := h.work
	if o := w.sole; o != nil && o != g {
		h.settle(o)
	}
	if w.heap.deadline() <= now || len(w.fresh) > 0 {
		return false
	}
	w.sole = g
	return true
}

// Announce reports all groups as if they had just been joined, because the
// interface came up or was plugged into another link.
func (h *Host[A]) Announce(now clock.Time, r *HostRules) {
	h.Adapt(now, r)
	for g := h.first; g != nil; {
		next := g.next
		if g.filter().Nothing() {
			h.remove(g) // who is there now never heard of it
			g = next
			continue
		}
		h.drop(g)
		if h.version < 3 {
			h.changeOlder(now, g, mcast.Filter{}, r, 0)
		} else {
			h.record(g, mcast.Filter{Mode: mcast.Include}, r)
			g.todo.reportAt = now
			h.settle(g)
		}
		g = next
	}
	h.rest()
}

// record notes the difference between two filters as retransmission state: RFC
// 3376 §5.1. It merges with what is pending, because what is pending is only
// which sources changed, not how: that is decided when a report is written.
func (h *Host[A]) record(g *group[A], old mcast.Filter, r *HostRules) bool {
	rv := h.rv(r)
	if old.Mode != g.mode || r.ModeChange && old.Nothing() != g.filter().Nothing() {
		h.plan(g).modeLeft = rv
		return true
	}
	changed := false
	mcast.Walk(old.Sources, g.sources, func(a netip.Addr, was, is bool) {
		if was != is {
			h.plan(g).touch(AddrOf[A](a), rv)
			changed = true
		}
	})
	return changed
}

func (p *todo[A]) touch(a A, rv uint8) {
	i, found := slices.BinarySearchFunc(p.changed, a, func(c change[A], a A) int { return Compare(c.at, a) })
	if !found {
		p.changed = slices.Insert(p.changed, i, change[A]{at: a})
	}
	p.changed[i].left = rv
}

// writeChange appends the group's state-change records; false if the message
// is full before the last one.
//
//	RFC 3376 §5.1, what a record holds:
//	TO_IN, TO_EX   the whole list, while a filter-mode change is being reported
//	ALLOW          the sources with retransmission state that are forwarded
//	BLOCK          those that are not
func (g *group[A]) writeChange(m *message[A]) bool {
	p := g.todo
	if p.modeLeft > 0 {
		typ := wire.IGMPToIn
		if g.mode == mcast.Exclude {
			typ = wire.IGMPToEx
		}
		return m.list(typ, g.at, g.sources, &p.written)
	}
	if !p.blocks {
		if !g.writeChanged(m, wire.IGMPAllow, true) {
			return false
		}
		p.blocks = true
	}
	if !g.writeChanged(m, wire.IGMPBlock, false) {
		return false
	}
	p.blocks = false
	return true
}

// writeChanged writes the ALLOW or the BLOCK record, or, if it would be empty,
// nothing.
func (g *group[A]) writeChanged(m *message[A], typ uint8, forwarded bool) bool {
	p, f := g.todo, g.filter()
	n := 0
	for _, c := range p.changed {
		if f.Match(NetIP(c.at)) == forwarded {
			n++
		}
	}
	if n == 0 {
		return true
	}
	room, ok := m.begin(typ, g.at, n-int(p.written))
	if !ok {
		return false
	}
	skip := p.written
	for _, c := range p.changed {
		if f.Match(NetIP(c.at)) != forwarded {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if room == 0 {
			return false
		}
		m.source(c.at)
		p.written++
		room--
	}
	p.written = 0
	return true
}

// sentChange counts a state-change report as sent: RFC 3376 §5.1 wants
// [Robustness] of them after the last change, at random intervals. Groups that
// were reported together are reported together again.
func (h *Host[A]) sentChange(now clock.Time, g *group[A], r *HostRules) {
	p, w := g.todo, h.work
	if p.modeLeft > 0 {
		p.modeLeft--
	}
	p.changed = slices.DeleteFunc(p.changed, func(c change[A]) bool { return c.left <= 1 })
	for i := range p.changed {
		p.changed[i].left--
	}
	p.reportAt = clock.Never
	if p.modeLeft > 0 || len(p.changed) > 0 {
		if w.drawnAt != now {
			w.drawnAt, w.gap = now, h.rng.within(now, r.Unsolicited).Sub(now)
		}
		p.reportAt = now.Add(w.gap)
	}
	h.settle(g)
}
