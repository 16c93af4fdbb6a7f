package loss

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// octet is one byte of the slow scoreboard.
type octet struct {
	state uint8
	sent  clock.Time
}

// model is the obvious scoreboard: an array of bytes from una on. It checks a
// Sender while source decides what happens.
type model struct {
	source func() int // 0…255, -1 at the end
	tun    Tunables
	stats  Stats
	e      Env
	s      Sender
	now    clock.Time
	una    wire.Seq
	bytes  []octet
	time   bool
}

const modelMSS = 7

func newModel(source func() int) *model {
	m := &model{source: source, tun: Defaults(), now: clock.Time(time.Second)}
	k := m.more()
	m.tun.RACK, m.tun.TLP, m.tun.FRTO = int32(k&1), int32(k>>1&1), int32(k>>2&1)
	m.tun.Limited, m.tun.Pacing = int32(k>>3&1), int32(k>>4&1)
	m.e = Env{&m.tun, &m.stats}
	m.una = wire.Seq(0xffffff00)
	m.s.Open(&m.e, m.una, [...]string{"cubic", "newreno"}[k>>5&1])
	k = m.more()
	m.time = k&1 != 0
	m.s.Establish(&m.e, m.now, &Config{MSS: modelMSS, SACK: k&6 != 0, Time: m.time, ECN: k&8 != 0})
	return m
}

func (m *model) more() int { return max(m.source(), 0) }

// run plays until the source ends.
func (m *model) run() error {
	for {
		k := m.source()
		if k < 0 {
			return nil
		}
		m.now += clock.Time(time.Duration(m.more()*m.more()) * 20 * time.Microsecond)
		if err := m.expire(); err != nil {
			return fmt.Errorf("expire: %w", err)
		}
		var err error
		switch {
		case k < 110:
			err = m.ack(k)
		case k < 112:
			m.s.TooBig(&m.e, m.now, modelMSS)
			err = m.adopt(nil)
		default:
			err = m.send(max(m.more()%80-20, 0))
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", k, err)
		}
	}
}

func (m *model) expire() error {
	if m.s.Deadline() > m.now {
		return nil
	}
	switch m.s.Expire(&m.e, m.now) {
	case Reorder, RTO:
		return m.adopt(nil)
	}
	return m.compare()
}

// send pulls what is to be sent again, then sends up to n new bytes.
func (m *model) send(n int) error {
	var r Range
	limit := modelMSS * (1 + m.more()%4)
	for m.s.Next(&m.e, m.now, n, limit, &r) {
		if r.End.Sub(r.Start) > limit || !r.Start.Less(r.End) {
			return fmt.Errorf("resent %d-%d, limit %d", r.Start, r.End, limit)
		}
		for q := r.Start; q.Less(r.End); q++ {
			o := &m.bytes[q.Sub(m.una)]
			if o.state&lost == 0 && r.Why != Probe || o.state&sacked != 0 {
				return fmt.Errorf("resent %d, which is %d", q, o.state)
			}
			o.state, o.sent = again, m.now
		}
		if err := m.compare(); err != nil {
			return err
		}
	}
	for n > 0 {
		room := min(m.s.Room(&m.e, m.now), n, 40)
		if room <= 0 {
			break
		}
		at := m.s.Nxt()
		m.s.Sent(&m.e, m.now, at, at.Add(room))
		for range room {
			m.bytes = append(m.bytes, octet{sent: m.now})
		}
		n -= room
	}
	return m.compare()
}

// ack makes an acknowledgement up, and does to the bytes what it says.
func (m *model) ack(k int) error {
	a := Ack{Seq: m.una, Dup: k&1 != 0, ECE: k&62 == 0}
	if k < 50 {
		a.Seq = a.Seq.Add(m.more() * len(m.bytes) / 200 % (len(m.bytes) + 1))
	}
	if m.time {
		a.HasTime, a.TSEcr = true, ms(m.now-clock.Time(time.Duration(m.more())*time.Millisecond))
	}
	nxt := m.s.Nxt()
	for range k % 4 {
		start := m.una.Add(m.more() * (len(m.bytes) + 4) / 256)
		a.Blocks = append(a.Blocks, wire.SACKBlock{Start: start, End: start.Add(m.more() % 50)})
	}
	blocks := slices.Clone(a.Blocks)
	did := m.s.Ack(&m.e, m.now, &a)
	if len(m.bytes) == 0 {
		return m.compare()
	}
	delivered := 0
	n := a.Seq.Sub(m.una)
	for _, o := range m.bytes[:n] {
		if o.state&sacked == 0 {
			delivered++
		}
	}
	m.una, m.bytes = a.Seq, m.bytes[n:]
	if did.Bytes != n || m.s.Una() != m.una {
		return fmt.Errorf("acknowledged %d, want %d", did.Bytes, n)
	}
	if m.s.sack && len(blocks) > 0 {
		b := blocks[0]
		if b.End.AtMost(a.Seq) || len(blocks) > 1 && !b.Start.Less(blocks[1].Start) && b.End.AtMost(blocks[1].End) {
			blocks = blocks[1:]
		}
		for _, b := range blocks {
			if !b.Start.Less(b.End) || nxt.Less(b.End) || b.Start.Less(m.una) {
				continue
			}
			for q := b.Start; q.Less(b.End); q++ {
				if o := &m.bytes[q.Sub(m.una)]; o.state&sacked == 0 {
					o.state = o.state&again | sacked
					delivered++
				}
			}
		}
	}
	if m.s.sack && did.Delivered != delivered {
		return fmt.Errorf("delivered %d, want %d", did.Delivered, delivered)
	}
	return m.adopt(&did)
}

