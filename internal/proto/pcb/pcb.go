package pcb

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/table"
)

// Block is what a socket embeds to be kept in a Table. Its addresses are set by
// the Table's methods, the rest by the socket's owner before Bind. All are read
// and written by the one that changes the Table only.
type Block struct {
	Local  netip.AddrPort // address may be unspecified
	Remote netip.AddrPort // invalid unless connected
	Scope  uint32         // interface index: receives from there only; 0 means any
	Reuse  Reuse
	V6Only bool // bound to ::, receives no IPv4 (RFC 3493 §5.3)
	// Only is what any address stands for, where that is less: bound there, the
	// socket is bound to each of these. One that is any address of a family is that of
	// this family alone.
	Only    []netip.Addr
	Limited bool // its owner may use some addresses only: does not conflict with who has all
}

// Bound is one socket as readers see it: never changed once published.
type Bound[P any] struct {
	Addr      netip.Addr // local address, perhaps unspecified
	Remote    netip.AddrPort
	Sock      P
	Scope     uint32 // as in Block
	Connected bool
	Dual      bool // Addr is ::, and stands for 0.0.0.0 as well
	Limited   bool // as in Block
}

// Reuse says what a socket lets others bind beside it.
type Reuse uint8

// Options of a socket; they may be combined.
const (
	ReuseAddr Reuse = 1 << iota // SO_REUSEADDR
	ReusePort                   // SO_REUSEPORT
)

// Socket is a pointer to what a Table holds.
type Socket[S any] interface {
	*S
	PCB() *Block
}

// Table finds sockets by port and by connection. The zero value is empty and
// owns no memory.
type Table[S any, P Socket[S]] struct {
	ports table.Table[uint16, group[S, P], *group[S, P]]
	conns table.Table[pair, conn[S, P], *conn[S, P]]
}

// pair is what a connection is found by.
type pair struct{ local, remote netip.AddrPort }

// scoped tells whether the addresses mean something on one link only (RFC 4007 §6).
func scoped(local, remote netip.Addr) bool {
	return local.Is6() && (remote.IsLinkLocalUnicast() || local.IsLinkLocalUnicast())
}

// in returns the pair as the table has it for an interface: the index of a
// link-local one goes into bits that are zero (RFC 4291 §2.5.6), since a key with
// one more word costs IPv4 10 ns more.
func (p pair) in(scope uint32) pair {
	if scoped(p.local.Addr(), p.remote.Addr()) {
		b := p.remote.Addr().As16()
		binary.BigEndian.PutUint32(b[4:], binary.BigEndian.Uint32(b[4:])^scope)
		p.remote = netip.AddrPortFrom(netip.AddrFrom16(b), p.remote.Port())
	}
	return p
}

type conn[S any, P Socket[S]] struct {
	pair
	scope uint32
	sock  P
}

// Key makes a conn an entry of a table.
func (c *conn[S, P]) Key() pair { return c.pair }

// group is the sockets of one port in the order they were bound. It is never
// changed once published, but a longer group may share its array.
type group[S any, P Socket[S]] struct {
	port  uint16
	socks []Bound[P]
}

// Key makes a group an entry of a table.
func (g *group[S, P]) Key() uint16 { return g.port }

func (p pair) hash(s table.Seed) uint32 {
	return s.Pair(p.local.Addr(), p.remote.Addr(), table.Ports(p.local.Port(), p.remote.Port(), 0))
}

func portHash(s table.Seed, port uint16) uint32 { return s.Word(uint64(port)) }

// Lookup returns the socket for a unicast packet to local from remote that came
// in by the interface with index scope, 0 where that does not matter: the one
// connected to remote, else one bound to the address, else one bound to the
// port on all addresses of the family, else one bound to those of both, else nil.
func (t *Table[S, P]) Lookup(seed table.Seed, local, remote netip.AddrPort, scope uint32) P {
	k := pair{local, remote}
	if !local.Addr().Is4() && scoped(local.Addr(), remote.Addr()) {
		k = k.in(scope)
	}
	if c := t.conns.Get(k.hash(seed), k); c != nil && (c.scope == 0 || c.scope == scope) {
		return c.sock
	}
	var wild, dual P
	socks := t.Port(seed, local.Port())
	for i := len(socks) - 1; i >= 0; i-- {
		// Match, written out: a call per socket would cost as much as the rest.
		switch b := &socks[i]; {
		case b.Connected || b.Scope != 0 && b.Scope != scope:
		case b.Addr == local.Addr():
			return b.Sock
		case wild != nil || !b.Addr.IsUnspecified():
		case b.Addr.Is4() == local.Addr().Is4():
			wild = b.Sock
		case dual == nil && b.Dual:
			dual = b.Sock
		}
	}
	if wild == nil {
		return dual
	}
	return wild
}

// Port returns the sockets bound to a port, connected ones included, in the
// order they were bound. The slice must not be changed.
func (t *Table[S, P]) Port(seed table.Seed, port uint16) []Bound[P] {
	if g := t.ports.Get(portHash(seed, port), port); g != nil {
		return g.socks
	}
	return nil
}

