package auto

import (
	"net/netip"
	"testing"

	"github.com/seed88948545/vimage/internal/clock"
)

// told is a stack's memory of what a host has told it to do, and the judge of
// whether that makes sense.
type told struct {
	t      *testing.T
	tun    *Tunables
	addrs  map[netip.Addr]Address
	routes map[netip.Prefix]netip.Addr
	born   map[netip.Addr]clock.Time
	events int
}

func newTold(t *testing.T, tun *Tunables) *told {
	return &told{
		t: t, tun: tun, addrs: map[netip.Addr]Address{}, routes: map[netip.Prefix]netip.Addr{}, born: map[netip.Addr]clock.Time{},
	}
}

// pull obeys everything Next says.
func (s *told) pull(h *Host, now clock.Time) {
	s.t.Helper()
	var o Out
	for h.Next(now, &o) {
		s.events++
		s.obey(now, &o)
	}
	s.check(h, now)
}

func (s *told) obey(now clock.Time, o *Out) {
	s.t.Helper()
	ip := o.Address.Prefix.Addr()
	was, known := s.addrs[ip]
	gate, routed := s.routes[o.Route.Dst]
	switch o.Kind {
	case AddAddress:
		if known || o.Address.Valid <= now {
			s.t.Fatalf("at %d: add %+v (known: %v)", now, o.Address, known)
		}
		s.addrs[ip], s.born[ip] = o.Address, now
	case ChangeAddress:
		if !known || was.Deprecated == o.Address.Deprecated {
			s.t.Fatalf("at %d: change %+v, was %+v", now, o.Address, was)
		}
		s.addrs[ip] = o.Address
	case DelAddress:
		if !known {
			s.t.Fatalf("at %d: delete %+v", now, o.Address)
		}
		delete(s.addrs, ip)
	case AddRoute:
		if routed || o.Route.Expire <= now {
			s.t.Fatalf("at %d: add %+v, there is one via %v", now, o.Route, gate)
		}
		s.routes[o.Route.Dst] = o.Route.Router
	case ChangeRoute:
		if !routed || gate == o.Route.Router || o.Route.Expire <= now {
			s.t.Fatalf("at %d: change %+v, was via %v", now, o.Route, gate)
		}
		s.routes[o.Route.Dst] = o.Route.Router
	case DelRoute:
		if !routed || gate != o.Route.Router {
			s.t.Fatalf("at %d: delete %+v, was via %v", now, o.Route, gate)
		}
		delete(s.routes, o.Route.Dst)
	}
}

// check compares what the stack has with what the host says it has, and both
// with the rules.
func (s *told) check(h *Host, now clock.Time) {
	s.t.Helper()
	temps := map[netip.Prefix]int32{}
	list := h.AppendAddresses(nil)
	for _, a := range list {
		ip := a.Prefix.Addr()
		switch {
		case a.Valid <= now:
			s.t.Fatalf("at %d: past its valid lifetime: %+v", now, a)
		case a.Deprecated != (a.Preferred <= now):
			s.t.Fatalf("at %d: deprecated at the wrong time: %+v", now, a)
		case s.addrs[ip].Deprecated != a.Deprecated:
			s.t.Fatalf("at %d: %+v, the stack has %+v", now, a, s.addrs[ip])
		}
		if a.Origin == Temporary {
			temps[a.Prefix.Masked()]++
			if a.Valid > lifetime(s.born[ip], uint32(s.tun.TempValid)) || a.Preferred > lifetime(s.born[ip], uint32(s.tun.TempPreferred)) {
				s.t.Fatalf("at %d: a temporary address for too long: %+v", now, a)
			}
		}
	}
	for p, n := range temps {
		if n > s.tun.MaxTemp {
			s.t.Fatalf("%d temporary addresses in %v", n, p)
		}
	}
	if len(list) != len(s.addrs) {
		s.t.Fatalf("at %d: addresses %v, the stack has %v", now, list, s.addrs)
	}
	routes := h.AppendRoutes(nil)
	for _, r := range routes {
		if gate, ok := s.routes[r.Dst]; !ok || gate != r.Router || r.Expire <= now {
			s.t.Fatalf("at %d: %+v, the stack has it via %v", now, r, gate)
		}
	}
	if len(routes) != len(s.routes) {
		s.t.Fatalf("at %d: routes %v, the stack has %v", now, routes, s.routes)
	}
	if h.Deadline() <= now {
		s.t.Fatalf("deadline %d at %d", h.Deadline(), now)
	}
	if len(h.routers) > int(s.tun.MaxRouters) || len(h.prefixes) > int(s.tun.MaxPrefixes) || len(h.routes) > int(s.tun.MaxRoutes) ||
		len(h.addrs) > int(s.tun.MaxAddresses) || len(h.AppendServers(nil)) > int(s.tun.MaxServers) || len(h.AppendDomains(nil)) > int(s.tun.MaxDomains) {
		s.t.Fatal("more than the limits allow")
	}
}
