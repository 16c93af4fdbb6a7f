package gmp

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// asks are the specific queries that a querier still has to send about a group
// (RFC 3376 §6.6.3).
//
// Deviation: a query that a report asks for is sent at once unless one was sent
// within half of the Last Member Query Interval; then it waits for the rest of
// that. Where thousands leave one after another, each when somebody has answered
// the query about the one before, that makes two queries per interval, not
// thousands. No answer has less time for it, and the querier forgets no later: only
// the first query waits, the repetitions come when they would have come anyway.
// (If there are none, it forgets half an interval later; and so do switches that
// snoop, which lower their timers when they hear the query.)
type asks[A Address] struct {
	group                 series
	sources               []askedSource[A] // sorted, each with queries left
	groupAt, sourceAt     clock.Time       // the next queries
	groupFrom, sourceFrom clock.Time       // and not before
	fresh                 clock.Time       // when the first source that was not asked about yet is due, Never if there is none
	written               int32            // of sources, in the queries sent so far this time
	forRouters            bool             // the query with the S flag is done this time
}

// series are the queries that are still to be sent about a group or a source.
type series struct {
	due   clock.Time // the next one, unless there is reason to wait, or to send it with others
	left  uint8
	fresh bool // none was sent yet: what the report asked for is still to be done
}

type askedSource[A Address] struct {
	at A
	series
}

func (g *Group[A]) asking() *asks[A] {
	if g.asks == nil {
		g.asks = &asks[A]{groupAt: clock.Never, sourceAt: clock.Never, fresh: clock.Never,
			groupFrom: -clock.Never, sourceFrom: -clock.Never}
	}
	return g.asks
}

func (g *Group[A]) askSource(a A, s series) {
	k := g.asking()
	i, found := k.search(a)
	if !found && len(k.sources) >= len(g.sources) { // then some of them are gone: nobody needs to ask
		k.sources = slices.DeleteFunc(k.sources, func(c askedSource[A]) bool {
			_, there := g.search(c.at)
			return !there
		})
		i, _ = k.search(a)
	}
	if !found {
		k.sources = slices.Insert(k.sources, i, askedSource[A]{at: a})
	}
	k.sources[i].series = s
	k.sourceAt, k.fresh = min(k.sourceAt, max(s.due, k.sourceFrom)), min(k.fresh, s.due)
	k.written, k.forRouters = 0, false
}

func (k *asks[A]) search(a A) (int, bool) {
	return slices.BinarySearchFunc(k.sources, a, func(c askedSource[A], a A) int { return Compare(c.at, a) })
}

// isFresh tells whether a source is going to be asked about for the first time.
func (k *asks[A]) isFresh(a A) bool {
	i, found := k.search(a)
	return found && k.sources[i].fresh
}

func (g *Group[A]) askGroup(s series) {
	k := g.asking()
	k.group, k.groupAt = s, min(k.groupAt, max(s.due, k.groupFrom))
}

// at returns when something is to be done: when nothing is left to be asked, that
// is to forget about it.
func (k *asks[A]) at() clock.Time {
	if t := min(k.groupAt, k.sourceAt); t != clock.Never {
		return t
	}
	return max(k.groupFrom, k.sourceFrom)
}

// begin is "lower the timer" (RFC 3376 §6.6.3): with the first query it is done
// once more, because somebody may have answered an earlier one since the
// report came.
func (s *series) begin(now clock.Time, r *RouterRules) (until clock.Time) {
	s.due = min(s.due, now)
	return lowered(s.due, now, r.lastMemberTime(), r.LastMember)
}

// lowered returns until when a timer runs that is lowered at due and about which
// somebody is first asked at first.
func lowered(due, first clock.Time, last, interval time.Duration) clock.Time {
	return max(due.Add(last), first.Add(interval))
}

// sent counts a query.
func (s *series) sent(now clock.Time, interval time.Duration) {
	s.due, s.fresh = min(s.due, now).Add(interval), false
	s.left--
}

// A querier asks about many groups in slices: so many at a time, then a gap.
const askGap = time.Millisecond

