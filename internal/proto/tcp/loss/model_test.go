package loss

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/cc"
	"github.com/seed88948545/vimage/internal/wire"
)

// model is a scoreboard in the obvious way: what is known of each byte.
type model struct {
	una, nxt int
	bytes    []fate // of all that was ever sent
}

// fate is what became of one byte.
type fate struct {
	sent         clock.Time // last
	again        bool
	sacked, lost bool
}

func (m *model) send(now clock.Time, from, to int, again bool) {
	for len(m.bytes) < to {
		m.bytes = append(m.bytes, fate{})
	}
	for i := from; i < to; i++ {
		m.bytes[i] = fate{sent: now, again: again}
	}
	m.nxt = max(m.nxt, to)
}

// ack returns how many bytes are newly delivered, cumulatively or not.
func (m *model) ack(seq int, blocks [][2]int) int {
	n := 0
	for ; m.una < seq; m.una++ {
		if !m.bytes[m.una].sacked {
			n++
		}
	}
	for _, b := range blocks {
		if b[0] < m.una || b[1] > m.nxt || b[0] >= b[1] {
			continue
		}
		for i := b[0]; i < b[1]; i++ {
			if !m.bytes[i].sacked {
				m.bytes[i].sacked, m.bytes[i].lost = true, false
				n++
			}
		}
	}
	return n
}

// rig is a Sender and its model, driven by bytes.
type rig struct {
	script
	m    model
	log  []string
	fail func(string, ...any)
}

func newRig(t testing.TB, flags byte) *rig {
	r := &rig{script: *newScript(t)}
	r.fail = func(f string, a ...any) {
		t.Helper()
		t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(f, a...), strings.Join(r.log[max(0, len(r.log)-40):], "\n"))
	}
	bit := func(i int) int32 { return int32(flags >> i & 1) }
	r.tun.RACK, r.tun.TLP, r.tun.FRTO, r.tun.Pacing = 1-bit(0), 1-bit(1), 1-bit(2), bit(3)
	r.s.Open(r.env(), scriptISS, cc.Name(int(bit(4))))
	r.s.Establish(r.env(), r.now, &Config{MSS: 10, SACK: bit(5) == 0, Time: bit(6) != 0, ECN: bit(7) != 0})
	return r
}

func (r *rig) say(f string, a ...any) { r.log = append(r.log, r.at()+" "+fmt.Sprintf(f, a...)) }

// run does one operation for each two bytes of ops.
func (r *rig) run(ops []byte) {
	for len(ops) >= 2 {
		op, x := ops[0], int(ops[1])
		ops = ops[2:]
		switch op % 8 {
		case 0, 1:
			r.fresh += x
		case 2:
			r.acknowledge(op, x, nil)
		case 3, 4:
			var blocks []wire.SACKBlock
			for n := int(op>>3)%4 + 1; n > 0 && len(ops) >= 2; n-- {
				from := scriptISS.Add(r.m.una + int(ops[0])*(r.s.Outstanding()+40)/256 - 20)
				blocks = append(blocks, wire.SACKBlock{Start: from, End: from.Add(int(int8(ops[1])) / 2)})
				ops = ops[2:]
			}
			r.acknowledge(op, x%8, blocks)
		case 5:
			r.advance(time.Duration(x) * time.Millisecond)
		case 6:
			r.advance(time.Duration(x) * time.Duration(x) * 100 * time.Microsecond)
		case 7:
			r.other(x)
		}
		r.check()
		if op&0x40 == 0 {
			r.drain()
		}
	}
}

func (r *rig) other(x int) {
	switch x % 8 {
	case 0:
		r.say("too big")
		r.s.TooBig(r.env(), r.now, 5+x/8)
	case 1:
		r.s.SetMSS(5 + x/8)
	case 2:
		r.tun.RACK ^= 1
	case 3:
		r.limit = 1 + x
	case 4:
		r.s.SetControl(cc.Name(x / 8 % 2))
	}
}

// acknowledge has x of 256 parts of what is outstanding acknowledged.
func (r *rig) acknowledge(op byte, x int, blocks []wire.SACKBlock) {
	seq := r.m.una + x*r.s.Outstanding()/255
	a := Ack{Seq: scriptISS.Add(seq), Blocks: blocks, Dup: op&0x80 != 0 && seq == r.m.una, ECE: op&0x20 != 0 && r.s.ecn}
	if r.s.time {
		a.HasTime, a.TSEcr = true, ms(r.now)-uint32(op>>3)*10
	}
	var plain [][2]int
	if r.s.sack {
		for i, b := range blocks {
			twice := i == 0 && (b.Start.Less(a.Seq) || len(blocks) > 1 && !b.Start.Less(blocks[1].Start) && b.End.AtMost(blocks[1].End))
			if !twice {
				plain = append(plain, [2]int{b.Start.Sub(scriptISS), b.End.Sub(scriptISS)})
			}
		}
	}
	r.say("ack %d blocks %v dup %v", seq, plain, a.Dup)
	q := r.s.q
	if q == nil {
		return
	}
	dups := q.dupBytes
	want := r.m.ack(seq, plain)
	did := r.s.Ack(r.env(), r.now, &a)
	if r.s.sack && did.Delivered != want {
		r.fail("delivered %d, the model says %d", did.Delivered, want)
	}
	if did.Delivered < 0 || did.Delivered > want+dups+r.s.win.MSS {
		r.fail("delivered %d of %d", did.Delivered, want)
	}
	if did.Lost && q.lostBytes == 0 {
		r.fail("lost says nothing")
	}
}

