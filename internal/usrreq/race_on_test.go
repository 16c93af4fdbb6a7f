//go:build race

package usrreq_test

const raceOn = true
