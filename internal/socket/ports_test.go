package socket

import (
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed88948545/vimage/internal/proto/pcb"
)

type listener struct{ Claim[listener] }

func listenAt(p *Ports[listener], a string, reuse pcb.Reuse) (*listener, syscall.Errno) {
	l := new(listener)
	l.Listener, l.Reuse = l, reuse
	return l, p.Bind(&l.Claim, netip.MustParseAddrPort(a), 5000, 5001, 0)
}

// TestPorts: the more specific listener comes first, connections' claims do
// not listen, and what is given back is free.
func TestPorts(t *testing.T) {
	var p Ports[listener]
	wild, e := listenAt(&p, "0.0.0.0:80", pcb.ReuseAddr)
	if e != 0 {
		t.Fatal(e)
	}
	one, e := listenAt(&p, "10.0.0.1:80", pcb.ReuseAddr)
	if e != 0 {
		t.Fatal(e)
	}
	if _, e := listenAt(&p, "10.0.0.1:80", 0); e != syscall.EADDRINUSE {
		t.Errorf("bound twice: %v", e)
	}
	mine := &Claim[listener]{}
	if e := p.Bind(mine, netip.MustParseAddrPort("10.0.0.1:81"), 0, 0, 0); e != 0 {
		t.Fatal(e)
	}
	find := func(a string, want *listener) {
		t.Helper()
		if got := p.Listener(netip.MustParseAddrPort(a), 0); got != want {
			t.Errorf("%s finds %p, want %p", a, got, want)
		}
	}
	find("10.0.0.1:80", one)
	find("10.0.0.2:80", wild)
	find("10.0.0.1:81", nil)
	find("[2001:db8::1]:80", nil)
	for a, want := range map[string]bool{"10.0.0.9:80": true, "10.0.0.1:81": true, "10.0.0.2:81": false, "10.0.0.1:82": false} {
		if got := p.Taken(netip.MustParseAddrPort(a), 0); got != want {
			t.Errorf("%s is taken: %v", a, got)
		}
	}
	if n := len(p.Listeners()); n != 2 {
		t.Errorf("%d listeners", n)
	}
	p.Unbind(&one.Claim)
	p.Unbind(mine)
	find("10.0.0.1:80", wild)
	if p.Taken(netip.MustParseAddrPort("10.0.0.1:81"), 0) {
		t.Error("a port that was given back is taken")
	}
	for range 2 {
		if l, e := listenAt(&p, "0.0.0.0:0", 0); e != 0 || l.Local.Port() != 5000 && l.Local.Port() != 5001 {
			t.Errorf("any port: %v, %v", l.Local, e)
		}
	}
	p.Close()
	if _, e := listenAt(&p, "0.0.0.0:90", 0); e != syscall.ENETDOWN {
		t.Errorf("bound after the end: %v", e)
	}
}

// TestPortsOfBothFamilies: a listener on :: hears IPv4 after those of IPv4, and
// link-local ones are each on their own link.
func TestPortsOfBothFamilies(t *testing.T) {
	var p Ports[listener]
	names := map[*listener]string{nil: "none"}
	add := func(name, a string, scope uint32, v6only bool) syscall.Errno {
		l := new(listener)
		l.Listener, l.Reuse, l.Scope, l.V6Only = l, pcb.ReuseAddr|pcb.ReusePort, scope, v6only
		names[l] = name
		return p.Bind(&l.Claim, netip.MustParseAddrPort(a), 5000, 5001, 0)
	}
	for _, e := range []syscall.Errno{
		add("v6only", "[::]:81", 0, true), add("wild4", "0.0.0.0:80", 0, false), add("dual", "[::]:80", 0, false),
		add("one", "[fe80::1]:80", 2, false), add("other", "[fe80::1]:80", 3, false), add("dual", "[::]:82", 0, false),
	} {
		if e != 0 {
			t.Fatal(e)
		}
	}
	for _, c := range []struct {
		a     string
		scope uint32
		want  string
	}{
		{"10.0.0.1:80", 1, "wild4"}, {"10.0.0.1:81", 1, "none"}, {"10.0.0.1:82", 1, "dual"},
		{"[2001:db8::1]:80", 1, "dual"}, {"[2001:db8::1]:81", 1, "v6only"},
		{"[fe80::1]:80", 2, "one"}, {"[fe80::1]:80", 3, "other"}, {"[fe80::1]:80", 4, "dual"},
	} {
		a := netip.MustParseAddrPort(c.a)
		if got := names[p.Listener(a, c.scope)]; got != c.want {
			t.Errorf("%s by %d finds %s, want %s", c.a, c.scope, got, c.want)
		}
		if got := p.Taken(a, c.scope); got != (c.want != "none") {
			t.Errorf("%s by %d is taken: %v", c.a, c.scope, got)
		}
	}
	// RFC 3493 §3.7: a free port of :: is free in IPv4.
	if e := add("", "10.0.0.1:5000", 0, false); e != 0 {
		t.Fatal(e)
	}
	l := new(listener)
	if e := p.Bind(&l.Claim, netip.MustParseAddrPort("[::]:0"), 5000, 5001, 0); e != 0 || l.Local.Port() != 5001 {
		t.Errorf("any port: %v, %v", l.Local, e)
	}
}
