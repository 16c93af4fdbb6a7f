package clock

import "time"

// Firer is told that a timer it armed has come due. Fire is called without
// any lock of the clock held, so it may arm and disarm timers. now is the
// clock's time at the call and is never before the moment armed for.
type Firer interface{ Fire(now Time) }

// Timer is one entry of a clock's wheel, embedded in what it wakes. The zero
// value is disarmed; F must be set before it is first armed. A Timer belongs
// to one clock and must not be copied while armed.
type Timer struct {
	F Firer

	when       Time
	next, prev *Timer
	slot       int16 // 1+level*slots+index while armed, else 0
}

// Armed tells whether t waits in its clock. It may be called only where the
// clock's methods may.
func (t *Timer) Armed() bool { return t.slot != 0 }

// When returns the moment t was last armed for.
func (t *Timer) When() Time { return t.when }

// Clock tells the time of one world and wakes what waits for a moment of it.
//
// Disarm does not wait for a Fire that has begun: whoever is fired tests its
// own state under its own lock.
type Clock interface {
	// Now returns the current moment.
	Now() Time
	// Arm sets t to fire at the given moment, instead of any moment it was
	// armed for before; at once, though never from within Arm, if that moment
	// has passed. Never disarms.
	Arm(t *Timer, at Time)
	// Disarm stops t and tells whether it was armed.
	Disarm(t *Timer) bool
	// Armed returns the number of armed timers.
	Armed() int
	// Wall returns the calendar time of t.
	Wall(t Time) time.Time
	// At returns the moment of a calendar time: the inverse of Wall.
	At(w time.Time) Time
	// Simulated tells whether time stands still until its driver moves it, so
	// that a call that blocks would never return.
	Simulated() bool
}
