package ifnet

import (
	"net/netip"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Iface is one interface of one stack for as long as it is in it. What may be
// configured is in its Conf.
type Iface struct {
	Port  link.Port   // nil for the loopback interface
	Seed  *table.Seed // of Neigh
	Index uint32
	Gen   uint32 // no other interface of the stack ever had it

	Tee atomic.Pointer[link.Tee] // nil while nobody captures; stored under the control lock

	// Shard 0's; Neigh may be read by all.
	ARP   *arp.Table[*pkt.Buf]
	IGMP  *igmp.Host
	Query *igmp.Router // while the interface is a multicast router's
	V6    *V6          // nil while IPv6 is not spoken
	Neigh table.Table[netip.Addr, Neighbor, *Neighbor]

	first Stats    // shard 0's
	more  *[]Stats // of the others, nil where there are none
}

// Init makes room for the counters of as many shards.
func (i *Iface) Init(shards int) {
	if shards > 1 {
		more := make([]Stats, shards-1)
		i.more = &more
	}
}

// Count is what a shard has counted.
func (i *Iface) Count(shard uint8) *Stats {
	if shard == 0 {
		return &i.first
	}
	return &(*i.more)[shard-1]
}

// Stats is what an interface has counted.
type Stats struct {
	InPackets, OutPackets uint64
	InBytes, OutBytes     uint64
	InMcast, OutMcast     uint64
	InDrops               uint64
}

// Add adds what another shard has counted.
func (s *Stats) Add(o *Stats) {
	s.InPackets += o.InPackets
	s.OutPackets += o.OutPackets
	s.InBytes += o.InBytes
	s.OutBytes += o.OutBytes
	s.InMcast += o.InMcast
	s.OutMcast += o.OutMcast
	s.InDrops += o.InDrops
}

// Neighbor is what the path knows of a next hop on an interface.
type Neighbor struct {
	IP     netip.Addr
	Header atomic.Pointer[[wire.EtherLen]byte] // link header, nil while unresolved
	Used   atomic.Bool                         // sent to since it was last cleared
	Down   atomic.Bool                         // does not answer: senders in other shards are told
	pins   atomic.Int32                        // routes that point here; gone: it is in no table any more
}

// Key makes a Neighbor an entry of a table.
func (n *Neighbor) Key() netip.Addr { return n.IP }

// Neighbor returns the entry for ip, or nil. It may be called from any shard.
func (i *Iface) Neighbor(ip netip.Addr) *Neighbor { return i.Neigh.Get(i.Seed.Addr(ip, 0), ip) }

// NeedNeighbor returns the entry for ip, made if need be. Shard 0 is locked.
func (i *Iface) NeedNeighbor(ip netip.Addr) *Neighbor {
	if n := i.Neighbor(ip); n != nil {
		return n
	}
	n := &Neighbor{IP: ip}
	i.Neigh.Put(i.Seed.Addr(ip, 0), n)
	return n
}

// Resolved tells the path at which hardware address a neighbour is, for packets
// of an EtherType from mac. Shard 0 is locked.
func (i *Iface) Resolved(ip netip.Addr, at, mac wire.MAC, etherType uint16) {
	hdr := new([wire.EtherLen]byte)
	wire.PutEther(hdr[:], at, mac, etherType)
	n := i.NeedNeighbor(ip)
	n.Header.Store(hdr)
	n.Down.Store(false)
}

// Unresolved lets the path forget what it knows of a neighbour. Shard 0 is
// locked.
func (i *Iface) Unresolved(ip netip.Addr) {
	if n := i.Neighbor(ip); n != nil {
		n.Header.Store(nil)
		n.Down.Store(false)
		i.Drop(n)
	}
}

// gone is a neighbour's count of pins when nobody may pin it any more.
const gone = -1

// Pin keeps the neighbour in its table for one route more. It returns false where it
// has left that already. It needs no lock.
func (n *Neighbor) Pin() bool {
	for p := n.pins.Load(); p != gone; p = n.pins.Load() {
		if n.pins.CompareAndSwap(p, p+1) {
			return true
		}
	}
	return false
}

// Unpin undoes Pin, and tells whether Drop must be called: nobody needs the neighbour.
func (n *Neighbor) Unpin() bool { return n.pins.Add(-1) == 0 && n.Header.Load() == nil }

// Drop takes a neighbour out of the table that is not resolved, unless a route pins
// it. Shard 0 is locked.
func (i *Iface) Drop(n *Neighbor) {
	if n.Header.Load() == nil && n.pins.CompareAndSwap(0, gone) {
		i.Neigh.Delete(i.Seed.Addr(n.IP, 0), n.IP)
	}
}

// Flags are an interface's.
type Flags uint16

// Interface flags.
const (
	Up Flags = 1 << iota
	Broadcast
	Loopback
	Multicast
	Promisc // somebody asked for every frame
	NoARP
	NoIPv6     // its link-local address turned out to be another's (RFC 4862 §5.4.5)
	Querier    // a multicast router's, which asks who listens
	Downstream // likewise, since the stack is a multicast proxy
	AllMulti   // multicast is routed that comes in here
	PointToPoint
	NoCarrier // its link has said so
	StaticARP // ARP answers, but neither asks nor learns
)

// Info is the configuration of an interface.
type Info struct {
	Name  string
	Index uint32
	MTU   int
	FIB   int
	MAC   wire.MAC
	Flags Flags
	Addrs ifaddr.List // in the order they were added; not to be changed in place
	Mute  bool        // IGMP and MLD report nothing: to show that reports matter
	MTU6  int         // of IPv6, as a router has said; 0: MTU
	Hops  uint8       // hop limit of IPv6 packets, as a router has said; 0: the stack's
}

// Conf is the configuration of one interface, as the path sees it. It never
// changes: the interface gets a new one.
type Conf struct {
	*Iface
	Name  string
	Flags Flags
	Mute  bool
	Hops  uint8
	FIB   uint32
	MTU   int
	MTU6  uint16
	MAC   wire.MAC
	Addrs ifaddr.List
	Props link.Props
}

// Info returns the configuration in the form in which it is asked for.
func (c *Conf) Info() Info {
	return Info{c.Name, c.Index, c.MTU, int(c.FIB), c.MAC, c.Flags, c.Addrs, c.Mute, int(c.MTU6), c.Hops}
}

// Set takes over what may change about an interface while it is there.
func (c *Conf) Set(i *Info) {
	c.Name, c.MTU, c.FIB, c.MAC, c.Flags, c.Addrs, c.Mute = i.Name, i.MTU, uint32(i.FIB), i.MAC, i.Flags, i.Addrs, i.Mute
	c.MTU6, c.Hops = uint16(min(i.MTU6, 65535)), i.Hops
}

// PacketMTU returns the length of the longest packet of a family.
func (c *Conf) PacketMTU(is6 bool) int {
	if is6 && c.MTU6 != 0 && int(c.MTU6) < c.MTU {
		return int(c.MTU6)
	}
	return c.MTU
}

// NewMAC gives the link headers of all neighbours another source address. Shard 0
// is locked.
func (i *Iface) NewMAC(mac wire.MAC) {
	for n := range i.Neigh.All() {
		if old := n.Header.Load(); old != nil {
			hdr := new([wire.EtherLen]byte)
			e := wire.Ether(old[:])
			wire.PutEther(hdr[:], e.Dst(), mac, e.Type())
			n.Header.Store(hdr)
		}
	}
}

// Up tells whether packets may pass.
func (c *Conf) Up() bool { return c.Flags&Up != 0 }

// Carries tells whether packets of a family may pass.
func (c *Conf) Carries(is6 bool) bool {
	return c.Flags&Up != 0 && (!is6 || c.Flags&NoIPv6 == 0)
}

// Deadline returns when a room of the interface is next due. It is shard 0's.
func (c *Conf) Deadline() clock.Time {
	at := min(c.ARP.Deadline(), c.GroupDeadline())
	if c.V6 != nil {
		at = min(at, c.V6.ND.Deadline(), c.V6.Radv.Deadline())
	}
	return at
}

// Broadcasts tells whether a is the broadcast address of one of the interface's
// subnets.
func (c *Conf) Broadcasts(a netip.Addr) bool { return c.Flags&Broadcast != 0 && c.Addrs.Broadcasts(a) }

// ARPLink is what ARP is told of the interface.
func (c *Conf) ARPLink() arp.Link {
	return arp.Link{MAC: c.MAC, Up: c.Up(), NoARP: c.Flags&NoARP != 0, StaticARP: c.Flags&StaticARP != 0}
}

// NDLink is what neighbour discovery is told of the interface of a router, or of
// another host.
func (c *Conf) NDLink(router bool) nd.Link {
	return nd.Link{MAC: c.MAC, Up: c.Up(), Router: router, Disabled: c.Flags&NoIPv6 != 0}
}
