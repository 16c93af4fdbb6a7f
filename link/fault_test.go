package link

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

const ms = clock.Time(time.Millisecond)

// faultRig is a Fault with a catcher at B.
type faultRig struct {
	sim *clock.Sim
	s   *netisr.Sched
	f   *Fault
	rx  *catcher
}

func newFaultRig(c FaultConfig) *faultRig {
	g := &faultRig{sim: clock.NewSim()}
	g.s = netisr.NewSched(g.sim)
	g.f = NewFault(g.s, 0, c, FaultConfig{})
	g.rx = &catcher{c: g.sim}
	g.f.B().Attach(g.rx)
	return g
}

// balanced checks the law of conservation.
func balanced(t testing.TB, s FaultStats) {
	t.Helper()
	out := s.Delivered + s.Waiting
	for _, n := range s.Dropped {
		out += n
	}
	if s.Entered+s.Duplicated != out {
		t.Errorf("%d frames entered, %d were made, %d are accounted for: %+v", s.Entered, s.Duplicated, out, s)
	}
}

func (g *faultRig) close(t testing.TB) {
	t.Helper()
	g.f.Close()
	s := g.f.Stats(AtoB)
	balanced(t, s)
	if s.Waiting != 0 {
		t.Errorf("%d frames wait in a closed link", s.Waiting)
	}
	clean(t, g.s)
}

func upTo(n uint32) []uint32 {
	l := make([]uint32, n)
	for i := range l {
		l[i] = uint32(i)
	}
	return l
}

// TestFaultWithoutFaultsIsACable sends both ways in the three kinds of time.
func TestFaultWithoutFaultsIsACable(t *testing.T) {
	run := func(t *testing.T, c clock.Clock) {
		s := netisr.NewSched(c)
		f := NewFault(s, 0, FaultConfig{}, FaultConfig{Seed: 7})
		a, b := &catcher{c: c}, &catcher{c: c}
		f.A().Attach(a)
		f.B().Attach(b)
		if p := f.A().Props(); p != (Props{MTU: 1500}) {
			t.Errorf("properties %+v", p)
		}
		send(s, f.A(), 0, 500, 100)
		send(s, f.B(), 0, 400, 100)
		if !slices.Equal(b.nums(), upTo(500)) || !slices.Equal(a.nums(), upTo(400)) {
			t.Errorf("%d and %d frames arrived at once and in order", len(b.nums()), len(a.nums()))
		}
		f.B().Detach()
		send(s, f.A(), 0, 3, 100)
		if got := f.Stats(AtoB); got.Dropped[pkt.NoPeer] != 3 || got.Entered != 503 || got.Delivered != 500 {
			t.Errorf("with nobody attached: %+v", got)
		}
		f.Close()
		f.Close()
		clean(t, s)
	}
	t.Run("real", func(t *testing.T) { run(t, clock.NewReal()) })
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, clock.NewReal()) }) })
	t.Run("simulated", func(t *testing.T) { run(t, clock.NewSim()) })
}

