package tunnel

import (
	"net/netip"
	"sync"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
)

// ends is the tunnels that end in a stack: an ifnet.Ends.
type ends struct {
	seed  table.Seed
	stray stray

	mu    sync.Mutex // guards changes of table; taken after a control lock and a Device's
	table table.Table[key, entry, *entry]
}

// key is what outer packets of one tunnel have in common. What frames of VXLAN come
// from does not matter.
type key struct {
	kind          tunnel.Kind
	local, remote netip.Addr
	id            uint64
}

const (
	hasKey = 1 << 32 // in the id of GRE
	anyVNI = 1 << 24 // in that of VXLAN: the port, whatever the network
)

type entry struct {
	key
	to    netisr.Sink
	users int
}

// Key returns what the entry is found by.
func (e *entry) Key() key { return e.key }

func (s *ends) hash(k key) uint32 {
	w := k.id ^ uint64(k.kind)<<56
	if k.kind == tunnel.VXLAN {
		return s.seed.Addr(k.local, w)
	}
	return s.seed.Pair(k.local, k.remote, w)
}

func (s *ends) get(k key) *entry { return s.table.Get(s.hash(k), k) }

// Find implements ifnet.Ends.
func (s *ends) Find(ip wire.Packet) netisr.Sink {
	switch ip.Proto() {
	case wire.ProtoIPv4, wire.ProtoIPv6:
		return s.sink(key{tunnel.GIF, ip.Dst(), ip.Src(), 0})
	case wire.ProtoGRE:
		g, f := wire.ParseGRE(ip.Payload())
		if f != wire.OK {
			return nil
		}
		k := key{kind: tunnel.GRE, local: ip.Dst(), remote: ip.Src()}
		if g.Type() == wire.EtherTypeTEB {
			k.kind = tunnel.GRETAP
		}
		if n, ok := g.Key(); ok {
			k.id = hasKey | uint64(n)
		}
		return s.sink(k)
	case wire.ProtoUDP:
		return s.findVXLAN(ip)
	}
	return nil
}

func (s *ends) sink(k key) netisr.Sink {
	if e := s.get(k); e != nil {
		return e.to
	}
	return nil
}

// findVXLAN finds who has a network, or who loses what is of none: nobody else may
// have it (RFC 7348 §4.1).
func (s *ends) findVXLAN(ip wire.Packet) netisr.Sink {
	u, f := wire.ParseUDP(ip.Payload())
	if f != wire.OK {
		return nil
	}
	k := key{kind: tunnel.VXLAN, local: ip.Dst(), id: uint64(u.DstPort())<<32 | anyVNI}
	all := s.get(k)
	if all == nil {
		return nil
	}
	if v, f := wire.ParseVXLAN(u.Payload()); f == wire.OK {
		k.id ^= anyVNI | uint64(v.VNI())
		if e := s.get(k); e != nil {
			return e.to
		}
	}
	return all.to
}

// keys returns what leads to a tunnel, and what else belongs to it.
func keys(c *tunnel.Config) (own, shared []key) {
	k := key{kind: c.Kind, local: c.Local, remote: c.Remote}
	switch c.Kind {
	case tunnel.VXLAN:
		k.remote = netip.Addr{}
		k.id = uint64(c.Port)<<32 | uint64(c.VNI)
		wide := k
		wide.id = uint64(c.Port)<<32 | anyVNI
		own, shared = []key{k}, []key{wide}
		if c.Remote.IsMulticast() {
			k.local, wide.local = c.Remote, c.Remote
			own, shared = append(own, k), append(shared, wide)
		}
		return own, shared
	case tunnel.GRE, tunnel.GRETAP:
		if c.HasKey {
			k.id = hasKey | uint64(c.Key)
		}
	}
	return []key{k}, nil
}

// add lets packets of a tunnel be found; false where another has them.
func (s *ends) add(c *tunnel.Config, to netisr.Sink) bool {
	own, shared := keys(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range own {
		if s.get(k) != nil {
			return false
		}
	}
	for _, k := range own {
		s.table.Put(s.hash(k), &entry{k, to, 1})
	}
	for _, k := range shared {
		if e := s.get(k); e != nil {
			e.users++
			continue
		}
		s.table.Put(s.hash(k), &entry{k, &s.stray, 1})
	}
	return true
}

// remove undoes add.
func (s *ends) remove(c *tunnel.Config) {
	own, shared := keys(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range append(own, shared...) {
		if e := s.get(k); e != nil {
			if e.users--; e.users == 0 {
				s.table.Delete(s.hash(k), k)
			}
		}
	}
}

// endsOf returns the tunnels that end in a stack, of which there may be none yet.
func endsOf(st *vnet.Stack) *ends {
	st.Lock()
	defer st.Unlock()
	t := st.View().Taken()
	if t.Ends == nil {
		s := &ends{seed: st.World().Seed()}
		s.stray.st = st
		s.stray.Init(&s.stray)
		t.Ends = s
		st.Change(func(v *ifnet.View) { v.Takers = &t })
	}
	return t.Ends.(*ends)
}

// stray loses what is of a network that nobody here has.
type stray struct {
	netisr.Queue
	st *vnet.Stack
}

// Put implements netisr.Sink.
func (s *stray) Put(r *netisr.Runner, b *pkt.Buf) {
	if !s.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

// Drain implements netisr.Node.
func (s *stray) Drain(r *netisr.Runner, in *pkt.Batch) {
	for b := in.Pop(); b != nil; b = in.Pop() {
		s.st.Lose(r, b.Meta.IfIndex, b, pkt.BadTunnel)
	}
}
