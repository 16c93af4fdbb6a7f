package pcb

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

// bindTo makes a socket for an address as RFC 4007 §11 writes it, with "only"
// before it for V6Only.
func bindTo(tab *Table[sock, *sock], a string, r Reuse) (*sock, syscall.Errno) {
	s := &sock{name: a}
	a, s.V6Only = strings.CutPrefix(a, "only ")
	local := ap(a)
	if z := local.Addr().Zone(); z != "" {
		fmt.Sscan(z, &s.Scope)
	}
	s.Reuse = r
	return s, tab.Bind(seed, s, netip.AddrPortFrom(local.Addr().WithZone(""), local.Port()))
}

// TestRFC3493Section53 binds to both families at once: :: without V6Only stands
// for 0.0.0.0 too, in whichever order they come.
func TestRFC3493Section53(t *testing.T) {
	const ra, rp = ReuseAddr, ReusePort
	const used = syscall.EADDRINUSE
	for _, c := range []struct {
		first, second string
		r1, r2        Reuse
		want, back    syscall.Errno // the other way round
	}{
		{"[::]:5", "0.0.0.0:5", 0, 0, used, used},
		{"[::]:5", "0.0.0.0:5", ra, ra, used, used},
		{"[::]:5", "0.0.0.0:5", rp, rp, 0, 0},
		{"only [::]:5", "0.0.0.0:5", 0, 0, 0, 0},
		{"only [::]:5", "10.0.0.1:5", 0, 0, 0, 0},
		{"only [::]:5", "[::]:5", 0, 0, used, used},
		{"[::]:5", "[::]:5", 0, 0, used, used},
		{"[::]:5", "10.0.0.1:5", 0, 0, used, used},
		{"[::]:5", "10.0.0.1:5", 0, ra, 0, used},
		{"[::]:5", "10.0.0.1:5", ra, 0, used, 0},
		{"[::]:5", "232.1.1.1:5", 0, 0, used, used},
		{"[::]:5", "232.1.1.1:5", 0, ra, 0, used},
		{"[2001:db8::1]:5", "0.0.0.0:5", 0, 0, 0, 0},
		{"[2001:db8::1]:5", "10.0.0.1:5", 0, 0, 0, 0},
		{"[fe80::1%2]:5", "[fe80::1%3]:5", 0, 0, 0, 0},
		{"[fe80::1%2]:5", "[fe80::1%2]:5", 0, 0, used, used},
		{"[fe80::1%2]:5", "[fe80::1]:5", 0, 0, used, used},
		{"[fe80::1%2]:5", "[::]:5", 0, 0, used, used},
		{"[::%2]:5", "0.0.0.0:5", 0, 0, used, used},
		{"[::%2]:5", "[::%3]:5", 0, 0, 0, 0},
	} {
		for i, want := range []syscall.Errno{c.want, c.back} {
			if i == 1 {
				c.first, c.second, c.r1, c.r2 = c.second, c.first, c.r2, c.r1
			}
			var tab Table[sock, *sock]
			if _, errno := bindTo(&tab, c.first, c.r1); errno != 0 {
				t.Fatal(errno)
			}
			if _, got := bindTo(&tab, c.second, c.r2); got != want {
				t.Errorf("%s %v, then %s %v: %v, want %v", c.first, c.r1, c.second, c.r2, got, want)
			}
		}
	}
}

