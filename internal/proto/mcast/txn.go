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
func (t *Txn[S]) Joined() bool { return t.from.Mode == Undefined && len(t.rec.members()) == 0 }

// Left: see Joined.
func (t *Txn[S]) Left() bool { return t.to.Mode == Undefined && len(t.rec.members()) == 1 }

// propose prepares to replace the filter of a membership.
func (g *Groups[S]) propose(m *Memberships[S], at *seat[S], to Filter, tun *Tunables) (Txn[S], error) {
	if g.open {
		panic("mcast: the previous transaction is still open")
	}
	t := Txn[S]{At: at.at, groups: g, member: m, from: at.from, to: to, place: int32(at.place), index: int32(at.index)}
	rec := at.rec
	if rec == nil {
		if s := g.Lookup(t.At.Group, t.At.IfIndex); s != nil {
			rec = s.rec
		} else {
			rec = new(record[S])
		}
	}
	t.rec, t.Old = rec, rec.merged()
	if err := t.merge(tun.groupSources(t.At.Group)); err != nil {
		return Txn[S]{}, err
	}
	g.open = true
	return t, nil
}

// merge computes New. With one member or none its filter is the interface's,
// and nothing is counted.
func (t *Txn[S]) merge(limit int) error {
	members := t.rec.members()
	alone := len(members) == 0 || len(members) == 1 && t.place == 0
	before, after := len(t.from.Sources), len(t.to.Sources)
	if !alone {
		if len(members) == 1 {
			t.rec.tally = new(tally)
			t.rec.tally.addAll(members[0].Filter, +1)
		}
		before = len(t.rec.tally.counts)
		t.rec.tally.recount(t.from, t.to)
		t.counted = true
		after = len(t.rec.tally.counts)
	}
	if after > limit && after > before {
		t.uncount()
		return syscall.ENOSPC
	}
	t.New = t.to
	if !alone {
		t.New = t.rec.tally.merge(t.Old)
	}
	return nil
}

func (t *Txn[S]) uncount() {
	if !t.counted {
		return
	}
	if len(t.rec.members()) == 1 {
		t.rec.tally = nil
		return
	}
	t.rec.tally.recount(t.to, t.from)
}

// Rollback leaves everything as it was before the request.
func (t *Txn[S]) Rollback() {
	t.uncount()
	t.groups.open = false
}

// Commit makes the change and publishes the new snapshot. A join of a group that
// has members appends to their array, behind the end of what readers of the old
// snapshot see: amortised O(1). Everything else copies the members.
func (t *Txn[S]) Commit() {
	r, m := t.rec, t.member
	members := r.members()
	me := Member[S]{m.Socket, t.to, indexOf(t.to.Sources)}
	switch {
	case t.from.Mode == Undefined:
		m.list = slices.Insert(m.list, int(t.index), r)
		if len(members) == 0 {
			t.publishOne(me)
		} else {
			t.publish(append(members, me))
		}
	case t.to.Mode == Undefined:
		m.list = slices.Delete(m.list, int(t.index), int(t.index)+1)
		if len(m.list) == 0 {
			m.list = nil
		}
		t.remove(members)
	case len(members) == 1:
		t.publishOne(me)
	default:
		members = slices.Clone(members)
		members[t.place] = me
		t.publish(members)
	}
	t.groups.open = false
}

// remove publishes the members without the socket, in a new array unless it is the
// last one. The array never has room at its end that an older snapshot uses.
func (t *Txn[S]) remove(members []Member[S]) {
	n := len(members) - 1
	switch i := int(t.place); {
	case n == 0:
		t.groups.table.Delete(t.groups.hash(t.At), t.At)
	case n == 1:
		t.publishOne(members[1-i])
	case i == n:
		t.publish(members[:n:n])
	default:
		last := members[n]
		members = slices.Clone(members[:n])
		members[i] = last
		t.publish(members)
	}
}

// publish shows readers two members or more.
func (t *Txn[S]) publish(members []Member[S]) {
	t.rec.tally.merged = t.New
	t.put(&Snapshot[S]{At: t.At, Members: members, rec: t.rec})
}

// publishOne shows readers the only member.
func (t *Txn[S]) publishOne(m Member[S]) {
	t.rec.tally = nil
	s := &single[S]{Snapshot: Snapshot[S]{At: t.At, rec: t.rec}, one: [1]Member[S]{m}}
	s.Members = s.one[:]
	t.put(&s.Snapshot)
}

func (t *Txn[S]) put(s *Snapshot[S]) {
	t.rec.snap = s
	t.groups.table.Put(t.groups.hash(s.At), s)
}
