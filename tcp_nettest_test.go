package vimage_test

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"github.com/seed88948545/vimage/internal/control/stacktest"
	"github.com/seed88948545/vimage/lab"
	"github.com/seed88948545/vimage/link"
)

// TestTCPNettest holds connections to package net's promises, TCP_REPEATS times
// (.ci/soak): over a cable and within a stack in real time, and in a bubble over
// a link that takes time. Some of it sends without end until a moment comes,
// which without such a link never would.
func TestTCPNettest(t *testing.T) {
	stacktest.Several(t)
	slow := lab.LinkConfig{FaultConfig: link.FaultConfig{Delay: time.Millisecond}}
	for range fromEnv(t, "TCP_REPEATS", 1) {
		t.Run("cable", func(t *testing.T) { nettest.TestConn(t, tcpPipe(t, false, lab.LinkConfig{})) })
		t.Run("loopback", func(t *testing.T) { nettest.TestConn(t, tcpPipe(t, true, lab.LinkConfig{})) })
		// The bubble's own T may not run subtests, the one outside may: they
		// then run in the bubble.
		t.Run("bubble", func(t *testing.T) {
			synctest.Test(t, func(*testing.T) { nettest.TestConn(t, tcpPipe(t, false, slow)) })
		})
	}
}

// tcpPipe makes connections, each in a world of its own that is gone when the
// connection is.
func tcpPipe(t *testing.T, local bool, c lab.LinkConfig) nettest.MakePipe {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		n := lab.Open(lab.Config{})
		a, b := n.Host("a"), n.Host("b")
		n.Link(a, b, c)
		if local {
			a = b
		}
		x, y := connected(t, a, b)
		return x, y, func() {
			x.Close()
			y.Close()
			n.Close()
			wantNoBuffers(t, n.World)
		}, nil
	}
}
