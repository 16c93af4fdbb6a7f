package clock

import (
	"math/rand/v2"
	"sort"
	"testing"
	"testing/synctest"
	"time"
)

type recorder struct {
	Timer
	id  int
	log *[]fired
	at  Time
}

type fired struct {
	id       int
	due, now Time
}

func (r *recorder) Fire(now Time) { *r.log = append(*r.log, fired{r.id, r.at, now}) }

// TestSimOrder arms and disarms at random and compares what fires with a
// sorted list: by moment, then by the order of arming.
func TestSimOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		c := NewSim()
		var log []fired
		var want []fired
		span := int64(1) << (1 + rng.IntN(45))
		rs := make([]*recorder, 200)
		seq := make(map[int]int)
		n := 0
		for i := range rs {
			rs[i] = &recorder{id: i, log: &log}
			rs[i].F = rs[i]
		}
		arm := func(i int) {
			rs[i].at = c.now + Time(rng.Int64N(span))
			c.Arm(&rs[i].Timer, rs[i].at)
			n++
			seq[i] = n
		}
		for i := range rs {
			arm(i)
		}
		c.RunUntil(c.now + Time(rng.Int64N(span)))
		for range 100 {
			i := rng.IntN(len(rs))
			if rng.IntN(2) == 0 {
				was := rs[i].Armed()
				if c.Disarm(&rs[i].Timer) != was {
					t.Fatal("Disarm did not tell the truth")
				}
			} else {
				arm(i)
			}
		}
		log = nil
		for i, r := range rs {
			if r.Armed() {
				want = append(want, fired{i, r.at, r.at})
			}
		}
		sort.Slice(want, func(a, b int) bool {
			if want[a].due != want[b].due {
				return want[a].due < want[b].due
			}
			return seq[want[a].id] < seq[want[b].id]
		})
		if c.Armed() != len(want) {
			t.Fatalf("round %d: Armed() = %d, want %d", round, c.Armed(), len(want))
		}
		c.RunUntil(c.now + Time(span))
		if len(log) != len(want) {
			t.Fatalf("round %d: %d fired, want %d", round, len(log), len(want))
		}
		for i := range log {
			if log[i] != want[i] {
				t.Fatalf("round %d: event %d is %v, want %v", round, i, log[i], want[i])
			}
		}
		if c.Armed() != 0 || c.wheel.next() != Never {
			t.Fatal("the wheel is not empty at the end")
		}
	}
}

func TestSimPastAndNever(t *testing.T) {
	c := NewSim()
	c.RunUntil(1000)
	var log []fired
	r := &recorder{log: &log}
	r.F = r
	c.Arm(&r.Timer, 10)
	if len(log) != 0 {
		t.Fatal("fired from within Arm")
	}
	c.RunUntil(1000)
	if len(log) != 1 || log[0].now != 1000 {
		t.Fatalf("a past moment must fire now: %v", log)
	}
	c.Arm(&r.Timer, 1000)
	c.RunUntil(500)
	if len(log) != 1 || !r.Armed() || c.Now() != 1000 {
		t.Fatal("a limit in the past must change nothing")
	}
	c.Arm(&r.Timer, Never)
	if r.Armed() {
		t.Fatal("Never must disarm")
	}
	if c.Step(Never) || c.Now() != 1000 {
		t.Fatal("nothing to do must not move the clock to Never")
	}
}

func TestTimeSaturates(t *testing.T) {
	if Never.Add(time.Second) != Never || Never.Add(-time.Second) != Never || Time(Never-1).Add(time.Hour) != Never {
		t.Fatal("Never must absorb")
	}
}

// TestRealInBubble shows that virtual time is exact to the nanosecond.
func TestRealInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewReal()
		var log []fired
		rs := make([]recorder, 1000)
		for i := range rs {
			rs[i] = recorder{id: i, log: &log, at: Time(time.Hour)*Time(i%7) + Time(i)*1_000_003}
			rs[i].F = &rs[i]
			c.Arm(&rs[i].Timer, rs[i].at)
		}
		c.Disarm(&rs[999].Timer)
		<-time.After(8 * time.Hour)
		synctest.Wait()
		if len(log) != 999 {
			t.Fatalf("%d fired, want 999", len(log))
		}
		for _, f := range log {
			if f.now != f.due {
				t.Fatalf("timer %d due %d fired at %d", f.id, f.due, f.now)
			}
		}
		if got := c.At(c.Wall(12345)); got != 12345 {
			t.Fatalf("At(Wall(12345)) = %d", got)
		}
	})
}

// rearm fires n times, each time for the very next moment.
type rearm struct {
	Timer
	c Clock
	n int
}

func (r *rearm) Fire(now Time) {
	if r.n--; r.n > 0 {
		r.c.Arm(&r.Timer, now)
	}
}

func TestRealRearmsFromFire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rearm{c: NewReal(), n: 100}
		r.F = r
		r.c.Arm(&r.Timer, 0)
		synctest.Wait()
		if r.n != 0 {
			t.Fatalf("%d left to fire", r.n)
		}
	})
}

func BenchmarkArmDisarm(b *testing.B) {
	c := NewSim()
	ts := make([]Timer, 10000)
	for i := range ts {
		c.Arm(&ts[i], Time(i)*1e6)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.Arm(&ts[i%len(ts)], Time(i)*1e3)
	}
}
