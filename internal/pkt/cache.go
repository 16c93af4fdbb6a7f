package pkt

import "runtime"

// Cache hands out buffers to one goroutine at a time, from a magazine of its
// own. The zero value is not ready: see Pool.NewCache.
type Cache struct {
	pool *Pool
	acct *account
	n    int
	mag  *[magazine]*Buf
	nblk int
	blks [2]*Block

	out, blocks, copies int64 // not yet in acct
	dirty               bool
}

// NewCache returns a cache that draws on p. When owner, the object the cache
// is part of, is found to be garbage, what the magazine holds goes back to p.
func NewCache[T any](p *Pool, owner *T) Cache {
	c := Cache{pool: p, acct: new(account), mag: new([magazine]*Buf)}
	p.mu.Lock()
	p.ledger = append(p.ledger, c.acct)
	p.mu.Unlock()
	runtime.AddCleanup(owner, func(r retired) { r.retire() }, retired{p, c.acct, c.mag})
	return c
}

// retired is what outlives a Cache's owner.
type retired struct {
	pool *Pool
	acct *account
	mag  *[magazine]*Buf
}

// retire adds the account of a lost cache to the pool's past and keeps its
// buffers. No other account will do: each is written by its own cache at any
// moment, without a lock.
func (r retired) retire() {
	var all Batch
	for _, b := range r.mag {
		if b != nil {
			all.Push(b)
		}
	}
	p := r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for all.Len() >= chain {
		var part Batch
		part.Move(&all, chain)
		p.bufs = append(p.bufs, part.head)
	}
	for i, a := range p.ledger {
		if a == r.acct {
			p.ledger[i] = p.ledger[len(p.ledger)-1]
			p.ledger = p.ledger[:len(p.ledger)-1]
			break
		}
	}
	p.past.add(r.acct)
}

// Get returns an empty Buf with Headroom in front and room for a frame of n
// bytes. Its bytes are undefined. n is at most Large.
func (c *Cache) Get(n int) *Buf {
	if c.n == 0 {
		c.fill()
	}
	c.n--
	b := c.mag[c.n]
	c.mag[c.n] = nil
	c.out++
	c.dirty = true
	b.refs.Store(1)
	b.off, b.end = Headroom, Headroom
	b.Info = Info{}
	if n <= Small {
		b.mem = b.inline[:]
		return b
	}
	b.blk = c.getBlock()
	b.mem = b.blk.mem[:]
	return b
}

func (c *Cache) fill() {
	if b := c.pool.take(); b != nil {
		for b != nil {
			next := b.next
			b.next = nil
			c.mag[c.n] = b
			c.n++
			b = next
		}
		return
	}
	for range chain / 4 {
		c.mag[c.n] = new(Buf)
		c.n++
	}
}

// Free gives up one reference to b; the last one returns the buffer.
func (c *Cache) Free(b *Buf) {
	if b.refs.Load() != 1 {
		if n := b.refs.Add(-1); n > 0 {
			return
		} else if n < 0 {
			panic("pkt: Buf freed twice")
		}
	} else {
		b.refs.Store(0)
	}
	if b.blk != nil {
		c.FreeBlock(b.blk)
		b.blk = nil
	}
	if invariants {
		poison(b.inline[:])
	}
	b.mem = nil
	c.out--
	c.dirty = true
	if c.n == magazine {
		c.spill()
	}
	c.mag[c.n] = b
	c.n++
}

// FreeBatch frees every packet of q and leaves it empty.
func (c *Cache) FreeBatch(q *Batch) {
	for b := q.Pop(); b != nil; b = q.Pop() {
		c.Free(b)
	}
}

// spill returns a chain of buffers to the pool.
func (c *Cache) spill() {
	var part Batch
	for range chain {
		c.n--
		part.Push(c.mag[c.n])
		c.mag[c.n] = nil
	}
	c.pool.give(part.head)
}

func (c *Cache) getBlock() *Block {
	var k *Block
	if c.nblk > 0 {
		c.nblk--
		k, c.blks[c.nblk] = c.blks[c.nblk], nil
	} else if k = c.pool.takeBlock(); k == nil {
		k = new(Block)
	}
	c.blocks++
	c.dirty = true
	k.refs.Store(1)
	return k
}

// FreeBlock gives up one reference to k.
func (c *Cache) FreeBlock(k *Block) {
	if n := k.refs.Add(-1); n > 0 {
		return
	} else if n < 0 {
		panic("pkt: Block freed twice")
	}
	if invariants {
		poison(k.mem[:])
	}
	c.blocks--
	c.dirty = true
	if c.nblk == len(c.blks) {
		c.pool.giveBlock(k)
		return
	}
	c.blks[c.nblk] = k
	c.nblk++
}

// Clone returns a Buf of its own with b's bytes and Info. It borrows b.
func (c *Cache) Clone(b *Buf) *Buf {
	d := c.Get(b.Len() + int(b.off) - Headroom)
	d.off, d.end = b.off, b.off
	copy(d.Extend(b.Len()), b.Bytes())
	d.Info = b.Info
	c.copies++
	return d
}

// Share returns a Buf whose frame is the n bytes from off of b's, where they lie,
// with everything before them as headroom; or nil where b's frame is not large,
// somebody else holds its memory, or there is not Headroom bytes before it. The
// holder of b must not write these n bytes, nor use what is before them, while the
// other exists. It borrows b.
func (c *Cache) Share(b *Buf, off, n int) *Buf {
	at := int(b.off) + off
	if b.blk == nil || b.blk.refs.Load() != 1 || at < Headroom {
		return nil
	}
	d := c.Get(0)
	b.blk.refs.Add(1)
	d.blk, d.mem = b.blk, b.mem
	d.off, d.end = uint32(at), uint32(at+n)
	return d
}

// Unshare takes b and returns a Buf with the same frame that may be written:
// b itself where nobody else holds it.
func (c *Cache) Unshare(b *Buf) *Buf {
	if !b.Shared() {
		return b
	}
	d := c.Clone(b)
	d.Meta = b.Meta
	c.Free(b)
	return d
}

// UnshareHeader is Unshare for one who writes nothing but headers.
func (c *Cache) UnshareHeader(b *Buf) *Buf {
	if !b.Lent() {
		return b
	}
	return c.Unshare(b)
}

// SetBusy marks the cache as being used to carry packets, or not any more: see
// Pool.Busy.
func (c *Cache) SetBusy(on bool) { c.acct.busy.Store(on) }

// Settle makes what this cache has taken and returned visible to
// Pool.Counts. Its owner calls it when it comes to rest.
func (c *Cache) Settle() {
	if !c.dirty {
		return
	}
	c.dirty = false
	if c.out != 0 {
		c.acct.out.Store(c.acct.out.Load() + c.out)
	}
	if c.blocks != 0 {
		c.acct.blocks.Store(c.acct.blocks.Load() + c.blocks)
	}
	if c.copies != 0 {
		c.acct.copies.Store(c.acct.copies.Load() + c.copies)
	}
	c.out, c.blocks, c.copies = 0, 0, 0
}

func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
