//go:build race

package filter

const raceOn = true
