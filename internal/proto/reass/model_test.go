package reass

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// golden is reassembly as slow and plain as RFC 791's bit map: for each
// datagram an array that says which packet each byte came in.
type golden struct {
	at        clock.Time
	abandoned bool
	owner     [512]int // packet by byte, 0 none
	pieces    map[int]Fragment[int]
	total     int
	marks     [4]bool
}

type answer struct {
	verdict Verdict
	reason  Reason
	ecn     uint8
	pieces  []Piece[int]
}

// input judges f, and returns the datagram's packets if they are given up.
func (g *golden) input(f *Fragment[int]) (a answer, freed []int) {
	if g.abandoned {
		return answer{verdict: Refused, reason: Abandoned}, nil
	}
	end := f.Off + f.Len
	for _, p := range g.pieces {
		if p.Off == f.Off && p.Len == f.Len && p.More == f.More {
			return answer{verdict: Refused, reason: Duplicate}, nil
		}
	}
	bad := None
	for i, o := range g.owner {
		if o != 0 && (i >= f.Off && i < end || !f.More && i >= end) {
			bad = Overlap
		}
	}
	if g.total >= 0 && (end > g.total || f.More && end == g.total || !f.More) {
		bad = Overlap
	}
	g.marks[f.ECN] = true
	if bad == None && g.marks[0] && g.marks[3] {
		bad = MixedECN
	}
	if bad != None {
		for _, p := range g.pieces {
			freed = append(freed, p.Packet)
		}
		return answer{verdict: Refused, reason: bad}, freed
	}
	for i := f.Off; i < end; i++ {
		g.owner[i] = f.Packet
	}
	g.pieces[f.Packet] = *f
	if !f.More {
		g.total = end
	}
	return g.whole(), nil
}

// whole reads the datagram off the bytes if none is missing.
func (g *golden) whole() answer {
	if g.total < 0 {
		return answer{}
	}
	var a answer
	for i := 0; i < g.total; i++ {
		o := g.owner[i]
		if o == 0 {
			return answer{}
		}
		if n := len(a.pieces); n > 0 && a.pieces[n-1].Packet == o {
			a.pieces[n-1].Len++
		} else {
			a.pieces = append(a.pieces, Piece[int]{i, 1, o})
		}
	}
	a.verdict, a.ecn = Complete, g.pieces[g.owner[0]].ECN
	if g.marks[3] {
		a.ecn = 3
	}
	return a
}

// race feeds the same fragments to the table and to golden datagrams.
type race struct {
	t       *testing.T
	now     clock.Time
	tun     Tunables
	stats   Stats
	table   Table[int]
	golden  map[Key]*golden
	held    map[int]bool
	next    int
	scratch []Piece[int]
}

func newRace(t *testing.T) *race {
	r := &race{t: t, tun: Defaults(), golden: map[Key]*golden{}, held: map[int]bool{}}
	r.tun.MaxFragments, r.tun.MaxFragments6 = 1000, 1000
	r.table.Bind(&r.tun, &r.stats)
	return r
}

// step takes three bytes: which datagram with which marks, where, how long.
func (r *race) step(a, b, c byte) {
	if a >= 0xf0 {
		r.pass(time.Duration(b) * time.Second / 8)
		return
	}
	r.next++
	f := Fragment[int]{Key: key(uint32(a>>1&7), a&1 != 0), Off: int(b&31) * 8, Len: int(c&7+1) * 8, More: c&8 != 0, Packet: r.next}
	if a&0x10 != 0 {
		f.ECN = a >> 5 & 3
	} else {
		f.ECN = 2
	}
	if !f.More {
		f.Len -= int(c >> 5)
	}
	if f.Off == 0 && (!f.More || f.Len < 8) {
		return
	}
	g := r.golden[f.Key]
	if g == nil {
		g = &golden{at: r.now, pieces: map[int]Fragment[int]{}, total: -1}
		r.golden[f.Key] = g
	}
	want, freed := g.input(&f)
	got := r.table.Input(r.now, &f, r.scratch)
	r.scratch = got.Pieces[:0]
	r.compare(&f, got, want)
	if got.Verdict == Held {
		r.held[f.Packet] = true
	}
	for _, p := range freed {
		if !r.held[p] {
			r.t.Fatalf("packet %d is not held", p)
		}
	}
	for _, p := range got.Pieces {
		delete(r.held, p.Packet)
	}
	n := r.pull()
	switch {
	case n != len(freed):
		r.t.Fatalf("%d packets given up, want %d", n, len(freed))
	case got.Reason == Overlap || got.Reason == MixedECN:
		g.abandoned, g.pieces = true, nil
		if f.Key.Proto != 0 {
			delete(r.golden, f.Key)
		}
	case got.Verdict == Complete:
		delete(r.golden, f.Key)
	}
}

func (r *race) compare(f *Fragment[int], got Result[int], want answer) {
	same := got.Verdict == want.verdict && got.Reason == want.reason && got.ECN == want.ecn && len(got.Pieces) == len(want.pieces)
	for i := 0; same && i < len(got.Pieces); i++ {
		same = got.Pieces[i] == want.pieces[i]
	}
	if !same {
		r.t.Fatalf("%+v:\ngot  %+v\nwant %+v", f, got, want)
	}
}