// advance lets time pass, timer by timer.
func (r *rig) advance(d time.Duration) {
	until := r.now.Add(d)
	for n := 0; r.s.Deadline() <= until; n++ {
		if n > 10000 {
			r.fail("timers fire for ever")
		}
		r.now = max(r.now, r.s.Deadline())
		r.say("event %v", r.s.Expire(r.env(), r.now))
		if r.s.Deadline() < r.now {
			r.drain()
		}
		r.check()
		r.drain()
	}
	r.now = until
}

// drain sends what may be sent.
func (r *rig) drain() {
	e := r.env()
	for n := 0; ; n++ {
		if n > 10000 {
			r.fail("it sends for ever")
		}
		var g Range
		mss := r.s.win.MSS
		if r.s.Next(e, r.now, r.fresh, max(r.limit/mss, 1)*mss, &g) {
			from, to := g.Start.Sub(scriptISS), g.End.Sub(scriptISS)
			r.say("again %d:%d %v", from, to, g.Why)
			if from < r.m.una || to > r.m.nxt || from >= to {
				r.fail("%d:%d is sent again, of %d:%d", from, to, r.m.una, r.m.nxt)
			}
			for i := from; i < to; i++ {
				if r.m.bytes[i].sacked && r.s.s(i) {
					r.fail("%d is sent again although it has arrived", i)
				}
			}
			r.m.send(r.now, from, to, true)
			r.check()
			continue
		}
		room := min(r.fresh, r.s.Room(e, r.now), max(r.limit/mss, 1)*mss)
		if room < r.fresh {
			room -= room % mss
		}
		if room <= 0 {
			return
		}
		from := r.s.Nxt()
		r.say("new %d", room)
		r.s.Sent(e, r.now, from, from.Add(room))
		r.fresh -= room
		r.m.send(r.now, r.m.nxt, r.m.nxt+room, false)
		r.check()
	}
}

// s tells whether the byte is SACKed as the sender sees it.
func (s *Sender) s(i int) bool {
	q := s.q
	return q.recs[q.order[q.find(scriptISS.Add(i))].id].state&sacked != 0
}

// check holds the sender against the model and against itself.
func (r *rig) check() {
	s, q := &r.s, r.s.q
	if s.una.Sub(scriptISS) != r.m.una || s.nxt.Sub(scriptISS) != r.m.nxt {
		r.fail("outstanding is %d:%d, the model says %d:%d", s.una.Sub(scriptISS), s.nxt.Sub(scriptISS), r.m.una, r.m.nxt)
	}
	if s.win.Cwnd < 1 || s.win.Ssthresh < 1 {
		r.fail("window %d threshold %d", s.win.Cwnd, s.win.Ssthresh)
	}
	at := s.Deadline()
	if s.una != s.nxt && (q == nil || at == clock.Never) {
		r.fail("outstanding, and no timer")
	}
	if q == nil {
		return
	}
	if q.flightBytes+q.lostBytes+q.sackedBytes != s.Outstanding() {
		r.fail("%d in flight + %d lost + %d sacked is not %d", q.flightBytes, q.lostBytes, q.sackedBytes, s.Outstanding())
	}
	if s.pipe() < 0 || q.dupBytes < 0 {
		r.fail("pipe %d", s.pipe())
	}
	r.bytes()
	r.lists()
}

// bytes compares the records with the model's bytes. A timeout may take SACK
// back, which the model learns from the sender: only that, and only then.
func (r *rig) bytes() {
	q, next, spans := r.s.q, r.s.una, 0
	joined := false
	for _, p := range q.order[q.head:] {
		c := &q.recs[p.id]
		if c.start != p.start || c.start != next || !c.start.Less(c.end) {
			r.fail("record %d:%d does not follow %d", c.start.Sub(scriptISS), c.end.Sub(scriptISS), next.Sub(scriptISS))
		}
		next = c.end
		if c.state&sacked != 0 {
			spans++
			if joined {
				r.fail("sacked ranges that touch at %d", c.start.Sub(scriptISS))
			}
		}
		joined = c.state&sacked != 0
		for i := c.start.Sub(scriptISS); i < c.end.Sub(scriptISS); i++ {
			b := &r.m.bytes[i]
			if b.sacked && c.state&sacked == 0 && r.st.SACKReneged > 0 {
				b.sacked, b.again = false, true
				continue
			}
			if b.sacked != (c.state&sacked != 0) {
				r.fail("byte %d sacked: %v", i, c.state&sacked != 0)
			}
			if !b.sacked && r.st.SACKReneged == 0 && (b.again != (c.state&again != 0) || b.sent != c.sent) {
				r.fail("byte %d was sent at %v, again %v; the sender says %v, %v", i, b.sent, b.again, c.sent, c.state&again != 0)
			}
		}
	}
	if next != r.s.nxt || spans != q.spans {
		r.fail("records end at %d of %d; %d spans, not %d", next.Sub(scriptISS), r.m.nxt, spans, q.spans)
	}
}

