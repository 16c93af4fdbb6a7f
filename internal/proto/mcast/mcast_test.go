package mcast

import (
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

const eth0 = 1

var group = netip.MustParseAddr("232.1.1.1")

func src(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
}

// filter reads "I{a,b}" and "E{}"; "none" is the zero Filter.
func filter(t testing.TB, s string) Filter {
	t.Helper()
	if s == "none" {
		return Filter{}
	}
	f := Filter{Mode: Include}
	if s[0] == 'E' {
		f.Mode = Exclude
	}
	var list []netip.Addr
	for _, name := range strings.Split(strings.Trim(s[1:], "{}"), ",") {
		if name != "" {
			list = append(list, src(int(name[0]-'a'+1)))
		}
	}
	f.Sources = Sorted(list)
	return f
}

func (f Filter) text() string {
	if f.Mode == Undefined {
		return "none"
	}
	var names []string
	for _, a := range f.Sources {
		names = append(names, string(rune('a'+a.As4()[3]-1)))
	}
	return f.Mode.String()[:1] + "{" + strings.Join(names, ",") + "}"
}

// set makes the socket's filter f by the smallest request that does so.
func set(t testing.TB, g *Groups[string], m *Memberships[string], f Filter) {
	t.Helper()
	tun := Defaults()
	var tx Txn[string]
	var err error
	_, rec := m.find(group, eth0)
	switch {
	case f.Mode == Undefined:
		tx, err = g.Leave(m, group, eth0, &tun)
	case rec == nil:
		tx, err = g.Join(m, group, eth0, &tun)
		must(t, err)
		tx.Commit()
		fallthrough
	default:
		tx, err = g.SetFilter(m, group, eth0, f.Mode, f.Sources, &tun)
	}
	must(t, err)
	tx.Commit()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRFC3376Section3_2Merge(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"E{}", "I{a}", "E{}"},
		{"E{a,b}", "E{b,c}", "E{b}"},
		{"E{a,b}", "I{a}", "E{b}"},
		{"I{a}", "I{b}", "I{a,b}"},
		{"I{a,b}", "I{b,c}", "I{a,b,c}"},
		{"E{a}", "I{a}", "E{}"},
		{"E{a}", "E{}", "E{}"},
		{"E{a}", "I{}", "E{a}"},
		{"I{}", "I{}", "I{}"},
		{"I{}", "I{a}", "I{a}"},
		{"I{a,b}", "E{b,c}", "E{c}"},
		{"E{a,b,c,d}", "E{b,c,d,e}", "E{b,c,d}"}, // RFC 3376 §3.2, first example: with I{d,e,f} below
		{"I{a}", "none", "I{a}"},
		{"E{a}", "none", "E{a}"},
	} {
		for _, swap := range []bool{false, true} {
			var g Groups[string]
			a, b := Memberships[string]{Socket: "a"}, Memberships[string]{Socket: "b"}
			first, second := c.a, c.b
			if swap {
				first, second = second, first
			}
			for _, step := range []struct {
				m *Memberships[string]
				f string
			}{{&a, first}, {&b, second}} {
				if step.f != "none" {
					set(t, &g, step.m, filter(t, step.f))
				}
			}
			if got := g.Lookup(group, eth0).Merged().text(); got != c.want {
				t.Errorf("%s + %s = %s, want %s", first, second, got, c.want)
			}
		}
	}
}

func TestRFC3376Section3_2ThreeSockets(t *testing.T) {
	var g Groups[string]
	s1, s2, s3 := Memberships[string]{Socket: "1"}, Memberships[string]{Socket: "2"}, Memberships[string]{Socket: "3"}
	set(t, &g, &s1, filter(t, "E{a,b,c,d}"))
	set(t, &g, &s2, filter(t, "E{b,c,d,e}"))
	set(t, &g, &s3, filter(t, "I{d,e,f}"))
	if got := g.Lookup(group, eth0).Merged().text(); got != "E{b,c}" {
		t.Errorf("merged %s, want E{b,c}", got)
	}
	set(t, &g, &s1, Filter{})
	set(t, &g, &s2, Filter{})
	if got := g.Lookup(group, eth0).Merged().text(); got != "I{d,e,f}" {
		t.Errorf("after both EXCLUDE sockets left: %s, want I{d,e,f}", got)
	}
	set(t, &g, &s3, Filter{})
	if g.Lookup(group, eth0) != nil || g.Len() != 0 {
		t.Error("a group without members is still there")
	}
}

