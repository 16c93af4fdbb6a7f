package sockbuf

import (
	"net"
	"os"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
)

// Backlog is a listener's queue of what waits to be accepted. Init must be
// called before use.
type Backlog[T any] struct {
	half
	queue []T
	limit int
}

// Init says which clock deadlines go by and how many may wait.
func (b *Backlog[T]) Init(c clock.Clock, limit int) {
	b.init(c)
	b.limit = limit
}

// Full tells whether no more may be put.
func (b *Backlog[T]) Full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) >= b.limit
}

// Put appends x, even where the queue is full, but not where it is closed. The
// caller calls Wake if told to.
func (b *Backlog[T]) Put(x T) (ok, wake bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, false
	}
	b.queue = append(b.queue, x)
	return true, b.rouse()
}

// Take takes the first out of the queue, waiting for it if wait. The errors
// are those of Stream.Take.
func (b *Backlog[T]) Take(wait bool) (x T, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.closed:
			return x, net.ErrClosed
		case b.late:
			return x, os.ErrDeadlineExceeded
		case len(b.queue) > 0:
			return b.pop(), nil
		case !wait:
			return x, syscall.EAGAIN
		}
		if err := b.wait(); err != nil {
			return x, err
		}
	}
}

func (b *Backlog[T]) pop() T {
	var none T
	x := b.queue[0]
	b.queue[0] = none
	if b.queue = b.queue[1:]; len(b.queue) == 0 {
		b.queue = nil
	}
	return x
}

// Drain takes everything out of a queue that is closed.
func (b *Backlog[T]) Drain() []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.queue
	b.queue = nil
	return all
}

// Len returns how many wait.
func (b *Backlog[T]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

// Limit returns how many may wait.
func (b *Backlog[T]) Limit() int { return b.limit }
