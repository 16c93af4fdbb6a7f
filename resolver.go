package vimage

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/dns"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/sockbuf"
	"github.com/seed88948545/vimage/internal/vnet"
)

// Resolver looks names up as a host of the network does: in its own list of
// hosts, then by asking DNS servers through its stack, over UDP and, for answers
// that do not fit a datagram, TCP. Fields must not be changed while it is used.
// It keeps no answers.
type Resolver struct {
	// Stack is what it asks through; nil where the Resolver is given to
	// Stack.SetResolver or is a Dialer's.
	Stack *Stack

	// Servers are asked one after the other until one knows; port 0 means 53.
	// Where there are none, those that routers have advertised are (RFC 8106):
	// Stack.RDNSS.
	Servers []netip.AddrPort

	// Search is added to names with fewer dots than Ndots (0 means 1) before they
	// are looked up as they are, and to others after that. nil means what routers
	// have advertised: Stack.SearchDomains.
	Search []string
	Ndots  int

	Timeout  time.Duration // until an answer counts as lost; 0 means 5 s
	Attempts int           // times that every server is asked; 0 means 2

	// Hosts are names known without asking, in lower case.
	Hosts map[string][]netip.Addr
}

// LookupNetIP looks up the addresses of a host, on network "ip", "ip4" or "ip6",
// best first (RFC 6724 §6). The error is a *net.DNSError: IsNotFound where there is
// no such name, or no address of that family; IsTimeout where no server answers.
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	f, ok := familyOf(network, "ip")
	if !ok {
		return nil, net.UnknownNetworkError(network)
	}
	l := lookup{Resolver: r, stack: r.Stack, family: f, by: clock.Never}
	return l.host(ctx, host)
}

// LookupHost looks up the addresses of a host.
func (r *Resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	ips, err := r.LookupNetIP(ctx, "ip", host)
	var all []string
	for _, ip := range ips {
		all = append(all, ip.String())
	}
	return all, err
}

// LookupIPAddr looks up the addresses of a host.
func (r *Resolver) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	ips, err := r.LookupNetIP(ctx, "ip", host)
	var all []net.IPAddr
	for _, ip := range ips {
		all = append(all, *ipAddr(ip))
	}
	return all, err
}

// SetResolver says how names are looked up on this stack, by every handle on it
// and Dialer without a Resolver of its own. nil means as at the beginning: by the
// servers that routers advertise. r is copied.
func (s *Stack) SetResolver(r *Resolver) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if r == nil || s.st.Closed() {
		delete(s.w.resolvers, s.asker())
		return
	}
	maps.DeleteFunc(s.w.resolvers, func(a asker, _ *Resolver) bool { return a.in != nil && a.in.Gone() })
	own := *r
	own.Stack = nil
	s.w.resolvers[s.asker()] = &own
}

// asker is who looks names up in a way of his own: a stack, or a jail that shares it.
type asker struct {
	st *vnet.Stack
	in *jail.Jail
}

func (s *Stack) asker() asker {
	if in := s.cred.Jail(); in != nil && !in.Owns() {
		return asker{s.st, in}
	}
	return asker{st: s.st}
}

// Resolver returns how names are looked up on this stack, through the handle's
// routing table.
func (s *Stack) Resolver() *Resolver {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	var own Resolver
	if r := s.w.resolvers[s.asker()]; r != nil {
		own = *r
	}
	own.Stack = s
	return &own
}

// resolutionDelay is how long one family's answer waits for the other's where a
// connection is to be made (RFC 8305 §3).
const resolutionDelay = 50 * time.Millisecond

// lookup looks a name up for a call and returns the addresses in the order in
// which to try them.
func (c *call) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	r := c.Resolver
	if r == nil {
		r = c.Stack.Resolver()
	}
	l := lookup{Resolver: r, stack: r.Stack, family: c.family, by: c.by, settle: resolutionDelay}
	if l.stack == nil {
		l.stack = c.Stack
	}
	ips, err := l.host(ctx, host)
	return interleave(ips), err
}

