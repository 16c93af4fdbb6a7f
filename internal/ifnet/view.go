package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pfil"
	"github.com/seed88948545/vimage/internal/proto/addrsel"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// View is a stack as its packets see it. It never changes once it is published.
type View struct {
	page
	FIBs   *fib.Set[*Neighbor]
	Ifs    []*Conf // by index-1; nil where there is none
	Local  ifaddr.Locals
	Filter pfil.Filter
	Takers *Takers         // nil: there are none
	Policy *addrsel.Policy // nil: RFC 6724's
}

// Takers is who takes packets off the path: divert sockets and tunnels. It is
// replaced as a whole.
type Takers struct {
	Divert pfil.Ports
	Ends   Ends // nil: no tunnel ends here
}

// End returns where a packet for this stack goes that came through a tunnel, nil for
// any other.
func (v *View) End(ip wire.Packet) netisr.Sink {
	if v.Takers == nil || v.Takers.Ends == nil {
		return nil
	}
	return v.Takers.Ends.Find(ip)
}

// Taken returns who takes packets.
func (v *View) Taken() Takers {
	if v.Takers == nil {
		return Takers{}
	}
	return *v.Takers
}

// Ends is the ends of tunnels that a stack has, on the side of the packets that
// carry others.
type Ends interface {
	// Find is View.End. It is called under a shard's lock, by several shards at once.
	Find(ip wire.Packet) netisr.Sink
}

// LoIndex is the index of lo0, which every stack has.
const LoIndex = 1

// Hears tells whether packets to this stack may have the destination a, which
// is no group.
func (v *View) Hears(a netip.Addr) bool { return v.Local.Find(a) != nil }

// IsOurs tells whether a is a unicast address of this stack; a link-local one,
// whether one of its interfaces has it.
func (v *View) IsOurs(a netip.Addr) bool {
	l := v.Local.Find(a)
	return l != nil && !l.Broadcast
}

// IsOursOn is IsOurs for an address as it is meant on the interface with index
// scope, if that is not 0.
func (v *View) IsOursOn(a netip.Addr, scope uint32) bool {
	if scope != 0 && ifaddr.IsLinkLocal(a) {
		return v.Local.FindOn(a, scope) != nil
	}
	return v.IsOurs(a)
}

// Conf returns the interface with the index, or nil.
func (v *View) Conf(index uint32) *Conf {
	if i := int(index) - 1; i >= 0 && i < len(v.Ifs) {
		return v.Ifs[i]
	}
	return nil
}

// Info returns the interface with the index in the form in which it is asked for;
// false where there is none.
func (v *View) Info(index uint32) (Info, bool) {
	if c := v.Conf(index); c != nil {
		return c.Info(), true
	}
	return Info{}, false
}

// Infos shows every interface, in order of index, until yield says no.
func (v *View) Infos(yield func(Info) bool) {
	for _, c := range v.Ifs {
		if c != nil && !yield(c.Info()) {
			return
		}
	}
}

// Arrival returns the interface a queued packet came by, or nil where it has
// gone: an index may have been given to another since.
func (v *View) Arrival(index, gen uint32) *Conf {
	if c := v.Conf(index); c != nil && c.Gen == gen {
		return c
	}
	return nil
}

// Named returns the interface of that name, or nil.
func (v *View) Named(name string) *Conf {
	for _, c := range v.Ifs {
		if c != nil && c.Name == name {
			return c
		}
	}
	return nil
}

// FreeIndex returns the least index that no interface has.
func (v *View) FreeIndex() uint32 {
	for i, c := range v.Ifs {
		if c == nil {
			return uint32(i + 1)
		}
	}
	return uint32(len(v.Ifs) + 1)
}

// SetConf replaces the configuration of the interface with the index; nil
// removes it. The list of them is in spare if that has room.
func (v *View) SetConf(index uint32, c *Conf, spare []*Conf) {
	n := max(len(v.Ifs), int(index))
	if cap(spare) < n {
		spare = make([]*Conf, n)
	}
	spare = spare[:n]
	if len(v.Ifs) == 0 || &spare[0] != &v.Ifs[0] { // else it is there, and others read it
		copy(spare, v.Ifs)
	}
	spare[index-1] = c
	v.Ifs = spare
	n = 0
	for _, c := range v.Ifs {
		if c != nil {
			n += c.Addrs.MostLocals(c.Flags&Broadcast != 0)
		}
	}
	local := make(ifaddr.Locals, 0, n)
	for _, c := range v.Ifs {
		if c != nil {
			local = local.Add(c.Addrs, c.Index, c.Flags&Broadcast != 0)
		}
	}
	v.Local = local.Sort()
}

// Forwards tells whether the stack is a router for a family.
func (v *View) Forwards(is6 bool) bool {
	if is6 {
		return v.V().IP6.Forwarding != 0
	}
	return v.V().IP.Forwarding != 0
}
