//go:build linux || darwin || freebsd

package tester

import (
	"runtime"
	"syscall"
	"time"
)

// CPU returns how long the process has been running, on all CPUs together.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MaxRSS returns the most memory the process has had, in bytes, by the kernel's
// count.
func MaxRSS() uint64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	n := uint64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		n *= 1024 // kibibytes everywhere else
	}
	return n
}