func TestLeaveOfIncludeKeepsExclude(t *testing.T) {
	var g Groups[string]
	a, b := Memberships[string]{Socket: "a"}, Memberships[string]{Socket: "b"}
	set(t, &g, &a, filter(t, "E{a}"))
	set(t, &g, &b, filter(t, "I{a}"))
	if got := g.Lookup(group, eth0).Merged().text(); got != "E{}" {
		t.Errorf("E{a}+I{a} = %s, want E{}", got)
	}
	set(t, &g, &b, Filter{})
	if got := g.Lookup(group, eth0).Merged().text(); got != "E{a}" {
		t.Errorf("after the INCLUDE socket left: %s, want E{a}", got)
	}
}

func TestMatch(t *testing.T) {
	many := Filter{Mode: Include}
	for i := range 20 {
		many.Sources = append(many.Sources, src(2*i))
	}
	manyEx := Filter{Mode: Exclude, Sources: many.Sources}
	for _, c := range []struct {
		f    Filter
		src  netip.Addr
		pass bool
	}{
		{Filter{}, src(1), false},
		{filter(t, "I{}"), src(1), false},
		{filter(t, "I{a}"), src(1), true},
		{filter(t, "I{a}"), src(2), false},
		{filter(t, "E{}"), src(1), true},
		{filter(t, "E{a}"), src(1), false},
		{filter(t, "E{a}"), src(2), true},
		{many, src(38), true}, {many, src(37), false}, {many, src(0), true},
		{manyEx, src(38), false}, {manyEx, src(37), true},
	} {
		if got := c.f.Match(c.src); got != c.pass {
			t.Errorf("%s passes %v: %v, want %v", c.f.text(), c.src, got, c.pass)
		}
	}
}

type groups = Groups[string]
type members = Memberships[string]

type errnoCase struct {
	name, have string
	do         func(*groups, *members) (Txn[string], error)
	want       error
}

// errnoCases follows the option table line by line, in its order.
func errnoCases() []errnoCase {
	tun := Defaults()
	notGroup, a, b := src(9), src(1), src(2)
	v6 := netip.MustParseAddr("2001:db8::1")
	full := make([]netip.Addr, 129)
	for i := range full {
		full[i] = src(i)
	}
	join := func(gr netip.Addr, i int32) func(*groups, *members) (Txn[string], error) {
		return func(g *groups, m *members) (Txn[string], error) { return g.Join(m, gr, i, &tun) }
	}
	source := func(f func(*groups, *members, netip.Addr, int32, netip.Addr, *Tunables) (Txn[string], error), gr netip.Addr, i int32, s netip.Addr) func(*groups, *members) (Txn[string], error) {
		return func(g *groups, m *members) (Txn[string], error) { return f(g, m, gr, i, s, &tun) }
	}
	leave := func(gr netip.Addr, i int32) func(*groups, *members) (Txn[string], error) {
		return func(g *groups, m *members) (Txn[string], error) { return g.Leave(m, gr, i, &tun) }
	}
	setf := func(gr netip.Addr, i int32, mode Mode, list ...netip.Addr) func(*groups, *members) (Txn[string], error) {
		return func(g *groups, m *members) (Txn[string], error) { return g.SetFilter(m, gr, i, mode, list, &tun) }
	}
	add, drop := (*groups).JoinSource, (*groups).LeaveSource
	block, unblock := (*groups).Block, (*groups).Unblock
	return []errnoCase{
		{"join a unicast address, before the interface", "none", join(notGroup, 0), syscall.EINVAL},
		{"join without interface", "none", join(group, 0), syscall.EADDRNOTAVAIL},
		{"join", "none", join(group, eth0), nil},
		{"join twice", "E{}", join(group, eth0), syscall.EADDRINUSE},
		{"join over INCLUDE", "I{a}", join(group, eth0), syscall.EINVAL},
		{"join over INCLUDE without sources", "I{}", join(group, eth0), syscall.EINVAL},
		{"leave a unicast address", "E{}", leave(notGroup, eth0), syscall.EINVAL},
		{"leave, no member", "none", leave(group, eth0), syscall.EADDRNOTAVAIL},
		{"leave on another interface", "E{}", leave(group, 2), syscall.EADDRNOTAVAIL},
		{"leave without interface", "E{}", leave(group, 0), syscall.EADDRNOTAVAIL},
		{"leave on any interface", "E{}", leave(group, AnyIf), nil},
		{"leave in INCLUDE", "I{a}", leave(group, eth0), nil},
		{"join source of a unicast address", "none", source(add, notGroup, 0, a), syscall.EINVAL},
		{"join source without interface", "none", source(add, group, 0, a), syscall.EADDRNOTAVAIL},
		{"join source over EXCLUDE", "E{}", source(add, group, eth0, a), syscall.EINVAL},
		{"join source twice", "I{a}", source(add, group, eth0, a), syscall.EADDRNOTAVAIL},
		{"join source of IPv6", "none", source(add, group, eth0, v6), syscall.EINVAL},
		{"join second source", "I{a}", source(add, group, eth0, b), nil},
		{"leave source, no member", "none", source(drop, group, eth0, a), syscall.EADDRNOTAVAIL},
		{"leave source over EXCLUDE", "E{a}", source(drop, group, eth0, a), syscall.EADDRNOTAVAIL},
		{"leave source not listed", "I{a}", source(drop, group, eth0, b), syscall.EADDRNOTAVAIL},
		{"leave source", "I{a}", source(drop, group, eth0, a), nil},
		{"block a unicast address", "E{}", source(block, notGroup, eth0, a), syscall.EINVAL},
		{"block, no member", "none", source(block, group, eth0, a), syscall.EADDRNOTAVAIL},
		{"block over INCLUDE", "I{a}", source(block, group, eth0, a), syscall.EINVAL},
		{"block twice", "E{a}", source(block, group, eth0, a), syscall.EADDRNOTAVAIL},
		{"block", "E{a}", source(block, group, eth0, b), nil},
		{"unblock over INCLUDE", "I{a}", source(unblock, group, eth0, a), syscall.EINVAL},
		{"unblock not blocked", "E{a}", source(unblock, group, eth0, b), syscall.EADDRNOTAVAIL},
		{"unblock", "E{a}", source(unblock, group, eth0, a), nil},
		{"set too many sources, before all else", "none", setf(notGroup, 0, 7, full...), syscall.ENOBUFS},
		{"set bad mode, before the group", "none", setf(notGroup, 0, 7), syscall.EINVAL},
		{"set without interface", "E{}", setf(group, 0, Include), syscall.EADDRNOTAVAIL},
		{"set, no member", "none", setf(group, eth0, Include, a), syscall.EADDRNOTAVAIL},
		{"set source of IPv6", "E{}", setf(group, eth0, Include, v6), syscall.EAFNOSUPPORT},
		{"set with duplicates", "E{}", setf(group, eth0, Include, b, a, b), nil},
	}
}

