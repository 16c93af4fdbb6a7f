package cc

import (
	"math"
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
)

const (
	mss = 1000
	rtt = 100 * time.Millisecond
)

// avoid acknowledges windows in congestion avoidance, from a congestion at
// cwnd on, and calls each with what the window is t after its end.
func avoid(c *Cubic, w *Window, now clock.Time, rounds int, each func(t time.Duration)) {
	start := now
	for range rounds {
		each(now.Sub(start))
		n := w.Cwnd / mss
		for i := range n {
			at := now.Add(rtt * time.Duration(i) / time.Duration(n))
			c.Acked(w, &Ack{Now: at, Bytes: mss, SRTT: rtt, RTT: rtt})
		}
		now = now.Add(rtt)
	}
}

// RFC 9438 §4.2, figure 1: the window follows C·(t-K)³ + W_max, a round trip
// behind at most.
func TestRFC9438Curve(t *testing.T) {
	const before = 1000 * mss
	c := new(Cubic)
	w := Window{Cwnd: before, Ssthresh: before, MSS: mss}
	now := clock.Time(time.Second)
	c.Congestion(&w, now, before, Loss)
	if w.Ssthresh != before*7/10 {
		t.Fatalf("threshold %d, not 0.7 of %d (§4.6)", w.Ssthresh, before)
	}
	w.Cwnd = w.Ssthresh
	k := math.Cbrt(0.3 * 1000 / 0.4)
	worst := 0.0
	avoid(c, &w, now, 200, func(d time.Duration) {
		at := func(s float64) float64 { return mss * (0.4*math.Pow(s-k, 3) + 1000) }
		got := float64(w.Cwnd)
		lo, hi := at(d.Seconds()-rtt.Seconds()), at(d.Seconds()+rtt.Seconds())
		if d > 0 && (got < lo*0.98 || got > hi*1.02) {
			t.Fatalf("after %v the window is %.0f, not of [%.0f, %.0f]", d, got, lo, hi)
		}
		worst = max(worst, math.Abs(got/at(d.Seconds())-1))
	})
	t.Logf("at most %.2f %% off over 20 s", worst*100)
	if w.Cwnd < before*3/2 {
		t.Errorf("it never became convex: %d", w.Cwnd)
	}
}

// RFC 9438 §4.3: where Reno would be faster, the window is Reno's: α = 9/17 a
// round trip until the window before the congestion, one segment after it.
func TestRFC9438RenoFriendly(t *testing.T) {
	const before = 20 * mss
	const short = 2 * time.Millisecond
	c := new(Cubic)
	w := Window{Cwnd: before, Ssthresh: before, MSS: mss}
	now := clock.Time(time.Second)
	c.Congestion(&w, now, before, Loss)
	w.Cwnd = w.Ssthresh
	round := func() {
		n := w.Cwnd / mss
		for i := range n {
			c.Acked(&w, &Ack{Now: now.Add(short * time.Duration(i) / time.Duration(n)), Bytes: mss, SRTT: short})
		}
		now = now.Add(short)
	}
	was := w.Cwnd
	for range 6 {
		round()
	}
	if got := float64(w.Cwnd-was) / 6 / mss; got < 0.48 || got > 0.54 {
		t.Errorf("%.3f segments per round trip, not 9/17", got)
	}
	for w.Cwnd < before {
		round()
	}
	was = w.Cwnd
	for range 6 {
		round()
	}
	if got := float64(w.Cwnd-was) / 6 / mss; got < 0.9 || got > 1.03 {
		t.Errorf("%.3f segments per round trip beyond W_max, not 1", got)
	}
}

// RFC 9438 §4.7: a flow that did not reach its last maximum makes room.
func TestRFC9438FastConvergence(t *testing.T) {
	c := new(Cubic)
	w := Window{Cwnd: 100 * mss, Ssthresh: 1, MSS: mss}
	c.Congestion(&w, 0, w.Cwnd, Loss)
	if c.max != 100*mss {
		t.Error("W_max is", c.max)
	}
	w.Cwnd = 80 * mss
	c.Congestion(&w, 0, w.Cwnd, Loss)
	if c.max != 68*mss || w.Ssthresh != 56*mss {
		t.Error("W_max is", c.max, "threshold", w.Ssthresh)
	}
}

// RFC 9438 §4.8: after a timeout K is 0 and W_max where congestion avoidance
// begins: the window grows at once, and not up a curve to where it was.
func TestRFC9438Timeout(t *testing.T) {
	c := new(Cubic)
	w := Window{Cwnd: 1000 * mss, Ssthresh: 1, MSS: mss}
	now := clock.Time(time.Second)
	c.Congestion(&w, now, w.Cwnd, Timeout)
	w.Cwnd = w.Ssthresh
	avoid(c, &w, now, 20, func(time.Duration) {})
	if c.k != 0 || c.max != 700*mss {
		t.Error("K is", c.k, "W_max", c.max)
	}
	if w.Cwnd > 800*mss {
		t.Errorf("%d after 2 s: that is the curve of a loss", w.Cwnd)
	}
}

