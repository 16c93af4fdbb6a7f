package link

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// TestFaultSet changes the cable while frames are on it.
func TestFaultSet(t *testing.T) {
	t.Run("a faster rate empties the queue", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Rate: 8_000}) // a second for each
		send(g.s, g.f.A(), 0, 5, 1000)
		g.sim.RunUntil(1500 * ms)
		g.set(t, FaultConfig{Rate: 8_000_000})
		g.sim.RunUntil(1505 * ms)
		g.arrivals(t, 1000*ms, 1501*ms, 1502*ms, 1503*ms, 1504*ms)
		g.close(t)
	})
	t.Run("no rate at all too", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Rate: 8_000})
		send(g.s, g.f.A(), 0, 5, 1000)
		g.sim.RunUntil(1500 * ms)
		g.set(t, FaultConfig{})
		g.arrivals(t, 1000*ms, 1500*ms, 1500*ms, 1500*ms, 1500*ms)
		g.close(t)
	})
	t.Run("a slower rate lets the first go on", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Rate: 8_000_000})
		send(g.s, g.f.A(), 0, 2, 1000)
		g.set(t, FaultConfig{Rate: 8_000})
		g.sim.RunUntil(2000 * ms)
		g.arrivals(t, 1*ms, 1001*ms)
		g.close(t)
	})
	t.Run("a shorter delay keeps the order", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Delay: time.Second})
		send(g.s, g.f.A(), 0, 1, 1000)
		g.set(t, FaultConfig{})
		send(g.s, g.f.A(), 1, 2, 1000)
		g.sim.RunUntil(2000 * ms)
		send(g.s, g.f.A(), 2, 3, 1000)
		g.arrivals(t, 1000*ms, 1000*ms, 2000*ms)
		if !slices.IsSorted(g.rx.nums()) {
			t.Error("order", g.rx.nums())
		}
		g.close(t)
	})
	t.Run("unless frames may overtake", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Delay: time.Second})
		send(g.s, g.f.A(), 0, 1, 1000)
		g.set(t, FaultConfig{JitterReorders: true, Delay: 1})
		send(g.s, g.f.A(), 1, 2, 1000)
		g.sim.RunUntil(2000 * ms)
		g.arrivals(t, 1, 1000*ms)
		g.close(t)
	})
	t.Run("a cut loses what is under way", func(t *testing.T) {
		g := newFaultRig(FaultConfig{Delay: time.Second})
		send(g.s, g.f.A(), 0, 4, 1000)
		g.set(t, FaultConfig{Down: true})
		send(g.s, g.f.A(), 4, 6, 1000)
		if g.sim.Armed() != 0 {
			t.Error("a timer is armed though nothing waits")
		}
		g.set(t, FaultConfig{Delay: time.Millisecond})
		send(g.s, g.f.A(), 6, 7, 1000)
		g.sim.RunUntil(2000 * ms)
		g.arrivals(t, 1*ms)
		if n := g.f.Stats(AtoB).Dropped[pkt.NoPeer]; n != 6 {
			t.Errorf("%d lost by the cut, want 6", n)
		}
		g.close(t)
	})
	t.Run("the same seed goes on, another begins", func(t *testing.T) {
		fate := func(seeds ...uint64) []uint32 {
			g := newFaultRig(FaultConfig{Seed: seeds[0], Loss: 0.5})
			for i, seed := range seeds {
				g.set(t, FaultConfig{Seed: seed, Loss: 0.5})
				send(g.s, g.f.A(), uint32(100*i), uint32(100*(i+1)), 60)
			}
			g.close(t)
			return g.rx.nums()
		}
		once := fate(1)
		again := fate(1, 1)
		if !slices.Equal(once, again[:len(once)]) || slices.Equal(again, fate(1, 2)) {
			t.Error("Set did not treat the random sequence as told")
		}
		back := fate(1, 2, 1)
		if !slices.EqualFunc(once, back[len(back)-len(once):], func(a, b uint32) bool { return a+200 == b }) {
			t.Error("the sequence of a seed did not begin at its beginning")
		}
	})
	t.Run("room in the queue comes back", func(t *testing.T) {
		slow := FaultConfig{Rate: 8_000_000, Queue: 2000}
		g := newFaultRig(slow)
		send(g.s, g.f.A(), 0, 3, 1000)
		g.sim.RunUntil(1 * ms)
		send(g.s, g.f.A(), 3, 5, 1000)
		g.set(t, FaultConfig{})
		g.set(t, slow)
		send(g.s, g.f.A(), 5, 8, 1000)
		g.sim.RunUntil(10 * ms)
		g.arrivals(t, 1*ms, 1*ms, 1*ms, 2*ms, 3*ms)
		if want := []uint32{0, 1, 3, 5, 6}; !slices.Equal(g.rx.nums(), want) {
			t.Errorf("got %v, want %v", g.rx.nums(), want)
		}
		g.close(t)
	})
	t.Run("those held back lapse in their order", func(t *testing.T) {
		c := FaultConfig{Reorder: 1, JitterReorders: true, Delay: time.Millisecond}
		g := newFaultRig(c)
		send(g.s, g.f.A(), 0, 1, 1000)
		c.ReorderWait = 1
		g.set(t, c)
		send(g.s, g.f.A(), 1, 2, 1000)
		g.sim.RunUntil(20 * ms)
		g.arrivals(t, 11*ms, 11*ms)
		g.close(t)
	})
	t.Run("closed", func(t *testing.T) {
		g := newFaultRig(FaultConfig{})
		g.close(t)
		if err := g.f.Set(AtoB, FaultConfig{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Set on a closed link: %v", err)
		}
	})
}