// pass lets time pass and expects exactly the golden datagrams that are too old
// to be given up.
func (r *race) pass(d time.Duration) {
	r.now = r.now.Add(d)
	want := 0
	for k, g := range r.golden {
		ttl := 60 * time.Second
		if k.Proto != 0 {
			ttl = 30 * time.Second
		}
		if r.now.Sub(g.at) >= ttl {
			want += len(g.pieces)
			delete(r.golden, k)
		}
	}
	if n := r.pull(); n != want {
		r.t.Fatalf("%d packets timed out, want %d", n, want)
	}
	if r.table.Deadline() <= r.now || r.table.Len() != len(r.golden) {
		r.t.Fatalf("deadline %d at %d; %d datagrams, want %d", r.table.Deadline(), r.now, r.table.Len(), len(r.golden))
	}
}

func (r *race) pull() (n int) {
	var o Out[int]
	for ; r.table.Next(r.now, &o); n++ {
		if !r.held[o.Packet] {
			r.t.Fatalf("packet %d came out twice or was never taken", o.Packet)
		}
		delete(r.held, o.Packet)
	}
	return n
}

func (r *race) finish() {
	r.pass(time.Hour)
	if len(r.held) != 0 || r.table.Len() != 0 || r.table.queues[v4].bytes+r.table.queues[v6].bytes != 0 {
		r.t.Fatalf("left: %v, %+v", r.held, r.table.queues)
	}
}

func TestGolden(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		r := newRace(t)
		// Few marks and contiguous offsets at first, so that datagrams do
		// become complete; wild ones after.
		for i := range 600 {
			a, b, c := byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())
			if i < 500 {
				a, b, c = a&0x0f, b&3, 8
				if b == 3 {
					c = 0
				}
			}
			r.step(a, b, c)
		}
		r.finish()
		if r.stats.Reassembled < 10 || r.stats.Reassembled6 < 5 {
			t.Fatalf("hardly anything became complete: %+v", r.stats)
		}
	}
}

func FuzzInput(f *testing.F) {
	f.Add([]byte{0, 0, 8, 0, 1, 8, 0, 2, 0})
	f.Add([]byte{1, 2, 0, 1, 1, 8, 1, 0, 9, 1, 0, 8, 0xf0, 255, 0, 0xf0, 255, 0})
	f.Add([]byte{0x10, 0, 8, 0x70, 1, 0, 0x30, 0, 8, 0x31, 0, 8, 0x71, 1, 0x60})
	f.Fuzz(func(t *testing.T, ops []byte) {
		r := newRace(t)
		for ; len(ops) >= 3; ops = ops[3:] {
			r.step(ops[0], ops[1], ops[2])
		}
		r.finish()
	})
}

// FuzzLimits checks under tight limits, with any values, that the limits hold
// and that every packet comes out once.
func FuzzLimits(f *testing.F) {
	f.Add([]byte{0, 0, 8, 2, 0, 8, 4, 0, 8, 6, 0, 8, 0, 1, 8, 0, 2, 8, 0, 3, 8})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var tab Table[int]
		tun, held, now := Defaults(), map[int]bool{}, clock.Time(0)
		tun.MaxDatagrams, tun.MaxFragments, tun.MaxBytes = 3, 4, 300
		tab.Bind(&tun, new(Stats))
		drop := func(p int) {
			if !held[p] {
				t.Fatalf("packet %d came out twice or was never taken", p)
			}
			delete(held, p)
		}
		for n := 1; len(ops) >= 3; ops, n = ops[3:], n+1 {
			f := Fragment[int]{
				Key: key(uint32(ops[0]&7), false), Off: int(ops[1]) * 300, Len: int(int8(ops[2])) * 4,
				More: ops[0]&8 != 0, Hdr: int(ops[0]>>4) * 4, Packet: n,
			}
			now = now.Add(time.Duration(ops[0]) * time.Millisecond * 50)
			r := tab.Input(now, &f, nil)
			if held[n] = true; r.Verdict == Refused {
				drop(n)
			}
			for _, p := range r.Pieces {
				drop(p.Packet)
			}
			var o Out[int]
			for tab.Next(now, &o) {
				drop(o.Packet)
			}
			q := &tab.queues[v4]
			if q.len > 3 || q.bytes > 300 || q.bytes < 0 || len(held) > 12 {
				t.Fatalf("%d datagrams, %d bytes, %d packets", q.len, q.bytes, len(held))
			}
		}
	})
}

func TestNoAllocation(t *testing.T) {
	r := newRace(t)
	pieces := make([]Piece[int], 0, 8)
	one := func() {
		for i := range 4 {
			f := Fragment[int]{Key: key(1, false), Off: i * 1480, Len: 1480, More: i < 3, Packet: i}
			if got := r.table.Input(0, &f, pieces); i == 3 && got.Verdict != Complete {
				t.Fatalf("%+v", got)
			}
		}
	}
	one()
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations per datagram", n)
	}
}

// BenchmarkDatagram reassembles one of three fragments while n others wait.
func BenchmarkDatagram(b *testing.B) {
	for _, others := range []int{0, 7, 1000} {
		b.Run(map[int]string{0: "alone", 7: "among7", 1000: "among1000"}[others], func(b *testing.B) {
			var tab Table[int]
			tun := Defaults()
			tab.Bind(&tun, new(Stats))
			for i := range others {
				tab.Input(0, &Fragment[int]{Key: key(uint32(i)+2, false), Len: 1480, More: true}, nil)
			}
			pieces := make([]Piece[int], 0, 8)
			b.ReportAllocs()
			for range b.N {
				for j := range 3 {
					tab.Input(0, &Fragment[int]{Key: key(1, false), Off: j * 1480, Len: 1480, More: j < 2, Packet: j}, pieces)
				}
			}
		})
	}
}
