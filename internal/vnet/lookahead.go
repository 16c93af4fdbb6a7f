package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/fib"
	"github.com/seed88948545/vimage/internal/wire"
)

// batchWorth is from how many packets on it is worth while to look ahead.
const batchWorth = 8

// lookAhead fills in sh.ahead for a batch of frames of a router. It borrows
// the packets.
func (sh *shard) lookAhead(p *pass, in *pkt.Batch) {
	if sh.ahead != nil {
		sh.ahead.Begin(0)
	}
	first := in.First()
	if in.Len() < batchWorth || !p.v.Forwards(false) && !p.v.Forwards(true) {
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
		sh.ahead = new(fib.Ahead[*ifnet.Neighbor])
	}
	sh.ahead.Begin(c.FIB)
	for b := first; b != nil && sh.ahead.Add(wire.Destination(b.Bytes())); b = b.Next() {
	}
	sh.ahead.Lookup(t)
}
