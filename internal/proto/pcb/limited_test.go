package pcb

import (
	"net/netip"
	"syscall"
	"testing"
)

// behaviour 1.2: a socket that is limited to some addresses is bound to each where it
// asks for any, comes before one that has all, and shares the port with that one.
func TestLimited(t *testing.T) {
	for _, first := range []string{"jail", "host"} {
		var tab Table[sock, *sock]
		only := []netip.Addr{netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4"), netip.IPv6Unspecified()}
		host := &sock{name: "host"}
		jail := &sock{Block: Block{Only: only, Limited: true}, name: "jail"}
		for _, s := range map[string][]*sock{"jail": {jail, host}, "host": {host, jail}}[first] {
			at := "[::]:5"
			if s == host {
				at = "0.0.0.0:5"
			}
			if e := tab.Bind(seed, s, ap(at)); e != 0 {
				t.Fatalf("%s, %s first: %v", s.name, first, e)
			}
		}
		check := func(what string, want map[string]*sock) {
			t.Helper()
			for local, w := range want {
				from := "10.0.0.9:9"
				if ap(local).Addr().Is6() {
					from = "[2001:db8::9]:9"
				}
				if got := tab.Lookup(seed, ap(local), ap(from), 0); got != w {
					t.Errorf("%s, %s first: packets to %s come to %v", what, first, local, got)
				}
			}
		}
		check("bound", map[string]*sock{"10.0.0.1:5": host, "10.0.0.3:5": jail, "10.0.0.4:5": jail, "[2001:db8::1]:5": jail})
		n := 0
		for range tab.All() {
			n++
		}
		if n != 2 {
			t.Errorf("All shows %d sockets, want 2", n)
		}
		// The same again in another jail; one that has another address; a host's socket.
		for _, c := range []struct {
			b    Block
			at   string
			want syscall.Errno
		}{
			{Block{Only: only[:1], Limited: true}, "0.0.0.0:5", syscall.EADDRINUSE},
			{Block{Limited: true}, "10.0.0.4:5", syscall.EADDRINUSE},
			{Block{}, "10.0.0.4:5", syscall.EADDRINUSE},
			{Block{Limited: true}, "10.0.0.2:5", 0},
			{Block{Only: []netip.Addr{netip.MustParseAddr("10.0.0.7"), only[1]}, Limited: true}, "0.0.0.0:5", syscall.EADDRINUSE},
		} {
			if e := tab.Bind(seed, &sock{Block: c.b}, ap(c.at)); e != c.want {
				t.Errorf("%+v at %s: %v, want %v", c.b, c.at, e, c.want)
			}
		}
		check("after what failed", map[string]*sock{"10.0.0.7:5": host})
		if e := tab.Connect(seed, jail, only[1], ap("10.0.0.9:9"), 0); e != 0 {
			t.Fatal(e)
		}
		check("connected", map[string]*sock{"10.0.0.3:5": host, "10.0.0.4:5": jail, "[2001:db8::1]:5": nil})
		if e := tab.Connect(seed, host, netip.MustParseAddr("10.0.0.3"), ap("10.0.0.9:9"), 0); e != 0 {
			t.Fatal(e)
		}
		tab.Delete(seed, jail)
		tab.Delete(seed, host)
		check("deleted", map[string]*sock{"10.0.0.3:5": nil, "10.0.0.4:5": nil, "10.0.0.1:5": nil})
	}
}
