// Package sockbuf is the receive queue of a datagram socket: packets wait in it
// for readers, and readers for packets.
//
// A Queue's lock is a leaf. Putting and failing only say that somebody must be
// woken: the caller wakes when it holds no lock any more.
package sockbuf

import (
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Queue is the receive queue of one socket. Init must be called before use.
type Queue struct {
	clock clock.Clock

	mu       sync.Mutex // a leaf; guards what follows
	cond     sync.Cond
	ring     []Item
	head, n  int
	bytes    int
	sleepers int
	closed   bool
	err      syscall.Errno // to be reported once
	ready    func()        // see SetReady
	deadline *deadline
}

// Init says which clock deadlines go by.
func (q *Queue) Init(c clock.Clock) {
	q.clock = c
	q.cond.L = &q.mu
}

// Item is one packet in a Queue. Who takes it frees the buffer.
type Item struct {
	Buf     *pkt.Buf
	Off, N  uint32 // of the payload in the buffer's memory
	IP      uint32 // offset of the network header
	IfIndex uint32 // interface it arrived on
}

// Put appends a packet whose payload is data and whose network header is ip,
// both parts of b's frame. It borrows b and keeps a reference, or says that it is
// not ok: the queue holds limit bytes, or is closed. wake says whether to call
// Wake.
func (q *Queue) Put(b *pkt.Buf, ip, data []byte, ifIndex uint32, limit int) (ok, wake bool) {
	q.mu.Lock()
	if q.closed || q.bytes+len(data) > limit && q.n > 0 || q.n >= MaxItems {
		q.mu.Unlock()
		return false, false
	}
	if q.n == len(q.ring) {
		q.grow()
	}
	b.Retain(1)
	it := &q.ring[(q.head+q.n)&(len(q.ring)-1)]
	*it = Item{Buf: b, Off: uint32(b.Offset(data)), N: uint32(len(data)), IP: uint32(b.Offset(ip)), IfIndex: ifIndex}
	q.n++
	q.bytes += len(data)
	wake = q.sleepers > 0 || q.ready != nil && q.n == 1
	q.sleepers = 0
	q.mu.Unlock()
	return true, wake
}

// MaxItems bounds the queue of a socket that is sent empty datagrams.
const MaxItems = 4096

func (q *Queue) grow() {
	ring := make([]Item, max(4, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
	}
	q.ring, q.head = ring, 0
}

// Bytes returns how many bytes wait to be read.
func (q *Queue) Bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// Wake wakes who waits, and calls the function of SetReady. No lock may be held.
func (q *Queue) Wake() {
	q.cond.Broadcast()
	q.mu.Lock()
	ready := q.ready
	q.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// SetReady has f called, with no lock held, whenever packets have come to an
// empty queue, after Fail, and once after Close; at once if one of these was
// before. f may take from the queue. It must not block.
func (q *Queue) SetReady(f func()) {
	q.mu.Lock()
	q.ready = f
	due := q.n > 0 || q.err != 0 || q.closed
	q.mu.Unlock()
	if due && f != nil {
		f()
	}
}

// Take takes the first packet out of the queue, waiting for it if wait. The
// errors are net.ErrClosed, os.ErrDeadlineExceeded, what Fail was told, EAGAIN
// where there is nothing to take and nobody is to wait, and Simulated where
// waiting would be for ever.
func (q *Queue) Take(wait bool) (Item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return Item{}, net.ErrClosed
		case q.deadline != nil && q.deadline.passed:
			return Item{}, os.ErrDeadlineExceeded
		case q.n > 0:
			return q.pop(), nil
		case q.err != 0:
			e := q.err
			q.err = 0
			return Item{}, e
		case !wait:
			return Item{}, syscall.EAGAIN
		case q.clock.Simulated():
			return Item{}, Simulated{}
		}
		q.sleepers++
		q.cond.Wait()
	}
}

// TakeQueued is Take that does not wait, and leaves what Fail was told to the
// next call.
func (q *Queue) TakeQueued() (Item, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return Item{}, net.ErrClosed
	case q.deadline != nil && q.deadline.passed:
		return Item{}, os.ErrDeadlineExceeded
	case q.n == 0:
		return Item{}, syscall.EAGAIN
	}
	return q.pop(), nil
}

// pop takes the first packet out of a queue that is not empty. mu is held.
func (q *Queue) pop() Item {
	it := q.ring[q.head]
	q.ring[q.head].Buf = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	q.bytes -= int(it.N)
	return it
}

// Fail makes the next call of a reader fail once with e, and says whether to
// call Wake.
func (q *Queue) Fail(e syscall.Errno) (wake bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.err = e
	wake = q.sleepers > 0 || q.ready != nil
	q.sleepers = 0
	return wake
}

// Pending returns and clears what Fail was told: for a writer to report.
func (q *Queue) Pending() syscall.Errno {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.err
	q.err = 0
	return e
}

// Simulated is the error of a call that would have to wait in simulated
// time, where nothing happens until the one who drives the clock goes on.
type Simulated struct{}

// Error implements error.
func (Simulated) Error() string {
	return "would block in simulated time: use a callback or a flow, or run the world in real time or a synctest bubble"
}
