//go:build !race

package vnet_test

const raceOn = false
