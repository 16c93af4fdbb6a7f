package loss

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// path is a bottleneck: a queue in front of a link, and the way back.
type path struct {
	rate  int           // bytes/s
	delay time.Duration // of a round trip, empty
	queue int           // bytes
	loss  float64       // at random
	swap  float64       // chance of a segment to be overtaken for a quarter of the round trip
	name  string
	pace  bool
}

type event struct {
	at  clock.Time
	n   int // order of making
	seg Range
	ack *Ack
}

// sim is one sender with endless data, a path, and a receiver that
// acknowledges every second segment in order and every one out of order.
type sim struct {
	*driver
	p       path
	rng     *rand.Rand
	events  []event // a heap would do; there are few enough
	made    int
	freeAt  clock.Time // when the link has sent what is queued
	rcv     wire.Seq
	ooo     []wire.SACKBlock
	unacked int
	dropped int
	segs    int
}

func newSim(t *testing.T, p path, seed uint64) *sim {
	s := &sim{driver: &driver{t: t, tun: Defaults()}, p: p, rng: rand.New(rand.NewPCG(seed, 3)), rcv: base}
	s.e = Env{&s.tun, &s.stats}
	s.now = clock.Time(time.Second)
	if p.pace {
		s.tun.Pacing = 1
	}
	s.s.Open(&s.e, base, p.name)
	s.s.Establish(&s.e, s.now, &Config{MSS: 1448, SACK: true})
	s.s.Sample(&s.e, s.now, p.delay)
	return s
}

func (s *sim) post(at clock.Time, seg Range, ack *Ack) {
	s.made++
	e := event{at, s.made, seg, ack}
	i := len(s.events)
	s.events = append(s.events, e)
	for ; i > 0 && s.events[i-1].at > at; i-- {
		s.events[i] = s.events[i-1]
	}
	s.events[i] = e
}

// transmit puts a range on the link, cut into segments.
func (s *sim) transmit(r Range) {
	for at := r.Start; at.Less(r.End); at = at.Add(1448) {
		seg := Range{Start: at, End: wire.MinSeq(at.Add(1448), r.End)}
		s.segs++
		queued := int(max(s.freeAt-s.now, 0)) * s.p.rate / int(time.Second)
		if queued+1500 > s.p.queue || s.rng.Float64() < s.p.loss {
			s.dropped++
			continue
		}
		s.freeAt = max(s.freeAt, s.now) + clock.Time(1500*int(time.Second)/s.p.rate)
		arrive := s.freeAt.Add(s.p.delay / 2)
		if s.rng.Float64() < s.p.swap {
			arrive = arrive.Add(s.p.delay / 4)
		}
		s.post(arrive, seg, nil)
	}
}

func (s *sim) pull() {
	var r Range
	for s.s.Next(&s.e, s.now, 1<<20, 1<<16, &r) {
		s.transmit(r)
	}
	for {
		n := min(s.s.Room(&s.e, s.now), 1<<16)
		if n -= n % 1448; n <= 0 {
			return
		}
		at := s.s.Nxt()
		s.s.Sent(&s.e, s.now, at, at.Add(n))
		s.transmit(Range{Start: at, End: at.Add(n)})
	}
}

// arrive is the receiver.
func (s *sim) arrive(r Range) {
	var blocks []wire.SACKBlock
	now := true
	switch {
	case r.End.AtMost(s.rcv):
		blocks = append(blocks, wire.SACKBlock{Start: r.Start, End: r.End}) // D-SACK
	case r.Start.AtMost(s.rcv):
		s.rcv = r.End
		s.unacked++
		now = len(s.ooo) > 0 || s.unacked >= 2
		for i := 0; i < len(s.ooo); i++ {
			if s.ooo[i].Start.AtMost(s.rcv) {
				s.rcv = wire.MaxSeq(s.rcv, s.ooo[i].End)
				s.ooo = append(s.ooo[:i], s.ooo[i+1:]...)
				i = -1
			}
		}
	default:
		run := wire.SACKBlock{Start: r.Start, End: r.End}
		for i := 0; i < len(s.ooo); i++ {
			if o := s.ooo[i]; o.Start.AtMost(run.End) && run.Start.AtMost(o.End) {
				run = wire.SACKBlock{Start: wire.MinSeq(o.Start, run.Start), End: wire.MaxSeq(o.End, run.End)}
				s.ooo = append(s.ooo[:i], s.ooo[i+1:]...)
				i = -1
			}
		}
		s.ooo = append([]wire.SACKBlock{run}, s.ooo...)
	}
	if now {
		s.unacked = 0
		blocks = append(blocks, s.ooo...)
		s.post(s.now.Add(s.p.delay/2), Range{}, &Ack{Seq: s.rcv, Blocks: blocks[:min(len(blocks), 4)], Dup: true})
	}
}

