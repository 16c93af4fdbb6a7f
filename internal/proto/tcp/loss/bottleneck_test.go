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

// path is a bottleneck: a queue of limit segments in front of a link, with a
// delay each way.
type path struct {
	name  string
	rate  int // bytes per second
	delay time.Duration
	limit int
	lossy int  // of 10,000 segments, beside those that the queue drops
	mark  int  // segments in the queue from which on they are marked; 0: none is
	plain bool // no SACK
}

const simMSS = 1000

// packet is a segment on its way, or, coming back, an acknowledgement.
type packet struct {
	at       clock.Time
	seq, end wire.Seq
	a        Ack
	ack, cwr bool
}

// bottleneck is one sender with as much as it can send, its path, and a receiver
// that acknowledges every segment.
type bottleneck struct {
	path
	s     Sender
	e     Env
	st    Stats
	tun   Tunables
	rng   *rand.Rand
	now   clock.Time
	wire  []packet // in order of arrival
	freed []clock.Time
	next  wire.Seq // the receiver's
	held  []wire.SACKBlock
	ce    bool
	drops int
}

func newBottleneck(p path, control string) *bottleneck {
	b := &bottleneck{path: p, now: clock.Time(time.Second), tun: Defaults(), rng: rand.New(rand.NewPCG(1, 2))}
	b.e = Env{T: &b.tun, S: &b.st}
	b.s.Open(&b.e, 0, control)
	b.s.Establish(&b.e, b.now, &Config{MSS: simMSS, SACK: !p.plain, ECN: p.mark > 0})
	b.s.Sample(&b.e, b.now, 2*p.delay)
	return b
}

// put queues a segment at the bottleneck.
func (b *bottleneck) put(from, to wire.Seq, cwr bool) {
	for len(b.freed) > 0 && b.freed[0] <= b.now {
		b.freed = b.freed[1:]
	}
	if len(b.freed) >= b.limit || b.rng.IntN(10000) < b.lossy {
		b.drops++
		return
	}
	start := b.now
	if n := len(b.freed); n > 0 {
		start = b.freed[n-1]
	}
	done := start.Add(time.Duration(to.Sub(from)) * time.Second / time.Duration(b.rate))
	b.freed = append(b.freed, done)
	p := packet{at: done.Add(b.delay), seq: from, end: to, cwr: cwr}
	p.a.ECE = b.mark > 0 && len(b.freed) > b.mark
	b.add(p)
}

func (b *bottleneck) add(p packet) {
	i := len(b.wire)
	for i > 0 && b.wire[i-1].at > p.at {
		i--
	}
	b.wire = append(b.wire, packet{})
	copy(b.wire[i+1:], b.wire[i:])
	b.wire[i] = p
}

// arrive is the receiver.
func (b *bottleneck) arrive(p packet) {
	blocks := []wire.SACKBlock{}
	switch {
	case p.end.AtMost(b.next):
		blocks = append(blocks, wire.SACKBlock{Start: p.seq, End: p.end}) // D-SACK
	case p.seq.AtMost(b.next):
		b.next = p.end
		for len(b.held) > 0 && b.held[0].Start.AtMost(b.next) {
			b.next = wire.MaxSeq(b.next, b.held[0].End)
			b.held = b.held[1:]
		}
	default:
		i := 0
		for i < len(b.held) && b.held[i].End.Less(p.seq) {
			i++
		}
		n := wire.SACKBlock{Start: p.seq, End: p.end}
		j := i
		for ; j < len(b.held) && b.held[j].Start.AtMost(p.end); j++ {
			n.Start, n.End = wire.MinSeq(n.Start, b.held[j].Start), wire.MaxSeq(n.End, b.held[j].End)
		}
		b.held = append(b.held[:i], append([]wire.SACKBlock{n}, b.held[j:]...)...)
		blocks = append(blocks, n)
	}
	for _, h := range b.held {
		if len(blocks) < 3 && (len(blocks) == 0 || h != blocks[0]) {
			blocks = append(blocks, h)
		}
	}
	b.ce = b.ce && !p.cwr || p.a.ECE // RFC 3168 §6.1.3
	b.add(packet{at: b.now.Add(b.delay), ack: true, a: Ack{Seq: b.next, Blocks: blocks, ECE: b.ce}})
}

