package cc

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the snapshots in testdata")

const mss = 1448

func TestNames(t *testing.T) {
	for i, want := range []string{"cubic", "newreno", "cubic"} {
		if got := Name(i); got != want {
			t.Errorf("Name(%d) = %q", i, got)
		}
		if got := New(want).Name(); got != want || !Known(want) {
			t.Errorf("New(%q) is %q", want, got)
		}
	}
	if Known("bbr") || New("bbr").Name() != Default {
		t.Error("bbr is known")
	}
}

func TestCbrt(t *testing.T) {
	for _, x := range []uint64{0, 1, 7, 8, 26, 27, 1<<62 + 12345, math.MaxUint64} {
		y := cbrt(x)
		if y*y*y > x || y < 2642245 && (y+1)*(y+1)*(y+1) <= x {
			t.Errorf("cbrt(%d) = %d", x, y)
		}
	}
}

// TestRFC9438_4_2_Formula compares the window of an epoch with the formula in
// floating point: W_cubic(t) = C·(t-K)³ + W_max, K = ∛((W_max-cwnd)/C).
func TestRFC9438_4_2_Formula(t *testing.T) {
	for _, segments := range []int{30, 100, 1000, 20000} {
		for _, size := range []int{536, mss, 8948} {
			c := &Cubic{}
			w := &Window{Cwnd: segments * size, Ssthresh: segments * size, MSS: size}
			c.Congestion(w, 0, w.Cwnd, Loss)
			w.Cwnd = w.Ssthresh
			c.begin(w, clock.Time(time.Second))
			wmax, epoch := float64(c.max)/float64(size), float64(w.Cwnd)/float64(size)
			k := math.Cbrt((wmax - epoch) / 0.4)
			for s := 0.0; s < 3*k; s += k / 7 {
				want := 0.4*math.Pow(s-k, 3) + wmax
				got := float64(c.at(w, int64(s*1e9)>>tick)) / float64(size)
				// a tick is a millisecond: that much of the slope may be missing
				if slack := 0.02 + 0.003*1.2*math.Pow(s-k, 2); math.Abs(got-want) > slack {
					t.Errorf("%d segments of %d, %.3f s: %.3f, want %.3f", segments, size, s, got, want)
				}
			}
		}
	}
}

// TestRFC9438_4_6 is the reduction, and §4.7 fast convergence.
func TestRFC9438_4_6_Reduction(t *testing.T) {
	c, w := New("cubic").(*Cubic), &Window{Cwnd: 100 * mss, Ssthresh: Unlimited, MSS: mss}
	c.Congestion(w, 0, 100*mss, Loss)
	if w.Ssthresh != 70*mss || w.Cwnd != 100*mss || c.max != 100*mss {
		t.Errorf("first: %+v, W_max %d", w, c.max)
	}
	w.Cwnd = 80 * mss
	c.Congestion(w, 0, 80*mss, Loss)
	if w.Ssthresh != 56*mss || c.max != 68*mss {
		t.Errorf("fast convergence: %+v, W_max %d", w, c.max)
	}
	c.Undo()
	if c.max != 100*mss {
		t.Errorf("undone: W_max %d", c.max)
	}
	c.Congestion(w, 0, mss, Timeout)
	if w.Ssthresh != 2*mss {
		t.Errorf("least: %+v", w)
	}
}

// rounds drives a Control by round trips without loss, as many acknowledgements
// as there are pairs of segments, and calls each after each round.
func rounds(c Control, w *Window, n int, rtt func(round int) time.Duration, each func(round int)) {
	now, una := clock.Time(time.Second), wire.Seq(0)
	for i := range n {
		flight := w.Cwnd / mss * mss
		nxt := una.Add(flight)
		d := rtt(i)
		for left := flight; left > 0; left -= 2 * mss {
			k := min(left, 2*mss)
			una = una.Add(k)
			c.Acked(w, &Ack{Now: now, Bytes: k, RTT: d, SRTT: d, Una: una, Nxt: nxt.Add(flight - left + k), HyStart: true})
			now = now.Add(d * time.Duration(k) / time.Duration(flight))
		}
		each(i)
	}
}

func steady(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }

// TestRFC5681_3_1: NewReno doubles in slow start, then grows by a segment per
// round trip, and halves.
func TestRFC5681_3_1(t *testing.T) {
	c, w := New("newreno"), &Window{Cwnd: 10 * mss, Ssthresh: 80 * mss, MSS: mss}
	var got []int
	rounds(c, w, 6, steady(10*time.Millisecond), func(int) { got = append(got, w.Cwnd/mss) })
	if s := fmt.Sprint(got); s != "[20 40 80 80 81 82]" {
		t.Errorf("windows %s", s)
	}
	c.Congestion(w, 0, 82*mss, Loss)
	if w.Ssthresh != 41*mss {
		t.Errorf("halved: %+v", w)
	}
}

