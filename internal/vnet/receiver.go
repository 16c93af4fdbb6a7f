package vnet

import (
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// receiver is where the link of an interface puts its frames.
type receiver struct {
	*ifnet.Iface
	st *Stack
}

// Put takes a frame that arrived from the link.
func (to *receiver) Put(r *netisr.Runner, b *pkt.Buf) {
	sh := to.st.shardFor(b)
	b.Meta = pkt.Meta{IfIndex: to.Index, IfGen: to.Gen}
	if !sh.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

// Lend shows the stack a frame that others see as well and tells whether it
// could: one reference is then the stack's.
func (to *receiver) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	sh := to.st.shardFor(b)
	if !sh.Claim() {
		return false
	}
	p := pass{r: r, m: pkt.Meta{IfIndex: to.Index, IfGen: to.Gen}}
	sh.lock(&p)
	sh.enter(&p, b)
	sh.unlock(&p)
	r.Flush()
	sh.Yield(r)
	return true
}