// All ranges over the sockets, port by port.
func (t *Table[S, P]) All() iter.Seq[P] {
	return func(yield func(P) bool) {
		for g := range t.ports.All() {
			for i := range g.socks {
				if i > 0 && g.socks[i].Sock == g.socks[i-1].Sock { // bound to several addresses
					continue
				}
				if !yield(g.socks[i].Sock) {
					return
				}
			}
		}
	}
}

// Bind gives s the local address and port, whose port is not 0. It returns
// EADDRINUSE where another socket's binding conflicts.
func (t *Table[S, P]) Bind(seed table.Seed, s P, local netip.AddrPort) syscall.Errno {
	b := s.PCB()
	n := Bound[P]{Addr: local.Addr(), Scope: b.Scope, Limited: b.Limited, Sock: s}
	one := [1]netip.Addr{n.Addr}
	addrs := one[:]
	if n.Addr.IsUnspecified() && b.Only != nil {
		addrs = b.Only
	} else {
		n.Dual = n.Addr.Is6() && n.Addr.IsUnspecified() && !b.V6Only
	}
	socks := t.Port(seed, local.Port())
	for _, n.Addr = range addrs {
		for i := range socks {
			if n.conflicts(&socks[i], b.Reuse, socks[i].Sock.PCB().Reuse) {
				return syscall.EADDRINUSE
			}
		}
	}
	b.Local = local
	// The longer slice may share the array: readers of the shorter one do not
	// see the new elements, and nobody else appends.
	for _, n.Addr = range addrs {
		socks = append(socks, n)
	}
	t.publish(seed, local.Port(), socks)
	return 0
}

func (t *Table[S, P]) publish(seed table.Seed, port uint16, socks []Bound[P]) {
	t.ports.Put(portHash(seed, port), &group[S, P]{port, socks})
}

// BindAny gives s a free port of the range [first, last], beginning the search
// at random. For :: without V6Only it is free in both families. It returns
// EADDRNOTAVAIL where all conflict.
func (t *Table[S, P]) BindAny(seed table.Seed, s P, a netip.Addr, first, last uint16, random uint32) syscall.Errno {
	if first > last {
		first, last = last, first
	}
	n := uint32(last-first) + 1
	for i := range n {
		port := first + uint16((random+i)%n)
		if t.Bind(seed, s, netip.AddrPortFrom(a, port)) == 0 {
			return 0
		}
	}
	return syscall.EADDRNOTAVAIL
}

// Connect says that s, which is bound, receives from remote only, at local
// address a. A socket bound to :: may be connected in either family. scope is
// the interface that a link-local address belongs to, 0 for the one s is bound
// to. It returns EADDRINUSE where such a connection exists, EINVAL where s is
// not bound to a, or nothing says which link is meant.
func (t *Table[S, P]) Connect(seed table.Seed, s P, a netip.Addr, remote netip.AddrPort, scope uint32) syscall.Errno {
	b := s.PCB()
	if scope == 0 {
		scope = b.Scope
	}
	local := netip.AddrPortFrom(a, b.Local.Port())
	socks := slices.Clone(t.Port(seed, local.Port()))
	at := slices.IndexFunc(socks, func(o Bound[P]) bool { return o.Sock == s && o.Hears(a, scope) })
	if at < 0 || a.Is4() != remote.Addr().Is4() {
		return syscall.EINVAL
	}
	switch {
	case !scoped(a, remote.Addr()):
		scope = b.Scope
	case scope == 0:
		return syscall.EINVAL
	}
	k := pair{local, remote}.in(scope)
	if t.conns.Get(k.hash(seed), k) != nil {
		return syscall.EADDRINUSE
	}
	socks[at] = Bound[P]{Addr: a, Remote: remote, Scope: scope, Connected: true, Limited: b.Limited, Sock: s}
	socks = slices.DeleteFunc(socks, func(o Bound[P]) bool { return o.Sock == s && !o.Connected })
	t.publish(seed, local.Port(), socks)
	t.conns.Put(k.hash(seed), &conn[S, P]{k, scope, s})
	b.Local, b.Remote, b.Scope = local, remote, scope
	return 0
}

// Delete takes s out of the table.
func (t *Table[S, P]) Delete(seed table.Seed, s P) {
	b := s.PCB()
	if b.Remote.IsValid() {
		k := pair{b.Local, b.Remote}.in(b.Scope)
		t.conns.Delete(k.hash(seed), k)
		b.Remote = netip.AddrPort{}
	}
	port := b.Local.Port()
	socks := slices.Clone(t.Port(seed, port))
	socks = slices.DeleteFunc(socks, func(o Bound[P]) bool { return o.Sock == s })
	if len(socks) == 0 {
		t.ports.Delete(portHash(seed, port), port)
		return
	}
	t.publish(seed, port, socks)
}
