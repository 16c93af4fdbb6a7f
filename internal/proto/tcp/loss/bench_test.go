package loss

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Sender{}); n > 320 {
		t.Errorf("an idle Sender has %d bytes", n)
	}
}

// bench returns a sender in steady state with that many segments outstanding.
func bench(e *Env, now clock.Time, segments int) *Sender {
	s := new(Sender)
	s.Open(e, 0, cc.Default)
	s.Establish(e, now, &Config{MSS: 1000, SACK: true})
	s.Sample(e, now, time.Millisecond)
	s.win = cc.Window{Cwnd: 1 << 29, Ssthresh: 1 << 28, MSS: 1000}
	for range segments {
		now++
		s.Sent(e, now, s.nxt, s.nxt.Add(1000))
	}
	return s
}

func newEnv() *Env {
	t := Defaults()
	return &Env{T: &t, S: new(Stats)}
}

// Steady state allocates nothing, in order or with losses.
func TestNoAllocations(t *testing.T) {
	e, now := newEnv(), clock.Time(time.Second)
	s := bench(e, now, 100)
	if n := testing.AllocsPerRun(10000, func() { now = step(e, s, now) }); n != 0 {
		t.Errorf("in order: %v allocations", n)
	}
	r := newLossy(100)
	for range 20 {
		r.window()
	}
	if n := testing.AllocsPerRun(100, r.window); n != 0 {
		t.Errorf("with losses: %v allocations for each window", n)
	}
}

// step sends a segment and has the oldest acknowledged.
func step(e *Env, s *Sender, now clock.Time) clock.Time {
	now = now.Add(10 * time.Microsecond)
	var r Range
	if s.Next(e, now, 1000, 64000, &r) || s.Room(e, now) == 0 {
		panic("not in order")
	}
	s.Sent(e, now, s.nxt, s.nxt.Add(1000))
	s.Ack(e, now, &Ack{Seq: s.una.Add(1000)})
	return now
}

func BenchmarkInOrder(b *testing.B) {
	e, now := newEnv(), clock.Time(time.Second)
	s := bench(e, now, 100)
	b.ReportAllocs()
	for b.Loop() {
		now = step(e, s, now)
	}
}

// lossy is a sender with a constant flight of segments, of which one of twenty is
// lost; retransmissions arrive.
type lossy struct {
	e      *Env
	s      *Sender
	now    clock.Time
	rng    *rand.Rand
	flight int
	got    []bool // by segment, from una on
	acks   int
	first  wire.Seq
}

func newLossy(flight int) *lossy {
	r := &lossy{e: newEnv(), now: clock.Time(time.Second), rng: rand.New(rand.NewPCG(3, 4)), flight: flight, got: make([]bool, 0, 4*flight+64)}
	r.s = bench(r.e, r.now, 0)
	return r
}

// window sends a flight, acknowledges it segment by segment and has what was
// lost sent again.
func (r *lossy) window() {
	r.first = r.s.nxt
	r.got = r.got[:0]
	for range r.flight {
		r.now += 100
		r.s.Sent(r.e, r.now, r.s.nxt, r.s.nxt.Add(1000))
		r.got = append(r.got, r.rng.IntN(20) != 0)
	}
	r.now = r.now.Add(time.Millisecond)
	var a Ack
	var blocks [1]wire.SACKBlock
	edge := 0
	for i, ok := range r.got {
		if !ok {
			continue
		}
		for edge < i && r.got[edge] {
			edge++
		}
		start := i
		for start > edge && r.got[start-1] {
			start--
		}
		r.now += 100
		a = Ack{Seq: r.first.Add(edge * 1000), Dup: true}
		if start > edge {
			blocks[0] = wire.SACKBlock{Start: r.first.Add(start * 1000), End: r.first.Add(i*1000 + 1000)}
			a.Blocks = blocks[:]
		} else {
			a.Seq = r.first.Add(i*1000 + 1000)
		}
		r.ack(&a)
	}
	r.s.win.Cwnd = 1 << 29
	for r.s.una != r.s.nxt {
		r.now = r.now.Add(time.Millisecond)
		r.ack(&Ack{Seq: r.s.nxt})
	}
	r.s.win = cc.Window{Cwnd: 1 << 29, Ssthresh: 1 << 28, MSS: 1000}
}

func (r *lossy) ack(a *Ack) {
	r.acks++
	r.s.Ack(r.e, r.now, a)
	var g Range
	for r.s.Next(r.e, r.now, 0, 64000, &g) {
	}
}

// BenchmarkAckLossy is the cost of an acknowledgement, with what it has sent
// again, by how much is in flight. It is to be flat.
func BenchmarkAckLossy(b *testing.B) {
	for _, rack := range []int32{1, 0} {
		for _, flight := range []int{10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("rack=%d/%d", rack, flight), func(b *testing.B) {
				r := newLossy(flight)
				r.e.T.RACK = rack
				b.ReportAllocs()
				for b.Loop() {
					r.window()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(r.acks), "ns/ack")
			})
		}
	}
}

// BenchmarkScattered has SACK blocks arrive in random order over a single
// record, which they take apart.
func BenchmarkScattered(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			e, now := newEnv(), clock.Time(time.Second)
			rng := rand.New(rand.NewPCG(5, 6))
			order := rng.Perm(n)
			s := bench(e, now, 0)
			for b.Loop() {
				first := s.nxt
				s.Sent(e, now, first, first.Add(2000*n))
				for _, i := range order {
					at := first.Add(2000*i + 1000)
					s.Ack(e, now, &Ack{Seq: first, Blocks: []wire.SACKBlock{{Start: at, End: at.Add(1000)}}})
				}
				s.Ack(e, now, &Ack{Seq: s.nxt})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/ack")
		})
	}
}
