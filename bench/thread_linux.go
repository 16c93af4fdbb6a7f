package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// hasThreadTime says that threadTime works here.
const hasThreadTime = true

// threadTime returns the processor time that the calling thread has used.
func threadTime() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}
