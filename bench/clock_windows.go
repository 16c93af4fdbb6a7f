package main

import (
	"time"

	"golang.org/x/sys/windows"
)

// cpuTime returns the processor time this process has used, user and system,
// in all its threads.
func cpuTime() time.Duration {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return 0
	}
	ticks := uint64(kernel.HighDateTime)<<32 + uint64(kernel.LowDateTime) +
		uint64(user.HighDateTime)<<32 + uint64(user.LowDateTime)
	return time.Duration(ticks) * 100
}
