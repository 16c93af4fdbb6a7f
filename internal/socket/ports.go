package socket

import (
	"net/netip"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/proto/pcb"
	"github.com/seed88948545/vimage/internal/table"
)

// Claim is a local address and port that somebody has chosen: to listen, or to
// connect from.
type Claim[L any] struct {
	pcb.Block
	Listener *L // nil for a connection's
}

// PCB makes a Claim a socket of a pcb.Table.
func (c *Claim[L]) PCB() *pcb.Block { return &c.Block }

// Ports is the claims on the ports of one stack, of one protocol whose sockets
// listen. They are looked up without a lock. Seed must be set before use.
type Ports[L any] struct {
	Seed table.Seed

	mu     sync.Mutex // a leaf; serialises changes
	closed bool
	claims pcb.Table[Claim[L], *Claim[L]]
}

// Listener returns who listens at an address to packets that come in by the
// interface with index scope, or nil: what is bound to the address comes before
// what is bound to all of its family, and that before what is bound to both.
func (p *Ports[L]) Listener(local netip.AddrPort, scope uint32) *L {
	var found *L
	best := pcb.NoMatch
	socks := p.claims.Port(p.Seed, local.Port())
	for i := len(socks) - 1; i >= 0 && best < pcb.MatchAddr; i-- {
		b := &socks[i]
		if b.Sock.Listener == nil {
			continue
		}
		if m := b.Match(local.Addr(), scope); m > best {
			best, found = m, b.Sock.Listener
		}
	}
	return found
}

// Taken tells whether somebody has bound an address, so that it must not be
// chosen for a connection. scope is the interface of a link-local one.
func (p *Ports[L]) Taken(local netip.AddrPort, scope uint32) bool {
	socks := p.claims.Port(p.Seed, local.Port())
	for i := range socks {
		if socks[i].Hears(local.Addr(), scope) {
			return true
		}
	}
	return false
}

// Bind binds a local address and port; port 0 means one between first and last,
// by a random number. The claim's Scope, V6Only and Reuse are set before. It returns EADDRINUSE for a conflict, ENETDOWN after Close.
func (p *Ports[L]) Bind(c *Claim[L], local netip.AddrPort, first, last uint16, random uint32) syscall.Errno {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return syscall.ENETDOWN
	}
	if local.Port() != 0 {
		return p.claims.Bind(p.Seed, c, local)
	}
	return p.claims.BindAny(p.Seed, c, local.Addr(), first, last, random)
}

// Unbind gives a claim back.
func (p *Ports[L]) Unbind(c *Claim[L]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims.Delete(p.Seed, c)
}

// Close lets nobody bind any more.
func (p *Ports[L]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}

// Listeners returns who listens.
func (p *Ports[L]) Listeners() []*L {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*L
	for c := range p.claims.All() {
		if c.Listener != nil {
			all = append(all, c.Listener)
		}
	}
	return all
}
