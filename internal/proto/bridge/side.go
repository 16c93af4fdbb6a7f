package bridge

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/table"
)

// side is what a switch knows of one family: where its routers are, and who
// listens to what.
type side[A gmp.Address] struct {
	ports   []sidePort
	routers []int32 // those that lead to a router
	db      gmp.Database[A]
	groups  table.Table[A, group[A], *group[A]]
	wake    clock.Time // not after the first router port runs out
	some    []int32    // ports of the current decision that block some sources

	// While now is between these, a querier is known and everybody has had time
	// to answer it.
	answered, asked clock.Time

	querier variables
	own     querier[A]
}

type sidePort struct {
	until  clock.Time // as a router port, unless configured
	router int32      // 1 + place in side.routers
	mode   RouterMode
	fresh  bool // to be asked what is wanted there
}

func (s *side[A]) init(seed table.Seed) {
	s.db.Seed, s.wake, s.asked = seed, clock.Never, -clock.Never
	s.own.generalAt, s.own.otherUntil = clock.Never, -clock.Never
}

func (s *side[A]) isRouter(n int32) bool { return int(n) < len(s.ports) && s.ports[n].router > 0 }

func (s *side[A]) port(n int32) *sidePort {
	for int(n) >= len(s.ports) {
		s.ports = append(s.ports, sidePort{})
	}
	return &s.ports[n]
}

func (s *side[A]) dropPort(n int32) {
	if int(n) < len(s.ports) {
		s.configure(n, RouterNever)
		s.ports[n] = sidePort{}
	}
	s.db.DropPort(n)
	s.follow()
}

// configure says whether the port is a router port. One that is learned remains
// what it is.
func (s *side[A]) configure(n int32, m RouterMode) {
	p := s.port(n)
	was := p.mode
	switch p.mode = m; {
	case m != RouterLearn:
		s.setRouter(n, m == RouterAlways)
	case was == RouterAlways:
		s.setRouter(n, false)
	}
}

// knows reports whether what nobody reported is not wanted.
func (s *side[A]) knows(now clock.Time) bool { return now >= s.answered && now < s.asked }

// setRouter moves a port between routers, which get everything, and the others,
// which are in the lists of groups.
func (s *side[A]) setRouter(n int32, on bool) {
	p := &s.ports[n]
	if on == (p.router > 0) {
		return
	}
	if on {
		for g := s.db.First(n); g != nil; g = g.Next() {
			s.unlist(g)
		}
		s.routers = append(s.routers, n)
		p.router = int32(len(s.routers))
		return
	}
	s.routers = take(s.routers, p.router-1, func(moved, to int32) { s.ports[moved].router = to + 1 })
	p.router = 0
	for g := s.db.First(n); g != nil; g = g.Next() {
		s.list(g)
	}
}

func (s *side[A]) deadline() clock.Time {
	due := min(s.wake, s.db.Deadline(), s.own.generalAt)
	if len(s.own.fresh) > 0 {
		due = min(due, s.own.freshAt)
	}
	return due
}

// expire lets ages run out. What would have to be asked because of that is not:
// see Bridge.Next.
func (s *side[A]) expire(now clock.Time) {
	s.expireGroups(now)
	s.expireRouters(now)
}

func (s *side[A]) expireGroups(now clock.Time) {
	for {
		_, _, done := s.db.NextAsk(now, nil, false, nil)
		if done {
			return
		}
		s.follow()
	}
}

func (s *side[A]) expireRouters(now clock.Time) {
	if s.wake > now {
		return
	}
	s.wake = clock.Never
	for i := len(s.routers) - 1; i >= 0; i-- {
		switch p := &s.ports[s.routers[i]]; {
		case p.mode != RouterLearn:
		case p.until > now:
			s.wake = min(s.wake, p.until)
		default:
			s.setRouter(s.routers[i], false)
		}
	}
}

// toMembers fills in where a datagram goes: RFC 4541 §2.1.2, 1 and 3. It is false
// if nobody reported the group.
func (s *side[A]) toMembers(src, dst A, d *Decision) bool {
	g := s.group(dst)
	if g == nil {
		return false
	}
	d.Verdict = Members
	d.Ports = [4][]int32{s.routers, g.any, g.from(src)}
	if len(g.partial) > 0 {
		s.some = s.some[:0]
		for _, m := range g.partial {
			if m.Forwards(src) {
				s.some = append(s.some, m.Port())
			}
		}
		d.Ports[3] = s.some
	}
	for _, list := range d.Ports {
		d.Copies += len(list)
	}
	own := s.isRouter(d.In)
	if m := s.db.Lookup(d.In, dst); !own && m != nil {
		own = m.Forwards(src)
	}
	if own {
		d.Copies--
	}
	return true
}

// toRouters fills in where a frame goes that only routers are shown, and ports
// that are configured to see it.
func (s *side[A]) toRouters(why Verdict, also []int32, d *Decision) {
	d.Verdict, d.Ports[0], d.Copies = why, s.routers, len(s.routers)
	if s.isRouter(d.In) {
		d.Copies--
	}
	s.some = s.some[:0]
	for _, n := range also {
		if n != d.In && !s.isRouter(n) {
			s.some = append(s.some, n)
		}
	}
	d.Ports[1] = s.some
	d.Copies += len(s.some)
}

// note takes down a record of what a port's hosts want; false if a limit refused
// it or part of it.
func (s *side[A]) note(now clock.Time, e Env, n int32, o *PortOptions, rec gmp.Record[A]) bool {
	r := gmp.Rules{Member: s.memberAge(e.T), MaxGroups: e.T.MaxGroups, MaxSources: e.T.MaxSources}
	if o.MaxGroups > 0 {
		r.MaxGroups = o.MaxGroups
	}
	if o.MaxSources > 0 {
		r.MaxSources = o.MaxSources
	}
	switch {
	case o.FastLeave || e.T.FastLeave != 0:
		r.Leave = gmp.LeaveNow
	case s.isQuerier(now):
		r.Leave, r.Count = gmp.LeaveQuery, uint8(s.lastCount(e.T))
		r.LastMember = lastMember(e.T) * s.lastCount(e.T)
	}
	whole := s.db.Apply(now, n, &r, rec)
	s.follow()
	if r.Leave == gmp.LeaveNow {
		s.expireGroups(now)
	}
	return whole
}

// lower gives every port's hosts the Last Member Query Time to answer a specific
// query (RFC 3376 §6.6.1, of an older version RFC 2236 §3 and RFC 2710 §4).
func (s *side[A]) lower(now clock.Time, q *gmp.Query[A], t *Tunables) {
	if q.Suppress || q.IsGeneral() {
		return
	}
	last := q.MaxResp * s.lastCount(t)
	for _, n := range s.routers {
		s.db.Query(now, n, q, last)
	}
	g := s.group(q.Group)
	if g == nil {
		return
	}
	for _, n := range g.any {
		s.db.Query(now, n, q, last)
	}
	for _, m := range g.partial {
		s.db.Query(now, m.Port(), q, last)
	}
	for i := range q.Sources.Len() {
		for _, n := range g.from(q.Sources.At(i)) {
			s.db.Query(now, n, q, last)
		}
	}
}
