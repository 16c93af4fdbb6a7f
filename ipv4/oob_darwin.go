package ipv4

import "syscall"

// How the time to live of a received packet is told.
const (
	recvTTL    = syscall.IP_RECVTTL
	recvTTLLen = 1
)
