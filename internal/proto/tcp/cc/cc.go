package cc

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Window is what a Control steers. Who sends owns it, and changes Cwnd itself
// during recovery (RFC 6937bis), after a timeout and after idle time.
type Window struct {
	Cwnd     int // congestion window, bytes
	Ssthresh int // slow start threshold, bytes; Unlimited until the first congestion
	MSS      int // payload bytes of a full segment
}

// Unlimited is the slow start threshold of a path that has shown no congestion.
const Unlimited = 1<<31 - 1

// SlowStart tells whether the window is below its threshold.
func (w *Window) SlowStart() bool { return w.Cwnd < w.Ssthresh }

// Ack is what a Control learns from one acknowledgement.
type Ack struct {
	Now     clock.Time
	Bytes   int           // newly delivered, cumulatively or selectively
	RTT     time.Duration // this acknowledgement's round-trip time, 0 where it gave none
	SRTT    time.Duration // smoothed, 0 before the first sample
	Una     wire.Seq      // oldest number not acknowledged, after this acknowledgement
	Nxt     wire.Seq      // next new number to be sent
	HyStart bool          // leave slow start when delay rises (RFC 9406)
}

// Cause is why the window is reduced.
type Cause uint8

// Causes of a reduction.
const (
	Loss    Cause = iota // found by acknowledgements (RFC 5681 §3.2)
	Mark                 // ECN echo (RFC 3168 §6.1.2)
	Timeout              // of the retransmission timer (RFC 5681 §3.1)
)

// Control is a congestion control algorithm of one connection. It is a value
// with its own state: it reads no clock and keeps nothing it is passed.
//
// To add one, implement Control and give it a name in New. Recovery itself is
// not its business: it decides how the window grows and where it falls to.
type Control interface {
	// Name returns what New knows the algorithm by.
	Name() string
	// Acked lets w.Cwnd grow. It is called outside recovery only, and only
	// while the sender uses the window (RFC 7661 §4.3).
	Acked(w *Window, a *Ack)
	// Congestion sets w.Ssthresh for a congestion found at now, with flight
	// bytes in the network, and leaves w.Cwnd alone. It keeps what it
	// overwrites of its own state until the next call, for Undo.
	Congestion(w *Window, now clock.Time, flight int, why Cause)
	// Undo takes the last Congestion back: it was not one. The caller
	// restores w.
	Undo()
}

// Default is the name of the algorithm that New takes an unknown name for.
const Default = "cubic"

// Name returns the name of the algorithm with that number, as sysctls hold
// it: 0 cubic, 1 newreno.
func Name(n int) string {
	if n == 1 {
		return newReno
	}
	return Default
}

// New returns a new state of the algorithm of that name: cubic or newreno.
// Known tells which there are.
func New(name string) Control {
	if name == newReno {
		return reno{}
	}
	return new(Cubic)
}

// Known tells whether New has an algorithm of that name.
func Known(name string) bool { return name == newReno || name == Default }
