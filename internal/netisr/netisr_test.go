package netisr

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// relay passes every packet on to the next, or counts it at the end.
type relay struct {
	Queue
	next  *relay
	got   []byte // first byte of each packet that ended here
	probe bool   // measure depth
	depth int    // deepest call stack seen
}

func (n *relay) Put(r *Runner, b *pkt.Buf) {
	if !n.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

func (n *relay) Drain(r *Runner, in *pkt.Batch) {
	if n.probe {
		var pc [256]uintptr
		n.depth = max(n.depth, runtime.Callers(0, pc[:]))
	}
	for b := in.Pop(); b != nil; b = in.Pop() {
		if n.next != nil {
			n.next.Put(r, b)
			continue
		}
		n.got = append(n.got, b.Bytes()[0])
		r.Cache.Free(b)
	}
}

func chainOf(n int) []*relay {
	c := make([]*relay, n)
	for i := range c {
		c[i] = new(relay)
		c[i].Init(c[i])
		if i > 0 {
			c[i-1].next = c[i]
		}
	}
	return c
}

func send(s *Sched, to *relay, first byte) {
	r := s.Get()
	b := r.Cache.Get(60)
	b.Extend(60)[0] = first
	to.Put(r, b)
	r.Done()
}

// settle waits until every hand-over is done.
func settle(s *Sched) {
	for s.Working() > 0 {
		runtime.Gosched()
	}
}

// TestChainKeepsDepthAndOrder sends through 1,000 nodes in every policy.
func TestChainKeepsDepthAndOrder(t *testing.T) {
	for _, p := range []Policy{Direct, Hybrid, Deferred} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSched(clock.NewReal())
				s.SetPolicy(p)
				c := chainOf(1000)
				c[999].probe = true
				for i := range 100 {
					send(s, c[0], byte(i))
				}
				synctest.Wait()
				end := c[len(c)-1]
				if len(end.got) != 100 {
					t.Fatalf("%d of 100 arrived", len(end.got))
				}
				for i, b := range end.got {
					if int(b) != i {
						t.Fatalf("packet %d came as number %d", b, i)
					}
				}
				if end.depth > 20 {
					t.Fatalf("call depth %d at the end of the chain", end.depth)
				}
				if c := s.Pool().Counts(); c.Bufs != 0 {
					t.Fatalf("%d buffers outstanding", c.Bufs)
				}
				if (p != Direct) != (s.Handed() > 0) && p == Deferred {
					t.Fatalf("%d hand-overs under %v", s.Handed(), p)
				}
			})
		})
	}
}

// TestQueueIsBounded fills a queue that nobody drains.
func TestQueueIsBounded(t *testing.T) {
	s := NewSched(clock.NewReal())
	n := chainOf(1)[0]
	if !n.Claim() {
		t.Fatal("a node at rest could not be claimed")
	}
	if n.Claim() {
		t.Fatal("claimed twice")
	}
	r := s.Get()
	for range QueueLimit + 10 {
		b := r.Cache.Get(60)
		b.Extend(60)
		n.Put(r, b)
	}
	st := n.Stats()
	if st.Drops != 10 || st.Queued != QueueLimit || st.Watermark != QueueLimit {
		t.Fatalf("stats %+v", st)
	}
	n.Yield(r)
	r.Done()
	settle(s)
	if len(n.got) != QueueLimit {
		t.Fatalf("%d packets drained, want %d", len(n.got), QueueLimit)
	}
	if c := s.Pool().Counts(); c.Bufs != 0 {
		t.Fatalf("%d buffers outstanding", c.Bufs)
	}
}

// TestManySendersKeepTheirOrder has several goroutines send through one chain
// at once; each one's packets must stay in order.
func TestManySendersKeepTheirOrder(t *testing.T) {
	s := NewSched(clock.NewReal())
	c := chainOf(5)
	end := c[4]
	const senders, each = 4, 200
	var wg sync.WaitGroup
	var order sync.Mutex // the senders' lock: order is that of Put under it
	var want []byte
	for i := range senders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range each {
				r := s.Get()
				b := r.Cache.Get(60)
				b.Extend(60)[0] = byte(i)
				order.Lock()
				want = append(want, byte(i))
				c[0].Put(r, b)
				order.Unlock()
				r.Done()
			}
		}()
	}
	wg.Wait()
	settle(s)
	if fmt.Sprint(end.got) != fmt.Sprint(want) {
		t.Fatalf("order changed: got %d packets, sent %d", len(end.got), len(want))
	}
}

func BenchmarkHop(b *testing.B) {
	s := NewSched(clock.NewReal())
	c := chainOf(1)
	c[0].got = make([]byte, 0, 1<<20)
	b.ReportAllocs()
	for b.Loop() {
		c[0].got = c[0].got[:0]
		send(s, c[0], 1)
	}
}
