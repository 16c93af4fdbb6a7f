package main

import (
	"runtime"
	"time"
)

// stopwatch adds up processor and wall time over the stretches it runs.
type stopwatch struct{ cpu, wall time.Duration }

// time runs f once and adds what it took.
func (s *stopwatch) time(f func() error) error {
	wall, cpu := time.Now(), cpuTime()
	err := f()
	s.cpu += cpuTime() - cpu
	s.wall += time.Since(wall)
	return err
}

// figure returns what the watch shows per operation, in the given unit.
func (s *stopwatch) figure(ops int, unit time.Duration) Figure {
	per := 1 / (float64(ops) * float64(unit))
	wall := float64(s.wall) * per
	return Figure{Value: float64(s.cpu) * per, Wall: &wall}
}

// mallocs returns how many heap objects this process has allocated so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// repeat runs step until the budget is used up and returns how often it ran;
// at least once.
func repeat(budget time.Duration, step func() error) (int, error) {
	start := time.Now()
	for n := 1; ; n++ {
		if err := step(); err != nil {
			return n, err
		}
		if time.Since(start) >= budget {
			return n, nil
		}
	}
}
