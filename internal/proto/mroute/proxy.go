package mroute

import (
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Proxy is the configuration of a proxy (RFC 4605 §4). It never changes but for
// Count, which is written under the lock of the shard it is for.
type Proxy struct {
	Up    uint32
	Down  []uint32 // sorted
	Count []Count  // by shard
	asks4 []uint32 // where this router is the querier, sorted
	asks6 []uint32
}

// Key makes a Proxy an entry of a table.
func (p *Proxy) Key() bool { return true }

func (p *Proxy) has(index uint32) bool { return has(p.Down, index) }

// asks tells whether packets are sent downstream by an interface: of several
// routers on a link only the querier does that (RFC 4605 §4.2).
func (p *Proxy) asks(index uint32, is6 bool) bool {
	list := p.asks4
	if is6 {
		list = p.asks6
	}
	return p.has(index) && has(list, index)
}

// SetProxy makes the router a proxy between an interface and others, or with up 0
// no longer. Upstream knows nothing yet of what is wanted: NextWant says everything
// anew.
func (t *Table) SetProxy(up uint32, down []uint32) {
	for _, h := range t.queue[t.told:] {
		h.queued = false
		t.settle(h)
	}
	t.queue, t.told = nil, 0
	defer t.changed()
	if up == 0 {
		t.proxy.Delete(0, true)
		return
	}
	p := &Proxy{Up: up, Down: slices.Clone(down), Count: make([]Count, t.shards)}
	slices.Sort(p.Down)
	p.Down = slices.Compact(p.Down)
	if old := t.Proxy(); old != nil {
		p.asks4, p.asks6, p.Count = old.asks4, old.asks6, old.Count
	}
	t.proxy.Put(0, p)
	for h := range t.heard.All() {
		t.tell(h)
	}
}

// Proxy returns the proxy's configuration, nil where the router is none.
func (t *Table) Proxy() *Proxy { return t.proxy.Get(0, true) }

// SetQuerier says whether this router is the one that asks on an interface, in a
// family.
func (t *Table) SetQuerier(index uint32, is6, on bool) {
	p := t.Proxy()
	if p == nil || !p.has(index) || p.asks(index, is6) == on {
		return
	}
	next := *p
	list := &next.asks4
	if is6 {
		list = &next.asks6
	}
	i, found := slices.BinarySearch(*list, index)
	if found {
		*list = slices.Delete(slices.Clone(*list), i, i+1)
	} else {
		*list = slices.Insert(slices.Clone(*list), i, index)
	}
	t.proxy.Put(0, &next)
	t.changed()
}

// Want is what a downstream interface wants of a group: its share of the proxy's
// membership database (RFC 4605 §4.1).
type Want struct {
	Index  uint32
	Group  netip.Addr
	Filter mcast.Filter
}

// tell has upstream told of a group.
func (t *Table) tell(h *heard) {
	if p := t.Proxy(); p != nil && !h.queued && p.has(h.index) {
		h.queued = true
		t.queue = append(t.queue, h)
	}
}

// NextWant tells what upstream is to be told next; false if nothing. To be pulled
// after Listen, DropListeners and SetProxy.
func (t *Table) NextWant(w *Want) bool {
	if t.told == len(t.queue) {
		t.queue, t.told = t.queue[:0], 0
		return false
	}
	h := t.queue[t.told]
	t.queue[t.told] = nil
	t.told++
	h.queued = false
	*w = Want{h.index, h.group, h.filter()}
	t.settle(h)
	return true
}