// TestFaultTimes gives the exact moments at which frames of 1,000 bytes, all
// put in at the moment 0, arrive.
func TestFaultTimes(t *testing.T) {
	for _, c := range []struct {
		name string
		conf FaultConfig
		n    uint32
		want []clock.Time
		drop pkt.Reason
		lost uint64
	}{
		{"delay", FaultConfig{Delay: 5 * time.Millisecond}, 3, []clock.Time{5 * ms, 5 * ms, 5 * ms}, 0, 0},
		{"1 ns", FaultConfig{Delay: 1}, 1, []clock.Time{1}, 0, 0},
		{"a day", FaultConfig{Delay: 24 * time.Hour}, 1, []clock.Time{clock.Time(24 * time.Hour)}, 0, 0},
		{"rate", FaultConfig{Rate: 8_000_000}, 3, []clock.Time{1 * ms, 2 * ms, 3 * ms}, 0, 0},
		{"rate and delay", FaultConfig{Rate: 8_000_000, Delay: 10 * time.Millisecond}, 3, []clock.Time{11 * ms, 12 * ms, 13 * ms}, 0, 0},
		{"rate with a queue", FaultConfig{Rate: 8_000_000, Queue: 2999}, 5, []clock.Time{1 * ms, 2 * ms}, pkt.LinkRate, 3},
		{"rate with a short queue", FaultConfig{Rate: 8_000_000, Queue: 1}, 5, []clock.Time{1 * ms}, pkt.LinkRate, 4},
		{"rate and limit", FaultConfig{Rate: 8_000_000, Limit: 2}, 5, []clock.Time{1 * ms, 2 * ms}, pkt.QueueFull, 3},
		{"delay and limit", FaultConfig{Delay: time.Millisecond, Limit: 2}, 5, []clock.Time{1 * ms, 1 * ms}, pkt.QueueFull, 3},
		{"a third of a nanosecond", FaultConfig{Rate: 3e9}, 3, []clock.Time{2667, 5334, 8000}, 0, 0},
		{"down", FaultConfig{Down: true}, 5, nil, pkt.NoPeer, 5},
		{"loss", FaultConfig{Loss: 1}, 5, nil, pkt.LinkLoss, 5},
		{"held back", FaultConfig{Reorder: 1, ReorderWait: time.Millisecond, Delay: time.Millisecond}, 2, []clock.Time{2 * ms, 2 * ms}, 0, 0},
		{"held back by default", FaultConfig{Reorder: 1}, 1, []clock.Time{10 * ms}, 0, 0},
		{"held back and limit", FaultConfig{Reorder: 1, Limit: 1}, 2, []clock.Time{10 * ms}, pkt.QueueFull, 1},
		{"twice", FaultConfig{Duplicate: 1, Delay: time.Millisecond}, 2, []clock.Time{ms, ms, ms, ms}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newFaultRig(c.conf)
			send(g.s, g.f.A(), 0, c.n, 1000)
			g.sim.RunUntil(clock.Time(48 * time.Hour))
			var got []clock.Time
			for _, a := range g.rx.got {
				got = append(got, a.at)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("arrived at %v, want %v", got, c.want)
			}
			s := g.f.Stats(AtoB)
			if s.Dropped[c.drop] != c.lost {
				t.Errorf("%d dropped as %v, want %d", s.Dropped[c.drop], c.drop, c.lost)
			}
			if g.sim.Armed() != 0 {
				t.Error("a timer is armed though nothing waits")
			}
			g.close(t)
		})
	}
}

// TestFaultRateDoesNotDrift sends frames of many sizes at a rate that divides
// nothing: each leaves when all bits up to its own could have been sent.
func TestFaultRateDoesNotDrift(t *testing.T) {
	const rate = 999_999_937
	g := newFaultRig(FaultConfig{Rate: rate, Queue: 1 << 28, Limit: 1 << 20})
	var sent int64
	var want []clock.Time
	for i := range uint32(1000) {
		n := 60 + int(i*37%1400)
		send(g.s, g.f.A(), i, i+1, n)
		sent += int64(n) * 8
		hi, lo := bits.Mul64(uint64(sent), 1e9)
		q, _ := bits.Div64(hi, lo+rate-1, rate)
		want = append(want, clock.Time(q))
	}
	g.sim.RunUntil(clock.Time(time.Minute))
	for i, a := range g.rx.got {
		if a.at != want[i] {
			t.Fatalf("frame %d left at %d ns, want %d", i, a.at, want[i])
		}
	}
	if len(g.rx.got) != len(want) {
		t.Fatalf("%d of %d arrived", len(g.rx.got), len(want))
	}
	g.close(t)
}

