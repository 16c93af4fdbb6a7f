package main

import (
	"io"
	"sync"
)

// ring is the least that can be between a writer and a reader in the same
// process: each byte is copied into a block and out of it, and each side waits
// for the other where there is no block. No protocol can be faster that copies
// twice.
type ring struct {
	mu     sync.Mutex
	moved  sync.Cond
	blocks [ringBlocks][]byte
	in     int // blocks filled, guarded by mu
	out    int // blocks emptied, guarded by mu
	closed bool
	read   int // bytes of the block being emptied that are gone; the reader's
}

func newRing() *ring {
	r := new(ring)
	r.moved.L = &r.mu
	for i := range r.blocks {
		r.blocks[i] = make([]byte, 0, ringBlock)
	}
	return r
}

// Write implements Stream.
func (r *ring) Write(b []byte) (int, error) {
	for n := 0; n < len(b); {
		r.mu.Lock()
		for r.in-r.out == ringBlocks {
			r.moved.Wait()
		}
		block := &r.blocks[r.in%ringBlocks]
		r.mu.Unlock()
		*block = (*block)[:copy((*block)[:ringBlock], b[n:])]
		n += len(*block)
		r.mu.Lock()
		r.in++
		r.mu.Unlock()
		r.moved.Signal()
	}
	return len(b), nil
}

// Read implements Stream: it empties what blocks are full.
func (r *ring) Read(b []byte) (int, error) {
	r.mu.Lock()
	for r.in == r.out && !r.closed {
		r.moved.Wait()
	}
	full := r.in - r.out
	r.mu.Unlock()
	if full == 0 {
		return 0, io.EOF
	}
	n := 0
	for ; full > 0 && n < len(b); full-- {
		block := r.blocks[r.out%ringBlocks]
		k := copy(b[n:], block[r.read:])
		n += k
		if r.read += k; r.read < len(block) {
			break
		}
		r.read = 0
		r.mu.Lock()
		r.out++
		r.mu.Unlock()
		r.moved.Signal()
	}
	return n, nil
}

// Close implements Stream.
func (r *ring) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.moved.Signal()
	return nil
}
