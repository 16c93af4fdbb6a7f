package bridge

import (
	"maps"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// model is what a switch must know of its ports, as sets and nothing else: the
// tables of RFC 3376 §6.4 read off the page.
type model struct {
	fast   bool // leaves count at once
	member time.Duration
	groups map[modelKey]*modelGroup
}

type modelKey struct {
	port  int
	group string
}

// modelGroup: sources of the set X (INCLUDE: A) run until their time, those of Y
// have none.
type modelGroup struct {
	exclude bool
	timer   clock.Time
	x       map[string]clock.Time
	y       map[string]bool
	v1, v2  clock.Time
}

func newModel(fast bool, member time.Duration) *model {
	return &model{fast: fast, member: member, groups: map[modelKey]*modelGroup{}}
}

// pass lets timers run out (RFC 3376 §6.5).
func (m *model) pass(now clock.Time) {
	for k, g := range m.groups {
		for s, until := range g.x {
			if until <= now {
				delete(g.x, s)
				if g.exclude {
					g.y[s] = true
				}
			}
		}
		if g.exclude && g.timer <= now {
			g.exclude = false
			clear(g.y)
		}
		if !g.exclude && len(g.x) == 0 {
			delete(m.groups, k)
		}
	}
}

// record takes one record; version is that of the reporting host, 0 for a leave.
func (m *model) record(now clock.Time, k modelKey, typ uint8, list []string, version int) {
	g := m.groups[k]
	if g == nil {
		g = &modelGroup{x: map[string]clock.Time{}, y: map[string]bool{}, v1: -clock.Never, v2: -clock.Never}
		m.groups[k] = g
	}
	if now < g.v1 || now < g.v2 { // §7.3.2
		switch {
		case typ == wire.IGMPBlock:
			return
		case typ == wire.IGMPToEx:
			list = nil
		case typ == wire.IGMPToIn && now < g.v1:
			typ = wire.IGMPIsIn
		}
	}
	switch version {
	case 1:
		g.v1 = now.Add(m.member)
	case 2:
		g.v2 = now.Add(m.member)
	}
	b := map[string]bool{}
	for _, s := range list {
		b[s] = true
	}
	m.apply(now, g, typ, b)
	m.pass(now)
}

func (m *model) apply(now clock.Time, g *modelGroup, typ uint8, b map[string]bool) {
	gmi := now.Add(m.member)
	x := maps.Clone(g.x) // as it was
	run := func() {
		for s := range b {
			g.x[s] = gmi
			delete(g.y, s)
		}
	}
	switch {
	case typ == wire.IGMPIsIn || typ == wire.IGMPAllow:
		run()
	case typ == wire.IGMPToIn:
		run()
		for s := range x {
			if !b[s] {
				m.leaves(now, g, s)
			}
		}
		if g.exclude && m.fast {
			g.timer = now
		}
	case typ == wire.IGMPBlock:
		for s := range b {
			if _, runs := x[s]; g.exclude && !runs && !g.y[s] {
				g.x[s] = g.timer
			}
			m.leaves(now, g, s)
		}
	case !g.exclude: // IS_EX, TO_EX
		g.exclude, g.timer = true, gmi
		clear(g.x)
		for s := range b {
			if until, runs := x[s]; runs {
				g.x[s] = until
			} else {
				g.y[s] = true
			}
			if typ == wire.IGMPToEx {
				m.leaves(now, g, s)
			}
		}
	default:
		y := maps.Clone(g.y)
		clear(g.x)
		clear(g.y)
		for s := range b {
			until, runs := x[s]
			switch {
			case y[s]:
				g.y[s] = true
			case runs:
				g.x[s] = until
			case typ == wire.IGMPToEx:
				g.x[s] = g.timer
			default:
				g.x[s] = gmi
			}
			if typ == wire.IGMPToEx {
				m.leaves(now, g, s)
			}
		}
		g.timer = gmi
	}
}

// leaves is "send Q(G,S)": who asks is a router, but without others nobody answers.
func (m *model) leaves(now clock.Time, g *modelGroup, s string) {
	if _, runs := g.x[s]; runs && m.fast {
		g.x[s] = now
	}
}

// query lowers timers (§6.6.1).
func (m *model) query(now clock.Time, group string, list []string, last time.Duration) {
	limit := now.Add(last)
	for k, g := range m.groups {
		if k.group != group {
			continue
		}
		if len(list) == 0 && g.exclude {
			g.timer = min(g.timer, limit)
		}
		for _, s := range list {
			if until, runs := g.x[s]; runs {
				g.x[s] = min(until, limit)
			}
		}
	}
}

// wants: §6.3.
func (m *model) wants(port int, group, source string) bool {
	g := m.groups[modelKey{port, group}]
	if g == nil {
		return false
	}
	_, runs := g.x[source]
	return runs || g.exclude && !g.y[source]
}

// reported tells whether anybody listens to the group.
func (m *model) reported(group string) bool {
	for k := range m.groups {
		if k.group == group {
			return true
		}
	}
	return false
}

// drop forgets a port.
func (m *model) drop(port int) {
	for k := range m.groups {
		if k.port == port {
			delete(m.groups, k)
		}
	}
}