// run goes on for so long and calls each at every step of it.
func (s *sim) run(d, step time.Duration, each func()) {
	end, next := s.now.Add(d), s.now
	s.pull()
	for {
		at := s.s.Deadline()
		if len(s.events) > 0 {
			at = min(at, s.events[0].at)
		}
		for next <= min(at, end) {
			each()
			next = next.Add(step)
		}
		if at > end {
			return
		}
		s.now = max(s.now, at)
		if len(s.events) > 0 && s.events[0].at <= s.now {
			e := s.events[0]
			s.events = s.events[1:]
			if e.ack == nil {
				s.arrive(e.seg)
				continue
			}
			s.s.Ack(&s.e, s.now, e.ack)
		} else {
			s.s.Expire(&s.e, s.now)
		}
		s.pull()
		if s.made%64 == 0 {
			if err := check(&s.s); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func snapshot(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, _ := os.ReadFile(file); got != string(want) {
		t.Errorf("%s differs; now it is:\n%s", file, got)
	}
}

// TestCurves draws the congestion window over a bottleneck: the sawtooth of
// each algorithm, as a snapshot.
func TestCurves(t *testing.T) {
	for _, p := range []path{
		{rate: 2_500_000, delay: 40 * time.Millisecond, queue: 100_000, name: "newreno"},
		{rate: 2_500_000, delay: 40 * time.Millisecond, queue: 100_000, name: "cubic"},
		{rate: 2_500_000, delay: 40 * time.Millisecond, queue: 100_000, name: "cubic", pace: true},
		{rate: 12_500_000, delay: 100 * time.Millisecond, queue: 600_000, name: "cubic"},
		{rate: 12_500_000, delay: 100 * time.Millisecond, queue: 600_000, name: "newreno"},
	} {
		s := newSim(t, p, 1)
		var b strings.Builder
		fmt.Fprintf(&b, "%s, %d kbyte/s, %v, queue %d, pacing %v\n", p.name, p.rate/1000, p.delay, p.queue, p.pace)
		fmt.Fprintf(&b, "  time     cwnd segments\n")
		from := s.now
		s.run(30*time.Second, 500*time.Millisecond, func() {
			n := s.s.win.Cwnd / 1448
			fmt.Fprintf(&b, "%6.1f %8d %s\n", s.now.Sub(from).Seconds(), n, strings.Repeat("*", n*1448*60/(p.queue+p.rate*int(p.delay/time.Millisecond)/1000)))
		})
		fmt.Fprintf(&b, "goodput %.1f%%, resent %.2f%%, timeouts %d, undone %d\n", float64(s.rcv.Sub(base))/30/float64(p.rate)*100*1500/1448,
			float64(s.stats.Resent)/float64(s.segs)*100, s.stats.Timeouts, s.stats.BadTimeouts)
		pace := ""
		if p.pace {
			pace = "-paced"
		}
		snapshot(t, fmt.Sprintf("testdata/curves/%s-%d%s.curve", p.name, p.rate/125_000, pace), b.String())
	}
}

// TestGoodput is a table of what is delivered of 50 Mbit/s at 20 ms, by random
// loss, with and without RACK.
func TestGoodput(t *testing.T) {
	var b strings.Builder
	b.WriteString("algorithm  loss  reorder  rack   goodput  sent twice  timeouts  probes  undone\n")
	for _, name := range []string{"cubic", "newreno"} {
		for _, c := range []struct {
			loss, swap float64
			rack       int32
		}{{0, 0, 1}, {0.001, 0, 1}, {0.01, 0, 1}, {0.05, 0, 1}, {0.2, 0, 1}, {0.01, 0, 0}, {0, 0.01, 1}, {0, 0.01, 0}, {0.01, 0.01, 1}} {
			p := path{rate: 6_250_000, delay: 20 * time.Millisecond, queue: 125_000, name: name, loss: c.loss, swap: c.swap}
			s := newSim(t, p, 7)
			s.tun.RACK = c.rack
			s.run(20*time.Second, 20*time.Second, func() {})
			fmt.Fprintf(&b, "%-9s %4.1f%% %7.1f%% %5d %8.1f%% %10.2f%% %9d %7d %7d\n", name, c.loss*100, c.swap*100, c.rack,
				float64(s.rcv.Sub(base))/20/float64(p.rate)*100*1500/1448, float64(s.segs-s.dropped-s.rcv.Sub(base)/1448)/float64(s.segs)*100,
				s.stats.Timeouts, s.stats.Probes, s.stats.BadTimeouts)
		}
	}
	snapshot(t, "testdata/goodput.table", b.String())
}