// run runs until then.
func (b *bottleneck) run(until clock.Time) {
	for b.send(); ; b.send() {
		at := b.s.Deadline()
		if len(b.wire) > 0 && b.wire[0].at <= at {
			if at = b.wire[0].at; at > until {
				break
			}
			p := b.wire[0]
			b.wire = b.wire[1:]
			if b.now = at; p.ack {
				p.a.Dup = p.a.Seq == b.s.Una()
				b.s.Ack(&b.e, b.now, &p.a)
			} else {
				b.arrive(p)
			}
			continue
		}
		if at > until {
			break
		}
		b.now = at
		b.s.Expire(&b.e, b.now)
	}
	b.now = until
}

func (b *bottleneck) send() {
	var r Range
	for b.s.Next(&b.e, b.now, 1<<20, simMSS, &r) {
		b.put(r.Start, r.End, false)
	}
	for b.s.Room(&b.e, b.now) >= simMSS {
		from := b.s.Nxt()
		b.s.Sent(&b.e, b.now, from, from.Add(simMSS))
		b.put(from, from.Add(simMSS), b.s.CWR())
	}
}

// TestBottleneck runs both controls over a few bottlenecks. Their windows, a
// line every half second, are in testdata/curves/bottleneck.txt.
func TestBottleneck(t *testing.T) {
	const span = 30 * time.Second
	var out strings.Builder
	for _, p := range []path{
		{name: "10 Mbit/s, 50 ms, queue of 60", rate: 1250000, delay: 25 * time.Millisecond, limit: 60},
		{name: "the same with ECN from 30 on", rate: 1250000, delay: 25 * time.Millisecond, limit: 60, mark: 30},
		{name: "the same, without SACK", rate: 1250000, delay: 25 * time.Millisecond, limit: 60, plain: true},
		{name: "100 Mbit/s, 80 ms, queue of 800", rate: 12500000, delay: 40 * time.Millisecond, limit: 800},
		{name: "10 Mbit/s, 20 ms, one of 200 lost", rate: 1250000, delay: 10 * time.Millisecond, limit: 100, lossy: 50},
	} {
		var lines []string
		var sum string
		for k, control := range []string{"cubic", "newreno"} {
			b := newBottleneck(p, control)
			for i := range int(span / (500 * time.Millisecond)) {
				b.run(b.now.Add(500 * time.Millisecond))
				if k == 0 {
					lines = append(lines, fmt.Sprintf("%5.1f", float64(i+1)/2))
				}
				lines[i] += fmt.Sprintf(" %8d", b.s.win.Cwnd/simMSS)
			}
			used := float64(b.next) / (float64(p.rate) * span.Seconds()) * 100
			sum += fmt.Sprintf("%s: link used %.1f %%, %d dropped, %d sent again, %d recoveries, %d timeouts, %d taken back, %d echoes\n",
				control, used, b.drops, b.st.Resent, b.st.Recoveries, b.st.Timeouts, b.st.BadTimeouts, b.st.ECNReduced)
			// Marks come before the queue covers what NewReno takes off, and the one
			// with CWR in a queue that is still too long is marked as well.
			if least := [2]float64{90, 75}[min(p.mark, 1)]; p.lossy == 0 && used < least {
				t.Errorf("%s, %s: only %.1f %% of the link are used", p.name, control, used)
			}
			if !p.plain && int(b.st.Resent) > b.drops+b.drops/50+3 {
				t.Errorf("%s, %s: %d dropped, %d sent again", p.name, control, b.drops, b.st.Resent)
			}
			if !p.plain && b.st.Timeouts > 2 {
				t.Errorf("%s, %s: %d timeouts", p.name, control, b.st.Timeouts)
			}
		}
		fmt.Fprintf(&out, "# %s\n%s    s    cubic  newreno\n%s\n\n", p.name, sum, strings.Join(lines, "\n"))
	}
	const file = "testdata/curves/bottleneck.txt"
	want, _ := os.ReadFile(file)
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if out.String() != string(want) {
		t.Errorf("%s does not say what happens (-update rewrites it); now:\n%s", file, out.String())
	}
}
