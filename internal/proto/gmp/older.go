package gmp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Versions 1 and 2 know groups, not sources: RFC 1112 appendix I, RFC 2236, RFC
// 2710.
const (
	unsolicitedV2 = 10 * time.Second  // RFC 2236 §8.10, RFC 2710 §7.10
	queryInterval = 125 * time.Second // RFC 3376 §8.2
	queryResponse = 10 * time.Second  // RFC 3376 §8.3
)

// Adapt notices that the version in force has changed; then all pending answers
// and retransmissions are cancelled (RFC 3376 §7.2.1).
func (h *Host[A]) Adapt(now clock.Time, r *HostRules) {
	v := uint8(h.Version(now, r))
	if v == h.version {
		return
	}
	h.version = v
	for g := h.first; g != nil; {
		next := g.next
		h.drop(g)
		if g.filter().Nothing() {
			h.remove(g)
		}
		g = next
	}
	h.work = nil
}

// changeOlder reports a join and reports it once more (RFC 2236 §3), a leave if we
// reported last; a change of sources is nobody's business.
func (h *Host[A]) changeOlder(now clock.Time, g *group[A], old mcast.Filter, r *HostRules, delay time.Duration) {
	is := !g.filter().Nothing()
	if is != old.Nothing() {
		return
	}
	p := h.plan(g)
	p.reportAt, p.answerAt, p.modeLeft = h.rng.within(now, delay), clock.Never, h.rv(r)
	if !is && (h.version == 1 || !g.reporter) {
		p.reportAt = clock.Never
	} else if delay == 0 {
		h.work.prompt(now, g)
	}
	h.settle(g)
	h.rest()
}

// QueryOlder takes a query of version 1 or 2. An older querier is heard of by its
// general queries (RFC 3376 §7.2.1).
func (h *Host[A]) QueryOlder(now clock.Time, r *HostRules, q *Query[A]) {
	h.heard = true
	h.Adapt(now, r)
	if h.silent || q.Version == 1 && !r.V1 || q.Version == 2 && !r.V2 {
		return
	}
	if !q.IsGeneral() {
		switch g := h.find(q.Group); {
		case g == nil || g.filter().Nothing() || h.version == 1:
		case h.version == 2:
			h.answerOlder(now, g, q.MaxResp)
		default:
			h.answerGroup(now, r, g, q)
		}
		h.rest()
		return
	}
	h.HeardOlder(now, r, q)
	if h.version > 2 || q.Version == 2 && h.version == 1 {
		return
	}
	for g := h.first; g != nil; g = g.next {
		h.answerOlder(now, g, q.MaxResp)
	}
	h.rest()
}

// HeardOlder starts the Older Version Querier Present timer: Robustness times
// the query interval, and one query response interval (RFC 3376 §8.12).
func (h *Host[A]) HeardOlder(now clock.Time, r *HostRules, q *Query[A]) {
	until := now.Add(time.Duration(h.rv(r))*h.interval() + q.MaxResp)
	if q.Version == 1 {
		h.v1 = until
	} else {
		h.v2 = until
	}
	h.Adapt(now, r)
}

// answerOlder starts the group's delay timer, unless it fires soon enough
// already (RFC 2236 §3).
func (h *Host[A]) answerOlder(now clock.Time, g *group[A], limit time.Duration) {
	if g.filter().Nothing() {
		return
	}
	p := h.plan(g)
	if p.answerAt > now.Add(limit) {
		p.answerAt = h.rng.within(now, limit)
	}
	h.settle(g)
}

// ReportOlder takes somebody else's version 1 or 2 report, which makes ours
// superfluous while those versions are in force (RFC 2236 §3). In version 3 it
// does not (RFC 3376 §7.2.2) unless the rules say so. It reports whether the
// group is one of ours.
func (h *Host[A]) ReportOlder(now clock.Time, r *HostRules, group A) bool {
	h.heard = true
	h.Adapt(now, r)
	g := h.find(group)
	if g == nil || g.filter().Nothing() {
		return false
	}
	if h.version < 3 {
		g.reporter = false
		h.drop(g)
	} else if g.todo != nil && r.Suppress && !IsSSM(group) { // RFC 4604 §2.2
		g.todo.answerAt, g.todo.asked = clock.Never, nil
		h.settle(g)
	}
	h.rest()
	return true
}

// nextOlder tells of the next message of version 1 or 2.
func (h *Host[A]) nextOlder(now clock.Time, out *Message[A]) bool {
	w := h.work
	g := w.heap.top()
	for len(w.fresh) > 0 && (w.fresh[0].todo == nil || w.fresh[0].todo.reportAt > now) {
		w.fresh = w.fresh[1:]
	}
	if len(w.fresh) > 0 {
		g, w.fresh = w.fresh[0], w.fresh[1:]
	}
	if g == nil || g.due() > now {
		h.rest()
		return false
	}
	w.tokens--
	out.Kind, out.Group = OlderReport, g.at
	out.Version = h.version
	if g.filter().Nothing() { // RFC 2236 §6
		out.Kind = Leave
	}
	p := g.todo
	if p.modeLeft > 0 {
		p.modeLeft--
	}
	g.reporter = true
	p.reportAt, p.answerAt = clock.Never, clock.Never
	if p.modeLeft > 0 && out.Kind != Leave {
		p.answerAt = h.rng.within(now, unsolicitedV2)
	}
	h.settle(g)
	h.rest()
	return true
}
