package sockbuf

import (
	"net"
	"sync"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// half is what both directions of a stream socket have: sleepers, a deadline and
// an end. Its lock is a leaf.
type half struct {
	clock clock.Clock

	mu       sync.Mutex
	cond     sync.Cond
	sleepers int32
	closed   bool   // by its own user
	late     bool   // the deadline has passed
	err      error  // how the stream ended, once nothing is left to be read
	ready    func() // see SetReady
	timeout  *timeout
}

func (h *half) init(c clock.Clock) {
	h.clock = c
	h.cond.L = &h.mu
}

// wait sleeps until somebody wakes the half, or says why it may not. mu is held.
func (h *half) wait() error {
	if h.clock.Simulated() {
		return Simulated{}
	}
	h.sleepers++
	h.cond.Wait()
	return nil
}

// rouse tells whether somebody must be woken, who is then no sleeper any
// more. mu is held.
func (h *half) rouse() bool {
	wake := h.sleepers > 0 || h.ready != nil
	h.sleepers = 0
	return wake
}

// Wake wakes who waits, and calls the function of SetReady. No lock may be held.
func (h *half) Wake() {
	h.cond.Broadcast()
	h.mu.Lock()
	ready := h.ready
	h.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// SetReady has f called, with no lock held, whenever the half may have become
// ready, and now. f must not block.
func (h *half) SetReady(f func()) {
	h.mu.Lock()
	h.ready = f
	h.mu.Unlock()
	if f != nil {
		f()
	}
}

// End says how the stream ended: err is what its user is told once he has had
// everything that came before. The first end counts. The caller calls Wake if told to.
func (h *half) End(err error) (wake bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return false
	}
	h.err = err
	return h.rouse()
}

// Close ends the half for its own user, whose calls fail with net.ErrClosed. It
// returns false where it was closed already. The caller calls Wake.
func (h *half) Close() bool {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return false
	}
	h.closed = true
	h.sleepers = 0
	t := h.timeout
	if t != nil {
		t.at = clock.Never
	}
	h.mu.Unlock()
	if t != nil {
		h.clock.Disarm(&t.Timer)
	}
	return true
}

// Closed tells whether Close was called.
func (h *half) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// timeout is the deadline of a half.
type timeout struct {
	clock.Timer
	h  *half
	at clock.Time
}

// Fire implements clock.Firer.
func (t *timeout) Fire(now clock.Time) {
	h := t.h
	h.mu.Lock()
	due := now >= t.at
	if due {
		h.late, t.at = true, clock.Never
		h.sleepers = 0
	}
	h.mu.Unlock()
	if due {
		h.cond.Broadcast()
	}
}

// SetDeadline makes calls fail after t; the zero Time means never.
func (h *half) SetDeadline(t time.Time) error {
	at := clock.Never
	if !t.IsZero() {
		at = h.clock.At(t)
	}
	now := h.clock.Now()
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return net.ErrClosed
	}
	if h.late = at <= now; h.late {
		at = clock.Never
		h.sleepers = 0
	}
	if h.timeout == nil {
		if at == clock.Never {
			late := h.late
			h.mu.Unlock()
			if late {
				h.cond.Broadcast()
			}
			return nil
		}
		h.timeout = &timeout{h: h}
		h.timeout.F = h.timeout
	}
	d := h.timeout
	d.at = at
	late := h.late
	h.mu.Unlock()
	if late {
		h.cond.Broadcast()
	}
	d.arm(at)
	return nil
}

// arm arms the timer for at, or for what another has set meanwhile: the last
// to arm it must not be the first to have set it.
func (t *timeout) arm(at clock.Time) {
	for {
		t.h.clock.Arm(&t.Timer, at)
		t.h.mu.Lock()
		now := t.at
		t.h.mu.Unlock()
		if now == at {
			return
		}
		at = now
	}
}

// Err returns how the stream ended, nil if it has not.
func (h *half) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