// TestRFC9438_4_3: where the curve is slower than Reno, the window is Reno's:
// by α a round trip until the window of before, then by a segment.
func TestRFC9438_4_3_Friendly(t *testing.T) {
	c, w := New("cubic").(*Cubic), &Window{Cwnd: 20 * mss, Ssthresh: 20 * mss, MSS: mss}
	c.Congestion(w, 0, w.Cwnd, Loss)
	w.Cwnd = w.Ssthresh
	from := w.Cwnd
	rounds(c, w, 17, steady(time.Millisecond), func(i int) {
		want := float64(from)/mss + float64(i+1)*9/17
		if got := float64(w.Cwnd) / mss; i < 11 && math.Abs(got-want) > 0.5 {
			t.Errorf("round %d: %.2f segments, want %.2f", i, got, want)
		}
	})
	if got := float64(w.Cwnd) / mss; got < 23 || got > 27 {
		t.Errorf("in the end %.2f segments", got)
	}
}

// TestRFC9438_5_8: idle time is no time of the curve's.
func TestRFC9438_5_8_Idle(t *testing.T) {
	c, w := New("cubic").(*Cubic), &Window{Cwnd: 100 * mss, Ssthresh: 100 * mss, MSS: mss}
	c.Congestion(w, 0, w.Cwnd, Loss)
	w.Cwnd = w.Ssthresh
	c.Acked(w, &Ack{Now: 1e9, Bytes: mss, SRTT: 1e7})
	c.Resumed(time.Hour)
	c.Acked(w, &Ack{Now: clock.Time(1e9 + time.Hour), Bytes: mss, SRTT: 1e7})
	if w.Cwnd > 71*mss {
		t.Errorf("%d after an hour", w.Cwnd)
	}
}

// TestRFC9406_4_2 records slow start over paths whose delay rises, rises for a
// while, or does not.
func TestRFC9406_4_2(t *testing.T) {
	var b strings.Builder
	for _, p := range []struct {
		name string
		rtt  func(int) time.Duration
	}{
		{"steady 40 ms", steady(40 * time.Millisecond)},
		{"3 ms more every round: below the threshold of 5 ms", func(i int) time.Duration { return time.Duration(40+3*i) * time.Millisecond }},
		{"6 ms more every round", func(i int) time.Duration { return time.Duration(40+6*i) * time.Millisecond }},
		{"10 ms more from round 3 on", func(i int) time.Duration { return time.Duration(40+10*min(i/3, 1)) * time.Millisecond }},
		{"10 ms more in round 3 only", func(i int) time.Duration {
			if i == 3 {
				return 50 * time.Millisecond
			}
			return 40 * time.Millisecond
		}},
	} {
		c, w := New("cubic"), &Window{Cwnd: 16 * mss, Ssthresh: Unlimited, MSS: mss}
		fmt.Fprintf(&b, "%s:", p.name)
		rounds(c, w, 12, p.rtt, func(int) {
			mark := ""
			if !w.SlowStart() {
				mark = "*"
			} else if c.(*Cubic).baseline != 0 {
				mark = "c"
			}
			fmt.Fprintf(&b, " %d%s", w.Cwnd/mss, mark)
		})
		b.WriteString("\n")
	}
	const file = "testdata/rfc9406-4.2-hystart.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want, _ := os.ReadFile(file); string(want) != b.String() {
		t.Errorf("%s differs; now it is:\n%s", file, b.String())
	}
}

// TestLimits: no window overflows or vanishes.
func TestLimits(t *testing.T) {
	for _, name := range []string{"cubic", "newreno"} {
		for _, size := range []int{1, mss, 65535} {
			c, w := New(name), &Window{Cwnd: Unlimited - 10, Ssthresh: 2 * size, MSS: size}
			for i := range 1000 {
				c.Acked(w, &Ack{Now: clock.Time(i) * clock.Time(time.Hour), Bytes: 1 << 30, SRTT: time.Hour})
				if w.Cwnd < size || w.Cwnd > Unlimited+65535 {
					t.Fatalf("%s, %d: %+v", name, size, w)
				}
				if i%10 == 0 {
					c.Congestion(w, 0, w.Cwnd, Loss)
					w.Cwnd = w.Ssthresh
				}
			}
		}
	}
}

func BenchmarkAcked(b *testing.B) {
	for _, name := range []string{"cubic", "newreno"} {
		b.Run(name, func(b *testing.B) {
			c, w := New(name), &Window{Cwnd: 100 * mss, Ssthresh: 100 * mss, MSS: mss}
			c.Congestion(w, 0, w.Cwnd, Loss)
			w.Cwnd = w.Ssthresh
			a := Ack{Bytes: 2 * mss, SRTT: time.Millisecond}
			for b.Loop() {
				a.Now += 1000
				c.Acked(w, &a)
			}
		})
	}
}
