package gmp

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// asks are the specific queries that a querier still has to send about a group
// (RFC 3376 §6.6.3).
type asks[A Address] struct {
	groupAt, sourceAt clock.Time
	sources           []change[A] // sorted, each with its queries still to be sent
	written           int32       // of sources, in the queries sent so far this time
	groupLeft         uint8
	forRouters        bool // the query with the S flag is done this time
}

func (g *Group[A]) asking() *asks[A] {
	if g.asks == nil {
		g.asks = &asks[A]{groupAt: clock.Never, sourceAt: clock.Never}
	}
	return g.asks
}

func (g *Group[A]) askSource(now clock.Time, a A, count uint8) {
	k := g.asking()
	i, found := k.search(a)
	if !found && len(k.sources) >= len(g.sources) { // then some of them are gone: nobody needs to ask
		k.sources = slices.DeleteFunc(k.sources, func(c change[A]) bool {
			_, there := g.search(c.at)
			return !there
		})
		i, _ = k.search(a)
	}
	if !found {
		k.sources = slices.Insert(k.sources, i, change[A]{at: a})
	}
	k.sources[i].left = count
	k.sourceAt, k.written, k.forRouters = now, 0, false
}

func (k *asks[A]) search(a A) (int, bool) {
	return slices.BinarySearchFunc(k.sources, a, func(c change[A], a A) int { return Compare(c.at, a) })
}

func (g *Group[A]) askGroup(now clock.Time, count uint8) {
	k := g.asking()
	k.groupLeft, k.groupAt = count, now
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
		k.sources, k.sourceAt = nil, clock.Never
	}
	last := now.Add(r.lastMemberTime())
	out.N, out.Group, out.Suppress = 0, g.at, false
	out.MaxResp, out.Interval, out.Robustness, out.Version = r.LastMember, r.Interval, r.Robustness, r.Version
	if k.groupAt <= now {
		out.Suppress = g.until > last // §6.6.3.1: someone has answered meanwhile
		k.groupLeft--
		k.groupAt = clock.Never
		if k.groupLeft > 0 {
			k.groupAt = now.Add(r.LastMember)
		}
		k.forRouters = k.sourceAt <= now // §6.6.3.2: it may be left out beside Q(G)
		return true
	}
	if k.sourceAt <= now {
		for _, s := range [2]bool{true, false} {
			if s && k.forRouters {
				continue
			}
			if g.writeAsk(now, s, last, out) {
				return true
			}
			k.written, k.forRouters = 0, true
		}
		g.askedSources(now, r)
	}
	if k.groupAt == clock.Never && k.sourceAt == clock.Never {
		g.asks = nil
	}
	return false
}

// writeAsk writes a query about the sources that have queries left, either those
// whose timers are beyond the Last Member Query Time (with the S flag) or those
// whose are not (RFC 3376 §6.6.3.2); false if there are no more.
func (g *Group[A]) writeAsk(now clock.Time, s bool, last clock.Time, out *Ask[A]) bool {
	k, b := g.asks, out.Buf[out.Head:]
	for ; int(k.written) < len(k.sources); k.written++ {
		a := k.sources[k.written].at
		if out.N+len(a) > len(b) {
			break
		}
		if i, found := g.search(a); found && g.sources[i].until > now && g.sources[i].until > last == s {
			out.N += copy(b[out.N:], raw(&a))
		}
	}
	out.Suppress = s
	return out.N > 0
}

// askedSources counts this round of queries about sources as sent.
func (g *Group[A]) askedSources(now clock.Time, r *RouterRules) {
	k := g.asks
	k.sources = slices.DeleteFunc(k.sources, func(c change[A]) bool { return c.left <= 1 })
	for i := range k.sources {
		k.sources[i].left--
	}
	k.sourceAt, k.written, k.forRouters = clock.Never, 0, false
	if len(k.sources) > 0 {
		k.sourceAt = now.Add(r.LastMember)
	}
}
