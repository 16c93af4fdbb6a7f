package tcp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
	"github.com/seed88948545/vimage/internal/wire"
)

// impair is what a random network does to segments, and how its two users
// behave. The zero value does nothing bad.
type impair struct {
	Seed       uint64
	Loss       int // of 1000 segments
	Dup        int
	Late       int // delivered up to Jitter later: overtaken
	Mark       int // CE instead of loss
	Delay      time.Duration
	Jitter     time.Duration
	Bytes      [2]int // each end writes
	Slow       [2]int // each end reads at most so many bytes per 10 ms; 0: at once
	Buf        int    // receive buffers; 0: automatic
	Burst      int
	MSS        int
	NoSACK     bool
	NoTime     bool
	ECN        bool
	NoDelay    bool
	Sim        bool // simultaneous open
	HalfClose  bool // end 1 writes only after end 0 has closed
	OOO        int  // bytes out of order that fit; 0: plenty
	Whole      bool // super-segments are not cut
	Unfinished bool // do not require that all ends well
}

// endpoint is one end with its user, and what the model knows of it.
type endpoint struct {
	c       Conn
	tun     Tunables
	lt      loss.Tunables
	st      Stats
	ls      loss.Stats
	ch      Challenges
	iss     wire.Seq
	written int
	acked   int
	kept    []iv // of the receive stream
	read    uint64
	avail   uint64
	shut    bool
	eof     bool
	done    bool
	err     error
	tw      bool
	m       model
}

type iv struct{ from, to uint64 }

// packet is a segment on the wire.
type packet struct {
	at  clock.Time
	n   int // order of sending, for ties
	to  int
	h   wire.TCPHeader
	off uint64
	len int
	ecn ECN
}

// network runs two ends against each other in virtual time.
type network struct {
	im   impair
	rng  *rand.Rand
	now  clock.Time
	ends [2]endpoint
	wire []packet
	n    int
	sent int
	fail string
}

func (w *network) failf(format string, a ...any) {
	if w.fail == "" {
		w.fail = fmt.Sprintf("at %v: ", time.Duration(w.now)) + fmt.Sprintf(format, a...)
	}
}

func (x *endpoint) env(im *impair) *Env {
	room := 1 << 30
	if im.OOO > 0 {
		room = im.OOO - x.c.OOO()
	}
	return &Env{T: &x.tun, S: &x.st, L: loss.Env{T: &x.lt, S: &x.ls}, C: &x.ch, OOO: room}
}

func newNetwork(im impair) *network {
	w := &network{im: im, rng: rand.New(rand.NewPCG(im.Seed, 1))}
	if im.MSS == 0 {
		w.im.MSS = 1460
	}
	for i := range w.ends {
		x := &w.ends[i]
		x.tun, x.lt = Defaults(), loss.Defaults()
		x.iss = wire.Seq(w.rng.Uint32())
		if w.rng.IntN(2) == 0 {
			x.iss = wire.Seq(0) - wire.Seq(w.rng.Uint32N(100_000)) // wraps soon
		}
		if im.NoSACK {
			x.lt.SACK = 0
		}
		if im.NoTime {
			x.tun.RFC1323 = 0
		}
		if im.ECN {
			x.tun.ECN = 1
		}
		g := Config{ISS: x.iss, TSOffset: w.rng.Uint32(), MSS: w.im.MSS, MaxBurst: im.Burst, RcvBuf: im.Buf, NoDelay: im.NoDelay}
		x.m = model{w: w, me: i}
		if i == 0 || im.Sim {
			x.c.Connect(x.env(&w.im), 0, &g)
		}
	}
	return w
}

