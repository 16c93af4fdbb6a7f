//go:build race

package vnet

const raceOn = true
