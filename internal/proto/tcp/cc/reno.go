package cc

import "github.com/seed88948545/vimage/internal/clock"

const newReno = "newreno"

// reno is RFC 5681's congestion control. It keeps nothing but the window.
type reno struct{}

func (reno) Name() string { return newReno }

func (reno) Acked(w *Window, a *Ack) {
	n := a.Bytes
	if w.SlowStart() {
		n = slowStart(w, n)
	}
	if n > 0 {
		w.Cwnd += increase(w, n)
	}
}

// slowStart grows w by n bytes, up to the threshold, and returns what of n is
// left (RFC 5681 §3.1).
//
// Deviation: RFC 5681 and RFC 3465 count at most two segments of an
// acknowledgement. Receivers that take in super-segments acknowledge dozens of
// segments at once, which would make slow start linear; what they acknowledge
// has left the network all the same.
func slowStart(w *Window, n int) int {
	grow := min(n, w.Ssthresh-w.Cwnd)
	w.Cwnd += grow
	return n - grow
}

// increase returns MSS·n/cwnd, about a segment per round trip (RFC 5681 §3.1,
// formula 3), at least one byte.
func increase(w *Window, n int) int {
	return min(max(w.MSS*n/w.Cwnd, 1), w.MSS)
}

// Congestion halves (RFC 5681 §3.1, formula 4).
func (reno) Congestion(w *Window, _ clock.Time, flight int, _ Cause) {
	w.Ssthresh = max(flight/2, 2*w.MSS)
}

func (reno) Undo() {}
