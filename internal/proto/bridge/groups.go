package bridge

import (
	"slices"

	"github.com/seed88948545/vimage/internal/proto/gmp"
)

// group is a multicast group that some port listens to, and the lists that a
// frame needs: which ports, by source. A port is in any, or in partial, or in
// the lists of the sources it wants; a router port is in none, it gets everything.
type group[A gmp.Address] struct {
	at      A
	any     []int32         // EXCLUDE, nothing blocked
	partial []*gmp.Group[A] // EXCLUDE, some source blocked: asked for each frame
	sources []sourceList[A] // INCLUDE, sorted by source
	refs    int32           // (port, source) and (port, any) pairs, routers' too
}

type sourceList[A gmp.Address] struct {
	at    A
	ports []int32
}

// Key returns what the group is found by.
func (g *group[A]) Key() A { return g.at }

func (s *side[A]) hash(a A) uint32 { return gmp.Hash(s.db.Seed, a, 0) }

func (s *side[A]) group(a A) *group[A] { return s.groups.Get(s.hash(a), a) }

func (g *group[A]) source(a A) (int, bool) {
	return slices.BinarySearchFunc(g.sources, a, func(s sourceList[A], a A) int { return gmp.Compare(s.at, a) })
}

// from returns the ports that want the source by name.
func (g *group[A]) from(a A) []int32 {
	if i, found := g.source(a); found {
		return g.sources[i].ports
	}
	return nil
}

// Places in any and partial are kept in gmp.Group.Handle: 0 is none, 1+i the
// i-th of any, -1-i the i-th of partial. Places in a source's list are kept with
// the source, as they are.

// follow brings the lists up to date with what the database says has changed.
func (s *side[A]) follow() {
	var e gmp.Event[A]
	for s.db.NextEvent(&e) {
		router := s.isRouter(e.Port)
		g := s.group(e.Group)
		switch e.What {
		case gmp.SourceOn, gmp.AnyOn:
			if g == nil {
				g = &group[A]{at: e.Group}
				s.groups.Put(s.hash(e.Group), g)
			}
			g.refs++
		case gmp.SourceOff, gmp.AnyOff:
			g.refs--
		}
		if !router {
			s.relist(g, &e)
		}
		if g.refs == 0 {
			s.groups.Delete(s.hash(e.Group), e.Group)
		}
	}
}

func (s *side[A]) relist(g *group[A], e *gmp.Event[A]) {
	switch e.What {
	case gmp.SourceOn:
		if h := s.db.SourceHandle(e.Port, e.Group, e.Source); h != nil {
			*h = g.addSource(e.Source, e.Port)
		}
	case gmp.SourceOff:
		s.removeSource(g, e.Source, e.Handle)
	case gmp.AnyOff:
		s.removeAny(g, e.Handle)
		if m := s.db.Lookup(e.Port, e.Group); m != nil {
			m.Handle = 0
		}
	default: // the port belongs into any or partial
		m := s.db.Lookup(e.Port, e.Group)
		if m == nil || !m.Any() || m.Handle != 0 && (m.Blocked() > 0) == (m.Handle < 0) {
			return
		}
		s.removeAny(g, m.Handle)
		g.addAny(m)
	}
}

// list and unlist put a port into the lists of a group, and take it out.
func (s *side[A]) list(m *gmp.Group[A]) {
	g := s.group(m.At())
	if m.Any() {
		g.addAny(m)
		return
	}
	m.Sources(func(src A, handle *int32) { *handle = g.addSource(src, m.Port()) })
}

func (s *side[A]) unlist(m *gmp.Group[A]) {
	g := s.group(m.At())
	if m.Any() {
		s.removeAny(g, m.Handle)
		m.Handle = 0
		return
	}
	m.Sources(func(src A, handle *int32) { s.removeSource(g, src, *handle) })
}

func (g *group[A]) addAny(m *gmp.Group[A]) {
	if m.Blocked() > 0 {
		g.partial = append(g.partial, m)
		m.Handle = -int32(len(g.partial))
		return
	}
	g.any = append(g.any, m.Port())
	m.Handle = int32(len(g.any))
}

func (s *side[A]) removeAny(g *group[A], handle int32) {
	switch {
	case handle > 0:
		g.any = take(g.any, handle-1, func(moved, to int32) { s.db.Lookup(moved, g.at).Handle = to + 1 })
	case handle < 0:
		i, last := int(-handle-1), len(g.partial)-1
		g.partial[i] = g.partial[last]
		g.partial[last] = nil
		g.partial = g.partial[:last]
		if i < last {
			g.partial[i].Handle = handle
		}
	}
}

func (g *group[A]) addSource(src A, n int32) int32 {
	i, found := g.source(src)
	if !found {
		g.sources = slices.Insert(g.sources, i, sourceList[A]{at: src})
	}
	l := &g.sources[i]
	l.ports = append(l.ports, n)
	return int32(len(l.ports) - 1)
}

func (s *side[A]) removeSource(g *group[A], src A, place int32) {
	i, _ := g.source(src)
	l := &g.sources[i]
	l.ports = take(l.ports, place, func(moved, to int32) { *s.db.SourceHandle(moved, g.at, src) = to })
	if len(l.ports) == 0 {
		g.sources = slices.Delete(g.sources, i, i+1)
	}
}