// TestRFC3493Section37 has sockets of both families on one port: an IPv4 packet
// finds those of IPv4 first.
func TestRFC3493Section37(t *testing.T) {
	var tab Table[sock, *sock]
	check := func(local, remote string, scope uint32, want string) {
		t.Helper()
		got := "none"
		if s := tab.Lookup(seed, ap(local), ap(remote), scope); s != nil {
			got = s.name
		}
		if got != want {
			t.Errorf("%s from %s by %d: %s, want %s", local, remote, scope, got, want)
		}
	}
	bind := func(a string) *sock {
		t.Helper()
		s, errno := bindTo(&tab, a, ReuseAddr|ReusePort)
		if errno != 0 {
			t.Fatal(a, errno)
		}
		return s
	}
	bind("only [::]:53")
	check("10.0.0.1:53", "10.0.0.9:1", 0, "none")
	check("[::1]:53", "[::2]:1", 0, "only [::]:53")
	dual := bind("[::]:53")
	check("10.0.0.1:53", "10.0.0.9:1", 0, "[::]:53")
	wild := bind("0.0.0.0:53")
	check("10.0.0.1:53", "10.0.0.9:1", 0, "0.0.0.0:53")
	check("[::1]:53", "[::2]:1", 0, "[::]:53")
	one := bind("10.0.0.1:53")
	check("10.0.0.1:53", "10.0.0.9:1", 0, "10.0.0.1:53")
	if errno := tab.Connect(seed, dual, ap("10.0.0.1:0").Addr(), ap("10.0.0.9:1"), 0); errno != 0 {
		t.Fatal(errno)
	}
	check("10.0.0.1:53", "10.0.0.9:1", 0, "[::]:53")
	check("10.0.0.1:53", "10.0.0.9:2", 0, "10.0.0.1:53")
	check("[::1]:53", "[::2]:1", 0, "only [::]:53")
	tab.Delete(seed, one)
	tab.Delete(seed, wild)
	check("10.0.0.1:53", "10.0.0.9:2", 0, "none")
	tab.Delete(seed, dual)
	check("10.0.0.1:53", "10.0.0.9:1", 0, "none")
}

// TestRFC4007Section6 binds and connects the same link-local addresses on two
// links.
func TestRFC4007Section6(t *testing.T) {
	var tab Table[sock, *sock]
	local, remote := ap("[fe80::1]:53"), ap("[fe80::9]:1")
	two, _ := bindTo(&tab, "[fe80::1%2]:53", 0)
	three, _ := bindTo(&tab, "[fe80::1%3]:53", 0)
	any, errno := bindTo(&tab, "[::]:53", ReuseAddr|ReusePort)
	if errno != 0 {
		t.Fatal(errno)
	}
	check := func(remote netip.AddrPort, want ...*sock) {
		t.Helper()
		for i, w := range want {
			if got := tab.Lookup(seed, local, remote, uint32(i+2)); got != w {
				t.Errorf("from %s by %d: %v", remote, i+2, got)
			}
		}
	}
	check(remote, two, three, any)
	if e := tab.Connect(seed, any, local.Addr(), remote, 0); e != syscall.EINVAL {
		t.Errorf("nothing says which link: %v", e)
	}
	if e := tab.Connect(seed, two, local.Addr(), remote, 3); e != syscall.EINVAL {
		t.Errorf("another link than that of its address: %v", e)
	}
	for _, s := range []*sock{two, three} {
		if e := tab.Connect(seed, s, local.Addr(), remote, 0); e != 0 {
			t.Fatal(e)
		}
	}
	check(remote, two, three, any)
	check(ap("[fe80::9]:2"), any, any, any)
	if e := tab.Connect(seed, any, local.Addr(), remote, 2); e != syscall.EADDRINUSE {
		t.Errorf("a second such connection: %v", e)
	}
	if e := tab.Connect(seed, any, local.Addr(), remote, 4); e != 0 || any.Scope != 4 {
		t.Errorf("on a link of its own: %v, scope %d", e, any.Scope)
	}
	check(remote, two, three, any, nil)
	tab.Delete(seed, two)
	check(remote, nil, three, any)
	tab.Delete(seed, any)
	check(remote, nil, three, nil)
}

// TestConnectRefuses what cannot be of the socket.
func TestConnectRefuses(t *testing.T) {
	for _, c := range []struct {
		bound, local, remote string
		want                 syscall.Errno
	}{
		{"[::]:5", "10.0.0.1:0", "10.0.0.2:1", 0},
		{"[::]:5", "[::1]:0", "[::2]:1", 0},
		{"[::]:5", "10.0.0.1:0", "[::2]:1", syscall.EINVAL},
		{"only [::]:5", "10.0.0.1:0", "10.0.0.2:1", syscall.EINVAL},
		{"0.0.0.0:5", "[::1]:0", "[::2]:1", syscall.EINVAL},
		{"10.0.0.1:5", "10.0.0.2:0", "10.0.0.2:1", syscall.EINVAL},
		{"[fe80::1%2]:5", "[fe80::1]:0", "[2001:db8::2]:1", 0},
		{"[2001:db8::1]:5", "[2001:db8::1]:0", "[fe80::2]:1", syscall.EINVAL},
	} {
		var tab Table[sock, *sock]
		s, _ := bindTo(&tab, c.bound, 0)
		if got := tab.Connect(seed, s, ap(c.local).Addr(), ap(c.remote), 0); got != c.want {
			t.Errorf("%s connected from %s to %s: %v, want %v", c.bound, c.local, c.remote, got, c.want)
		}
	}
}

