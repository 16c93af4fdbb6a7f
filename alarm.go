package vimage

import (
	"context"

	"github.com/seed88948545/vimage/internal/clock"
)

// alarm wakes one goroutine at a moment of a world's time, or when something
// happens.
type alarm struct {
	clock.Timer
	clock clock.Clock
	bell  chan struct{}
}

func newAlarm(c clock.Clock) *alarm {
	a := &alarm{clock: c, bell: make(chan struct{}, 1)}
	a.F = a
	return a
}

// Fire implements clock.Firer.
func (a *alarm) Fire(clock.Time) { a.ring() }

// ring wakes who waits, or who waits next.
func (a *alarm) ring() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// wait returns when the bell has rung, at the given moment, or when ctx ends;
// and sometimes for no reason.
func (a *alarm) wait(ctx context.Context, until clock.Time) {
	a.clock.Arm(&a.Timer, until)
	select {
	case <-a.bell:
	case <-ctx.Done():
	}
}

func (a *alarm) stop() { a.clock.Disarm(&a.Timer) }

// clock returns the world's.
func (s *Stack) clock() clock.Clock { return s.st.World().Clock() }
