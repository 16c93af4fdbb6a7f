package gmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// RouterRules are what a router's tunables come to (RFC 3376 §8). They are
// borrowed for one call.
type RouterRules struct {
	Interval   time.Duration // between general queries
	Response   time.Duration // for the answers to a general query
	LastMember time.Duration // for the answers to a specific query
	MaxGroups  int32
	MaxSources int32
	Version    uint8 // of the queries, that of the oldest router on the link: 1, 2, 3 (RFC 3376 §7.3.1); 0: 3
	Robustness uint8
	LastCount  uint8 // of specific queries; 0: robustness
	Startup    uint8 // of general queries at the start; 0: robustness
	SSM        bool  // groups for source-specific multicast have sources only (RFC 4604 §3)
}

// Router asks, on one interface, who listens to what, and remembers the
// answers. Of several routers the one with the lowest address asks.
type Router[A Address] struct {
	db         Database[A] // its one port is 0
	self       A           // the interface's address
	querier    A           // the other one that asks
	otherUntil clock.Time  // Other Querier Present (RFC 3376 §8.5)
	generalAt  clock.Time
	otherQuery time.Duration // the other's query interval, 0 if unknown
	otherRV    uint8         // and robustness
	startup    uint8         // startup queries still to be sent
}

// NewRouter returns the engine of an interface with the address, which starts
// as the querier. Without events NextEvent has nothing to tell.
func NewRouter[A Address](now clock.Time, r *RouterRules, self A, events bool) Router[A] {
	return Router[A]{db: Database[A]{Quiet: !events}, self: self, generalAt: now, otherUntil: -clock.Never,
		startup: count(r.Startup, r)}
}

func count(n uint8, r *RouterRules) uint8 {
	if n == 0 {
		return max(r.Robustness, 1)
	}
	return n
}

// inForce are the rules with the querier's variables in place of ours while
// another router asks (RFC 3376 §4.1.6, §4.1.7).
func (r *Router[A]) inForce(now clock.Time, rules *RouterRules) RouterRules {
	v := *rules
	v.LastCount = count(v.LastCount, rules)
	if v.Version == 0 {
		v.Version = 3
	}
	if !r.Querier(now) {
		if r.otherQuery != 0 {
			v.Interval = r.otherQuery
		}
		if r.otherRV != 0 {
			v.Robustness = r.otherRV
		}
	}
	return v
}

func (r *RouterRules) lastMemberTime() time.Duration {
	return time.Duration(r.LastCount) * r.LastMember
}

func (r *Router[A]) rules(now clock.Time, v *RouterRules) Rules {
	rules := Rules{LastMember: v.lastMemberTime(), Count: v.LastCount,
		Member:    time.Duration(v.Robustness)*v.Interval + v.Response, // RFC 3376 §8.4
		MaxGroups: v.MaxGroups, MaxSources: v.MaxSources, Leave: LeaveWait, Version: v.Version}
	if r.Querier(now) {
		rules.Leave = LeaveQuery
	}
	return rules
}

// Querier reports whether this router is the one that asks.
func (r *Router[A]) Querier(now clock.Time) bool { return now >= r.otherUntil }

// QuerierAddr returns the address of the router that asks.
func (r *Router[A]) QuerierAddr(now clock.Time) netip.Addr {
	if r.Querier(now) {
		return NetIP(r.self)
	}
	return NetIP(r.querier)
}

// SetSelf gives the router another address, with which it asks as one that has just
// started: who has a lower one will say so (RFC 3376 §6.6.2). What it remembers
// stays.
func (r *Router[A]) SetSelf(now clock.Time, rules *RouterRules, self A) {
	if r.self == self {
		return
	}
	r.self, r.generalAt, r.otherUntil, r.startup = self, now, -clock.Never, count(rules.Startup, rules)
}

// Forwards reports whether datagrams of the source to the group are wanted on
// the interface.
func (r *Router[A]) Forwards(group, src netip.Addr) bool {
	g := r.db.Lookup(0, AddrOf[A](group))
	return g != nil && g.Forwards(AddrOf[A](src))
}

// State returns what is known of the interface's groups, sorted.
func (r *Router[A]) State(now clock.Time) []GroupState { return r.db.State(now, 0) }

// NextEvent returns the next change of what is to be forwarded, until there is
// none: to be pulled after every Input and after Next said no.
func (r *Router[A]) NextEvent(e *Event[A]) bool { return r.db.NextEvent(e) }

// Deadline returns when Next will have something to do.
func (r *Router[A]) Deadline() clock.Time {
	return min(r.db.Deadline(), r.generalAt)
}

// Next tells of the next query that is due, and writes its sources; false if
// none is. It also lets timers run out, so pull it at every deadline.
func (r *Router[A]) Next(now clock.Time, rules *RouterRules, out *Ask[A]) bool {
	v := r.inForce(now, rules)
	for {
		_, asked, done := r.db.NextAsk(now, &v, r.Querier(now), out)
		if asked {
			return true
		}
		if done {
			break
		}
	}
	if r.generalAt > now {
		return false
	}
	if r.startup > 0 {
		r.startup--
	}
	r.generalAt = now.Add(v.Interval)
	if r.startup > 0 {
		r.generalAt = now.Add(v.Interval / 4) // RFC 3376 §8.6
	}
	*out = Ask[A]{Buf: out.Buf, Head: out.Head, MaxResp: rules.Response, Interval: rules.Interval,
		Robustness: v.Robustness, Version: v.Version}
	return true
}

// Ignores reports whether a record is one that RFC 4604 (§3.1, §3.5, §3.7) has
// routers ignore: about a group for source-specific multicast, without sources
// or with the wrong ones.
func (r *Router[A]) Ignores(rules *RouterRules, rec *Record[A]) bool {
	return rules.SSM && IsSSM(rec.Group) &&
		(rec.Version < 3 || rec.Type == wire.IGMPIsEx || rec.Type == wire.IGMPToEx)
}

// Apply does what a record asks for; false if a limit refused it or part of it.
func (r *Router[A]) Apply(now clock.Time, rules *RouterRules, rec Record[A]) bool {
	v := r.inForce(now, rules)
	limits := r.rules(now, &v)
	return r.db.Apply(now, 0, &limits, rec)
}

// Query takes another router's query: RFC 3376 §6.6.1, §6.6.2. One from no
// address is a switch's (RFC 4541 §2.1.1).
func (r *Router[A]) Query(now clock.Time, rules *RouterRules, src A, q *Query[A]) {
	var none A
	if src == none {
		return
	}
	v := r.inForce(now, rules)
	lower := r.self == none || Compare(src, r.self) < 0
	if lower && (r.Querier(now) || Compare(src, r.querier) <= 0) {
		r.querier = src
		r.otherQuery, r.otherRV = q.Interval, q.Robustness
		r.otherUntil = now.Add(r.otherPresent(&v))
		r.generalAt = r.otherUntil // its silence makes us ask
		r.startup = 0
	}
	r.db.Query(now, 0, q, q.MaxResp*time.Duration(v.LastCount))
}

// otherPresent is the Other Querier Present Interval (RFC 3376 §8.5).
func (r *Router[A]) otherPresent(v *RouterRules) time.Duration {
	query, rv := v.Interval, v.Robustness
	if r.otherQuery != 0 {
		query = r.otherQuery
	}
	if r.otherRV != 0 {
		rv = r.otherRV
	}
	return time.Duration(rv)*query + v.Response/2
}
