package mcast

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/table"
)

// Tunables are the limits and defaults of multicast sockets, one set for each
// family.
type Tunables struct {
	MaxGroupSources   int32 `sysctl:"net.inet.ip.mcast.maxgrpsrc,min=0,max=65535" desc:"sources per group and interface"`
	MaxSocketSources  int32 `sysctl:"net.inet.ip.mcast.maxsocksrc,min=0,max=65535" desc:"sources per socket and group"`
	Loop              int32 `sysctl:"net.inet.ip.mcast.loop,min=0,max=1" desc:"sockets hear what they send to a group, unless they say otherwise"`
	MaxGroupSources6  int32 `sysctl:"net.inet6.ip6.mcast.maxgrpsrc,min=0,max=65535" desc:"sources per group and interface"`
	MaxSocketSources6 int32 `sysctl:"net.inet6.ip6.mcast.maxsocksrc,min=0,max=65535" desc:"sources per socket and group"`
	Loop6             int32 `sysctl:"net.inet6.ip6.mcast.loop,min=0,max=1" desc:"sockets hear what they send to a group, unless they say otherwise"`
}

// Defaults returns the tunables a world starts with.
func Defaults() Tunables {
	return Tunables{
		MaxGroupSources: 512, MaxSocketSources: 128, Loop: 1,
		MaxGroupSources6: 512, MaxSocketSources6: 128, Loop6: 1,
	}
}

// MaxMemberships is how many memberships one socket may have.
const MaxMemberships = 4095

// Loops tells whether sockets hear what they send to groups of a family, unless
// they say otherwise.
func (t *Tunables) Loops(is6 bool) bool {
	if is6 {
		return t.Loop6 != 0
	}
	return t.Loop != 0
}

func (t *Tunables) groupSources(group netip.Addr) int {
	if group.Is4() {
		return int(t.MaxGroupSources)
	}
	return int(t.MaxGroupSources6)
}

func (t *Tunables) socketSources(group netip.Addr) int {
	if group.Is4() {
		return int(t.MaxSocketSources)
	}
	return int(t.MaxSocketSources6)
}

// Groups holds the memberships of all sockets of one stack. S is what stands
// for a socket. The zero value is empty and owns no memory. Lookup may be called at any time by anyone, everything else
// by one goroutine at a time.
type Groups[S comparable] struct {
	table table.Table[Key, Snapshot[S], *Snapshot[S]]
	open  bool // a transaction is neither committed nor rolled back
}

// Key is what a membership is to: a group on an interface.
type Key struct {
	Group   netip.Addr
	IfIndex int32
}

func (g *Groups[S]) hash(k Key) uint32 { return table.Seed{}.Addr(k.Group, uint64(k.IfIndex)) }

// Snapshot is who listens to a group on an interface, at one moment. It is
// never written to after Lookup may have returned it: keep it as long as you
// like.
type Snapshot[S comparable] struct {
	At      Key
	Members []Member[S] // at least one, in no particular but a repeatable order
	rec     *record[S]
}

// Key returns what the snapshot is found by.
func (s *Snapshot[S]) Key() Key { return s.At }

// Member is one socket and its filter.
type Member[S comparable] struct {
	Socket S
	Filter
}

// single is the snapshot of a group with one member, which nearly all are.
type single[S comparable] struct {
	Snapshot[S]
	one [1]Member[S]
}

// Merged returns the interface's filter: the merge of all members' (RFC 3376
// §3.2). Only the writer may ask.
func (s *Snapshot[S]) Merged() Filter { return s.rec.merged() }

// Lookup returns who listens to the group on the interface, nil if nobody does.
func (g *Groups[S]) Lookup(group netip.Addr, ifIndex int32) *Snapshot[S] {
	k := Key{group, ifIndex}
	return g.table.Get(g.hash(k), k)
}

// Len returns the number of (group, interface) pairs that have members.
func (g *Groups[S]) Len() int { return g.table.Len() }

// All returns the snapshots of all groups of an interface (0: of every
// interface), sorted by interface and group.
func (g *Groups[S]) All(ifIndex int32) []*Snapshot[S] {
	var all []*Snapshot[S]
	for s := range g.table.All() {
		if ifIndex == 0 || s.At.IfIndex == ifIndex {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *Snapshot[S]) int {
		return cmp.Or(cmp.Compare(a.At.IfIndex, b.At.IfIndex), a.At.Group.Compare(b.At.Group))
	})
	return all
}

// Memberships is what a socket is a member of; Socket must be set, and must not
// change while there are any. The zero list owns no memory.
type Memberships[S comparable] struct {
	Socket S
	list   []*record[S] // by group; within a group in the order of joining
}

// Len returns the number of memberships.
func (m *Memberships[S]) Len() int { return len(m.list) }

// At returns what the i-th membership is to, in ascending order of groups. To
// leave all, leave the last one until none is left.
func (m *Memberships[S]) At(i int) Key { return m.list[i].snap.At }

// find returns the place of the membership and its record, or where it would be
// inserted and nil.
func (m *Memberships[S]) find(group netip.Addr, ifIndex int32) (int, *record[S]) {
	i, _ := slices.BinarySearchFunc(m.list, group, func(r *record[S], a netip.Addr) int {
		return r.snap.At.Group.Compare(a)
	})
	for ; i < len(m.list) && m.list[i].snap.At.Group == group; i++ {
		if ifIndex == AnyIf || m.list[i].snap.At.IfIndex == ifIndex {
			return i, m.list[i]
		}
	}
	return i, nil
}

// seat is the place of a membership, or where it would be.
type seat[S comparable] struct {
	at    Key
	rec   *record[S] // nil: the socket is not a member
	from  Filter     // the socket's
	index int        // in its list
	place int        // among the members, -1 if it is none
}

func (m *Memberships[S]) seat(at Key) seat[S] {
	index, rec := m.find(at.Group, at.IfIndex)
	s := seat[S]{at: at, rec: rec, index: index, place: -1}
	if rec != nil {
		s.at = rec.snap.At
		s.place = slices.IndexFunc(rec.snap.Members, func(x Member[S]) bool { return x.Socket == m.Socket })
		s.from = rec.snap.Members[s.place].Filter
	}
	return s
}