// TestFaultProbabilities sends 4,000 frames for each of ten seeds: no count
// may be further than five standard deviations from what was asked for.
func TestFaultProbabilities(t *testing.T) {
	const n = 4_000
	for _, p := range []float64{0, 0.001, 0.1, 0.5, 0.99, 1} {
		for _, c := range []struct {
			name  string
			conf  FaultConfig
			count func(FaultStats) uint64
		}{
			{"loss", FaultConfig{Loss: p}, func(s FaultStats) uint64 { return s.Dropped[pkt.LinkLoss] }},
			{"duplicate", FaultConfig{Duplicate: p}, func(s FaultStats) uint64 { return s.Duplicated }},
			{"corrupt", FaultConfig{Corrupt: p}, func(s FaultStats) uint64 { return s.Corrupted }},
		} {
			for seed := range uint64(10) {
				c.conf.Seed = seed
				g := newFaultRig(c.conf)
				send(g.s, g.f.A(), 0, n, 60)
				got := float64(c.count(g.f.Stats(AtoB)))
				if dev := 5 * math.Sqrt(n*p*(1-p)); math.Abs(got-n*p) > dev {
					t.Errorf("%s %v, seed %d: %v of %d, want %v within %.0f", c.name, p, seed, got, n, n*p, dev)
				}
				g.close(t)
			}
		}
	}
}

// TestFaultReorders holds every tenth or so back until three have passed.
func TestFaultReorders(t *testing.T) {
	g := newFaultRig(FaultConfig{Seed: 4, Reorder: 0.1, ReorderGap: 3, Delay: time.Millisecond})
	send(g.s, g.f.A(), 0, 1000, 60)
	g.sim.RunUntil(ms)
	s := g.f.Stats(AtoB)
	got := g.rx.nums()
	late := uint64(0)
	for i, n := range got {
		passed := 0 // by how many
		for _, m := range got[:i] {
			if m > n {
				passed++
			}
		}
		if passed > 0 {
			late++
		}
		// Those held back meanwhile pass too if they come first.
		if passed > 3 {
			t.Errorf("frame %d was overtaken by %d", n, passed)
		}
	}
	if late != s.Reordered || late < 60 || late > 140 {
		t.Errorf("%d frames late, %d counted, of 1,000 at 0.1", late, s.Reordered)
	}
	if last := got[len(got)-1]; s.Waiting+s.Delivered != 1000 {
		t.Errorf("%d waiting and %d delivered, the last is %d", s.Waiting, s.Delivered, last)
	}
	g.close(t)
}

// TestFaultJitter holds delays to their bounds and, unless told otherwise,
// frames to their order.
func TestFaultJitter(t *testing.T) {
	for _, reorders := range []bool{false, true} {
		g := newFaultRig(FaultConfig{Delay: 10 * time.Millisecond, Jitter: 4 * time.Millisecond, JitterReorders: reorders})
		var put []clock.Time
		for i := range uint32(2000) {
			send(g.s, g.f.A(), i, i+1, 60)
			put = append(put, g.sim.Now())
			g.sim.RunUntil(g.sim.Now() + 100_000)
		}
		g.sim.RunUntil(g.sim.Now() + 100*ms)
		low, high := clock.Never, clock.Time(0)
		for _, a := range g.rx.got {
			low, high = min(low, a.at-put[a.num]), max(high, a.at-put[a.num])
		}
		// In order, a frame waits for the slowest before it.
		if low < 10*ms || reorders && low > 11*ms || high > 14*ms || high < 13*ms {
			t.Errorf("reorders=%v: delays from %d to %d ns", reorders, low, high)
		}
		if inOrder := slices.IsSorted(g.rx.nums()); inOrder == reorders {
			t.Errorf("reorders=%v: in order: %v", reorders, inOrder)
		}
		if s := g.f.Stats(AtoB); s.Delivered != 2000 || (s.Reordered > 0) != reorders {
			t.Errorf("reorders=%v: %+v", reorders, s)
		}
		g.close(t)
	}
}

