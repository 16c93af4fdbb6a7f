package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/seed88948545/vimage"
	"github.com/seed88948545/vimage/client"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/lab/topo"
)

// The bounds of an interval: to read 10,000 stacks takes some hundredths of a second.
const (
	minActivity = 100 * time.Millisecond
	maxActivity = 24 * time.Hour
)

type activityQuery struct {
	Every string   `query:"every" required:"true" doc:"How long an interval is, 100ms to 24h" example:"1s"`
	Top   int      `query:"top" minimum:"0" maximum:"500" default:"10" doc:"How many things of each kind"`
	Kind  []string `query:"kind,explode" doc:"Only these kinds: stacks, links, groups, flows" example:"links"`
	Sort  []string `query:"sort,explode" doc:"By what the things of a kind are sorted: of stacks bytes, packets or drops, of links bytes, packets or lost, of groups packets or members, of flows packets, lost or latency; and by name" example:"links.lost"`
	In    string   `query:"in" doc:"Only what has to do with the stack of this jail, and of those in it" example:"web"`
}

func registerActivity(s *Server) {
	stream(s, op{"GET", "/v1/activity", "activity", "What happens in each interval to stacks, links, groups and flows, from the event ready on"},
		map[string]any{"ready": client.Done{}, "activity": client.Activity{}},
		func(in *activityQuery) (func(context.Context, sender) error, error) {
			w := &watch{s: s, top: in.Top, sort: make(map[string]string)}
			every, err := time.ParseDuration(in.Every)
			if err != nil || every < minActivity || every > maxActivity {
				return nil, blame(fmt.Errorf("%w: this is no time of %v to %v", syscall.EINVAL, minActivity, maxActivity), "query.every", in.Every)
			}
			if err := w.choose(in); err != nil {
				return nil, err
			}
			if in.In != "" {
				if w.in, err = s.jail(in.In, "query.in"); err != nil {
					return nil, err
				}
			}
			return func(ctx context.Context, send sender) error { return w.run(ctx, every, send) }, nil
		})
}

// watch reads what happens: it knows what had been counted when it read last.
type watch struct {
	s    *Server
	in   *vimage.Jail      // nil: all
	top  int               // rows of each kind
	sort map[string]string // key of each kind that is wanted

	at     time.Time
	stacks counts[ifaceOf, vimage.InterfaceStats]
	queues counts[*vnet.Stack, uint64]
	links  counts[linkEnd, lab.LinkTraffic]
	routes counts[routeOf, uint64]
	flows  counts[string, topo.FlowTotals]
}

// choose notes which kinds are wanted, and how they are sorted.
func (w *watch) choose(in *activityQuery) error {
	kinds := client.ActivityKinds()
	for _, k := range in.Kind {
		if !slices.Contains(kinds, k) {
			return blame(fmt.Errorf("%w: there is no such kind: they are %s", syscall.EINVAL, strings.Join(kinds, ", ")), "query.kind", k)
		}
	}
	for _, k := range kinds {
		if len(in.Kind) == 0 || slices.Contains(in.Kind, k) {
			w.sort[k] = client.ActivityKeys(k)[0]
		}
	}
	for _, by := range in.Sort {
		kind, key, _ := strings.Cut(by, ".")
		if !slices.Contains(client.ActivityKeys(kind), key) {
			return blame(fmt.Errorf("%w: it is KIND.KEY, and of %q a key is one of [%s]", syscall.EINVAL, kind, strings.Join(client.ActivityKeys(kind), " ")), "query.sort", by)
		}
		if w.sort[kind] != "" {
			w.sort[kind] = key
		}
	}
	return nil
}

func (w *watch) run(ctx context.Context, every time.Duration, send sender) error {
	if _, err := w.read(); err != nil {
		return err
	}
	if err := send("ready", client.Done{}); err != nil {
		return err
	}
	return each(ctx, every, func() error {
		a, err := w.read()
		if err != nil {
			return err
		}
		return send("activity", a)
	})
}

// read returns what has happened since it was called before.
func (w *watch) read() (*client.Activity, error) {
	stacks, err := w.watched()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	a := &client.Activity{Time: w.s.world.Now(), Seconds: now.Sub(w.at).Seconds()}
	w.at = now
	by := func(kind string) string { return w.sort[kind] }
	if k := by("stacks"); k != "" {
		a.Stacks = w.readStacks(stacks, k)
	}
	if k := by("links"); k != "" {
		a.Links = w.readLinks(stacks, k)
	}
	if by("groups") == "" && by("flows") == "" {
		return a, nil
	}
	flows := w.readFlows(stacks)
	if k := by("groups"); k != "" {
		a.Groups = w.readGroups(stacks, flows, k)
	}
	if k := by("flows"); k != "" {
		a.Flows = topFlows(flows, k, w.top)
	}
	return a, nil
}

// watchedStacks is the stacks that are wanted, in order, and a set of them where these
// are not all.
type watchedStacks struct {
	list []*vimage.Stack
	some map[*vnet.Stack]bool
}

// watched returns the stacks that are wanted.
func (w *watch) watched() (*watchedStacks, error) {
	if w.in == nil {
		return &watchedStacks{list: w.s.world.Stacks()}, nil
	}
	all := &watchedStacks{some: make(map[*vnet.Stack]bool)}
	for _, j := range append([]*vimage.Jail{w.in}, below(w.in, nil)...) {
		if st := j.Stack(); st != nil && !all.some[st.Internal()] {
			all.list = append(all.list, st)
			all.some[st.Internal()] = true
		}
	}
	if len(all.list) == 0 {
		return nil, fmt.Errorf("%w: jail %s has been removed", syscall.ENXIO, w.in.Name())
	}
	return all, nil
}

func (a *watchedStacks) has(st *vimage.Stack) bool { return a.some == nil || a.some[st.Internal()] }

// counts is what had been counted of things when they were read last.
type counts[K comparable, V any] struct{ then, now map[K]V }

// begin begins to read them again.
func (c *counts[K, V]) begin() { c.then, c.now = c.now, make(map[K]V, len(c.now)) }

// note notes what has been counted of one, and returns what had been.
func (c *counts[K, V]) note(k K, v V) (then V) {
	c.now[k] = v
	return c.then[k]
}

// since returns how much more one count is than it was. One that is less has begun
// anew.
func since(now, then uint64) uint64 {
	if now < then {
		return now
	}
	return now - then
}