// listen stands for the SYN cache: the first SYN makes a connection, which
// sends its SYN-ACK itself, as with Fast Open.
func (w *network) listen(p *packet) {
	x := &w.ends[1]
	x.m.arrived(p)
	o := &p.h.Options
	hs := Handshake{
		ISS: x.iss, IRS: p.h.Seq, MSS: o.MSS, HasScale: o.HasScale && x.tun.RFC1323 != 0, SndScale: o.Scale, RcvScale: 6,
		SACK: o.SACKOK && x.lt.SACK != 0, HasTime: o.HasTime && x.tun.RFC1323 != 0, TSRecent: o.TSVal,
		TSOffset: w.rng.Uint32(), ECN: p.h.Flags.Has(wire.ECE | wire.CWR), FastOpen: true, Window: p.h.Window,
	}
	var ev Event
	x.c.Accept(x.env(&w.im), w.now, &Config{MSS: w.im.MSS, MaxBurst: w.im.Burst, RcvBuf: w.im.Buf, NoDelay: w.im.NoDelay}, &hs, &ev)
	w.event(1, &packet{}, &ev)
}

// run runs until both ends are done, or for too long.
func (w *network) run() string {
	w.users()
	for w.fail == "" {
		next := clock.Never
		k := -1
		for i := range w.wire {
			p := &w.wire[i]
			if k < 0 || p.at < w.wire[k].at || p.at == w.wire[k].at && p.n < w.wire[k].n {
				k = i
			}
		}
		if k >= 0 {
			next = w.wire[k].at
		}
		for i := range w.ends {
			next = min(next, w.ends[i].c.Deadline())
		}
		if w.slow() {
			next = min(next, w.now+clock.Time(10*time.Millisecond))
		}
		if next == clock.Never {
			break
		}
		w.now = max(w.now, next)
		if w.now > clock.Time(24*time.Hour) || w.sent > 1_000_000 {
			w.failf("no end: %d segments, states %v %v, acked %d %d", w.sent, w.ends[0].c.State(), w.ends[1].c.State(), w.ends[0].acked, w.ends[1].acked)
			break
		}
		if k >= 0 && w.wire[k].at <= w.now {
			p := w.wire[k]
			w.wire = slices.Delete(w.wire, k, k+1)
			w.deliver(&p)
		}
		for i := range w.ends {
			if x := &w.ends[i]; x.c.Deadline() <= w.now {
				var ev Event
				x.c.Expire(x.env(&w.im), w.now, &ev)
				w.event(i, &packet{}, &ev)
				if d := x.c.Deadline(); d <= w.now {
					var o Out
					w.pull(i, &o)
				}
			}
		}
		w.users()
	}
	if w.fail == "" && !w.im.Unfinished {
		for i := range w.ends {
			x, y := &w.ends[i], &w.ends[1-i]
			if !x.done || x.err != nil || x.avail != uint64(y.written) || x.acked != w.im.Bytes[i] {
				w.failf("end %d: done %v, %v, read %d of %d, acked %d of %d, state %v", i, x.done, x.err, x.avail, w.im.Bytes[1-i], x.acked, w.im.Bytes[i], x.c.State())
			}
		}
	}
	return w.fail
}

func (w *network) slow() bool {
	for i := range w.ends {
		if x := &w.ends[i]; w.im.Slow[i] > 0 && x.read < x.avail && !x.done {
			return true
		}
	}
	return false
}

// users lets both users do what they can, and pulls.
func (w *network) users() {
	for i := range w.ends {
		x := &w.ends[i]
		if x.c.State() == CLOSED && !x.c.rst && !x.c.refused {
			continue
		}
		if x.read < x.avail {
			to := x.avail
			if r := uint64(w.im.Slow[i]); r > 0 {
				to = min(to, x.read+r)
			}
			x.read = to
			x.c.Read(to)
		}
		mayWrite := x.c.State() >= ESTABLISHED && (!w.im.HalfClose || i == 0 || x.eof)
		for mayWrite && x.written < w.im.Bytes[i] {
			n := min(w.im.Bytes[i]-x.written, x.c.SndLimit(&x.tun)-(x.written-x.acked), 1+w.rng.IntN(40_000))
			if n <= 0 {
				break
			}
			x.written += n
			x.c.Wrote(n)
			if w.rng.IntN(4) == 0 {
				break
			}
		}
		if mayWrite && x.written == w.im.Bytes[i] && !x.shut {
			x.shut = true
			x.c.Shutdown()
		}
		var o Out
		w.pull(i, &o)
	}
}

