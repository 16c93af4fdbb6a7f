// Package clock holds time as the stack uses it: a number of nanoseconds, a
// clock that tells it and fires timers at it, and the wheel behind both the
// real and the simulated clock.
//
// Rooms (internal/proto) see only Time: they are told what time it is and say
// when they want to be asked again.
package clock

import "time"

// Time is a moment, in nanoseconds since its clock's origin. It orders and
// subtracts like any integer; moments of different clocks do not compare.
type Time int64

// Never is later than any moment: the deadline of something that waits for
// nothing.
const Never Time = 1<<63 - 1

// Add returns t+d, or Never where that would overflow or t is Never.
func (t Time) Add(d time.Duration) Time {
	s := t + Time(d)
	if t == Never || d > 0 && s < t {
		return Never
	}
	return s
}

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }
