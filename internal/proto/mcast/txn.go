package mcast

import (
	"slices"
	"syscall"
)

// Txn is a change of one membership that has been checked and can no longer
// fail, but is not yet made. Exactly one of Commit and Rollback must follow,
// before the next request to the same Groups.
type Txn[S comparable] struct {
	At       Key
	Old, New Filter // the interface's, before and after

	groups   *Groups[S]
	member   *Memberships[S]
	rec      *record[S]
	from, to Filter // the socket's
	place    int32  // of the socket among the members, -1 if it is new
	index    int32  // of the record in the socket's list, or where it goes
	counted  bool   // the counters already say to
}

// Changed reports whether the interface's filter changes, so that IGMP or MLD
// must hear of it.
func (t *Txn[S]) Changed() bool { return !t.Old.Equal(t.New) }

// Joined and Left report whether the group gets its first, or loses its last,
// member on the interface. Ask before Commit.
func (t *Txn[S]) Joined() bool { return t.from.Mode == Undefined && len(t.rec.snap.Members) == 0 }

// Left: see Joined.
func (t *Txn[S]) Left() bool { return t.to.Mode == Undefined && len(t.rec.snap.Members) == 1 }

// Handle is a word that the stack may keep with each group and interface, for
// example its place in the link's filter. It is 0 when the group is new.
func (t *Txn[S]) Handle() *uint32 { return &t.rec.handle }

// propose prepares to replace the socket's filter. rec is nil for a group that
// has no members yet.
func (g *Groups[S]) propose(m *Memberships[S], at Key, to Filter, tun *Tunables) (Txn[S], error) {
	if g.open {
		panic("mcast: the previous transaction is still open")
	}
	index, rec := m.find(at.Group, at.IfIndex)
	t := Txn[S]{At: at, groups: g, member: m, to: to, place: -1, index: int32(index)}
	if rec != nil {
		t.At = rec.snap.At
		var place int
		t.from, place = rec.filter(m.Socket)
		t.place = int32(place)
	} else if s := g.Lookup(at.Group, at.IfIndex); s != nil {
		rec = s.rec
	} else {
		rec = &record[S]{snap: &Snapshot[S]{At: at}}
		rec.snap.rec = rec
	}
	t.rec, t.Old = rec, rec.merged
	if err := t.merge(tun.groupSources(at.Group)); err != nil {
		return Txn[S]{}, err
	}
	g.open = true
	return t, nil
}

// merge computes New. With one member or none its filter is the interface's,
// and nothing is counted.
func (t *Txn[S]) merge(limit int) error {
	members := t.rec.snap.Members
	alone := len(members) == 0 || len(members) == 1 && t.place == 0
	before, after := len(t.from.Sources), len(t.to.Sources)
	if !alone {
		if len(members) == 1 {
			t.rec.addAll(members[0].Filter, +1)
		}
		before = len(t.rec.counts)
		t.rec.recount(t.from, t.to)
		t.counted = true
		after = len(t.rec.counts)
	}
	if after > limit && after > before {
		t.uncount()
		return syscall.ENOSPC
	}
	t.New = t.to
	if !alone {
		t.New = t.rec.merge(t.Old)
	}
	return nil
}

func (t *Txn[S]) uncount() {
	if !t.counted {
		return
	}
	if len(t.rec.snap.Members) == 1 {
		t.rec.uncount()
		return
	}
	t.rec.recount(t.to, t.from)
}

// Rollback leaves everything as it was before the request.
func (t *Txn[S]) Rollback() {
	t.uncount()
	t.groups.open = false
}

// Commit makes the change and publishes the new snapshot. A first join appends
// to the members' array, behind the end of what readers of the old snapshot
// see: amortised O(1). Everything else copies the members.
func (t *Txn[S]) Commit() {
	r, m := t.rec, t.member
	members := r.snap.Members
	switch {
	case t.from.Mode == Undefined:
		members = append(members, Member[S]{m.Socket, t.to})
		m.list = slices.Insert(m.list, int(t.index), r)
	case t.to.Mode == Undefined:
		members = removed(members, int(t.place))
		m.list = slices.Delete(m.list, int(t.index), int(t.index)+1)
		if len(m.list) == 0 {
			m.list = nil
		}
	default:
		members = slices.Clone(members)
		members[t.place].Filter = t.to
	}
	r.merged = t.New
	if len(members) == 1 {
		r.uncount()
		r.merged = members[0].Filter
	}
	t.groups.publish(r, members)
	t.groups.open = false
}

// removed returns the members without the i-th, in a new array unless it is the
// last one. The result never has room at its end that an older snapshot uses.
func removed[S comparable](members []Member[S], i int) []Member[S] {
	n := len(members) - 1
	if i == n {
		return members[:n:n]
	}
	s := slices.Clone(members[:n])
	s[i] = members[n]
	return s
}

func (g *Groups[S]) publish(r *record[S], members []Member[S]) {
	r.snap = &Snapshot[S]{At: r.snap.At, Members: members, rec: r}
	hash := g.hash(r.snap.At)
	if len(members) == 0 {
		g.table.Delete(hash, r.snap.At)
		return
	}
	g.table.Put(hash, r.snap)
}