// pull puts what an end sends onto the wire.
func (w *network) pull(i int, o *Out) {
	x := &w.ends[i]
	for x.c.Next(x.env(&w.im), w.now, o) {
		x.m.sent(o)
		w.sent++
		if w.fail != "" {
			return
		}
		fin := o.Hdr.Flags.Has(wire.FIN)
		step := max(o.Len, 1)
		if !w.im.Whole {
			step = max(o.Seg, 1)
		}
		for at := 0; at == 0 || at < o.Len; at += step {
			p := packet{to: 1 - i, h: o.Hdr, off: o.Off + uint64(at), len: min(step, o.Len-at)}
			p.h.Seq = p.h.Seq.Add(at)
			if fin && at+p.len < o.Len {
				p.h.Flags &^= wire.FIN
			}
			if at > 0 {
				p.h.Flags &^= wire.CWR
			}
			if o.ECT {
				p.ecn = ECT0
			}
			w.put(p)
		}
	}
}

// put lets the network do to a segment what it does.
func (w *network) put(p packet) {
	if w.rng.IntN(1000) < w.im.Loss {
		return
	}
	if p.ecn == ECT0 && w.rng.IntN(1000) < w.im.Mark {
		p.ecn = CE
	}
	p.at = w.now.Add(w.im.Delay)
	if w.rng.IntN(1000) < w.im.Late {
		p.at = p.at.Add(time.Duration(w.rng.Int64N(int64(w.im.Jitter) + 1)))
	}
	w.n++
	p.n = w.n
	w.wire = append(w.wire, p)
	if w.rng.IntN(1000) < w.im.Dup {
		p.at = p.at.Add(time.Duration(w.rng.Int64N(int64(w.im.Jitter) + 1)))
		w.n++
		p.n = w.n
		w.wire = append(w.wire, p)
	}
}

// deliver hands a segment to its end.
func (w *network) deliver(p *packet) {
	x := &w.ends[p.to]
	if x.c.State() == CLOSED {
		if p.to == 1 && !w.im.Sim && !x.done && p.h.Flags == p.h.Flags&^wire.ACK && p.h.Flags.Has(wire.SYN) {
			w.listen(p)
			var o Out
			w.pull(p.to, &o)
			return
		}
		var o Out
		if Refuse(&p.h, p.len, &o) && x.done {
			w.put(packet{to: 1 - p.to, h: o.Hdr})
		}
		return
	}
	if x.tw { // tcp/wait: a FIN that comes again is acknowledged again
		if r := x.c.Remains(); p.h.Flags.Has(wire.FIN) || p.len > 0 {
			h := wire.TCPHeader{Seq: r.SndNxt, Ack: r.RcvNxt, Flags: wire.ACK, Window: r.Window}
			h.Options.HasTime, h.Options.TSVal, h.Options.TSEcr = r.HasTime, stamp(w.now)+r.TSOffset, r.TSRecent
			w.put(packet{to: 1 - p.to, h: h})
		}
		return
	}
	x.m.arrived(p)
	var ev Event
	x.c.Input(x.env(&w.im), w.now, &p.h, p.len, p.ecn, &ev)
	w.event(p.to, p, &ev)
	if w.rng.IntN(3) > 0 { // batches of several
		var o Out
		w.pull(p.to, &o)
	}
}

