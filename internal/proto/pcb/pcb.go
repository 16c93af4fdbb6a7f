package pcb

import (
	"iter"
	"net/netip"
	"slices"
	"syscall"

	"github.com/seed88948545/vimage/internal/table"
)

// Block is what a socket embeds to be kept in a Table. Its addresses are set by
// the Table's methods; they and Reuse are read and written by the one that
// changes the Table only.
type Block struct {
	Local  netip.AddrPort // address may be unspecified
	Remote netip.AddrPort // invalid unless connected
	Reuse  Reuse
}

// Bound is one socket as readers see it: never changed once published.
type Bound[P any] struct {
	Addr      netip.Addr // local address, perhaps unspecified
	Remote    netip.AddrPort
	Connected bool
	Sock      P
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

type conn[S any, P Socket[S]] struct {
	pair
	sock P
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

// Lookup returns the socket for a unicast packet to local from remote: the one
// connected to remote, else one bound to the address, else one bound to the
// port on all addresses, else nil.
func (t *Table[S, P]) Lookup(seed table.Seed, local, remote netip.AddrPort) P {
	k := pair{local, remote}
	if c := t.conns.Get(k.hash(seed), k); c != nil {
		return c.sock
	}
	var wild P
	socks := t.Port(seed, local.Port())
	for i := len(socks) - 1; i >= 0; i-- {
		b := &socks[i]
		switch {
		case b.Connected:
		case b.Addr == local.Addr():
			return b.Sock
		case wild == nil && b.Addr.IsUnspecified() && b.Addr.Is4() == local.Addr().Is4():
			wild = b.Sock
		}
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
	socks := t.Port(seed, local.Port())
	for i := range socks {
		if conflict(local.Addr(), b.Reuse, socks[i].Addr, socks[i].Sock.PCB().Reuse) {
			return syscall.EADDRINUSE
		}
	}
	b.Local = local
	// The longer slice may share the array: readers of the shorter one do not
	// see the new element, and nobody else appends.
	t.publish(seed, local.Port(), append(socks, Bound[P]{Addr: local.Addr(), Sock: s}))
	return 0
}

func (t *Table[S, P]) publish(seed table.Seed, port uint16, socks []Bound[P]) {
	t.ports.Put(portHash(seed, port), &group[S, P]{port, socks})
}

// conflict tells whether address a may not be bound beside o.
func conflict(a netip.Addr, reuse Reuse, o netip.Addr, oreuse Reuse) bool {
	switch {
	case a.Is4() != o.Is4():
		return false
	case a != o:
		return reuse == 0 && (a.IsUnspecified() || o.IsUnspecified())
	case a.IsMulticast():
		return reuse == 0 || oreuse == 0
	}
	return reuse&oreuse&ReusePort == 0
}

// BindAny gives s a free port of the range [first, last], beginning the search
// at random. It returns EADDRNOTAVAIL where all conflict.
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
// address a. It returns EADDRINUSE where such a connection exists.
func (t *Table[S, P]) Connect(seed table.Seed, s P, a netip.Addr, remote netip.AddrPort) syscall.Errno {
	b := s.PCB()
	k := pair{netip.AddrPortFrom(a, b.Local.Port()), remote}
	if t.conns.Get(k.hash(seed), k) != nil {
		return syscall.EADDRINUSE
	}
	socks := slices.Clone(t.Port(seed, k.local.Port()))
	for i := range socks {
		if socks[i].Sock == s {
			socks[i] = Bound[P]{Addr: a, Remote: remote, Connected: true, Sock: s}
		}
	}
	t.publish(seed, k.local.Port(), socks)
	t.conns.Put(k.hash(seed), &conn[S, P]{k, s})
	b.Local, b.Remote = k.local, remote
	return 0
}

// Delete takes s out of the table.
func (t *Table[S, P]) Delete(seed table.Seed, s P) {
	b := s.PCB()
	if b.Remote.IsValid() {
		k := pair{b.Local, b.Remote}
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
