//go:build !linux && !darwin && !freebsd

package tester

import "runtime"

// MaxRSS returns the memory the Go runtime has got from the system, in bytes:
// the nearest there is where the kernel cannot be asked.
func MaxRSS() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}
