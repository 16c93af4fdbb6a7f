package cc

import (
	"math/bits"

	"github.com/seed88948545/vimage/internal/clock"
)

// Constants of RFC 9438: β = 0.7 (§4.6), C = 0.4 segments/s³ (§5), and
// α = 3·(1-β)/(1+β) = 9/17 (§4.3).
const (
	betaNum, betaDen   = 7, 10
	alphaNum, alphaDen = 9, 17
	cNum, cDen         = 2, 5
)

// tick is the unit of CUBIC's time: 2^20 ns, about a millisecond. A second is
// 1e9/2^20 ≈ 953.67 ticks.
const tick = 20

// perSecond3 is the cube of a second in ticks.
const perSecond3 = 867361738

// curve is what CUBIC knows of the last congestion.
type curve struct {
	max   int32      // W_max: the window that the plateau lies at, bytes
	prior int32      // cwnd before the reduction
	k     int32      // ticks from the epoch to the plateau
	epoch clock.Time // start of this congestion avoidance, less what does not count; 0 before it
}

// Cubic is RFC 9438's congestion control with RFC 9406's slow start. Its zero
// value is a new connection's.
type Cubic struct {
	curve
	saved curve      // before the last congestion, for Undo
	est   int32      // W_est: what Reno would have, bytes
	rest  int32      // of est's growth, below a byte
	owed  int64      // of the window's growth, below a byte, times the window
	last  clock.Time // the window could grow
	hystart
}

// Name returns the name that New knows it by.
func (c *Cubic) Name() string { return Default }

// Acked grows the window: in slow start as HyStart++ allows, then along the
// cubic curve.
func (c *Cubic) Acked(w *Window, a *Ack) {
	n := a.Bytes
	if w.SlowStart() {
		if a.HyStart {
			if n = c.hystart.acked(w, a); n == 0 {
				return
			}
		}
		if n = slowStart(w, n); n == 0 {
			return
		}
	}
	c.avoid(w, a, n)
}

// avoid is congestion avoidance for n delivered bytes.
func (c *Cubic) avoid(w *Window, a *Ack, n int) {
	switch gap := a.Now.Sub(c.last); {
	case c.epoch == 0:
		c.begin(w, a.Now)
	case gap > 2*a.SRTT: // the window was not in use: no time of the curve's (§4.2, §5.8)
		c.epoch = min(c.epoch.Add(gap), a.Now)
	}
	c.last = a.Now
	cwnd := int64(w.Cwnd)
	c.reno(w, int64(n))
	t := int64(a.Now-c.epoch) >> tick
	if est := int64(c.est); c.at(w, t) < est { // Reno-friendly region (§4.3)
		w.Cwnd = max(w.Cwnd, int(est))
		return
	}
	// Concave and convex regions (§4.4, §4.5): towards where the curve is in
	// a round trip.
	target := c.at(w, t+int64(a.SRTT)>>tick)
	target = min(max(target, cwnd), cwnd+cwnd/2) // §4.2
	c.owed += (target - cwnd) * int64(n)
	grow := c.owed / cwnd
	c.owed -= grow * cwnd
	w.Cwnd = min(w.Cwnd+int(grow), Unlimited)
}

// begin starts an epoch (§4.2, §4.8).
func (c *Cubic) begin(w *Window, now clock.Time) {
	c.epoch, c.est, c.rest, c.owed = now, int32(w.Cwnd), 0, 0
	if int(c.max) <= w.Cwnd { // beyond the plateau, or no congestion yet
		c.max, c.k = int32(w.Cwnd), 0
		return
	}
	// K = ∛((W_max-cwnd)/C) seconds, in ticks.
	x := uint64(int(c.max)-w.Cwnd) * cDen / cNum
	hi, lo := bits.Mul64(x, perSecond3)
	q, _ := bits.Div64(hi, lo, uint64(w.MSS)) // hi is below 6
	c.k = int32(cbrt(q))
}

// at returns W_cubic(t), bytes: C·(t-K)³ + W_max (§4.2).
func (c *Cubic) at(w *Window, t int64) int64 {
	d := t - int64(c.k)
	neg := d < 0
	if neg {
		d = -d
	}
	d = min(d, 1<<20) // 18 minutes: enough for any window
	// C·MSS·d³/S³, where S³·5 = 4,336,808,690.
	hi, lo := bits.Mul64(uint64(d*d*d), uint64(w.MSS)*cNum)
	q, _ := bits.Div64(hi, lo, cDen*perSecond3)
	off := int64(min(q, Unlimited))
	if neg {
		return int64(c.max) - off
	}
	return min(int64(c.max)+off, Unlimited)
}

// reno grows the estimate of what Reno would have (§4.3).
func (c *Cubic) reno(w *Window, n int64) {
	num, den := int64(alphaNum), int64(alphaDen)
	if c.est >= c.prior { // Reno has caught up: it grows by a segment
		num, den = 1, 1
	}
	grown := num*n*int64(w.MSS) + int64(c.rest)
	per := den * int64(w.Cwnd)
	c.est = int32(min(int64(c.est)+grown/per, Unlimited))
	c.rest = int32(min(grown%per, 1<<31-1))
}

// Congestion remembers where it happened (§4.6, §4.7) and reduces by β.
func (c *Cubic) Congestion(w *Window, _ clock.Time, flight int, why Cause) {
	c.saved = c.curve
	c.hystart.done = true                 // RFC 9406 §4.3: in the first slow start only
	at := min(w.Cwnd, max(flight, w.MSS)) // §4.6: not what was never used
	c.prior = int32(at)
	if at < int(c.max) { // fast convergence: others need room
		at = at * (betaDen + betaNum) / (2 * betaDen)
	}
	if why == Timeout { // §4.8: the curve begins at the window where slow start ends
		at = 0
	}
	c.max, c.epoch = int32(at), 0
	w.Ssthresh = max(int(c.prior)*betaNum/betaDen, 2*w.MSS)
}

// Undo returns to the curve before the last congestion (§4.9).
func (c *Cubic) Undo() { c.curve = c.saved }

// cbrt returns the integer part of x's cube root, digit by digit.
func cbrt(x uint64) uint64 {
	var y uint64
	for s := 63; s >= 0; s -= 3 {
		y *= 2
		b := 3*y*(y+1) + 1
		if x>>uint(s) >= b {
			x -= b << uint(s)
			y++
		}
	}
	return y
}
