package vnet

import (
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// drop takes a packet and loses it: the one place where the path does so. The
// reason is counted and shown to whoever traces.
func (sh *shard) drop(p *pass, b *pkt.Buf, why pkt.Reason) {
	sh.lose(p, b, why)
	p.r.Cache.Free(b)
}

// Lose takes a packet that was lost above or below the path, on its way into or out
// of the interface with index. No lock of a shard is held.
func (st *Stack) Lose(r *netisr.Runner, index uint32, b *pkt.Buf, why pkt.Reason) {
	p := pass{r: r}
	st.sh.lock(&p)
	p.in = p.v.Conf(index)
	st.sh.drop(&p, b, why)
	st.sh.unlock(&p)
}

// lose counts and traces a packet that it borrows; the caller frees it.
func (sh *shard) lose(p *pass, b *pkt.Buf, why pkt.Reason) {
	sh.rare().DroppedFrames[why]++
	var index uint32
	if p.in != nil {
		index = p.in.Index
		p.in.Count[sh.id].InDrops++
	}
	if t := sh.st.world.trace.Load(); t != nil {
		(*t).Trace(sh.st, index, b, why)
	}
}
