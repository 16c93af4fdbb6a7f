//go:build unix

package main

import "syscall"

// apart lets a process live on when the terminal it was started from is closed.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
