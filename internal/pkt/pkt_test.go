package pkt

import (
	"bytes"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

type holder struct{ c Cache }

func newHolder(p *Pool) *holder {
	h := new(holder)
	h.c = NewCache(p, h)
	return h
}

func TestBufRoom(t *testing.T) {
	h := newHolder(new(Pool))
	for _, n := range []int{0, 1, Small, Small + 1, 9000, Large} {
		b := h.c.Get(n)
		copy(b.Extend(n), bytes.Repeat([]byte{7}, n))
		if b.Head() != Headroom || b.Len() != n {
			t.Fatalf("Get(%d): head %d, len %d", n, b.Head(), b.Len())
		}
		b.Push(Headroom)
		b.Pull(Headroom)
		if got := bytes.Count(b.Bytes(), []byte{7}); got != n {
			t.Fatalf("Get(%d): %d bytes kept", n, got)
		}
		h.c.Free(b)
	}
	h.c.Settle()
	if c := h.c.pool.Counts(); c != (Counts{}) {
		t.Fatalf("counts %+v", c)
	}
}

func TestDoubleFreePanics(t *testing.T) {
	h := newHolder(new(Pool))
	b := h.c.Get(60)
	h.c.Free(b)
	defer func() {
		if recover() == nil {
			t.Fatal("a second Free went unnoticed")
		}
	}()
	h.c.Free(b)
}

func TestUnshareCopiesOnlyWhatIsShared(t *testing.T) {
	h := newHolder(new(Pool))
	b := h.c.Get(60)
	copy(b.Extend(4), "abcd")
	b.Push(2)
	b.Hash, b.Meta.FIB = 9, 3
	if h.c.Unshare(b) != b {
		t.Fatal("copied though nobody else held it")
	}
	b.Retain(1)
	d := h.c.Unshare(b)
	if d == b || !bytes.Equal(d.Bytes(), b.Bytes()) || d.Hash != 9 || d.Meta.FIB != 3 || d.Head() != b.Head() {
		t.Fatal("the copy differs")
	}
	if b.Shared() {
		t.Fatal("Unshare kept its reference")
	}
	h.c.Free(b)
	h.c.Free(d)
	h.c.Settle()
	if c := h.c.pool.Counts(); c.Bufs != 0 || c.Copies != 1 {
		t.Fatalf("counts %+v", c)
	}
}

// TestMagazinesExchange moves buffers from one cache to another, as a sender
// and a reader do, and loses a cache with buffers in it.
func TestMagazinesExchange(t *testing.T) {
	p := new(Pool)
	from, to := newHolder(p), newHolder(p)
	for range 50 {
		var q Batch
		for range 100 {
			q.Push(from.c.Get(60))
		}
		to.c.FreeBatch(&q)
	}
	from.c.Settle()
	to.c.Settle()
	if c := p.Counts(); c.Bufs != 0 {
		t.Fatalf("%d outstanding", c.Bufs)
	}
	runtime.KeepAlive(from)
	from = nil
	for range 10 {
		runtime.GC()
		p.mu.Lock()
		n := len(p.ledger)
		p.mu.Unlock()
		if n == 1 {
			break
		}
		runtime.Gosched()
	}
	if c := p.Counts(); c.Bufs != 0 {
		t.Fatalf("%d outstanding after a cache was lost", c.Bufs)
	}
	runtime.KeepAlive(to)
}

// What lost caches had taken is counted while others go on counting.
func TestCachesLostWhileOthersWork(t *testing.T) {
	var p Pool
	worker := newHolder(&p)
	var stop atomic.Bool
	var done sync.WaitGroup
	done.Go(func() {
		for !stop.Load() {
			worker.c.Free(worker.c.Get(60))
			b := worker.c.Get(60)
			worker.c.Settle()
			worker.c.Free(b)
			worker.c.Settle()
		}
	})
	const lost = 20000
	var owner holder // reachable, so that nobody else retires them
	for range lost {
		c := NewCache(&p, &owner)
		c.Get(60)
		c.Settle()
		retired{&p, c.acct, c.mag}.retire()
	}
	stop.Store(true)
	done.Wait()
	if n := p.Counts().Bufs; n != lost {
		t.Fatalf("%d outstanding, want %d", n, lost)
	}
	runtime.KeepAlive(&owner)
}

func TestBatchMove(t *testing.T) {
	var a, b Batch
	bufs := make([]Buf, 10)
	for i := range bufs {
		bufs[i].Hash = uint32(i)
		a.Push(&bufs[i])
	}
	b.Move(&a, 3)
	b.Move(&a, 0)
	b.Move(&a, 100)
	if a.Len() != 0 || b.Len() != 10 || a.Pop() != nil {
		t.Fatalf("lengths %d and %d", a.Len(), b.Len())
	}
	for i := range bufs {
		if got := b.Pop(); got == nil || got.Hash != uint32(i) {
			t.Fatalf("packet %d out of order", i)
		}
	}
}

func TestCacheDoesNotAllocate(t *testing.T) {
	h := newHolder(new(Pool))
	if n := testing.AllocsPerRun(1000, func() { h.c.Free(h.c.Get(60)) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestSize(t *testing.T) {
	if n := reflect.TypeFor[Buf]().Size(); n > 2048 {
		t.Fatalf("a Buf of %d bytes leaves the 2,048-byte class", n)
	}
}
