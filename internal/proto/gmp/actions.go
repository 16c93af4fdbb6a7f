package gmp

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// Apply does what a record asks for, on one port: the tables of RFC 3376 §6.4.1
// and §6.4.2. It is false if a limit refused the record or part of it. Pull the
// events before the next call.
func (d *Database[A]) Apply(now clock.Time, port int32, r *Rules, rec Record[A]) bool {
	g := d.Lookup(port, rec.Group)
	list, typ := d.sorted(rec.Sources), rec.Type
	// RFC 3376 §7.3.2: what hosts of older versions would not survive.
	switch compat := g.compat(now, r); {
	case compat < 3 && typ == wire.IGMPBlock || compat == 1 && typ == wire.IGMPToIn:
		return true
	case compat < 3 && typ == wire.IGMPToEx:
		list = nil
	}
	if g == nil {
		if typ == wire.IGMPBlock || len(list) == 0 && (typ == wire.IGMPToIn || typ == wire.IGMPIsIn) {
			return true
		}
		if int(port) < d.ports.Len() && d.ports.At(port).n >= r.MaxGroups {
			return false
		}
		g = d.add(port, rec.Group)
	}
	whole := true
	if len(list) > int(r.MaxSources) {
		list, whole = list[:r.MaxSources], false
	}
	if rec.Version == 1 || rec.Version == 2 {
		g.heardOlder(rec.Version, now.Add(r.Member))
	}
	c := action[A]{d, g, *r, now, true}
	if g.mode == mcast.Include {
		c.include(typ, list)
	} else {
		c.exclude(typ, list)
	}
	if g.mode == mcast.Include && len(g.sources) == 0 {
		d.drop(g)
	}
	return whole && c.whole
}

// Query lowers timers because the querier asks about the group and wants routers
// to do so (its S flag is clear): RFC 3376 §6.6.1. last is the Last Member Query
// Time. A group that is forwarded by sources has no timer of its own to lower.
func (d *Database[A]) Query(now clock.Time, port int32, q *Query[A], last time.Duration) {
	g := d.Lookup(port, q.Group)
	if g == nil || q.Suppress {
		return
	}
	limit := now.Add(last)
	if len(q.Sources) == 0 && g.mode == mcast.Exclude && g.until > limit {
		g.until = limit
		d.sooner(g, limit)
	}
	for n := range q.Sources.Len() {
		if i, found := g.search(q.Sources.At(n)); found && g.sources[i].until > limit {
			g.sources[i].until = limit
			d.sooner(g, limit)
		}
	}
}

// sooner makes sure that the group is looked at in time. A timer that moves
// away is found out about when it fires.
func (d *Database[A]) sooner(g *Group[A], t clock.Time) {
	if t < g.wake {
		g.wake = t
		d.heap.fix(g)
	}
}

// action is one record being carried out. In its methods A and X are the
// sources with a running timer, Y those that are not forwarded, B the record's,
// as in the tables.
type action[A Address] struct {
	d     *Database[A]
	g     *Group[A]
	r     Rules
	now   clock.Time
	whole bool // nothing was refused
}

// include: the rows INCLUDE(A) of §6.4.1 and §6.4.2.
func (c *action[A]) include(typ uint8, b []A) {
	switch typ {
	case wire.IGMPIsIn, wire.IGMPAllow: // INCLUDE(A+B), (B)=GMI
		c.put(b)
	case wire.IGMPIsEx, wire.IGMPToEx: // EXCLUDE(A*B, B-A), delete A-B, timer=GMI
		c.toExclude()
		c.deleteExcept(b)
		for _, a := range b {
			c.addNew(a, stopped)
		}
		c.groupTimer(c.now.Add(c.r.Member))
		if typ == wire.IGMPToEx {
			c.ask(b, true) // Q(G, A*B)
		}
	case wire.IGMPToIn: // INCLUDE(A+B), (B)=GMI, Q(G, A-B)
		c.put(b)
		c.ask(b, false)
	case wire.IGMPBlock: // Q(G, A*B)
		c.ask(b, true)
	}
}

// exclude: the rows EXCLUDE(X,Y).
func (c *action[A]) exclude(typ uint8, b []A) {
	member := c.now.Add(c.r.Member)
	switch typ {
	case wire.IGMPIsIn, wire.IGMPAllow: // EXCLUDE(X+B, Y-B), (B)=GMI
		c.put(b)
	case wire.IGMPIsEx: // EXCLUDE(B-Y, Y*B), (B-X-Y)=GMI, delete X-B, Y-B, timer=GMI
		c.deleteExcept(b)
		for _, a := range b {
			c.addNew(a, member)
		}
		c.groupTimer(member)
	case wire.IGMPToEx: // the same, (B-X-Y)=group timer, Q(G, B-Y)
		c.deleteExcept(b)
		for _, a := range b {
			c.addNew(a, c.g.until)
		}
		c.ask(b, true)
		c.groupTimer(member)
	case wire.IGMPBlock: // EXCLUDE(X+(B-Y), Y), (B-X-Y)=group timer, Q(G, B-Y)
		for _, a := range b {
			c.addNew(a, c.g.until)
		}
		c.ask(b, true)
	case wire.IGMPToIn: // EXCLUDE(X+B, Y-B), (B)=GMI, Q(G, X-B), Q(G)
		c.put(b)
		c.ask(b, false)
		c.askGroup()
	}
}

