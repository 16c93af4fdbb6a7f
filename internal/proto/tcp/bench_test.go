package tcp

import (
	"testing"
	"time"
	"unsafe"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// pair is two connections and the time between them.
type pair struct {
	ends [2]*script
	now  clock.Time
}

// newPair returns two ends that are connected. The first wrote burst bytes at a
// time at most.
func newPair(t testing.TB, burst int) *pair {
	p := &pair{now: clock.Time(10 * time.Second)}
	a, b := newScript(t), newScript(t)
	p.ends = [2]*script{a, b}
	a.cfg.MaxBurst, b.cfg.MaxBurst = burst, burst
	a.c.Connect(a.env(), p.now, &a.cfg)
	var o Out
	a.c.Next(a.env(), p.now, &o)
	h := &o.Hdr.Options
	hs := Handshake{ISS: 7, IRS: o.Hdr.Seq, MSS: h.MSS, HasScale: true, SndScale: h.Scale, RcvScale: 6, SACK: true,
		HasTime: true, TSRecent: h.TSVal, FastOpen: true, Window: o.Hdr.Window}
	var ev Event
	b.c.Accept(b.env(), p.now, &b.cfg, &hs, &ev)
	for p.turn(1, 0)+p.turn(0, 1) > 0 {
	}
	if a.c.State() != ESTABLISHED || b.c.State() != ESTABLISHED {
		t.Fatal(a.c.State(), b.c.State())
	}
	return p
}

// turn hands over what one end has for the other, whose user reads it.
func (p *pair) turn(from, to int) int {
	x, y := p.ends[from], p.ends[to]
	ex, ey := Env{T: &x.tun, S: &x.st, L: x.env().L, C: &x.ch, OOO: 1 << 20}, Env{T: &y.tun, S: &y.st, L: y.env().L, C: &y.ch, OOO: 1 << 20}
	return p.exchange(x.c, y.c, &ex, &ey)
}

func (p *pair) exchange(x, y *Conn, ex, ey *Env) int {
	var o Out
	var ev Event
	n := 0
	for x.Next(ex, p.now, &o) {
		n++
		p.now += clock.Time(5 * time.Microsecond)
		y.Input(ey, p.now, &o.Hdr, o.Len, NotECT, &ev)
		y.Read(ev.Readable)
	}
	return n
}

// bulk sends n bytes in writes of size, and returns how many segments it took.
func (p *pair) bulk(n, size int) int {
	x, y := p.ends[0], p.ends[1]
	ex, ey := *x.env(), *y.env()
	segs := 0
	for n > 0 {
		if free := x.c.SndLimit(&x.tun) - x.c.sndEnd.Sub(x.c.snd.Una()); free >= size {
			x.c.Wrote(size)
			n -= size
		}
		segs += p.exchange(x.c, y.c, &ex, &ey)
		segs += p.exchange(y.c, x.c, &ey, &ex)
	}
	return segs
}

// BenchmarkBulk is what a segment costs at both ends together: ns/seg counts
// every segment, each once in Next and once in Input.
func BenchmarkBulk(b *testing.B) {
	for _, c := range []struct {
		name        string
		burst, size int
	}{{"segments", 0, 64 << 10}, {"bursts", 65160, 65160}} {
		b.Run(c.name, func(b *testing.B) {
			p := newPair(b, c.burst)
			p.bulk(1<<22, c.size)
			b.ReportAllocs()
			b.SetBytes(int64(c.size))
			b.ResetTimer()
			segs := p.bulk(b.N*c.size, c.size)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(segs), "ns/seg")
		})
	}
}

// BenchmarkPingPong is one byte there and one back.
func BenchmarkPingPong(b *testing.B) {
	p := newPair(b, 0)
	ea, eb := *p.ends[0].env(), *p.ends[1].env()
	a, z := p.ends[0].c, p.ends[1].c
	b.ReportAllocs()
	for b.Loop() {
		a.Wrote(1)
		p.exchange(a, z, &ea, &eb)
		z.Wrote(1)
		p.exchange(z, a, &eb, &ea)
	}
}

// BenchmarkInput is the receiving end's share: data that is next, and one
// acknowledgment for two segments.
func BenchmarkInput(b *testing.B) {
	p := newPair(b, 0)
	y := p.ends[1]
	e := *y.env()
	h := wire.TCPHeader{Flags: wire.ACK, Ack: y.c.snd.Una(), Window: uint16(y.c.sndWnd >> y.c.sndScale), Seq: y.c.rcvNxt}
	h.Options.HasTime, h.Options.TSVal = true, y.c.tsRecent
	var ev Event
	var o Out
	b.ReportAllocs()
	for b.Loop() {
		y.c.Input(&e, p.now, &h, 1448, NotECT, &ev)
		y.c.Read(ev.Readable)
		h.Seq = h.Seq.Add(1448)
		for y.c.Next(&e, p.now, &o) {
		}
	}
}

// TestSize holds an idle connection to the 900 bytes that are planned for it.
func TestSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 900 {
		t.Errorf("a connection is %d bytes", n)
	} else {
		t.Logf("a connection is %d bytes, of which the sender %d", n, unsafe.Sizeof(Conn{}.snd))
	}
}

// TestAllocations: nothing is allocated per segment.
func TestAllocations(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates")
	}
	for _, burst := range []int{0, 65160} {
		p := newPair(t, burst)
		p.bulk(1<<22, 64<<10)
		if n := testing.AllocsPerRun(10, func() { p.bulk(1<<20, 64<<10) }); n > 0 {
			t.Errorf("burst %d: %v allocations per MiB", burst, n)
		}
	}
}
