//go:build !race

package vimage_test

const raceOn = false