// event checks what an end tells its user, and remembers it.
func (w *network) event(i int, p *packet, ev *Event) {
	x := &w.ends[i]
	if ev.To > ev.From {
		if ev.From < 0 || ev.To > p.len || p.off+uint64(ev.From) != ev.At {
			w.failf("end %d keeps [%d,%d) of a segment of %d bytes at %d for offset %d", i, ev.From, ev.To, p.len, p.off, ev.At)
		}
		x.keep(ev.At, ev.At+uint64(ev.To-ev.From))
	}
	if ev.Readable < x.avail {
		w.failf("end %d: readable went back from %d to %d", i, x.avail, ev.Readable)
	}
	if x.avail = ev.Readable; x.avail > 0 && (len(x.kept) == 0 || x.kept[0].from != 0 || x.kept[0].to < x.avail) {
		w.failf("end %d says %d bytes are readable of %v", i, ev.Readable, x.kept)
	}
	if limit := x.read + uint64(x.c.RcvLimit()) + 1<<x.c.rcvScale; x.avail > limit {
		w.failf("end %d: %d bytes in a buffer of %d", i, x.avail-x.read, x.c.RcvLimit())
	}
	x.acked += ev.Acked
	if x.acked > x.written {
		w.failf("end %d: %d of %d bytes acknowledged", i, x.acked, x.written)
	}
	if ev.Has(PeerClosed) {
		if x.eof = true; x.avail != uint64(w.im.Bytes[1-i]) {
			w.failf("end %d: end of stream at %d of %d", i, x.avail, w.im.Bytes[1-i])
		}
	}
	if ev.Has(TimeWait) {
		var o Out
		w.pull(i, &o)
		x.tw, x.done = true, true
	}
	if ev.Has(Closed) {
		x.done = true
		if ev.Err != 0 {
			x.err = ev.Err
		}
	}
}

// keep adds [from, to) to what has been kept.
func (x *endpoint) keep(from, to uint64) {
	x.kept = append(x.kept, iv{from, to})
	slices.SortFunc(x.kept, func(a, b iv) int { return int(int64(a.from - b.from)) })
	out := x.kept[:1]
	for _, v := range x.kept[1:] {
		if l := &out[len(out)-1]; v.from <= l.to {
			l.to = max(l.to, v.to)
		} else {
			out = append(out, v)
		}
	}
	x.kept = out
}

// TestRandomNetworks runs many random networks; one that fails is made smaller
// until nothing more can be left out.
func TestRandomNetworks(t *testing.T) {
	n := 3000
	if testing.Short() || raceOn {
		n = 150
	}
	sent, again, late := 0, uint64(0), uint64(0)
	for seed := range uint64(n) {
		im := randomImpair(seed)
		w := newNetwork(im)
		if fail := w.run(); fail != "" {
			im, fail = shrink(im, fail)
			t.Fatalf("%+v\n%s", im, fail)
		}
		sent += w.sent
		for i := range w.ends {
			again += w.ends[i].ls.Resent
			late += w.ends[i].st.RcvOOO
		}
	}
	t.Logf("%d networks, %d segments, %d sent again, %d out of order", n, sent, again, late)
}

func randomImpair(seed uint64) impair {
	rng := rand.New(rand.NewPCG(seed, 2))
	some := func(n int) int {
		if rng.IntN(2) == 0 {
			return 0
		}
		return 1 + rng.IntN(n)
	}
	im := impair{
		Seed: seed, Loss: some(150), Dup: some(100), Late: some(300), Mark: some(100),
		Delay:  time.Duration(rng.IntN(100_000)) * time.Microsecond * time.Duration(rng.IntN(2)),
		Jitter: time.Duration(rng.IntN(50)) * time.Millisecond,
		Bytes:  [2]int{some(300_000), some(100_000)},
		Slow:   [2]int{some(20_000), some(20_000)},
		Buf:    some(100_000),
		MSS:    []int{1460, 536, 8960, 100}[rng.IntN(4)],
		NoSACK: rng.IntN(3) == 0, NoTime: rng.IntN(3) == 0, ECN: rng.IntN(2) == 0, NoDelay: rng.IntN(2) == 0,
		Sim: rng.IntN(8) == 0, HalfClose: rng.IntN(4) == 0, Whole: rng.IntN(3) == 0,
	}
	if im.Buf > 0 && im.Buf < 1000 {
		im.Buf = 1000
	}
	for i := range im.Slow {
		if im.Slow[i] > 0 {
			im.Slow[i] += 500
		}
	}
	if rng.IntN(2) == 0 {
		im.Burst = 65160
	}
	if rng.IntN(4) == 0 {
		im.OOO = 20_000
	}
	return im
}

