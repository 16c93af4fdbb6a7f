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

// TestSize holds an idle sender to its share of a connection's 900 bytes.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Sender{}); n > 320 {
		t.Errorf("a Sender has %d bytes", n)
	}
	if n := unsafe.Sizeof(cc.Cubic{}); n > 96 {
		t.Errorf("CUBIC's state has %d bytes", n)
	}
	if n := unsafe.Sizeof(record{}); n > 56 {
		t.Errorf("a record has %d bytes", n)
	}
}

// bulk is a sender in steady state, flight segments in the network.
type bulk struct {
	tun  Tunables
	stat Stats
	e    Env
	s    Sender
	now  clock.Time
	ack  wire.Seq
	n    int
}

func newBulk(n int) *bulk {
	b := &bulk{tun: Defaults(), now: clock.Time(time.Second), n: n}
	b.e = Env{&b.tun, &b.stat}
	b.s.Open(&b.e, 0, "cubic")
	b.s.Establish(&b.e, b.now, &Config{MSS: 1448, SACK: true, Time: true})
	b.s.Sample(&b.e, b.now, 100*time.Millisecond)
	return b
}

func (b *bulk) send() {
	b.now += 1000
	b.s.Sent(&b.e, b.now, b.s.Nxt(), b.s.Nxt().Add(b.n))
}

func (b *bulk) acked() {
	b.now += 1000
	b.ack = b.ack.Add(b.n)
	a := Ack{Seq: b.ack, HasTime: true, TSEcr: ms(b.now)}
	b.s.Ack(&b.e, b.now, &a)
	b.s.Deadline()
}

// BenchmarkInOrder is a segment sent and one acknowledged, with so many in
// flight, as plain segments and as super-segments.
func BenchmarkInOrder(b *testing.B) {
	for _, n := range []int{1448, 45 * 1448} {
		for _, flight := range []int{1, 8, 1000} {
			b.Run(fmt.Sprintf("bytes=%d/flight=%d", n, flight), func(b *testing.B) {
				k := newBulk(n)
				for range flight {
					k.send()
				}
				b.ReportAllocs()
				for b.Loop() {
					k.acked()
					k.send()
					k.s.Room(&k.e, k.now)
				}
			})
		}
	}
}

// TestNoAllocation: a busy sender allocates nothing.
func TestNoAllocation(t *testing.T) {
	for _, flight := range []int{1, 100} {
		k := newBulk(1448)
		for range flight {
			k.send()
		}
		if n := testing.AllocsPerRun(1000, func() { k.acked(); k.send() }); n != 0 {
			t.Errorf("flight of %d: %v allocations", flight, n)
		}
	}
}

// lossy is a network that loses every 20th segment, with flight of them on
// their way: every other segment's arrival is acknowledged with SACK.
type lossy struct {
	*bulk
	got  map[wire.Seq]bool
	way  []Range // first transmissions and later ones, in order
	rcv  wire.Seq
	runs []wire.SACKBlock
	i, k int
	ns   time.Duration
	acks int
}

func newLossy(flight int) *lossy {
	l := &lossy{bulk: newBulk(1448), got: map[wire.Seq]bool{}}
	l.s.win.Cwnd, l.s.win.Ssthresh = flight*1448, flight*1448
	for range flight {
		l.fresh()
	}
	return l
}

func (l *lossy) fresh() {
	at := l.s.Nxt()
	l.now += 1000
	l.s.Sent(&l.e, l.now, at, at.Add(1448))
	l.way = append(l.way, Range{Start: at, End: at.Add(1448)})
}

// step has one segment arrive or vanish, and sends one.
func (l *lossy) step(flight int, timed func(*Ack)) {
	r := l.way[0]
	l.way = l.way[1:]
	l.k++
	if l.k%20 != 0 {
		var blocks [3]wire.SACKBlock
		a := Ack{Blocks: l.arrive(r, blocks[:0]), HasTime: true, TSEcr: ms(l.now)}
		a.Seq = l.rcv
		timed(&a)
	}
	var n Range
	l.s.win.Cwnd, l.s.win.Ssthresh = flight*1448, flight*1448 // the scoreboard is measured, not the control
	for l.s.Next(&l.e, l.now, 1448, 1448, &n) {
		l.now += 1000
		l.way = append(l.way, n)
	}
	for l.s.Room(&l.e, l.now) >= 1448 && l.s.Outstanding() < 2*flight*1448 {
		l.fresh()
	}
}

// arrive keeps the receiver's out-of-order runs, the latest first.
func (l *lossy) arrive(r Range, blocks []wire.SACKBlock) []wire.SACKBlock {
	if !r.Start.Less(l.rcv) && !l.got[r.Start] {
		l.got[r.Start] = true
		for l.got[l.rcv] {
			delete(l.got, l.rcv)
			l.rcv = l.rcv.Add(1448)
		}
		run := wire.SACKBlock{Start: r.Start, End: r.End}
		kept := l.runs[:0:0]
		for _, o := range l.runs {
			switch {
			case o.End.AtMost(l.rcv):
			case o.End == run.Start:
				run.Start = o.Start
			case o.Start == run.End:
				run.End = o.End
			default:
				kept = append(kept, o)
			}
			if len(kept) == 8 {
				break
			}
		}
		l.runs = kept
		if l.rcv.Less(run.End) {
			l.runs = append([]wire.SACKBlock{run}, kept...)
		}
	}
	return append(blocks, l.runs[:min(3, len(l.runs))]...)
}

// BenchmarkLossy is one acknowledgement with 5 % loss, by segments in flight:
// it has to stay flat.
func BenchmarkLossy(b *testing.B) {
	for _, flight := range []int{100, 1000, 10000, 50000} {
		b.Run(fmt.Sprintf("flight=%d", flight), func(b *testing.B) {
			l := newLossy(flight)
			for range 3 * flight { // into recovery
				l.now += 1000
				l.step(flight, func(a *Ack) { l.s.Ack(&l.e, l.now, a) })
			}
			var took time.Duration
			acks := 0
			b.ResetTimer()
			for range b.N {
				l.now += 1000
				l.step(flight, func(a *Ack) {
					t := time.Now()
					l.s.Ack(&l.e, l.now, a)
					took += time.Since(t)
					acks++
				})
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(max(acks, 1)), "ns/ack")
			b.ReportMetric(float64(l.s.q.len()), "records")
			b.ReportMetric(float64(l.s.Outstanding()/1448), "segments")
		})
	}
}

// BenchmarkHostile is an acknowledgement of a peer that SACKs single segments
// anywhere, by segments in flight, until all are and it begins anew.
func BenchmarkHostile(b *testing.B) {
	for _, flight := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("flight=%d", flight), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 4))
			var k *bulk
			blocks := make([]wire.SACKBlock, 3)
			left := 0
			for range b.N {
				if left == 0 {
					b.StopTimer()
					k = newBulk(1448)
					for range flight {
						k.send()
					}
					left = flight / 3
					b.StartTimer()
				}
				left--
				for i := range blocks {
					at := wire.Seq(0).Add(rng.IntN(flight-1)*1448 + 700)
					blocks[i] = wire.SACKBlock{Start: at, End: at.Add(900)}
				}
				k.now += 1000
				a := Ack{Blocks: blocks, Dup: true}
				k.s.Ack(&k.e, k.now, &a)
			}
			b.ReportMetric(float64(k.s.q.len()), "records")
		})
	}
}
