package mroute

import (
	"net/netip"
	"slices"
)

// Verdict says what is to become of a packet.
type Verdict uint8

const (
	NoRoute Verdict = iota // it is nobody's business
	WrongIf                // it came in where its route does not expect it
	Forward                // to Way.Out, be it empty
)

// Way is where a packet is sent. It is its user's, who may use it again.
type Way struct {
	Verdict Verdict
	Rule    *Rule    // that decided, if it was a route
	Proxy   *Proxy   // if it was the proxy
	Out     []uint32 // interfaces, in ascending order

	src, group netip.Addr
	in         uint32
	state      *state // for which it holds
}

// Cache remembers the ways of the flows that packets were of last. It belongs to
// one who looks up, and is as large as it is whatever comes.
type Cache struct{ ways [64]Way }

// Find is Lookup through a cache. The way is valid until the next call.
func (t *Table) Find(c *Cache, in uint32, src, group netip.Addr) *Way {
	w := &c.ways[t.seed.Pair(src, group, uint64(in))%uint32(len(c.ways))]
	s := t.state.Get(0, true)
	if w.state != s || w.group != group || w.src != src || w.in != in {
		w.src, w.group, w.in, w.state = src, group, in, s
		t.Lookup(in, src, group, w)
	}
	return w
}

// Count returns where the packet is to be counted, nil for NoRoute.
func (w *Way) Count(shard uint32) *Count {
	switch {
	case w.Rule != nil:
		return &w.Rule.Count[shard]
	case w.Proxy != nil:
		return &w.Proxy.Count[shard]
	}
	return nil
}

// Lookup finds out where a packet of a source to a group is sent that came in by an
// interface. Routes come before the proxy.
func (t *Table) Lookup(in uint32, src, group netip.Addr, w *Way) {
	w.Verdict, w.Rule, w.Proxy, w.Out = NoRoute, nil, nil, w.Out[:0]
	if !Routed(group) {
		return
	}
	if w.Rule = t.match(src, group); w.Rule != nil {
		if w.Rule.In != in {
			w.Verdict = WrongIf
			return
		}
		w.Verdict = Forward
		w.Out = append(w.Out, w.Rule.Out...)
		if w.Rule.Listeners {
			t.listeners(src, group, w)
		}
		w.except(in)
		return
	}
	p := t.proxy.Get(0, true)
	if p == nil || in != p.Up && !p.has(in) {
		return
	}
	w.Verdict, w.Proxy = Forward, p
	t.listeners(src, group, w)
	w.Out = slices.DeleteFunc(w.Out, func(i uint32) bool { return !p.asks(i, group.Is6()) })
	if in != p.Up {
		w.add(p.Up)
	}
	w.except(in)
}

// listeners adds the interfaces where somebody listens to the source: to any but
// some (EXCLUDE), or to some (RFC 3376 §6.3).
func (t *Table) listeners(src, group netip.Addr, w *Way) {
	k := pair{group: group}
	any := t.wants.Get(t.hashPair(k), k)
	k.source = src
	one := t.wants.Get(t.hashPair(k), k)
	if any != nil {
		for _, i := range any.on {
			if one == nil || !has(one.off, i) {
				w.add(i)
			}
		}
	}
	if one != nil {
		for _, i := range one.on {
			w.add(i)
		}
	}
}

// add inserts an interface; those that come in ascending order cost nothing.
func (w *Way) add(i uint32) {
	if n := len(w.Out); n == 0 || w.Out[n-1] < i {
		w.Out = append(w.Out, i)
		return
	}
	if at, found := slices.BinarySearch(w.Out, i); !found {
		w.Out = slices.Insert(w.Out, at, i)
	}
}

func (w *Way) except(in uint32) {
	if at, found := slices.BinarySearch(w.Out, in); found {
		w.Out = slices.Delete(w.Out, at, at+1)
	}
}

func has(list []uint32, i uint32) bool {
	_, found := slices.BinarySearch(list, i)
	return found
}