// shrink leaves out impairments as long as it still fails.
func shrink(im impair, fail string) (impair, string) {
	cuts := []func(*impair){
		func(i *impair) { i.Loss = 0 }, func(i *impair) { i.Dup = 0 }, func(i *impair) { i.Late = 0 }, func(i *impair) { i.Mark = 0 },
		func(i *impair) { i.Delay = 0 }, func(i *impair) { i.Jitter = 0 }, func(i *impair) { i.Bytes[0] /= 2 }, func(i *impair) { i.Bytes[1] /= 2 },
		func(i *impair) { i.Bytes[1] = 0 }, func(i *impair) { i.Slow = [2]int{} }, func(i *impair) { i.Buf = 0 }, func(i *impair) { i.Burst = 0 },
		func(i *impair) { i.MSS = 1460 }, func(i *impair) { i.NoSACK = false }, func(i *impair) { i.NoTime = false }, func(i *impair) { i.ECN = false },
		func(i *impair) { i.NoDelay = false }, func(i *impair) { i.Sim = false }, func(i *impair) { i.HalfClose = false }, func(i *impair) { i.OOO = 0 },
		func(i *impair) { i.Whole = false }, func(i *impair) { i.Loss /= 2 }, func(i *impair) { i.Late /= 2 },
	}
	for again := true; again; {
		again = false
		for _, cut := range cuts {
			next := im
			if cut(&next); next == im {
				continue
			}
			if f := newNetwork(next).run(); f != "" {
				im, fail, again = next, f, true
			}
		}
	}
	return im, fail
}

// TestModelSees plants faults: the model must find each, or it proves nothing.
func TestModelSees(t *testing.T) {
	for name, plant := range map[string]func(*model, *Out){
		"beyond the window":     func(m *model, o *Out) { o.Hdr.Seq, o.Off, o.Len = m.peerEdge, uint64(m.peerEdge-m.w.ends[0].iss)-1, 2 },
		"offset":                func(m *model, o *Out) { o.Off++; o.Len = 1 },
		"nobody wrote":          func(m *model, o *Out) { o.Len = 1 << 20 },
		"gap":                   func(m *model, o *Out) { o.Hdr.Seq = m.nxt.Add(5); o.Off += 5; o.Len = 1 },
		"FIN elsewhere":         func(m *model, o *Out) { o.Hdr.Flags |= wire.FIN; o.Hdr.Seq = o.Hdr.Seq.Add(-9) },
		"ack goes back":         func(m *model, o *Out) { o.Hdr.Ack-- },
		"ack of nothing":        func(m *model, o *Out) { o.Hdr.Ack = o.Hdr.Ack.Add(100) },
		"window shrinks":        func(m *model, o *Out) { o.Hdr.Window -= 2 },
		"timestamp":             func(m *model, o *Out) { o.Hdr.Options.TSVal -= 10_000 },
		"no timestamp":          func(m *model, o *Out) { o.Hdr.Options.HasTime = false },
		"SACK of nothing":       func(m *model, o *Out) { o.Hdr.Options.NSACK, o.Hdr.Options.SACK[0].End = 1, o.Hdr.Ack },
		"ECT on acknowledgment": func(m *model, o *Out) { o.ECT = true },
		"no ACK":                func(m *model, o *Out) { o.Hdr.Flags = 0 },
	} {
		w := newNetwork(impair{Seed: 1, Bytes: [2]int{5000, 5000}, Delay: time.Millisecond, Unfinished: true})
		for i := 0; i < 2; i++ { // both SYNs, and their acknowledgment
			w.users()
			p := w.wire[0]
			w.wire = nil
			w.now = p.at
			w.deliver(&p)
		}
		x := &w.ends[0]
		w.wire = nil
		x.c.ackNow()
		var o Out
		for x.c.Next(x.env(&w.im), w.now, &o) {
			x.m.sent(&o)
		}
		if w.fail != "" || x.c.State() != ESTABLISHED {
			t.Fatal(w.fail, x.c.State())
		}
		x.c.ackNow()
		if !x.c.Next(x.env(&w.im), w.now, &o) || o.Len > 0 {
			t.Fatal("no acknowledgment")
		}
		o.Off = uint64(o.Hdr.Seq-x.iss) - 1
		plant(&x.m, &o)
		if x.m.sent(&o); w.fail == "" {
			t.Errorf("%s: not seen", name)
		}
	}
}
