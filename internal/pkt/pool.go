package pkt

import (
	"sync"
	"sync/atomic"
)

// Pool is where the buffers of one world come from and return to. Nobody
// takes single buffers from it: a Cache does, a chain at a time.
type Pool struct {
	mu     sync.Mutex // a leaf
	bufs   []*Buf     // chains of chain buffers
	blocks *Block
	ledger []*account // one per Cache
	past   Counts     // of the caches that were lost
}

// account is what one Cache has taken and given back. Its Cache alone writes
// it; anybody may read.
type account struct {
	out, blocks, copies atomic.Int64
	busy                atomic.Bool
}

const (
	magazine = 128
	chain    = 64
)

// Counts is what a Pool has given out.
type Counts struct {
	Bufs   int64 // buffers outstanding: taken and not yet freed
	Blocks int64 // blocks outstanding
	Copies int64 // frames copied because their holder had to write or wait
}

// Counts sums over all caches. The figures are exact when no packet moves.
func (p *Pool) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.past
	for _, a := range p.ledger {
		c.add(a)
	}
	return c
}

func (c *Counts) add(a *account) {
	c.Bufs += a.out.Load()
	c.Blocks += a.blocks.Load()
	c.Copies += a.copies.Load()
}

// Busy returns how many caches are marked busy.
func (p *Pool) Busy() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, a := range p.ledger {
		if a.busy.Load() {
			n++
		}
	}
	return n
}

// take gives a chain of buffers, or nil.
func (p *Pool) take() *Buf {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.bufs)
	if n == 0 {
		return nil
	}
	b := p.bufs[n-1]
	p.bufs = p.bufs[:n-1]
	return b
}

func (p *Pool) give(b *Buf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bufs = append(p.bufs, b)
}

func (p *Pool) takeBlock() *Block {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.blocks
	if k != nil {
		p.blocks = k.next
		k.next = nil
	}
	return k
}

func (p *Pool) giveBlock(k *Block) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k.next = p.blocks
	p.blocks = k
}
