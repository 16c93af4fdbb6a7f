package link

import (
	"math"
	"testing"
	"time"
)

// script reads what a fuzz input says; it ends in zeros.
type script []byte

func (s *script) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// prob returns a probability: mostly one, sometimes something else.
func (s *script) prob() float64 {
	switch b := s.next(); {
	case b < 0x80:
		return 0
	case b == 0xff:
		return math.NaN()
	default:
		return float64(b-0x80) / 100
	}
}

func (s *script) duration() time.Duration {
	b := s.next()
	if b == 0xff {
		return -1
	}
	return time.Duration(b&15) << (b >> 4 * 2)
}

func (s *script) config() FaultConfig {
	flags := s.next()
	return FaultConfig{
		Seed: uint64(flags), Down: flags&7 == 7, JitterReorders: flags&8 != 0, CorruptBits: int(flags >> 4),
		Rate: int64(s.next()) << (s.next() & 31), Queue: int(s.next()) << 6,
		Loss: s.prob(), Duplicate: s.prob(), Corrupt: s.prob(), Reorder: s.prob(),
		Delay: s.duration(), Jitter: s.duration(), ReorderWait: s.duration(),
		ReorderGap: int(s.next() & 7), Limit: int(s.next() & 31),
	}
}

// FuzzFault changes a cable while frames pass and time goes on. No frame is
// lost uncounted or comes twice unmade, nothing is delivered after a cut, the
// order holds unless something may break it, the bounds are kept, and nothing
// is left behind.
func FuzzFault(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 9, 2, 40, 0, 0, 9, 10, 0, 0x90, 0x90, 0x90, 0x90, 0x48, 0x48, 0, 2, 4, 1, 30, 2, 60, 1, 30, 2, 200})
	f.Add([]byte{1, 30, 0, 8, 255, 20, 10, 0, 0, 0, 0, 0x60, 0, 0, 0, 0, 1, 200, 2, 90, 0, 0, 255, 30, 2, 250})
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 400 {
			return
		}
		s := script(in)
		g := newFaultRig(FaultConfig{})
		cut, ordered, num := false, true, uint32(0)
		limit := defaultLimit
		for len(s) > 0 {
			before := g.f.Stats(AtoB).Delivered
			switch s.next() % 3 {
			case 0:
				c := s.config()
				if err := g.f.Set(AtoB, c); (err == nil) != (c.Check() == nil) {
					t.Fatalf("Set: %v, Check: %v", err, c.Check())
				} else if err == nil {
					cut = c.Down
					limit = max(limit, c.filled().Limit)
					ordered = ordered && c.Reorder == 0 && !c.JitterReorders
				}
				continue
			case 1:
				n := uint32(s.next() & 63)
				send(g.s, g.f.A(), num, num+n, 60+int(s.next()))
				num += n
			case 2:
				g.sim.RunUntil(g.sim.Now().Add(max(s.duration(), 0)))
			}
			st := g.f.Stats(AtoB)
			balanced(t, st)
			if cut && (st.Delivered != before || st.Waiting > 0) {
				t.Fatalf("a cut cable delivered %d frames and holds %d", st.Delivered-before, st.Waiting)
			}
			if st.Waiting > uint64(2*limit) {
				t.Fatalf("%d frames wait, the limit is %d", st.Waiting, limit)
			}
			if (st.Waiting > 0) != (g.sim.Armed() == 1) || g.sim.Armed() > 1 {
				t.Fatalf("%d frames wait and %d timers are armed", st.Waiting, g.sim.Armed())
			}
		}
		st := g.f.Stats(AtoB)
		if st.Delivered != uint64(len(g.rx.got)) {
			t.Fatalf("%d delivered, %d came", st.Delivered, len(g.rx.got))
		}
		if ordered && st.Reordered > 0 {
			t.Fatalf("%d frames out of order", st.Reordered)
		}
		g.lastMoments(t)
		g.close(t)
		if st.Entered != uint64(num) {
			t.Fatalf("%d of %d entered", st.Entered, num)
		}
	})
}

// lastMoments lets everything arrive that is still to come.
func (g *faultRig) lastMoments(t testing.TB) {
	g.set(t, FaultConfig{})
	g.sim.RunUntil(g.sim.Now().Add(48 * time.Hour))
	st := g.f.Stats(AtoB)
	balanced(t, st)
	if st.Waiting != 0 || g.sim.Armed() != 0 {
		t.Errorf("%d frames never came, %d timers are armed", st.Waiting, g.sim.Armed())
	}
	for i, a := range g.rx.got {
		if i > 0 && a.at < g.rx.got[i-1].at {
			t.Errorf("time ran backwards from %d to %d", g.rx.got[i-1].at, a.at)
		}
	}
}