// slowLookup is Lookup by looking at every socket, and the rules as they are
// written.
func slowLookup(all []*sock, local, remote netip.AddrPort, scope uint32) *sock {
	best, found := 0, (*sock)(nil)
	for _, s := range all { // in the order of binding
		rank, a := 0, s.Local.Addr()
		switch {
		case s.Local.Port() != local.Port() || s.Scope != 0 && s.Scope != scope:
		case s.Remote.IsValid():
			if a == local.Addr() && s.Remote == remote {
				rank = 4
			}
		case a == local.Addr():
			rank = 3
		case a.IsUnspecified() && a.Is4() == local.Addr().Is4():
			rank = 2
		case a == netip.IPv6Unspecified() && !s.V6Only && local.Addr().Is4():
			rank = 1
		}
		if rank > 0 && rank >= best {
			best, found = rank, s
		}
	}
	return found
}

// TestLookupAgainstModel binds, connects and deletes at random, and compares
// every lookup with the model's.
func TestLookupAgainstModel(t *testing.T) {
	var addrs []netip.Addr
	for _, a := range []string{"10.0.0.1", "10.0.0.2", "2001:db8::1", "fe80::1", "fe80::2", "0.0.0.0", "::"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	for round := range uint64(200) {
		rng := rand.New(rand.NewPCG(round, 7))
		pick := func(n int) netip.AddrPort { return netip.AddrPortFrom(addrs[rng.IntN(n)], uint16(1+rng.IntN(2))) }
		var tab Table[sock, *sock]
		var all []*sock
		for step := range 60 {
			switch k := rng.IntN(4); {
			case k < 2:
				s := &sock{name: fmt.Sprint(step), Block: Block{Reuse: Reuse(rng.IntN(4)), V6Only: rng.IntN(2) == 0, Scope: uint32(rng.IntN(3))}}
				if tab.Bind(seed, s, pick(len(addrs))) == 0 {
					all = append(all, s)
				}
			case k == 2 && len(all) > 0:
				if s := all[rng.IntN(len(all))]; !s.Remote.IsValid() {
					tab.Connect(seed, s, pick(5).Addr(), pick(5), uint32(rng.IntN(3)))
				}
			case len(all) > 0:
				i := rng.IntN(len(all))
				tab.Delete(seed, all[i])
				all = append(all[:i:i], all[i+1:]...)
			}
			for range 20 {
				local, remote, scope := pick(5), pick(5), uint32(rng.IntN(4))
				if remote.Addr().Is4() != local.Addr().Is4() {
					continue
				}
				got, want := tab.Lookup(seed, local, remote, scope), slowLookup(all, local, remote, scope)
				if got != want {
					t.Fatalf("round %d, step %d: %s from %s by %d: %+v, want %+v", round, step, local, remote, scope, got, want)
				}
			}
		}
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	var tab Table[sock, *sock]
	s, _ := bindTo(&tab, "[::]:53", ReuseAddr|ReusePort)
	if e := tab.Connect(seed, s, ap("[fe80::1]:0").Addr(), ap("[fe80::9]:1"), 2); e != 0 {
		t.Fatal(e)
	}
	bindTo(&tab, "[::]:53", ReuseAddr|ReusePort)
	for _, local := range []string{"10.0.0.1:53", "[fe80::1]:53", "[2001:db8::1]:53"} {
		local, remote := ap(local), ap("[fe80::9]:1")
		if n := testing.AllocsPerRun(100, func() { tab.Lookup(seed, local, remote, 2) }); n != 0 {
			t.Errorf("%s: %v allocations", local, n)
		}
	}
}