// lookup is one request of a Resolver's.
type lookup struct {
	*Resolver
	stack  *Stack
	family family
	by     clock.Time    // when it is too late
	settle time.Duration // how long a second family may take once the first is there; 0: as long as it likes
}

// host looks up the addresses of a host in the order of RFC 6724.
func (l *lookup) host(ctx context.Context, host string) ([]netip.Addr, error) {
	ips, known := l.known(strings.ToLower(strings.TrimSuffix(host, ".")))
	if !known {
		var err error
		if ips, err = l.ask(ctx, host); err != nil {
			return nil, err
		}
	}
	ips = slices.DeleteFunc(ips, func(ip netip.Addr) bool { return !l.family.allows(ip) })
	if len(ips) == 0 {
		return nil, notFound(host)
	}
	l.stack.order(ips)
	return ips, nil
}

// known returns what needs nobody to be asked.
func (l *lookup) known(host string) ([]netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, true
	}
	if ips, ok := l.Hosts[host]; ok {
		return slices.Clone(ips), true
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, true
	}
	return nil, false
}

func notFound(host string) error {
	return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

// ask asks the servers for every name that host may stand for, until one is
// there.
func (l *lookup) ask(ctx context.Context, host string) ([]netip.Addr, error) {
	if !dns.IsName(host) {
		return nil, notFound(host)
	}
	servers, search := l.Servers, l.Search
	if len(servers) == 0 {
		for _, s := range l.stack.RDNSS() {
			servers = append(servers, netip.AddrPortFrom(s.Addr, 0))
		}
	}
	if len(servers) == 0 {
		return nil, &net.DNSError{Err: "no DNS server is known", Name: host}
	}
	if search == nil {
		search = l.stack.SearchDomains()
	}
	var trouble error
	for _, name := range dns.Names(host, search, max(l.Ndots, 1)) {
		if !dns.IsName(name) {
			continue
		}
		ips, err := l.name(ctx, name, servers)
		if len(ips) > 0 {
			return ips, nil
		}
		if err != nil && trouble == nil {
			trouble = err
		}
		if ctx.Err() != nil || l.stack.clock().Now() >= l.by {
			break
		}
	}
	if trouble != nil {
		return nil, dnsError(trouble, host)
	}
	return nil, notFound(host)
}

// dnsError says of an error what package net's resolver does.
func dnsError(err error, host string) error {
	e := &net.DNSError{UnwrapErr: err, Err: err.Error(), Name: host}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		e.IsTimeout, e.Err = true, "i/o timeout"
	}
	e.IsTemporary = e.IsTimeout || err == errMisbehaving
	return e
}

// name asks one server after the other for the addresses of a name that ends in
// a dot. It returns neither addresses nor an error where there are none.
func (l *lookup) name(ctx context.Context, name string, servers []netip.AddrPort) ([]netip.Addr, error) {
	if l.stack.clock().Simulated() {
		return nil, sockbuf.Simulated{}
	}
	x := exchange{lookup: l}
	for _, is6 := range []bool{true, false} {
		if is6 && l.family == only4 || !is6 && l.family == only6 {
			continue
		}
		if q, ok := dns.NewQuery(name, is6, uint16(l.stack.st.Rand())); ok {
			x.open = append(x.open, q)
		}
	}
	tries := l.Attempts
	if tries <= 0 {
		tries = 2
	}
	var last error
	for range tries {
		for _, s := range servers {
			if s.Port() == 0 {
				s = netip.AddrPortFrom(s.Addr(), 53)
			}
			err := x.with(ctx, s)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err == nil || len(x.found) > 0:
				return x.found, nil
			}
			last = err
			if l.stack.clock().Now() >= l.by {
				return nil, last
			}
		}
	}
	return nil, last
}
