package vnet

import (
	"net/netip"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/arp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Iface is one interface of one stack for as long as it is in it. What may be
// configured is in its ifConf.
type Iface struct {
	st    *Stack
	port  link.Port // nil for the loopback interface
	name  string
	index uint32
	gen   uint32
	shard *shard // the only shard, or nil

	// Shard 0's; neigh may be read by all.
	arp   *arp.Table[*pkt.Buf]
	igmp  *igmp.Host
	query *igmp.Router // while the interface is a multicast router's
	watch bool         // somebody asked for every frame
	neigh table.Table[netip.Addr, Neighbor, *Neighbor]

	count []IfaceStats // by shard
	one   [1]IfaceStats
}

// Neighbor is what the path knows of a next hop on an interface.
type Neighbor struct {
	ip   netip.Addr
	hdr  atomic.Pointer[[wire.EtherLen]byte] // link header, nil while unresolved
	used atomic.Bool                         // sent to since it was last cleared
	down atomic.Bool                         // does not answer: senders in other shards are told
	pins int32                               // routes that point here; under ctl
}

// Key makes a Neighbor an entry of a table.
func (n *Neighbor) Key() netip.Addr { return n.ip }

// neighbor returns the entry for ip, or nil. It may be called from any shard.
func (ifp *Iface) neighbor(ip netip.Addr) *Neighbor {
	return ifp.neigh.Get(ifp.st.world.seed.Addr(ip, 0), ip)
}

// needNeighbor returns the entry for ip, made if need be. Shard 0 is locked.
func (ifp *Iface) needNeighbor(ip netip.Addr) *Neighbor {
	if n := ifp.neighbor(ip); n != nil {
		return n
	}
	n := &Neighbor{ip: ip}
	ifp.neigh.Put(ifp.st.world.seed.Addr(ip, 0), n)
	return n
}

// Put takes a frame that arrived from the link.
func (ifp *Iface) Put(r *netisr.Runner, b *pkt.Buf) {
	sh := ifp.shard
	if sh == nil {
		sh = ifp.st.shardFor(b)
	}
	b.Meta = pkt.Meta{IfIndex: ifp.index, IfGen: ifp.gen}
	if !sh.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

// Lend shows the stack a frame that others see as well and tells whether it
// could: one reference is then the stack's.
func (ifp *Iface) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	sh := ifp.shard
	if sh == nil {
		sh = ifp.st.shardFor(b)
	}
	if !sh.Claim() {
		return false
	}
	p := pass{r: r, m: pkt.Meta{IfIndex: ifp.index, IfGen: ifp.gen}}
	sh.lock(&p)
	sh.enter(&p, b)
	sh.unlock(&p)
	r.Flush()
	sh.Yield(r)
	return true
}
