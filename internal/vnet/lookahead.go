package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// batchWorth is from how many packets on it is worth while to look ahead.
const batchWorth = 8

// ahead returns what was looked up before for the batch at hand, nil where nothing was.
func (sh *shard) ahead() *fib.Ahead[*ifnet.Neighbor] {
	if m := sh.mrouting(); m != nil {
		return m.ahead
	}
	return nil
}

// lookAhead fills that in for a batch of frames of a router. It borrows
// the packets.
func (sh *shard) lookAhead(p *pass, in *pkt.Batch) {
	ahead := sh.ahead()
	if ahead != nil {
		ahead.Begin(0)
	}
	first := in.First()
	if in.Len() < batchWorth || !p.v.Forwards(false) && !p.v.Forwards(true) {
		return
	}
	c := p.v.Arrival(first.Meta.IfIndex, first.Meta.IfGen)
	if c == nil {
		return
	}
	if !sh.st.fibs.Large(int(c.FIB)) {
		return
	}
	if ahead == nil {
		ahead = new(fib.Ahead[*ifnet.Neighbor])
		sh.mroutes().ahead = ahead
	}
	ahead.Begin(c.FIB)
	for b := first; b != nil && ahead.Add(wire.Destination(b.Bytes())); b = b.Next() {
	}
	ahead.Lookup(&sh.st.fibs)
}
