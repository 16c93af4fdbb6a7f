package clock

import "time"

// Sim is a discrete-event clock: its time moves only when its driver says so,
// from one timer to the next, and timers for the same moment fire in the order
// in which they were armed. One goroutine drives it and makes every call.
type Sim struct {
	now   Time
	wheel wheel
	fired uint64
}

// simOrigin is the calendar time of a Sim's zero: that of a synctest bubble.
const simOrigin = 946684800 // 2000-01-01T00:00:00Z

// NewSim returns a clock that stands at zero.
func NewSim() *Sim { return new(Sim) }

// Now implements Clock.
func (c *Sim) Now() Time { return c.now }

// Wall implements Clock.
func (c *Sim) Wall(t Time) time.Time { return time.Unix(simOrigin, int64(t)).UTC() }

// At implements Clock.
func (c *Sim) At(w time.Time) Time { return Time(w.Sub(time.Unix(simOrigin, 0))) }

// Simulated implements Clock: it is.
func (c *Sim) Simulated() bool { return true }

// Armed implements Clock.
func (c *Sim) Armed() int { return c.wheel.n }

// Arm implements Clock.
func (c *Sim) Arm(t *Timer, at Time) {
	c.wheel.disarm(t)
	if at != Never {
		c.wheel.arm(t, at)
	}
}

// Disarm implements Clock.
func (c *Sim) Disarm(t *Timer) bool { return c.wheel.disarm(t) }

// Fired returns how many timers have fired.
func (c *Sim) Fired() uint64 { return c.fired }

// Step moves to the first armed timer, if it is due at or before limit, and
// fires it. Otherwise it moves to limit (unless that is Never) and returns
// false.
func (c *Sim) Step(limit Time) bool {
	at := c.wheel.next()
	for at <= limit && at != Never {
		if t := c.wheel.pop(at); t != nil {
			c.now = max(c.now, at)
			c.fired++
			t.F.Fire(c.now)
			return true
		}
		at = c.wheel.next()
	}
	if limit != Never && limit > c.now {
		c.now = limit
		c.wheel.pop(c.now) // nothing is due: the wheel moves on as well
	}
	return false
}

// RunUntil fires every timer due at or before t, those armed meanwhile
// included, and leaves the clock at t.
func (c *Sim) RunUntil(t Time) {
	for c.Step(t) {
	}
}
