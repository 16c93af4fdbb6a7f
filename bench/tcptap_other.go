//go:build !linux

package main

// tapCases is empty where there are no TAP devices.
func tapCases() []Case { return nil }
