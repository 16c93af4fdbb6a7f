package mroute

import (
	"cmp"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/table"
)

// Tunables are the limits of a stack's multicast routing.
type Tunables struct {
	MaxRoutes    int32 `sysctl:"net.inet.mroute.max_routes,min=0,max=65536" desc:"static multicast routes, of both families"`
	MaxListeners int32 `sysctl:"net.inet.mroute.max_listeners,min=0,max=16777216" desc:"groups, and sources of groups, that listeners may be known for, each interface's counted"`
}

// Defaults returns the tunables a world starts with.
func Defaults() Tunables { return Tunables{MaxRoutes: 4096, MaxListeners: 1 << 18} }

// Stats counts what a stack's multicast routing refused.
type Stats struct {
	RoutesRefused    uint64 `stat:"mroute.routesrefused"`
	ListenersRefused uint64 `stat:"mroute.listenersrefused"`
	Unproxied        uint64 `stat:"mroute.unproxied"` // wishes that could not be made upstream
}

// Route says where packets of a source, or any, to groups are sent.
type Route struct {
	Group     netip.Prefix // of groups
	Source    netip.Addr   // invalid: any
	In        uint32       // where the packets must come in
	Out       []uint32     // where they are sent, sorted
	Listeners bool         // and wherever somebody is known to listen
}

// Key is what a route is found by.
type Key struct {
	Group  netip.Prefix
	Source netip.Addr
}

// Rule is a route in a table. It never changes; Count is written under the lock of
// the shard it is for.
type Rule struct {
	Route
	Count []Count // by shard
}

// Count is what a route has seen.
type Count struct{ Packets, Bytes, WrongIf uint64 }

// Key returns what the route is found by.
func (r *Rule) Key() Key { return Key{r.Group, r.Source} }

// Table is a stack's multicast routing.
type Table struct {
	seed   table.Seed
	shards int
	rules  table.Table[Key, Rule, *Rule]
	lens   table.Table[bool, lengths, *lengths] // by whether it is IPv6
	wants  table.Table[pair, want, *want]
	proxy  table.Table[bool, Proxy, *Proxy] // the one with key true
	state  table.Table[bool, state, *state] // likewise

	heard  table.Table[at, heard, *heard]
	queue  []*heard // what upstream is to be told of
	told   int      // of queue
	known  int32    // listeners, as MaxListeners counts them
	nRules int
}

// state is replaced with every change, so that a Cache sees that there was one.
type state struct{ changes uint64 }

// Key makes a state an entry of a table.
func (s *state) Key() bool { return true }

func (t *Table) changed() {
	next := &state{1}
	if s := t.state.Get(0, true); s != nil {
		next.changes += s.changes
	}
	t.state.Put(0, next)
}

// New returns a table for a stack with so many shards.
func New(seed table.Seed, shards int) *Table { return &Table{seed: seed, shards: shards} }

// Active tells whether there is anything that packets may be forwarded by.
func (t *Table) Active() bool { return t.rules.Len() != 0 || t.proxy.Len() != 0 }

// lengths are the lengths of the prefixes of groups that routes are for, longest
// first.
type lengths struct {
	is6  bool
	all  []uint8
	n    [129]int32 // routes of each
	from bool       // some are for one source
	srcs int32
}

// Key returns what the lengths are found by.
func (l *lengths) Key() bool { return l.is6 }

func family(is6 bool) uint32 {
	if is6 {
		return 1
	}
	return 0
}

func (t *Table) hash(k Key) uint32 {
	if !k.Source.IsValid() {
		return t.seed.Addr(k.Group.Addr(), uint64(k.Group.Bits()))
	}
	return t.seed.Pair(k.Group.Addr(), k.Source, uint64(k.Group.Bits()))
}

// Routed tells whether packets to a group ever leave a link: those of groups of the
// link, or of less, do not (RFC 5771 §4, RFC 4291 §2.7).
func Routed(group netip.Addr) bool {
	if group.Is4() {
		b := group.As4()
		return b[0]&0xf0 == 0xe0 && (b[0] != 224 || b[1] != 0 || b[2] != 0)
	}
	return group.Is6() && group.IsMulticast() && group.As16()[1]&15 > 2
}

