package netisr

import (
	"sync"

	"github.com/seed88948545/vimage/internal/pkt"
)

// Node is something that packets are queued for.
type Node interface {
	// Drain processes packets: it takes every Buf of in. One Runner at a time
	// calls it. It may put packets into queues, its own included.
	Drain(r *Runner, in *pkt.Batch)
}

// Sink takes packets on their way to a node.
type Sink interface {
	// Put takes b. It may be called under the lock of the node that sends: it
	// queues b, or drops it where the queue is full, and runs nothing.
	Put(r *Runner, b *pkt.Buf)
}

// Lender is a Sink that can also process a packet that others hold too, so
// that one frame serves many nodes without a copy.
type Lender interface {
	Sink
	// Lend lets the node process b at once and tells whether it could: if so it
	// has taken one reference to b, if not the node is busy and nothing happened.
	// It must not be called under any lock.
	Lend(r *Runner, b *pkt.Buf) bool
}

const (
	// QueueLimit is how much waits for one node at most: as many small packets, or
	// a quarter as many large ones, whose memory is what counts.
	QueueLimit = 4096
	largeCosts = 4
	// batchLimit is how many packets a node is given per lock.
	batchLimit = 64
)

// Stats is what a Queue has counted.
type Stats struct {
	Queued    uint64 `stat:"queued"`    // packets that were put
	Lent      uint64 `stat:"lent"`      // packets that were lent
	Drops     uint64 `stat:"qdrops"`    // packets refused because the queue was full
	Watermark uint32 `stat:"watermark"` // longest the queue has been
	Len       int    // packets that wait now
	Limit     int    // how many may, as Put counts them
}

// Queue is where packets wait for a Node, which embeds it. Init must be called
// before use.
type Queue struct {
	node Node
	next *Queue // in a Runner's work list

	mu    sync.Mutex // a leaf; guards what follows
	in    pkt.Batch
	load  int32  // what in counts towards the limit
	limit uint16 // never changes
	busy  bool   // on a work list, or being drained
	stats Stats
}

// Init says whose queue q is. It holds what QueueLimit says.
func (q *Queue) Init(n Node) { q.InitLimit(n, QueueLimit) }

// InitLimit is Init for a node that many send to at once, such as a switch.
func (q *Queue) InitLimit(n Node, limit uint16) { q.node, q.limit = n, limit }

// Put appends b and returns true, or returns false where the queue is full: b
// is then still the caller's. If the node was at rest r will run it.
func (q *Queue) Put(r *Runner, b *pkt.Buf) bool {
	q.mu.Lock()
	if q.load >= int32(q.limit) {
		q.stats.Drops++
		q.mu.Unlock()
		return false
	}
	n := q.in.Len()
	q.load += cost(b)
	q.in.Push(b)
	q.stats.Queued++
	if uint32(n) >= q.stats.Watermark {
		q.stats.Watermark = uint32(n) + 1
	}
	idle := !q.busy
	q.busy = true
	q.mu.Unlock()
	if idle {
		r.push(q)
	}
	return true
}

// Claim makes the caller the node's only runner if the node is at rest. The
// caller calls Yield when it is done.
func (q *Queue) Claim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy {
		return false
	}
	q.busy = true
	q.stats.Lent++
	return true
}

// Yield ends what Claim began; packets that came meanwhile are left to r.
func (q *Queue) Yield(r *Runner) {
	if !q.rest() {
		r.push(q)
	}
}

// rest puts the node to rest unless packets wait.
func (q *Queue) rest() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = q.in.Len() > 0
	return !q.busy
}

// Stats returns a copy of the counters, and how long the queue is.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Len, s.Limit = q.in.Len(), int(q.limit)
	return s
}

// take moves up to batchLimit packets to in.
func (q *Queue) take(in *pkt.Batch) {
	q.mu.Lock()
	in.Move(&q.in, batchLimit)
	if q.in.Len() == 0 {
		q.load = 0
	} else {
		for b := in.First(); b != nil; b = b.Next() {
			q.load -= cost(b)
		}
	}
	q.mu.Unlock()
}

// cost is what a packet counts towards a queue's limit.
func cost(b *pkt.Buf) int32 {
	if b.Large() {
		return largeCosts
	}
	return 1
}
