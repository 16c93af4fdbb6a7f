package vnet_test

import (
	"os"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// meddler is a clock that lets something happen just before a timer is armed.
type meddler struct {
	clock.Clock
	before func()
}

func (m *meddler) Arm(t *clock.Timer, at clock.Time) {
	if f := m.before; f != nil {
		m.before = nil
		f()
	}
	m.Clock.Arm(t, at)
}

// TestDeadlineOvertaken has a second deadline set between the setting and the
// arming of the first.
func TestDeadlineOvertaken(t *testing.T) {
	for _, second := range []time.Duration{30 * time.Minute, 2 * time.Hour, -time.Hour} {
		sim := clock.NewSim()
		m := &meddler{Clock: sim}
		n := newNet2(t, m, 1)
		s := listen(t, n.a, "0.0.0.0:0")
		at := func(d time.Duration) time.Time { return sim.Wall(sim.Now().Add(d)) }
		deadline := at(second)
		m.before = func() { s.SetReadDeadline(deadline) }
		s.SetReadDeadline(at(time.Hour))
		expired := func() bool {
			_, err := s.ReadFrom(make([]byte, 9), nil, false)
			return err == os.ErrDeadlineExceeded
		}
		if due := max(second, 0); due > 0 {
			sim.RunUntil(sim.Now().Add(due - 1))
			if expired() {
				t.Errorf("%v: came early", second)
			}
			sim.RunUntil(sim.Now().Add(1))
		}
		if !expired() {
			t.Errorf("%v: did not come", second)
		}
		s.Close()
		if sim.Armed() != 0 {
			t.Errorf("%v: %d timers armed after Close", second, sim.Armed())
		}
	}
}

// TestWriteDeadlineBeforeTheWorld sets a write deadline in a past that the
// world's clock has no positive number for.
func TestWriteDeadlineBeforeTheWorld(t *testing.T) {
	sim := clock.NewSim()
	n := newNet2(t, sim, 1)
	s := listen(t, n.a, "0.0.0.0:0")
	for _, d := range []time.Duration{0, -1, -time.Hour} {
		s.SetWriteDeadline(sim.Wall(0).Add(d))
		if _, err := s.WriteTo([]byte("x"), addrPort("10.0.0.2:7"), nil); err != os.ErrDeadlineExceeded {
			t.Errorf("%v from the world's beginning: %v", d, err)
		}
	}
}