func TestErrnos(t *testing.T) {
	for _, c := range errnoCases() {
		t.Run(c.name, func(t *testing.T) {
			var g groups
			m := members{Socket: "a"}
			if c.have != "none" {
				set(t, &g, &m, filter(t, c.have))
			}
			tx, err := c.do(&g, &m)
			if err != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if err == nil {
				tx.Rollback()
			}
			if c.have != "none" {
				if f, err := g.Filter(&m, group, eth0); err != nil || f.text() != c.have {
					t.Errorf("afterwards %s (%v), want %s", f.text(), err, c.have)
				}
			} else if g.Len() != 0 || m.Len() != 0 {
				t.Error("something stayed behind")
			}
		})
	}
}

func TestGetFilterErrnos(t *testing.T) {
	var g Groups[string]
	m := Memberships[string]{Socket: "a"}
	if _, err := g.Filter(&m, group, eth0); err != syscall.EADDRNOTAVAIL {
		t.Errorf("no memberships: %v", err)
	}
	set(t, &g, &m, filter(t, "E{c,a}"))
	if _, err := g.Filter(&m, group, 0); err != syscall.EINVAL {
		t.Errorf("no interface: %v", err)
	}
	if _, err := g.Filter(&m, group, 2); err != syscall.EADDRNOTAVAIL {
		t.Errorf("not a member: %v", err)
	}
	if f, err := g.Filter(&m, group, eth0); err != nil || f.text() != "E{a,c}" {
		t.Errorf("got %s, %v", f.text(), err)
	}
}

func TestSecondPlainJoinIPv6(t *testing.T) {
	var g Groups[string]
	tun := Defaults()
	m := Memberships[string]{Socket: "a"}
	g6 := netip.MustParseAddr("ff3e::1234")
	tx, err := g.JoinSource(&m, g6, eth0, netip.MustParseAddr("2001:db8::1"), &tun)
	must(t, err)
	tx.Commit()
	if _, err := g.Join(&m, g6, eth0, &tun); err != syscall.EADDRINUSE {
		t.Errorf("plain join over INCLUDE: %v, want EADDRINUSE", err)
	}
	if _, err := g.JoinSource(&m, g6, eth0, netip.MustParseAddr("ff02::1"), &tun); err != syscall.EINVAL {
		t.Errorf("multicast source: %v, want EINVAL", err)
	}
}

