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
func (to *receiver) Put(r *netisr.Runner, b *pkt.Buf) { to.st.put(to.Iface, r, b) }

// Lend shows the stack a frame that others see as well and tells whether it
// could: one reference is then the stack's.
func (to *receiver) Lend(r *netisr.Runner, b *pkt.Buf) bool { return to.st.lend(to.Iface, r, b) }

// firstReceiver is the receiver of a stack's first interface.
type firstReceiver Stack

// Put is receiver's.
func (to *firstReceiver) Put(r *netisr.Runner, b *pkt.Buf) { (*Stack)(to).put(&to.first.Iface, r, b) }

// Lend is receiver's.
func (to *firstReceiver) Lend(r *netisr.Runner, b *pkt.Buf) bool {
	return (*Stack)(to).lend(&to.first.Iface, r, b)
}

func (st *Stack) put(i *ifnet.Iface, r *netisr.Runner, b *pkt.Buf) {
	if t := i.Tee.Load(); t != nil {
		t.Received(r, b)
	}
	sh := st.shardFor(i, b)
	b.Meta = pkt.Meta{IfIndex: i.Index, IfGen: i.Gen}
	if !sh.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

func (st *Stack) lend(i *ifnet.Iface, r *netisr.Runner, b *pkt.Buf) bool {
	sh := st.shardFor(i, b)
	if !sh.Claim() {
		return false
	}
	if t := i.Tee.Load(); t != nil {
		t.Received(r, b)
	}
	p := pass{r: r, m: pkt.Meta{IfIndex: i.Index, IfGen: i.Gen}}
	sh.lock(&p)
	sh.enter(&p, b)
	sh.unlock(&p)
	r.Flush()
	sh.Yield(r)
	return true
}
