package mcast

import (
	"net/netip"
	"slices"
)

// record is the writer's side of one (group, interface): what the snapshot of
// the day cannot say. It lives as long as the group has members.
type record[S comparable] struct {
	snap  *Snapshot[S] // nil before the first member
	tally *tally       // kept only while there are two members or more
}

// members returns who are committed.
func (r *record[S]) members() []Member[S] {
	if r.snap == nil {
		return nil
	}
	return r.snap.Members
}

// merged returns the interface's filter: that of the only member, if there is but
// one.
func (r *record[S]) merged() Filter {
	switch m := r.members(); len(m) {
	case 0:
		return Filter{}
	case 1:
		return m[0].Filter
	}
	return r.tally.merged
}

// tally is what several members come to.
type tally struct {
	merged Filter  // of the committed memberships
	counts []count // sorted
	in, ex int32   // members in INCLUDE and EXCLUDE mode
}

// count says how many members name a source in which mode.
type count struct {
	addr   netip.Addr
	in, ex int32
}

// merge returns the interface's filter by counting (RFC 3376 §3.2): if any
// member excludes, EXCLUDE the sources that all of those exclude and nobody
// includes; otherwise INCLUDE whatever somebody includes. If that is what old
// says, old itself comes back and nothing is allocated.
func (r *tally) merge(old Filter) Filter {
	mode := Include
	if r.ex > 0 {
		mode = Exclude
	}
	n, same := 0, mode == old.Mode
	for i := range r.counts {
		if !r.listed(&r.counts[i]) {
			continue
		}
		same = same && n < len(old.Sources) && old.Sources[n] == r.counts[i].addr
		n++
	}
	if same && n == len(old.Sources) {
		return old
	}
	f := Filter{Mode: mode}
	if n > 0 {
		f.Sources = make([]netip.Addr, 0, n)
	}
	for i := range r.counts {
		if r.listed(&r.counts[i]) {
			f.Sources = append(f.Sources, r.counts[i].addr)
		}
	}
	return f
}

func (r *tally) listed(c *count) bool {
	if r.ex > 0 {
		return c.ex == r.ex && c.in == 0
	}
	return c.in > 0
}

// recount replaces one member's filter by another in the counters. Where only
// the list changed, only the difference is touched.
func (r *tally) recount(from, to Filter) {
	if from.Mode == to.Mode {
		Walk(from.Sources, to.Sources, func(a netip.Addr, was, is bool) {
			if was && !is {
				r.add(a, from.Mode, -1)
			} else if is && !was {
				r.add(a, to.Mode, +1)
			}
		})
		return
	}
	r.addAll(from, -1)
	r.addAll(to, +1)
}

func (r *tally) addAll(f Filter, d int32) {
	switch f.Mode {
	case Include:
		r.in += d
	case Exclude:
		r.ex += d
	}
	for _, a := range f.Sources {
		r.add(a, f.Mode, d)
	}
}

func (r *tally) add(a netip.Addr, mode Mode, d int32) {
	i, found := slices.BinarySearchFunc(r.counts, a, func(c count, a netip.Addr) int { return c.addr.Compare(a) })
	if !found {
		r.counts = slices.Insert(r.counts, i, count{addr: a})
	}
	c := &r.counts[i]
	if mode == Include {
		c.in += d
	} else {
		c.ex += d
	}
	if c.in == 0 && c.ex == 0 {
		r.counts = slices.Delete(r.counts, i, i+1)
	}
}
