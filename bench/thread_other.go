//go:build !linux

package main

import "time"

const hasThreadTime = false

func threadTime() (time.Duration, error) {
	return 0, absence("the processor time of single threads is read on Linux only")
}
