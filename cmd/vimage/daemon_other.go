//go:build !unix

package main

import "syscall"

// apart does nothing where there are no sessions.
func apart() *syscall.SysProcAttr { return nil }
