//go:build !linux && !darwin && !freebsd

package tester

import (
	"runtime"
	"time"
)

// MaxRSS returns the memory the Go runtime has got from the system, in bytes:
// the nearest there is where the kernel cannot be asked.
func MaxRSS() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// CPU returns 0: the kernel cannot be asked.
func CPU() time.Duration { return 0 }