// TestFaultFlipsBits compares each frame with what was sent: so many bits
// differ, and the receiver is told to look.
func TestFaultFlipsBits(t *testing.T) {
	for _, n := range []int{1, 2, 16} {
		g := newFaultRig(FaultConfig{Corrupt: 1, CorruptBits: n})
		if !g.f.A().Props().Raw || g.f.B().Props().Raw {
			t.Fatal("checksums are needed where bits may flip, and only there")
		}
		where := make(map[int]bool)
		for range 500 {
			r := g.s.Get()
			b := frame(r, 1, 64)
			b.Sum, b.Hash = pkt.SumValid, 9
			was := bytes.Clone(b.Bytes())
			g.f.A().Put(r, b)
			r.Done()
			a := g.rx.got[len(g.rx.got)-1]
			flips := 0
			for i := range was {
				if x := was[i] ^ a.frame[i]; x != 0 {
					flips += bits.OnesCount8(x)
					where[i] = true
				}
			}
			if flips != n || a.info.Sum != pkt.SumUnknown || a.info.Hash != 0 {
				t.Fatalf("%d bits flipped, want %d; info %+v", flips, n, a.info)
			}
		}
		if len(where) != 64 {
			t.Errorf("only %d of 64 bytes were ever hit", len(where))
		}
		g.close(t)
	}
}

// TestFaultDamagesItsOwnCopy shares a frame with somebody else.
func TestFaultDamagesItsOwnCopy(t *testing.T) {
	g := newFaultRig(FaultConfig{Corrupt: 1, Duplicate: 1})
	r := g.s.Get()
	b := frame(r, 1, 60)
	was := bytes.Clone(b.Bytes())
	b.Retain(1)
	g.f.A().Put(r, b)
	r.Done()
	if !bytes.Equal(b.Bytes(), was) {
		t.Error("the shared frame was written to")
	}
	if len(g.rx.got) != 2 || bytes.Equal(g.rx.got[0].frame, g.rx.got[1].frame) {
		t.Errorf("%d copies, damaged alike", len(g.rx.got))
	}
	r = g.s.Get()
	r.Cache.Free(b)
	r.Done()
	g.close(t)
}

// TestFaultSmallFrames damages frames with fewer bits than it is to flip.
func TestFaultSmallFrames(t *testing.T) {
	s := netisr.NewSched(clock.NewSim())
	f := NewFault(s, 0, FaultConfig{Corrupt: 1, CorruptBits: 16}, FaultConfig{})
	for n := range 4 {
		r := s.Get()
		b := r.Cache.Get(n)
		clear(b.Extend(n))
		f.A().Put(r, b)
		r.Done()
	}
	if got := f.Stats(AtoB).Corrupted; got != 3 {
		t.Errorf("%d frames damaged, want all but the empty one", got)
	}
	f.Close()
	clean(t, s)
}

// TestFaultSameSeedSameFate runs everything at once, twice.
func TestFaultSameSeedSameFate(t *testing.T) {
	run := func(seed uint64, dir FaultDir) string {
		conf := FaultConfig{
			Seed: seed, Rate: 10_000_000, Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1, CorruptBits: 2,
			Delay: time.Millisecond, Jitter: time.Millisecond, JitterReorders: true, Reorder: 0.1, ReorderGap: 2,
		}
		sim := clock.NewSim()
		s := netisr.NewSched(sim)
		f := NewFault(s, 0, conf, conf)
		rx := &catcher{c: sim}
		from := f.A()
		if dir == AtoB {
			f.B().Attach(rx)
		} else {
			f.A().Attach(rx)
			from = f.B()
		}
		for i := range uint32(300) {
			send(s, from, i, i+1, 60+int(i))
			sim.RunUntil(sim.Now() + 50_000)
		}
		sim.RunUntil(sim.Now() + 100*ms)
		f.Close()
		clean(t, s)
		return fmt.Sprint(rx.got, f.Stats(dir))
	}
	first, second := run(1, AtoB), run(1, AtoB)
	if first != second {
		t.Error("the same seed made another history")
	}
	if first == run(2, AtoB) || first == run(1, BtoA) {
		t.Error("another seed, or the other direction, made the same history")
	}
}