// turn returns when a querier may ask about one more group.
func (d *Database[A]) turn(now clock.Time) clock.Time {
	if d.turnAt < now {
		d.turnAt, d.turns = now, 0
	}
	if d.turns == burst {
		d.turnAt, d.turns = d.turnAt.Add(askGap), 0
	}
	d.turns++
	return d.turnAt
}

// Ask is a query to send.
type Ask[A Address] struct {
	Buf        []byte // the caller's, as long as a message may be
	Head       int    // the caller's: where the sources begin in Buf
	N          int    // how many bytes of sources there are
	Group      A      // zero in a general query
	MaxResp    time.Duration
	Interval   time.Duration // between our general queries
	Robustness uint8
	Version    uint8 // of the query; below 3 it has no sources, no flag and no variables
	Suppress   bool  // the S flag
}

// nextAsk writes the next specific query that is due; false if none is any more,
// in which case the asks that have no repetition left are gone.
func (g *Group[A]) nextAsk(now clock.Time, r *RouterRules, out *Ask[A]) bool {
	k := g.asks
	if k == nil {
		return false
	}
	if r.Version < 3 { // what was planned before the version changed
		k.sources, k.sourceAt, k.fresh = nil, clock.Never, clock.Never
	}
	out.N, out.Group, out.Suppress = 0, g.at, false
	out.MaxResp, out.Interval, out.Robustness, out.Version = r.LastMember, r.Interval, r.Robustness, r.Version
	if k.groupAt <= now {
		g.nextGroupAsk(now, r, out)
		return true
	}
	if k.sourceAt <= now {
		for _, s := range [2]bool{true, false} {
			if s && k.forRouters {
				continue
			}
			if g.writeAsk(now, s, r, out) {
				return true
			}
			k.written, k.forRouters = 0, true
		}
		g.askedSources(now, r)
	}
	if k.at() <= now {
		g.asks = nil
	}
	return false
}

// nextGroupAsk has the query about the group sent (RFC 3376 §6.6.3.1).
func (g *Group[A]) nextGroupAsk(now clock.Time, r *RouterRules, out *Ask[A]) {
	k := g.asks
	if k.group.fresh {
		g.until = k.group.begin(now, r)
	}
	out.Suppress = g.until > now.Add(r.lastMemberTime()) // someone has answered meanwhile
	k.group.sent(now, r.LastMember)
	k.groupFrom, k.groupAt = now.Add(r.LastMember/2), clock.Never
	if k.group.left > 0 {
		k.groupAt = max(k.group.due, k.groupFrom)
	}
	k.forRouters = k.sourceAt <= now // §6.6.3.2: it may be left out beside Q(G)
}

// writeAsk writes a query about the sources that have queries left, either those
// whose timers are beyond the Last Member Query Time (with the S flag) or those
// whose are not (RFC 3376 §6.6.3.2); false if there are no more.
func (g *Group[A]) writeAsk(now clock.Time, s bool, r *RouterRules, out *Ask[A]) bool {
	last := now.Add(r.lastMemberTime())
	k, b := g.asks, out.Buf[out.Head:]
	for ; int(k.written) < len(k.sources); k.written++ {
		c := &k.sources[k.written]
		if out.N+len(c.at) > len(b) {
			break
		}
		i, found := g.search(c.at)
		if !found || g.sources[i].until <= now {
			continue
		}
		if c.fresh {
			g.sources[i].until = c.begin(now, r)
		}
		if g.sources[i].until > last == s {
			out.N += copy(b[out.N:], raw(&c.at))
		}
	}
	out.Suppress = s
	return out.N > 0
}

// askedSources counts this round of queries about sources as sent.
func (g *Group[A]) askedSources(now clock.Time, r *RouterRules) {
	k := g.asks
	k.sources = slices.DeleteFunc(k.sources, func(c askedSource[A]) bool { return c.left <= 1 })
	k.sourceAt, k.sourceFrom, k.fresh = clock.Never, now.Add(r.LastMember/2), clock.Never
	for i := range k.sources {
		k.sources[i].sent(now, r.LastMember)
		k.sourceAt = min(k.sourceAt, max(k.sources[i].due, k.sourceFrom))
	}
	k.written, k.forRouters = 0, false
}
