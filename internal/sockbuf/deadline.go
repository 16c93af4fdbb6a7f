package sockbuf

import (
	"net"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// deadline is the read deadline of a Queue.
type deadline struct {
	clock.Timer
	q      *Queue
	at     clock.Time
	passed bool
}

// Fire implements clock.Firer.
func (d *deadline) Fire(now clock.Time) {
	q := d.q
	q.mu.Lock()
	late := q.deadline == d && now >= d.at
	d.passed = d.passed || late
	if late {
		q.sleepers = 0
	}
	q.mu.Unlock()
	if late {
		q.cond.Broadcast()
	}
}

// SetDeadline makes Take fail after t; the zero Time means never.
func (q *Queue) SetDeadline(t time.Time) error {
	c := q.clock
	at := clock.Never
	if !t.IsZero() {
		at = c.At(t)
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return net.ErrClosed
	}
	d := q.deadline
	if d == nil {
		d = &deadline{q: q}
		d.F = d
		q.deadline = d
	}
	d.at, d.passed = at, at <= c.Now()
	if d.passed {
		d.at = clock.Never
	}
	at, passed := d.at, d.passed
	q.mu.Unlock()
	if passed {
		q.cond.Broadcast()
	}
	d.arm(c, at)
	return nil
}

// arm arms the timer for at, or for what another has set meanwhile: the last
// to arm it must not be the first to have set it.
func (d *deadline) arm(c clock.Clock, at clock.Time) {
	for {
		c.Arm(&d.Timer, at)
		d.q.mu.Lock()
		now := d.at
		if d.q.closed { // meanwhile: Close may have disarmed it too early
			now = clock.Never
		}
		d.q.mu.Unlock()
		if now == at {
			return
		}
		at = now
	}
}

// Close closes the queue, frees what is in it, and wakes all readers; the caller
// calls Wake as well. It returns false where the queue was closed already.
func (q *Queue) Close(free func(*pkt.Buf)) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.closed = true
	ring, head, n := q.ring, q.head, q.n
	q.ring, q.head, q.n, q.bytes, q.err = nil, 0, 0, 0, 0
	d := q.deadline
	if d != nil {
		d.at = clock.Never
	}
	q.mu.Unlock()
	for i := range n {
		free(ring[(head+i)&(len(ring)-1)].Buf)
	}
	if d != nil {
		q.clock.Disarm(&d.Timer)
	}
	q.cond.Broadcast()
	return true
}
