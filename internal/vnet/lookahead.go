package vnet

import (
	"encoding/binary"
	"net/netip"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// lookahead is the routes of the packets of one batch, looked up together
// before the first is forwarded: in a table too large for the processor's
// caches the memory accesses of all then overlap. It is a hint: a packet whose
// table or destination turns out to be another is looked up by itself.
type lookahead struct {
	n      int
	fib    uint32
	flags  fib.Flags // of all routes: reading them is what matters
	dst    [batchMost]netip.Addr
	routes [batchMost]*fib.Route[*ifnet.Neighbor]
}

const (
	batchMost  = 64 // packets in a batch at most
	batchWorth = 8  // from how many on it is worth while
)

// lookAhead fills in sh.ahead for a batch of frames of a router. It borrows
// the packets.
func (sh *shard) lookAhead(p *pass, in *pkt.Batch) {
	if sh.ahead != nil {
		sh.ahead.n = 0
	}
	first := in.First()
	if in.Len() < batchWorth || p.v.Tun.IP.Forwarding == 0 {
		return
	}
	c := p.v.Arrival(first.Meta.IfIndex, first.Meta.IfGen)
	if c == nil {
		return
	}
	t := sh.st.fibs.Table(int(c.FIB))
	if !t.Large() {
		return
	}
	if sh.ahead == nil {
		sh.ahead = new(lookahead)
	}
	a := sh.ahead
	a.fib = c.FIB
	for b := first; b != nil && a.n < batchMost; b = b.Next() {
		a.dst[a.n] = netip.Addr{}
		if f := b.Bytes(); len(f) >= wire.EtherLen+wire.IPv4Len && binary.BigEndian.Uint16(f[12:]) == wire.EtherTypeIPv4 {
			a.dst[a.n] = netip.AddrFrom4([4]byte(f[wire.EtherLen+16:]))
		}
		a.n++
	}
	t.LookupBatch(a.dst[:a.n], a.routes[:a.n])
	for _, rt := range a.routes[:a.n] {
		if rt != nil { // fetch what forward will read, for all at once
			a.flags |= rt.Flags
		}
	}
}

// route returns the route found for the packet at hand, if it was for dst in
// the packet's table.
func (a *lookahead) route(p *pass, dst netip.Addr) (*fib.Route[*ifnet.Neighbor], bool) {
	if a == nil || p.nth >= a.n || a.dst[p.nth] != dst || a.fib != p.m.FIB {
		return nil, false
	}
	return a.routes[p.nth], true
}
