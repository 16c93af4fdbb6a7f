package mroute

import (
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Kind says what a listener wants, or not any more.
type Kind uint8

const (
	Any   Kind = iota // every source that is not blocked
	Named             // this source
	Block             // not this source, though every other
)

// Event is a change of what an interface's querier knows: gmp.Event with netip
// addresses.
type Event struct {
	Group, Source netip.Addr // Source is invalid with Any
	Index         uint32     // of the interface
	Kind          Kind
	On            bool
}

// at is a group on an interface.
type at struct {
	group netip.Addr
	index uint32
}

// heard is what listeners on an interface want of a group. It is the writer's.
type heard struct {
	at
	list   []netip.Addr // sorted: the sources that are named, or with any blocked
	any    bool
	queued bool
}

// Key returns what it is found by.
func (h *heard) Key() at { return h.at }

func (h *heard) filter() mcast.Filter {
	switch {
	case h.any:
		return mcast.Filter{Mode: mcast.Exclude, Sources: slices.Clone(h.list)}
	case len(h.list) > 0:
		return mcast.Filter{Mode: mcast.Include, Sources: slices.Clone(h.list)}
	}
	return mcast.Filter{}
}

// pair is a group and a source, invalid for any.
type pair struct{ group, source netip.Addr }

// want is who wants a source of a group, and who does not though he wants every
// other. It never changes.
type want struct {
	pair
	on, off []uint32 // interfaces, sorted
}

// Key returns what it is found by.
func (w *want) Key() pair { return w.pair }

func (t *Table) hashPair(k pair) uint32 {
	if !k.source.IsValid() {
		return t.seed.Addr(k.group, 0)
	}
	return t.seed.Pair(k.group, k.source, 0)
}

func (t *Table) hashAt(k at) uint32 { return t.seed.Addr(k.group, uint64(k.index)) }

// Listen takes an event of an interface's querier. One that makes no sense after
// what was refused is ignored.
func (t *Table) Listen(tun *Tunables, s *Stats, e *Event) {
	if !Routed(e.Group) {
		return
	}
	k := at{e.Group, e.Index}
	h := t.heard.Get(t.hashAt(k), k)
	if e.On {
		t.learn(tun, s, h, e)
	} else if h != nil {
		t.unlearn(h, e)
	}
}

func (t *Table) learn(tun *Tunables, s *Stats, h *heard, e *Event) {
	if e.Kind == Block && (h == nil || !h.any) {
		return
	}
	if t.known >= tun.MaxListeners {
		s.ListenersRefused++
		return
	}
	if h == nil {
		h = &heard{at: at{e.Group, e.Index}}
		t.heard.Put(t.hashAt(h.at), h)
	}
	switch i, found := slices.BinarySearchFunc(h.list, e.Source, netip.Addr.Compare); {
	case e.Kind == Any:
		if h.any {
			return
		}
		t.forget(h) // whoever was named is wanted as well
		h.any = true
		t.change(pair{e.Group, netip.Addr{}}, e.Index, false, true)
	case found || e.Kind == Named && h.any:
		return
	default:
		h.list = slices.Insert(h.list, i, e.Source)
		t.change(pair{e.Group, e.Source}, e.Index, e.Kind == Block, true)
	}
	t.known++
	t.tell(h)
}

func (t *Table) unlearn(h *heard, e *Event) {
	switch i, found := slices.BinarySearchFunc(h.list, e.Source, netip.Addr.Compare); {
	case e.Kind == Any && h.any:
		t.forget(h)
	case e.Kind == Any, !found, (e.Kind == Block) != h.any:
		return
	default:
		h.list = slices.Delete(h.list, i, i+1)
		t.change(pair{e.Group, e.Source}, e.Index, h.any, false)
		t.known--
	}
	t.tell(h)
	t.settle(h)
}

// forget takes back all that an interface wants of a group.
func (t *Table) forget(h *heard) {
	for _, src := range h.list {
		t.change(pair{h.group, src}, h.index, h.any, false)
		t.known--
	}
	h.list = nil
	if h.any {
		h.any = false
		t.change(pair{group: h.group}, h.index, false, false)
		t.known--
	}
}

// settle drops what says nothing any more, unless upstream is still to be told.
func (t *Table) settle(h *heard) {
	if !h.any && len(h.list) == 0 && !h.queued {
		h.list = nil
		t.heard.Delete(t.hashAt(h.at), h.at)
	}
}

// DropListeners forgets what the querier of an interface knew in a family.
func (t *Table) DropListeners(index uint32, is6 bool) {
	var all []*heard
	for h := range t.heard.All() {
		if h.index == index && h.group.Is6() == is6 {
			all = append(all, h)
		}
	}
	for _, h := range all {
		t.forget(h)
		t.tell(h)
		t.settle(h)
	}
}

// change publishes that an interface is, or is no more, on one of the lists of a
// source.
func (t *Table) change(k pair, index uint32, off, is bool) {
	hash := t.hashPair(k)
	next := want{pair: k}
	if w := t.wants.Get(hash, k); w != nil {
		next = *w
	}
	list := &next.on
	if off {
		list = &next.off
	}
	i, found := slices.BinarySearch(*list, index)
	switch {
	case found == is:
		return
	case is:
		*list = slices.Insert(slices.Clone(*list), i, index)
	default:
		*list = slices.Delete(slices.Clone(*list), i, i+1)
	}
	if len(next.on)+len(next.off) == 0 {
		t.wants.Delete(hash, k)
	} else {
		t.wants.Put(hash, &next)
	}
	t.changed()
}

// Len returns how many groups and sources listeners are known for, each
// interface's counted.
func (t *Table) Len() int { return int(t.known) }
