package gmp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// What is due goes out in bursts, so that a host with thousands of groups leaves
// its link and its stack time for others: at most so many messages, then a gap.
// Older versions, whose messages are about one group each, pause less.
const (
	burst         = 16
	burstGap      = 500 * time.Millisecond
	burstGapOlder = 10 * time.Millisecond
)

// Next writes the next message that is due into out.Buf; false if none is, or
// if the burst is over and Deadline says when to ask again.
func (h *Host[A]) Next(now clock.Time, r *HostRules, out *Message[A]) bool {
	var a A
	if h.work == nil || len(out.Buf) < headLen+recordLen[A]()+len(a) { // less is no interface for reports
		return false
	}
	h.Adapt(now, r)
	if h.work == nil {
		return false
	}
	if h.version < 3 {
		return h.work.may(now, burstGapOlder) && h.nextOlder(now, out)
	}
	if !h.work.may(now, burstGap) {
		return false
	}
	m := message[A]{buf: out.Buf}
	if g := h.work.sole; g != nil && g.writeChange(&m) {
		h.sentChange(now, g, r)
	}
	h.writeFresh(now, r, &m)
	h.writeGroups(now, r, &m)
	if w := h.work; m.records == 0 && w.generalAt <= now {
		h.writeGeneral(&m)
	}
	if m.records > 0 {
		h.work.tokens--
	}
	h.rest()
	out.Kind, out.N, out.Records, out.Version = Report, m.n, m.records, 3
	return m.records > 0
}

// may tells whether a message may be sent before the next burst.
func (w *work[A]) may(now clock.Time, gap time.Duration) bool {
	if now >= w.refillAt {
		w.tokens, w.refillAt = burst, now.Add(gap)
	}
	return w.tokens > 0
}

// prompt lets a change be reported at once, whatever else waits for its turn:
// it brings its own token, and goes first if there was none. Who changes groups
// one by one, and pulls in between, therefore never waits.
func (w *work[A]) prompt(now clock.Time, g *group[A]) {
	if w.tokens == burst {
		return
	}
	if now < w.refillAt && int(w.tokens) <= len(w.fresh) {
		w.fresh = append(w.fresh, g)
	}
	w.tokens++
}

// writeFresh begins a message with the changes that go first.
func (h *Host[A]) writeFresh(now clock.Time, r *HostRules, m *message[A]) {
	w := h.work
	for len(w.fresh) > 0 {
		g := w.fresh[0]
		if g.todo != nil && g.todo.reportAt <= now {
			if !g.writeChange(m) {
				return
			}
			h.sentChange(now, g, r)
		}
		w.fresh = w.fresh[1:]
	}
	w.fresh = nil
}

// writeGroups fills a message with what groups have due. An answer goes alone;
// state changes share messages.
func (h *Host[A]) writeGroups(now clock.Time, r *HostRules, m *message[A]) {
	for {
		g := h.work.heap.top()
		if g == nil || g.due() > now {
			return
		}
		p := g.todo
		if p.answerAt <= now {
			if m.records > 0 {
				return
			}
			if g.writeAnswer(m) {
				p.answerAt, p.asked, p.answered = clock.Never, nil, 0
				h.settle(g)
			}
			if m.records > 0 {
				return
			}
			continue
		}
		if !g.writeChange(m) {
			return
		}
		h.sentChange(now, g, r)
	}
}

// writeAnswer writes the current-state record that answers a query (RFC 3376
// §5.2, rules 2 and 3 of the second list); false if it needs another message.
func (g *group[A]) writeAnswer(m *message[A]) bool {
	p, f := g.todo, g.filter()
	if f.Nothing() {
		return true
	}
	if p.asked == nil {
		return m.list(currentType(g.mode), g.at, g.sources, &p.answered)
	}
	n := 0
	for _, a := range p.asked {
		if f.Match(NetIP(a)) { // A*B of INCLUDE(A), B-A of EXCLUDE(A)
			n++
		}
	}
	if n == 0 {
		return true
	}
	skip := int(p.answered)
	room, _ := m.begin(wire.IGMPIsIn, g.at, n-skip)
	for _, a := range p.asked {
		if !f.Match(NetIP(a)) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if room == 0 {
			return false
		}
		m.source(a)
		p.answered++
		room--
	}
	return true
}

// writeGeneral fills a message of the answer to a general query: one record for
// each group (RFC 3376 §5.2, rule 1 of the second list).
func (h *Host[A]) writeGeneral(m *message[A]) {
	w := h.work
	if w.walk == nil {
		w.walk, w.walked = h.first, 0
	}
	for ; w.walk != nil; w.walk = w.walk.next {
		g := w.walk
		if !g.filter().Nothing() && !m.list(currentType(g.mode), g.at, g.sources, &w.walked) {
			return
		}
	}
	w.generalAt = clock.Never
}

func currentType(mode mcast.Mode) uint8 {
	if mode == mcast.Exclude {
		return wire.IGMPIsEx
	}
	return wire.IGMPIsIn
}