// TestFaultCheck has one value out of range for each bound.
func TestFaultCheck(t *testing.T) {
	for _, c := range []struct {
		want string
		conf FaultConfig
	}{
		{"", FaultConfig{}},
		{"", FaultConfig{Loss: 1, Duplicate: 1, Corrupt: 1, Reorder: 1, Rate: 1e12, Queue: 1 << 28, CorruptBits: 16, ReorderGap: 1 << 20, Limit: 1 << 20, Delay: 24 * time.Hour}},
		{"link: fault: Loss is 1.5, a probability is 0 to 1", FaultConfig{Loss: 1.5}},
		{"link: fault: Duplicate is -1, a probability is 0 to 1", FaultConfig{Duplicate: -1}},
		{"link: fault: Corrupt is NaN, a probability is 0 to 1", FaultConfig{Corrupt: math.NaN()}},
		{"link: fault: Reorder is +Inf, a probability is 0 to 1", FaultConfig{Reorder: math.Inf(1)}},
		{"link: fault: Rate is -1, it can be 0 to 1000000000000", FaultConfig{Rate: -1}},
		{"link: fault: Queue is 268435457, it can be 0 to 268435456", FaultConfig{Queue: 1<<28 + 1}},
		{"link: fault: CorruptBits is 17, it can be 0 to 16", FaultConfig{CorruptBits: 17}},
		{"link: fault: ReorderGap is -1, it can be 0 to 1048576", FaultConfig{ReorderGap: -1}},
		{"link: fault: Limit is -1, it can be 0 to 1048576", FaultConfig{Limit: -1}},
		{"link: fault: Delay is -1ns, it can be 0 to 24h0m0s", FaultConfig{Delay: -1}},
		{"link: fault: Jitter is 24h0m0.000000001s, it can be 0 to 24h0m0s", FaultConfig{Jitter: 24*time.Hour + 1}},
		{"link: fault: ReorderWait is -1s, it can be 0 to 24h0m0s", FaultConfig{ReorderWait: -time.Second}},
	} {
		got := ""
		if err := c.conf.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		g := newFaultRig(FaultConfig{})
		if err := g.f.Set(BtoA, c.conf); (err != nil) != (c.want != "") {
			t.Errorf("Set: %v, want %q", err, c.want)
		}
		g.f.Close()
	}
	defer func() {
		if recover() == nil {
			t.Error("NewFault took a configuration that cannot be")
		}
	}()
	NewFault(netisr.NewSched(clock.NewSim()), 0, FaultConfig{}, FaultConfig{Loss: 2})
}

// node is a receiver with a bounded queue, as a stack is one.
type node struct {
	netisr.Queue
	got int
}

func (n *node) Put(r *netisr.Runner, b *pkt.Buf) {
	if !n.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

func (n *node) Lend(*netisr.Runner, *pkt.Buf) bool { return false }

func (n *node) Drain(r *netisr.Runner, in *pkt.Batch) {
	n.got += in.Len()
	r.Cache.FreeBatch(in)
}

// TestFaultBurstFitsItsReceiver has more frames due at one moment than a
// receiver's queue holds.
func TestFaultBurstFitsItsReceiver(t *testing.T) {
	g := newFaultRig(FaultConfig{Delay: time.Millisecond})
	n := new(node)
	n.Init(n)
	g.f.B().Attach(n)
	send(g.s, g.f.A(), 0, 4000, 60)
	g.sim.RunUntil(ms)
	if n.got != 4000 {
		t.Errorf("%d of 4,000 arrived", n.got)
	}
	g.close(t)
}

// TestFaultInBubble checks that delays are exact in virtual time.
func TestFaultInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewReal()
		s := netisr.NewSched(c)
		f := NewFault(s, 0, FaultConfig{Delay: time.Hour, Rate: 8_000_000}, FaultConfig{})
		rx := &catcher{c: c}
		f.B().Attach(rx)
		send(s, f.A(), 0, 3, 1000)
		<-time.After(2 * time.Hour)
		synctest.Wait()
		for i, a := range rx.got {
			if want := clock.Time(time.Hour) + clock.Time(i+1)*ms; a.at != want {
				t.Errorf("frame %d came at %d, want %d", i, a.at, want)
			}
		}
		if len(rx.got) != 3 {
			t.Errorf("%d frames came", len(rx.got))
		}
		f.Close()
		clean(t, s)
	})
}