// adopt takes over what the Sender holds for lost, after it has looked whether
// it may, and compares the rest.
func (m *model) adopt(did *Acked) error {
	q := m.s.q
	if q == nil {
		return m.compare()
	}
	for _, p := range q.order[q.head:] {
		r := &q.recs[p.id]
		for at := r.start; at.Less(r.end); at++ {
			o := &m.bytes[at.Sub(m.una)]
			switch {
			case r.state&lost != 0 && o.state&lost == 0:
				if o.state&sacked != 0 && q.state != Loss {
					return fmt.Errorf("lost at %d: it is SACKed", at)
				}
				if did != nil && m.tun.RACK != 0 && m.s.sack && (o.sent > q.rackSent || m.now.Sub(o.sent) < q.rackRTT) {
					return fmt.Errorf("lost at %d: sent at %d, RACK's is %d", at, o.sent, q.rackSent)
				}
				o.state = r.state
			case o.state&lost != 0 && r.state&^again == 0 && did != nil && did.Spurious:
				if r.sent < o.sent {
					return fmt.Errorf("back at %d: sent at %d, want %d", at, r.sent, o.sent)
				}
				o.state, o.sent = r.state, r.sent
			}
		}
	}
	if did != nil && m.tun.RACK != 0 && m.s.sack {
		for i, o := range m.bytes {
			if o.state&(lost|sacked) == 0 && o.sent < q.rackSent && m.now.Sub(o.sent) >= q.rackRTT+min(time.Duration(m.s.reoMult)*m.s.least.get()/4, m.s.srtt) {
				return fmt.Errorf("not lost at %d: sent at %d, RACK's is %d", i, o.sent, q.rackSent)
			}
		}
	}
	return m.compare()
}

func (m *model) compare() error {
	if err := check(&m.s); err != nil {
		return err
	}
	if m.s.Outstanding() != len(m.bytes) {
		return fmt.Errorf("%d outstanding, want %d", m.s.Outstanding(), len(m.bytes))
	}
	if d := m.s.Deadline(); len(m.bytes) > 0 && d == clock.Never {
		return fmt.Errorf("no timer with %d outstanding", len(m.bytes))
	}
	if m.s.q == nil {
		return nil
	}
	for _, p := range m.s.q.order[m.s.q.head:] {
		r := &m.s.q.recs[p.id]
		for at := r.start; at.Less(r.end); at++ {
			o := m.bytes[at.Sub(m.una)]
			if o.state&^again != r.state&^again || o.state&sacked == 0 && o.state&again > r.state&again {
				return fmt.Errorf("at %d: state %d, want %d", at, r.state, o.state)
			}
			if r.state == 0 && o.sent != r.sent {
				return fmt.Errorf("at %d: sent %d, want %d", at, r.sent, o.sent)
			}
		}
	}
	if m.s.win.Cwnd < 0 || m.s.win.Ssthresh < 2*modelMSS {
		return fmt.Errorf("window %+v", m.s.win)
	}
	return nil
}

// TestModel plays at random against the slow scoreboard.
func TestModel(t *testing.T) {
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1000
		m := newModel(func() int {
			if n--; n < 0 {
				return -1
			}
			return r.IntN(256)
		})
		if err := m.run(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// FuzzSender lets the fuzzer decide what happens.
func FuzzSender(f *testing.F) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2))
		b := make([]byte, 200)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newModel(func() int {
			if len(b) == 0 {
				return -1
			}
			k := b[0]
			b = b[1:]
			return int(k)
		})
		if err := m.run(); err != nil {
			t.Fatal(err)
		}
	})
}