// lists checks the two lists: members, sums, orders, links.
func (r *rig) lists() {
	q := r.s.q
	var flight, lostSum int
	seen := make(map[int32]bool)
	prev := none
	for id := q.flight.head; id != none; id = q.recs[id].next {
		c := &q.recs[id]
		if c.state&(sacked|lost) != 0 || c.prev != prev || seen[id] || prev != none && q.recs[prev].sent > c.sent {
			r.fail("flight is wrong at %d:%d", c.start.Sub(scriptISS), c.end.Sub(scriptISS))
		}
		seen[id], prev = true, id
		flight += c.size()
	}
	if q.flight.tail != prev {
		r.fail("flight ends elsewhere")
	}
	prev = none
	for id := q.lost.head; id != none; id = q.recs[id].next {
		c := &q.recs[id]
		if c.state&(sacked|lost) != lost || c.prev != prev || seen[id] || prev != none && !q.recs[prev].start.Less(c.start) {
			r.fail("lost is wrong at %d:%d", c.start.Sub(scriptISS), c.end.Sub(scriptISS))
		}
		seen[id], prev = true, id
		lostSum += c.size()
	}
	if q.lost.tail != prev || q.hint != none && !seen[q.hint] {
		r.fail("lost ends elsewhere")
	}
	if flight != q.flightBytes || lostSum != q.lostBytes {
		r.fail("%d in flight, %d lost; it says %d, %d", flight, lostSum, q.flightBytes, q.lostBytes)
	}
	free := 0
	for id := q.free; id != none; id = q.recs[id].next {
		free++
	}
	if free+q.len() != len(q.recs) {
		r.fail("%d records are free, %d in use, of %d", free, q.len(), len(q.recs))
	}
}

// finish acknowledges everything and wants the memory back.
func (r *rig) finish() {
	r.fresh = 0
	for n := 0; r.s.Outstanding() > 0; n++ {
		r.acknowledge(2, 255, nil)
		r.drain()
		if n > 10 {
			r.fail("it never ends")
		}
	}
	r.advance(3 * time.Hour)
	if r.s.q != nil || r.s.Deadline() != clock.Never {
		r.fail("idle, and memory is held; deadline %v", r.s.Deadline())
	}
}

// TestModel drives senders at random and holds them against the model. A failing
// run is made as short as it still fails.
func TestModel(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	for seed := range rounds {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		ops := make([]byte, 2+rng.IntN(600))
		for i := range ops {
			ops[i] = byte(rng.Uint32())
		}
		if msg := fails(t, ops); msg != "" {
			ops = shrink(t, ops)
			t.Fatalf("seed %d, ops %q: %s", seed, ops, fails(t, ops))
		}
	}
}

// fails runs ops, the first byte of which chooses features, and returns what
// goes wrong.
func fails(t testing.TB, ops []byte) (msg string) {
	if len(ops) == 0 {
		return ""
	}
	r := newRig(t, ops[0])
	r.fail = func(f string, a ...any) {
		panic(fmt.Sprintf(f, a...) + "\nafter:\n" + strings.Join(r.log[max(0, len(r.log)-40):], "\n"))
	}
	defer func() {
		if p := recover(); p != nil {
			msg = fmt.Sprint(p)
		}
	}()
	r.run(ops[1:])
	r.finish()
	return ""
}

// shrink leaves pairs of bytes out as long as ops still fails.
func shrink(t testing.TB, ops []byte) []byte {
	for n := len(ops) / 2; n > 0; n /= 2 {
		for i := 1; i+2*n <= len(ops); {
			if less := slices.Delete(slices.Clone(ops), i, i+2*n); fails(t, less) != "" {
				ops = less
			} else {
				i += 2 * n
			}
		}
	}
	return ops
}

func FuzzSender(f *testing.F) {
	f.Add([]byte("\x00\x00\xff\x03\x00\x80\x20\x05\x64\x02\xff"))
	f.Add([]byte("\x20\x00\xff\x82\x00\x82\x00\x82\x00\x06\xff\x02\x80"))
	f.Add([]byte("\x88\x00\xff\x06\xff\x03\x00\x80\x20\x22\xff"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 2000 {
			return
		}
		if msg := fails(t, ops); msg != "" {
			t.Fatal(msg)
		}
	})
}
