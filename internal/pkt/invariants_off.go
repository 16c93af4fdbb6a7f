//go:build !invariants

package pkt

const invariants = false