func (g *faultRig) set(t testing.TB, c FaultConfig) {
	t.Helper()
	if err := g.f.Set(AtoB, c); err != nil {
		t.Fatal(err)
	}
}

func (g *faultRig) arrivals(t testing.TB, want ...clock.Time) {
	t.Helper()
	var got []clock.Time
	for _, a := range g.rx.got {
		got = append(got, a.at)
	}
	if !slices.Equal(got, want) {
		t.Errorf("arrived at %v, want %v", got, want)
	}
}

// lateClock is a clock whose timers fire too late, as a busy machine's do.
type lateClock struct {
	*clock.Sim
	by clock.Time
}

func (c *lateClock) Now() clock.Time { return c.Sim.Now() + c.by }

// TestFaultLate has frames come, and the cable change, when what was due before
// has not yet happened: it happens first, as of its own moment.
func TestFaultLate(t *testing.T) {
	start := func(conf FaultConfig) (*faultRig, *lateClock) {
		c := &lateClock{Sim: clock.NewSim()}
		g := &faultRig{sim: c.Sim, s: netisr.NewSched(c), rx: &catcher{c: c}}
		g.f = NewFault(g.s, 0, conf, FaultConfig{})
		g.f.B().Attach(g.rx)
		return g, c
	}
	t.Run("a frame", func(t *testing.T) {
		g, c := start(FaultConfig{Rate: 8_000_000, Delay: time.Millisecond})
		send(g.s, g.f.A(), 0, 3, 1000)
		c.by = 5 * ms
		send(g.s, g.f.A(), 3, 4, 1000)
		c.by = 0
		g.sim.RunUntil(10 * ms)
		g.arrivals(t, 5*ms, 5*ms, 5*ms, 7*ms)
		g.close(t)
	})
	t.Run("a cut", func(t *testing.T) {
		g, c := start(FaultConfig{Delay: time.Millisecond})
		send(g.s, g.f.A(), 0, 1, 1000)
		c.by = 5 * ms
		g.set(t, FaultConfig{Down: true})
		g.arrivals(t, 5*ms)
		g.close(t)
	})
}
