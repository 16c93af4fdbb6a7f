package main

import (
	"fmt"
	"io"
)

// Stream is one end of a TCP connection. Read and Write block, each for one
// goroutine; the two may be different ones.
type Stream = io.ReadWriteCloser

// TCPLink says how the hosts of Peer.TCP are joined, and what they are like.
type TCPLink struct {
	Plain  bool // no super-segments: every packet is one of the link's MTU
	Shards int  // parts of each host that work in parallel; 0 for the peer's usual number
	Flood  bool // TCPHosts.Flood is wanted
}

// TCPHosts opens connections between two hosts.
type TCPHosts struct {
	// Open makes a connection and returns its two ends: that which called and
	// that which accepted.
	Open func() (caller, callee Stream, err error)
	// Near, where it is not nil, is called by each of two goroutines that do
	// nothing but wait for each other, to have them run where that costs least.
	// Its result ends that.
	Near func() (leave func())
	// Flood hands the second host, from another link than that of the first, the
	// next n of synFlood's frames.
	Flood func(n int) error
}

// near runs f where waiting for another such goroutine costs least.
func (h TCPHosts) near(f func() error) error {
	if h.Near != nil {
		defer h.Near()()
	}
	return f()
}

const (
	tcpPort = 7000
	// tcpPorts is on how many ports, from tcpPort on, the second host listens.
	// Connections take them in turn, so that there are local ports enough for
	// 100,000 and for those in TIME-WAIT.
	tcpPorts   = 8
	tcpBacklog = 1024

	bulkWrite  = 256 << 10 // bytes given to one Write, and room for one Read
	ringBlock  = 64 << 10
	ringBlocks = 4 // the same window of 256 KiB
)

// inTurn returns a TCPHosts.Open that takes the ports in turn.
func inTurn(dial, accept func(i int) (Stream, error)) func() (Stream, Stream, error) {
	next := 0
	return func() (Stream, Stream, error) {
		i := next % tcpPorts
		next++
		a, err := dial(i)
		if err != nil {
			return nil, nil, fmt.Errorf("dial: %w", err)
		}
		b, err := accept(i)
		if err != nil {
			return nil, nil, fmt.Errorf("accept: %w", err)
		}
		return a, b, nil
	}
}
