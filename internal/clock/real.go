package clock

import (
	"sync"
	"time"
)

// Real is package time's clock, and so a synctest bubble's when it is made
// inside one. All its timers share one wheel and one runtime timer. Timers
// fire one after another in a goroutine of the runtime's.
type Real struct {
	origin time.Time

	mu     sync.Mutex // a leaf: nothing is called while it is held
	wheel  wheel
	timer  *time.Timer // made at the first Arm
	wake   Time        // what timer is set to, Never when stopped
	firing bool        // a goroutine is in fire; it sets timer when done
}

// NewReal returns a clock whose origin is the present. It must be called
// inside the synctest bubble it is to be used in, if any.
func NewReal() *Real { return &Real{origin: time.Now(), wake: Never} }

// Now implements Clock.
func (c *Real) Now() Time { return Time(time.Since(c.origin)) }

// Wall implements Clock.
func (c *Real) Wall(t Time) time.Time { return c.origin.Add(time.Duration(t)) }

// At implements Clock.
func (c *Real) At(w time.Time) Time { return Time(w.Sub(c.origin)) }

// Simulated implements Clock: it is not.
func (c *Real) Simulated() bool { return false }

// Armed implements Clock.
func (c *Real) Armed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wheel.n
}

// Arm implements Clock.
func (c *Real) Arm(t *Timer, at Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wheel.disarm(t)
	if at == Never {
		return
	}
	c.wheel.arm(t, at)
	if !c.firing && at < c.wake {
		c.set(at)
	}
}

// Disarm implements Clock. The runtime timer is left as it is: at worst it
// wakes once for nothing.
func (c *Real) Disarm(t *Timer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wheel.disarm(t)
}

// set makes the runtime timer go off at the given moment. mu is held.
func (c *Real) set(at Time) {
	c.wake = at
	d := at.Sub(c.Now())
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.fire)
		return
	}
	c.timer.Reset(d)
}

func (c *Real) fire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.firing {
		return
	}
	c.firing = true
	for now := c.Now(); ; now = c.Now() {
		for t := c.wheel.pop(now); t != nil; t = c.wheel.pop(now) {
			c.mu.Unlock()
			t.F.Fire(now)
			c.mu.Lock()
		}
		if c.wheel.next() > now {
			break
		}
	}
	c.firing = false
	c.wake = Never
	if at := c.wheel.next(); at != Never {
		c.set(at)
	}
}
