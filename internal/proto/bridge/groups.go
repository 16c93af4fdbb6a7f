package bridge

import (
	"bytes"
	"slices"

	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/table"
)

// group is a multicast group that some port listens to, and the lists that a
// frame needs: which ports, by source. A port is in any, or in partial, or in
// the lists of the sources it wants; a router port is in none, it gets everything.
type group struct {
	at      addr
	any     []int32       // EXCLUDE, nothing blocked
	partial []*igmp.Group // EXCLUDE, some source blocked: asked for each frame
	sources []sourceList  // INCLUDE, sorted by source
	refs    int32         // (port, source) and (port, any) pairs, routers' too
}

type sourceList struct {
	at    addr
	ports []int32
}

// Key returns what the group is found by.
func (g *group) Key() addr { return g.at }

func hash(a addr) uint32 {
	return table.Seed{}.Word(uint64(a[0])<<24 | uint64(a[1])<<16 | uint64(a[2])<<8 | uint64(a[3]))
}

func (b *Bridge) group(a addr) *group { return b.groups.Get(hash(a), a) }

func (g *group) source(a addr) (int, bool) {
	return slices.BinarySearchFunc(g.sources, a, func(s sourceList, a addr) int { return bytes.Compare(s.at[:], a[:]) })
}

// from returns the ports that want the source by name.
func (g *group) from(a addr) []int32 {
	if i, found := g.source(a); found {
		return g.sources[i].ports
	}
	return nil
}

// Places in any and partial are kept in igmp.Group.Handle: 0 is none, 1+i the
// i-th of any, -1-i the i-th of partial. Places in a source's list are kept with
// the source, as they are.

// follow brings the lists up to date with what the database says has changed.
func (b *Bridge) follow() {
	var e igmp.Event
	for b.db.NextEvent(&e) {
		router := b.ports[e.Port].router > 0
		g := b.group(e.Group)
		switch e.What {
		case igmp.SourceOn, igmp.AnyOn:
			if g == nil {
				g = &group{at: e.Group}
				b.groups.Put(hash(e.Group), g)
			}
			g.refs++
		case igmp.SourceOff, igmp.AnyOff:
			g.refs--
		}
		if !router {
			b.relist(g, &e)
		}
		if g.refs == 0 {
			b.groups.Delete(hash(e.Group), e.Group)
		}
	}
}

func (b *Bridge) relist(g *group, e *igmp.Event) {
	switch e.What {
	case igmp.SourceOn:
		if h := b.db.SourceHandle(e.Port, e.Group, e.Source); h != nil {
			*h = g.addSource(e.Source, e.Port)
		}
	case igmp.SourceOff:
		b.removeSource(g, e.Source, e.Handle)
	case igmp.AnyOff:
		b.removeAny(g, e.Handle)
		if m := b.db.Lookup(e.Port, e.Group); m != nil {
			m.Handle = 0
		}
	default: // the port belongs into any or partial
		m := b.db.Lookup(e.Port, e.Group)
		if m == nil || !m.Any() || m.Handle != 0 && (m.Blocked() > 0) == (m.Handle < 0) {
			return
		}
		b.removeAny(g, m.Handle)
		g.addAny(m)
	}
}

// list and unlist put a port into the lists of a group, and take it out.
func (b *Bridge) list(m *igmp.Group) {
	g := b.group(m.At())
	if m.Any() {
		g.addAny(m)
		return
	}
	m.Sources(func(src [4]byte, handle *int32) { *handle = g.addSource(src, m.Port()) })
}

func (b *Bridge) unlist(m *igmp.Group) {
	g := b.group(m.At())
	if m.Any() {
		b.removeAny(g, m.Handle)
		m.Handle = 0
		return
	}
	m.Sources(func(src [4]byte, handle *int32) { b.removeSource(g, src, *handle) })
}

func (g *group) addAny(m *igmp.Group) {
	if m.Blocked() > 0 {
		g.partial = append(g.partial, m)
		m.Handle = -int32(len(g.partial))
		return
	}
	g.any = append(g.any, m.Port())
	m.Handle = int32(len(g.any))
}

func (b *Bridge) removeAny(g *group, handle int32) {
	switch {
	case handle > 0:
		g.any = take(g.any, handle-1, func(moved, to int32) { b.db.Lookup(moved, g.at).Handle = to + 1 })
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

func (g *group) addSource(src addr, n int32) int32 {
	i, found := g.source(src)
	if !found {
		g.sources = slices.Insert(g.sources, i, sourceList{at: src})
	}
	s := &g.sources[i]
	s.ports = append(s.ports, n)
	return int32(len(s.ports) - 1)
}

func (b *Bridge) removeSource(g *group, src addr, place int32) {
	i, _ := g.source(src)
	s := &g.sources[i]
	s.ports = take(s.ports, place, func(moved, to int32) { *b.db.SourceHandle(moved, g.at, src) = to })
	if len(s.ports) == 0 {
		g.sources = slices.Delete(g.sources, i, i+1)
	}
}
