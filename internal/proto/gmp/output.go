package gmp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// A general answer of many messages goes out in bursts.
const (
	burst    = 16
	burstGap = 500 * time.Millisecond
)

// Next writes the next message that is due into out.Buf; false if none is.
func (h *Host[A]) Next(now clock.Time, r *HostRules, out *Message[A]) bool {
	var a A
	if h.work == nil || len(out.Buf) < headLen+recordLen[A]()+len(a) { // less is no interface for reports
		return false
	}
	h.Adapt(now, r)
	if h.version < 3 {
		return h.work != nil && h.nextOlder(now, out)
	}
	m := message[A]{buf: out.Buf}
	if h.work != nil {
		h.writeGroups(now, r, &m)
		if w := h.work; m.records == 0 && w.generalAt <= now {
			h.writeGeneral(now, &m)
		}
	}
	h.rest()
	out.Kind, out.N, out.Records, out.Version = Report, m.n, m.records, 3
	return m.records > 0
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
func (h *Host[A]) writeGeneral(now clock.Time, m *message[A]) {
	w := h.work
	if w.walk == nil {
		w.walk, w.walked, w.burst = h.first, 0, 0
	}
	if w.burst == burst {
		w.burst = 0
		w.generalAt = now.Add(burstGap)
		return
	}
	w.burst++
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
