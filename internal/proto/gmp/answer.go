package gmp

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// Query takes a version 3 query, in which a general one has no sources. It is
// false if the query was dropped for coming too soon after another.
func (h *Host[A]) Query(now clock.Time, r *HostRules, q *Query[A]) bool {
	h.heard = true
	h.Adapt(now, r)
	if h.silent || h.version < 3 {
		return true
	}
	heeded := true
	if q.IsGeneral() {
		h.adopt(q)
		h.answerGeneral(h.rng.within(now, q.MaxResp))
	} else if g := h.find(q.Group); g != nil && !g.filter().Nothing() {
		heeded = h.answerGroup(now, r, g, q)
	}
	h.rest()
	return heeded
}

// adopt takes the querier's variables (RFC 3376 §4.1.6, §4.1.7).
func (h *Host[A]) adopt(q *Query[A]) {
	h.robustness = 0
	if v := q.Robustness; v != 0 {
		h.robustness = max(v, 2) // 1 is no robustness at all (RFC 3376 §8.1)
	}
	h.queryTime = uint16(q.Interval / time.Second)
	h.queryResp = uint32(q.MaxResp / time.Millisecond)
}

// interval is the Query Interval in force (RFC 3376 §8.2).
func (h *Host[A]) interval() time.Duration {
	if h.queryTime == 0 {
		return queryInterval
	}
	return time.Duration(h.queryTime) * time.Second
}

// answerGeneral: RFC 3376 §5.2, rules 1 and 2. An answer that has begun starts
// anew.
func (h *Host[A]) answerGeneral(at clock.Time) {
	if h.groups == 0 {
		return
	}
	w := h.busy()
	if w.generalAt <= at && w.walk == nil {
		return
	}
	w.generalAt, w.walk, w.walked = at, nil, 0
}

// maxAsked bounds what is recorded of queries, which anybody can send. Who is
// asked more answers for the whole group.
const maxAsked = 512

// answerGroup: RFC 3376 §5.2, rules 1 and 3 to 5.
func (h *Host[A]) answerGroup(now clock.Time, r *HostRules, g *group[A], q *Query[A]) bool {
	sources := q.Sources.Len()
	if sources > 0 && r.SourceDelay >= 0 {
		if now < g.asked.Add(r.SourceDelay) {
			return false
		}
		g.asked = now
	}
	at := h.rng.within(now, q.MaxResp)
	if h.work != nil && h.work.generalAt <= at && h.work.walk == nil {
		return true
	}
	p := h.plan(g)
	pending := p.answerAt != clock.Never
	if sources == 0 || pending && p.asked == nil || len(p.asked)+sources > maxAsked {
		p.asked = nil
	} else {
		for i := range sources {
			p.ask(q.Sources.At(i))
		}
	}
	p.answerAt, p.answered = min(p.answerAt, at), 0
	h.settle(g)
	return true
}

func (p *todo[A]) ask(a A) {
	i, found := slices.BinarySearchFunc(p.asked, a, Compare)
	if !found {
		p.asked = slices.Insert(p.asked, i, a)
	}
}