// Add adds a route. EINVAL: Group is no prefix of groups that are routed, or
// Source is not of its family or a group. EEXIST: there is a route for that source
// to that prefix. ENOBUFS: there are too many routes.
func (t *Table) Add(tun *Tunables, s *Stats, r Route) syscall.Errno {
	g := r.Group
	least := 4
	if g.Addr().Is6() {
		least = 8
	}
	if !g.IsValid() || g != g.Masked() || g.Bits() < least || !g.Addr().IsMulticast() || !Routed(last(g)) ||
		r.Source.IsValid() && (r.Source.Is4() != g.Addr().Is4() || r.Source.IsMulticast()) {
		return syscall.EINVAL
	}
	k := Key{g, r.Source}
	if t.rules.Get(t.hash(k), k) != nil {
		return syscall.EEXIST
	}
	if t.nRules >= int(tun.MaxRoutes) {
		s.RoutesRefused++
		return syscall.ENOBUFS
	}
	r.Out = slices.Clone(r.Out)
	slices.Sort(r.Out)
	r.Out = slices.Compact(r.Out)
	t.rules.Put(t.hash(k), &Rule{Route: r, Count: make([]Count, t.shards)})
	t.measure(k, +1)
	t.changed()
	return 0
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Delete removes a route. ESRCH: there is none for that source to that prefix.
func (t *Table) Delete(k Key) syscall.Errno {
	if t.rules.Get(t.hash(k), k) == nil {
		return syscall.ESRCH
	}
	t.rules.Delete(t.hash(k), k)
	t.measure(k, -1)
	t.changed()
	return 0
}

// Leave takes an interface that is gone out of those that a route leads to.
func (t *Table) Leave(r *Rule, index uint32) {
	next := *r
	next.Out = slices.DeleteFunc(slices.Clone(r.Out), func(i uint32) bool { return i == index })
	t.rules.Put(t.hash(r.Key()), &next)
	t.changed()
}

// measure counts a route that came or went, and publishes the lengths there are.
func (t *Table) measure(k Key, d int32) {
	t.nRules += int(d)
	is6 := k.Group.Addr().Is6()
	next := lengths{is6: is6}
	if l := t.lens.Get(family(is6), is6); l != nil {
		next = *l
	}
	next.n[k.Group.Bits()] += d
	if k.Source.IsValid() {
		next.srcs += d
	}
	next.all, next.from = nil, next.srcs > 0
	for i := len(next.n) - 1; i >= 0; i-- {
		if next.n[i] > 0 {
			next.all = append(next.all, uint8(i))
		}
	}
	if next.all == nil {
		t.lens.Delete(family(is6), is6)
		return
	}
	t.lens.Put(family(is6), &next)
}

// Rules returns the routes, sorted by group and source. They must not be written to.
func (t *Table) Rules() []*Rule {
	var all []*Rule
	for r := range t.rules.All() {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *Rule) int {
		return cmp.Or(a.Group.Addr().Compare(b.Group.Addr()), cmp.Compare(a.Group.Bits(), b.Group.Bits()), a.Source.Compare(b.Source))
	})
	return all
}

// match returns the route for packets of a source to a group: of those with the
// longest prefix that has one, the one for the source if there is one.
func (t *Table) match(src, group netip.Addr) *Rule {
	is6 := group.Is6()
	l := t.lens.Get(family(is6), is6)
	if l == nil {
		return nil
	}
	for _, n := range l.all {
		p := netip.PrefixFrom(group, int(n))
		if int(n) < group.BitLen() {
			p = p.Masked()
		}
		if l.from {
			k := Key{p, src}
			if r := t.rules.Get(t.hash(k), k); r != nil {
				return r
			}
		}
		k := Key{Group: p}
		if r := t.rules.Get(t.hash(k), k); r != nil {
			return r
		}
	}
	return nil
}