// RFC 9438 §4.2, §5.8: time in which the window was not used is none of the
// curve's.
func TestRFC9438Unused(t *testing.T) {
	curve := func(idle time.Duration) int {
		c := new(Cubic)
		w := Window{Cwnd: 1000 * mss, Ssthresh: 1, MSS: mss}
		now := clock.Time(time.Second)
		c.Congestion(&w, now, w.Cwnd, Loss)
		w.Cwnd = w.Ssthresh
		avoid(c, &w, now, 20, func(time.Duration) {})
		avoid(c, &w, now.Add(20*rtt+idle), 20, func(time.Duration) {})
		return w.Cwnd
	}
	if a, b := curve(0), curve(time.Minute); b < a*95/100 || b > a*105/100 {
		t.Errorf("%d without a pause, %d with one", a, b)
	}
}

// RFC 9438 §4.9: what Undo restores is the curve.
func TestRFC9438Undo(t *testing.T) {
	c := new(Cubic)
	w := Window{Cwnd: 100 * mss, Ssthresh: 1, MSS: mss}
	c.Congestion(&w, 0, w.Cwnd, Loss)
	was := c.curve
	w.Cwnd = 70 * mss
	c.Congestion(&w, 0, w.Cwnd, Loss)
	c.Undo()
	if c.curve != was {
		t.Error(c.curve, was)
	}
}

func TestCubeRoot(t *testing.T) {
	for _, y := range []uint64{0, 1, 2, 3, 10, 1000, 1625, 1 << 20, 2642245} {
		for _, d := range []int{-1, 0, 1} {
			x := uint64(int64(y*y*y) + int64(d))
			if y == 0 && d < 0 || y == 2642245 && d > 0 {
				continue
			}
			got := cbrt(x)
			if got*got*got > x || got < 2642245 && (got+1)*(got+1)*(got+1) <= x {
				t.Errorf("the cube root of %d is not %d", x, got)
			}
		}
	}
}

// Extremes do not overflow.
func TestExtremes(t *testing.T) {
	for _, name := range []string{"cubic", "newreno"} {
		for _, seg := range []int{1, 536, 65495} {
			c := New(name)
			w := Window{Cwnd: 10 * seg, Ssthresh: Unlimited, MSS: seg}
			now := clock.Time(1)
			for i := range 2000 {
				c.Acked(&w, &Ack{Now: now, Bytes: w.Cwnd, SRTT: time.Hour, RTT: time.Hour, HyStart: i%2 == 0})
				if w.Cwnd < seg || w.Cwnd > Unlimited {
					t.Fatalf("%s: window %d", name, w.Cwnd)
				}
				now = now.Add(time.Duration(i) * time.Hour)
				if i%7 == 6 {
					c.Congestion(&w, now, w.Cwnd, Cause(i%3))
					if w.Ssthresh < 2*seg {
						t.Fatalf("%s: threshold %d", name, w.Ssthresh)
					}
					if i%2 == 0 {
						w.Cwnd = w.Ssthresh
					}
				}
			}
		}
	}
}

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Cubic{}); n > 96 {
		t.Errorf("%d bytes for each connection", n)
	}
}

func TestNoAllocations(t *testing.T) {
	for _, name := range []string{"cubic", "newreno"} {
		c := New(name)
		w := Window{Cwnd: 100 * mss, Ssthresh: 100 * mss, MSS: mss}
		a := Ack{Now: 1, Bytes: mss, SRTT: rtt}
		if n := testing.AllocsPerRun(100, func() {
			a.Now = a.Now.Add(time.Millisecond)
			c.Acked(&w, &a)
			c.Congestion(&w, a.Now, w.Cwnd, Loss)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// RFC 5681 §3.1: a segment per round trip; half of what is in flight.
func TestRFC5681Avoidance(t *testing.T) {
	c := New("newreno")
	w := Window{Cwnd: 50 * mss, Ssthresh: 50 * mss, MSS: mss}
	for range 50 {
		c.Acked(&w, &Ack{Bytes: mss})
	}
	if w.Cwnd < 50*mss+950 || w.Cwnd > 51*mss {
		t.Error("after a round trip the window is", w.Cwnd)
	}
	c.Congestion(&w, 0, 40*mss, Loss)
	if w.Ssthresh != 20*mss {
		t.Error("threshold", w.Ssthresh)
	}
	c.Congestion(&w, 0, 3*mss, Loss)
	if w.Ssthresh != 2*mss {
		t.Error("threshold", w.Ssthresh)
	}
}

func BenchmarkAcked(b *testing.B) {
	for _, name := range []string{"cubic", "newreno"} {
		b.Run(name, func(b *testing.B) {
			c := New(name)
			w := Window{Cwnd: 100 * mss, Ssthresh: 100 * mss, MSS: mss}
			a := Ack{Now: 1, Bytes: mss, SRTT: rtt}
			b.ReportAllocs()
			for i := range b.N {
				a.Now = a.Now.Add(time.Millisecond)
				c.Acked(&w, &a)
				if i%1000 == 0 {
					w.Cwnd = 100 * mss
				}
			}
		})
	}
}
