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
		if got := p.Listener(netip.MustParseAddrPort(a)); got != want {
			t.Errorf("%s finds %p, want %p", a, got, want)
		}
	}
	find("10.0.0.1:80", one)
	find("10.0.0.2:80", wild)
	find("10.0.0.1:81", nil)
	find("[2001:db8::1]:80", nil)
	for a, want := range map[string]bool{"10.0.0.9:80": true, "10.0.0.1:81": true, "10.0.0.2:81": false, "10.0.0.1:82": false} {
		if got := p.Taken(netip.MustParseAddrPort(a)); got != want {
			t.Errorf("%s is taken: %v", a, got)
		}
	}
	if n := len(p.Listeners()); n != 2 {
		t.Errorf("%d listeners", n)
	}
	p.Unbind(&one.Claim)
	p.Unbind(mine)
	find("10.0.0.1:80", wild)
	if p.Taken(netip.MustParseAddrPort("10.0.0.1:81")) {
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