// put makes sources run for the Group Membership Interval.
func (c *action[A]) put(list []A) {
	until := c.now.Add(c.r.Member)
	for _, a := range list {
		i, found := c.g.search(a)
		if !found {
			c.addNew(a, until)
			continue
		}
		s := &c.g.sources[i]
		if s.until == stopped {
			c.g.blocked--
			c.d.tell(c.g, BlockOff, *s)
		}
		s.until = until
		c.d.sooner(c.g, until)
	}
}

// addNew adds a source unless it is there.
func (c *action[A]) addNew(a A, until clock.Time) {
	g := c.g
	i, found := g.search(a)
	if found {
		return
	}
	if len(g.sources) >= int(c.r.MaxSources) {
		c.whole = false
		return
	}
	s := source[A]{at: a, until: until}
	g.sources = slices.Insert(g.sources, i, s)
	switch {
	case g.mode == mcast.Include:
		c.d.tell(g, SourceOn, s)
	case until == stopped:
		g.blocked++
		c.d.tell(g, BlockOn, s)
	}
	if until != stopped {
		c.d.sooner(g, until)
	}
}

// deleteExcept deletes sources that the list does not name, in EXCLUDE mode.
func (c *action[A]) deleteExcept(list []A) {
	g := c.g
	g.sources = slices.DeleteFunc(g.sources, func(s source[A]) bool {
		if _, named := slices.BinarySearchFunc(list, s.at, Compare); named {
			return false
		}
		if s.until == stopped {
			g.blocked--
			c.d.tell(g, BlockOff, s)
		}
		return true
	})
}

func (c *action[A]) groupTimer(until clock.Time) {
	c.g.until = until
	c.d.sooner(c.g, until)
}

func (c *action[A]) toExclude() {
	for _, s := range c.g.sources {
		c.d.tell(c.g, SourceOff, s)
	}
	c.g.mode = mcast.Exclude
	c.d.tell(c.g, AnyOn, source[A]{})
}

// toInclude: the group timer ran out (RFC 3376 §6.5). What is not forwarded is
// forgotten, what runs is from now on forwarded by name.
func (d *Database[A]) toInclude(g *Group[A]) {
	g.sources = slices.DeleteFunc(g.sources, func(s source[A]) bool {
		if s.until == stopped {
			g.blocked--
			d.tell(g, BlockOff, s)
		}
		return s.until == stopped
	})
	d.tell(g, AnyOff, source[A]{})
	g.mode = mcast.Include
	for _, s := range g.sources {
		d.tell(g, SourceOn, s)
	}
}

// ask is "send Q(G,S)" (RFC 3376 §6.6.3.2) for the running sources that the list
// names, or does not name.
func (c *action[A]) ask(list []A, named bool) {
	if c.r.Leave == LeaveWait || c.r.Leave == LeaveQuery && c.r.Version > 0 && c.r.Version < 3 {
		return // whose queries have no sources cannot ask about them
	}
	limit := c.now
	if c.r.Leave == LeaveQuery {
		limit = c.now.Add(c.r.LastMember)
	}
	due := clock.Never
	for i := range c.g.sources {
		s := &c.g.sources[i]
		if _, found := slices.BinarySearchFunc(list, s.at, Compare); found != named || s.until <= limit {
			continue
		}
		if c.r.Leave == LeaveNow {
			s.until = limit
			continue
		}
		k := c.g.asking()
		if k.isFresh(s.at) {
			continue // what is going to be asked serves
		}
		if due == clock.Never {
			due = c.turn(k.sourceAt, k.sourceFrom, k.fresh)
		}
		s.until = c.r.lowered(due, k.sourceFrom)
		c.g.askSource(s.at, series{due: due, left: c.r.Count, fresh: true})
	}
	c.looked()
}

// askGroup is "send Q(G)" (RFC 3376 §6.6.3.1). As with sources, a query that is
// being repeated already is not begun anew, unless it was answered meanwhile.
func (c *action[A]) askGroup() {
	g := c.g
	switch c.r.Leave {
	case LeaveNow:
		g.until = c.now
	case LeaveQuery:
		k := g.asking()
		if s := &k.group; s.left > 0 && (s.fresh || g.until <= c.now.Add(c.r.LastMember)) {
			return
		}
		due := c.turn(k.groupAt, k.groupFrom, clock.Never)
		g.until = min(g.until, c.r.lowered(due, k.groupFrom))
		g.askGroup(series{due: due, left: c.r.Count, fresh: true})
	}
	c.looked()
}

// turn returns when a query may be sent as far as other groups are concerned. at
// is when one about this group is sent anyway, from when it may be, and fresh when
// one is due that waits for its turn.
func (c *action[A]) turn(at, from, fresh clock.Time) clock.Time {
	switch {
	case fresh != clock.Never:
		return max(c.now, fresh)
	case at <= max(c.now, from):
		return c.now
	}
	return c.d.turn(c.now)
}

// lowered returns until when a timer runs that is lowered, when the first query is
// sent at due, but not before from.
func (r *Rules) lowered(due, from clock.Time) clock.Time {
	return lowered(due, max(due, from), r.LastMember, r.LastMember/time.Duration(max(r.Count, 1)))
}

// looked has the group looked at again, at once if something ran out.
func (c *action[A]) looked() { c.d.sooner(c.g, c.g.earliest()) }