// TestFaultFromManySides sends from several goroutines while others change,
// read and close the cable.
func TestFaultFromManySides(t *testing.T) {
	s := netisr.NewSched(clock.NewReal())
	for round := range 10 {
		f := NewFault(s, 0, FaultConfig{}, FaultConfig{})
		rx := &catcher{c: s.Clock()}
		f.A().Attach(rx)
		f.B().Attach(rx)
		var senders, meddlers sync.WaitGroup
		for i := range 4 {
			senders.Go(func() {
				p := f.A()
				if i%2 == 1 {
					p = f.B()
				}
				send(s, p, 0, 300, 60)
			})
		}
		for i := range 2 {
			meddlers.Go(func() {
				for n := range 100 {
					c := FaultConfig{
						Seed: uint64(n), Down: n%10 == 9, Loss: 0.1, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.1,
						Delay: time.Duration(n) * time.Microsecond, Jitter: 50 * time.Microsecond, JitterReorders: n%2 == 0,
					}
					if n%3 == 0 {
						c.Rate = 1e9
					}
					if err := f.Set(FaultDir(i), c); err != nil && !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					balanced(t, f.Stats(FaultDir(i)))
					f.A().Props()
				}
			})
		}
		if round%2 == 0 {
			meddlers.Wait()
		}
		f.Close()
		senders.Wait()
		meddlers.Wait()
		settle(s)
		for _, d := range []FaultDir{AtoB, BtoA} {
			st := f.Stats(d)
			balanced(t, st)
			if st.Entered != 600 || st.Waiting != 0 {
				t.Errorf("%d of 600 entered, %d wait", st.Entered, st.Waiting)
			}
		}
		clean(t, s)
	}
}

// TestFaultDoesNotAllocate passes frames through a cable that delays them.
func TestFaultDoesNotAllocate(t *testing.T) {
	for _, c := range []FaultConfig{{}, {Delay: time.Millisecond, Rate: 1e9, Reorder: 0.5, Corrupt: 0.5}} {
		g := newFaultRig(c)
		n := new(node)
		n.Init(n)
		g.f.B().Attach(n)
		pass := func() {
			send(g.s, g.f.A(), 0, 1, 60)
			g.sim.RunUntil(g.sim.Now() + 2*ms)
		}
		for range 100 {
			pass()
		}
		if a := testing.AllocsPerRun(1000, pass); a != 0 {
			t.Errorf("%v allocations for each frame", a)
		}
		g.close(t)
	}
}

func BenchmarkFault(b *testing.B) {
	for name, c := range map[string]FaultConfig{"none": {}, "delay": {Delay: time.Microsecond}, "all": {
		Delay: time.Microsecond, Jitter: 1, Rate: 1e12, Loss: 0.01, Duplicate: 0.01, Corrupt: 0.01, Reorder: 0.01,
	}} {
		b.Run(name, func(b *testing.B) {
			g := newFaultRig(c)
			n := new(node)
			n.Init(n)
			g.f.B().Attach(n)
			b.ReportAllocs()
			for b.Loop() {
				send(g.s, g.f.A(), 0, 1, 60)
				g.sim.RunUntil(g.sim.Now() + 2000)
			}
		})
	}
}
