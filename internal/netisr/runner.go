package netisr

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Waker is a sleeping reader or writer.
type Waker interface{ Wake() }

// Runner carries packets through the network in one goroutine. It is passed
// down the path and owns what the path needs for the time being: buffers, the
// list of nodes to run and of sleepers to wake.
type Runner struct {
	Cache pkt.Cache
	// Scratch is room for a control message or a header under construction.
	// Whoever uses it must be done with it before calling on.
	Scratch [1536]byte

	sched      *Sched
	now        clock.Time // 0 until asked for in this batch
	head, tail *Queue     // nodes to run
	wakes      []Waker
	in         pkt.Batch // what the running node was given
	spent      int       // packets drained since Get
	busy       bool      // the cache is marked so
}

// Now returns the time, which is read once per batch.
func (r *Runner) Now() clock.Time {
	if r.now == 0 {
		r.now = r.sched.clock.Now()
	}
	return r.now
}

// Tick has the time read again when it is asked for next. Who takes a node's lock
// does so: time must not run backwards for what the lock guards.
func (r *Runner) Tick() { r.now = 0 }

// At tells r a time its caller has just read.
func (r *Runner) At(now clock.Time) { r.now = now }

// Wake has w woken when no lock is held any more.
func (r *Runner) Wake(w Waker) { r.wakes = append(r.wakes, w) }

func (r *Runner) push(q *Queue) {
	q.next = nil
	if r.tail != nil {
		r.tail.next = q
	} else {
		r.head = q
	}
	r.tail = q
}

func (r *Runner) pop() *Queue {
	q := r.head
	if q != nil {
		if r.head = q.next; r.head == nil {
			r.tail = nil
		}
	}
	return q
}

// Flush wakes whom Wake named. No lock may be held.
func (r *Runner) Flush() {
	for i, w := range r.wakes {
		w.Wake()
		r.wakes[i] = nil
	}
	r.wakes = r.wakes[:0]
}

// run works the list off, as far as the policy allows, and tells whether it is
// empty.
func (r *Runner) run(budget int) bool {
	for r.spent < budget {
		q := r.pop()
		if q == nil {
			return true
		}
		q.take(&r.in)
		r.spent += max(r.in.Len(), 1)
		r.now = 0
		q.node.Drain(r, &r.in)
		r.Flush()
		if !q.rest() {
			r.push(q)
		}
	}
	return r.head == nil
}

// Done runs what r has woken and returns r to its world. The caller holds no
// lock and must not use r again.
func (r *Runner) Done() {
	s := r.sched
	r.Flush()
	if r.head != nil && !r.run(s.budget()) {
		s.handOver(r)
		return
	}
	s.put(r)
}