func TestLimits(t *testing.T) {
	var g Groups[int]
	tun := Defaults()
	var sockets [5]Memberships[int]
	n := 0
	var err error
	for i := range sockets {
		sockets[i].Socket = i
		for range 128 {
			var tx Txn[int]
			n++
			if tx, err = g.JoinSource(&sockets[i], group, eth0, src(n), &tun); err != nil {
				break
			}
			tx.Commit()
		}
	}
	if n != 513 || err != syscall.ENOSPC {
		t.Errorf("source %d refused with %v, want source 513 with ENOSPC", n, err)
	}
	if _, err := g.JoinSource(&sockets[0], group, eth0, src(9999), &tun); err != syscall.ENOBUFS {
		t.Errorf("source 129 of a socket: %v, want ENOBUFS", err)
	}
	if got := len(g.Lookup(group, eth0).Merged().Sources); got != 512 {
		t.Errorf("%d sources merged, want 512", got)
	}
	full := Memberships[int]{Socket: 99}
	for i := range MaxMemberships {
		tx, err := g.Join(&full, netip.AddrFrom4([4]byte{239, 1, byte(i >> 8), byte(i)}), eth0, &tun)
		must(t, err)
		tx.Commit()
	}
	if _, err := g.Join(&full, group, eth0, &tun); err != syscall.ENOMEM {
		t.Errorf("membership %d: %v, want ENOMEM", MaxMemberships+1, err)
	}
	if _, err := g.JoinSource(&full, group, eth0, src(1), &tun); err != syscall.ENOMEM {
		t.Errorf("source membership %d: %v, want ENOMEM", MaxMemberships+1, err)
	}
}

func TestLeaveWithoutInterfaceTakesFirstJoined(t *testing.T) {
	var g Groups[string]
	tun := Defaults()
	m := Memberships[string]{Socket: "a"}
	for _, i := range []int32{5, 2, 7} {
		tx, err := g.Join(&m, group, i, &tun)
		must(t, err)
		tx.Commit()
	}
	for _, want := range []int32{5, 2, 7} {
		tx, err := g.Leave(&m, group, AnyIf, &tun)
		must(t, err)
		if tx.At.IfIndex != want {
			t.Errorf("left on %d, want %d", tx.At.IfIndex, want)
		}
		tx.Commit()
	}
}

func TestSnapshotsDoNotChange(t *testing.T) {
	var g Groups[int]
	tun := Defaults()
	sockets := make([]Memberships[int], 20)
	var snaps []*Snapshot[int]
	var want [][]Member[int]
	keep := func() {
		if s := g.Lookup(group, eth0); s != nil {
			snaps = append(snaps, s)
			want = append(want, append([]Member[int](nil), s.Members...))
		}
	}
	do := func(tx Txn[int], err error) {
		must(t, err)
		tx.Commit()
		keep()
	}
	for i := range sockets {
		sockets[i].Socket = i
		do(g.Join(&sockets[i], group, eth0, &tun))
	}
	for _, i := range []int{19, 3, 18, 0} {
		do(g.Leave(&sockets[i], group, eth0, &tun))
		do(g.JoinSource(&sockets[i], group, eth0, src(i), &tun))
		do(g.Block(&sockets[7], group, eth0, src(100+i), &tun))
	}
	for i, s := range snaps {
		for j, m := range s.Members {
			if m.Socket != want[i][j].Socket || !m.Filter.Equal(want[i][j].Filter) {
				t.Fatalf("snapshot %d changed at member %d", i, j)
			}
		}
	}
}

func TestSecondTransactionPanics(t *testing.T) {
	var g Groups[int]
	tun := Defaults()
	m := Memberships[int]{}
	_, err := g.Join(&m, group, eth0, &tun)
	must(t, err)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	_, _ = g.Join(&m, group, eth0, &tun)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var g Groups[string]
	m := Memberships[string]{Socket: "a"}
	set(t, &g, &m, filter(t, "I{a,b}"))
	a := src(1)
	n := 0
	if allocs := testing.AllocsPerRun(100, func() {
		s := g.Lookup(group, eth0)
		for i := range s.Members {
			if s.Members[i].Match(a) {
				n++
			}
		}
	}); allocs != 0 || n == 0 {
		t.Errorf("%v allocations, %d matches", allocs, n)
	}
}

func TestIdleIsFree(t *testing.T) {
	var g Groups[*int]
	if n := unsafe.Sizeof(g); n > 48 {
		t.Errorf("an empty Groups has %d bytes", n)
	}
	var m Memberships[*int]
	if n := unsafe.Sizeof(m); n > 32 {
		t.Errorf("an empty Memberships has %d bytes", n)
	}
}
