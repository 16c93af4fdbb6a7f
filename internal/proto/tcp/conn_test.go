package tcp

import (
	"runtime"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// TestWrap sends more than there are sequence numbers.
func TestWrap(t *testing.T) {
	p := newPair(t, 65160)
	n := 9 << 30
	if testing.Short() || raceOn {
		n = 1 << 30
	}
	n -= n % 65160
	p.bulk(n, 65160)
	for p.turn(0, 1)+p.turn(1, 0) > 0 {
	}
	a, b := p.ends[0].c, p.ends[1].c
	if a.sndOff != uint64(n) || b.rcvOff != uint64(n) || b.read != uint64(n) {
		t.Errorf("sent %d, acknowledged %d, received %d, read %d", n, a.sndOff, b.rcvOff, b.read)
	}
	if p.ends[1].st.RcvOOO != 0 || p.ends[1].st.RcvDup != 0 {
		t.Errorf("%+v", p.ends[1].st)
	}
}

// TestAckWar has two ends that disagree about everything: they must not
// acknowledge each other for ever (RFC 5961 §7).
func TestAckWar(t *testing.T) {
	p := newPair(t, 0)
	for _, x := range p.ends {
		x.c.rcvNxt, x.c.rcvAdv = x.c.rcvNxt.Add(1<<28), x.c.rcvAdv.Add(1<<28)
	}
	p.ends[0].c.ackNow()
	n := 0
	for range 1000 {
		n += p.turn(0, 1) + p.turn(1, 0)
	}
	if n > 20 {
		t.Errorf("%d segments", n)
	}
}

// TestQuiet: a connection with nothing to do waits for nothing, and has given
// back what it needed only while it was busy.
func TestQuiet(t *testing.T) {
	p := newPair(t, 65160)
	p.bulk(1<<22, 64<<10)
	for p.turn(0, 1)+p.turn(1, 0) > 0 {
	}
	for range 100 { // what is delayed
		for _, x := range p.ends {
			if d := x.c.Deadline(); d != clock.Never {
				var ev Event
				p.now = max(p.now, d)
				x.c.Expire(x.env(), p.now, &ev)
			}
		}
		for p.turn(0, 1)+p.turn(1, 0) > 0 {
		}
	}
	for i, x := range p.ends {
		if x.c.Deadline() != clock.Never || x.c.open != nil {
			t.Errorf("end %d waits for %v, holds %v", i, x.c.Deadline(), x.c.open)
		}
		if q := x.c.held; q != nil && (len(q.spans) > 0 || cap(q.spans) > keepSpans) {
			t.Errorf("end %d holds %v, room for %d", i, q.spans, cap(q.spans))
		}
	}
}

// TestMemory measures what an idle established connection takes of the heap.
func TestMemory(t *testing.T) {
	if raceOn {
		t.Skip("the race detector takes more")
	}
	const n = 2000
	conns := make([]*Conn, 0, n)
	s := newScript(t)
	s.establish([]string{"ts=1", "sack", "ws=7"})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		s.establish([]string{"ts=1", "sack", "ws=7"})
		conns = append(conns, s.c)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := int64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d bytes per idle connection", per)
	if per > 900 {
		t.Errorf("%d bytes per idle connection", per)
	}
	runtime.KeepAlive(conns)
}

// TestDeadlineIsEarly: Expire called before its time does nothing.
func TestDeadlineIsEarly(t *testing.T) {
	p := newPair(t, 0)
	a := p.ends[0]
	a.c.Wrote(100)
	var o Out
	for a.c.Next(a.env(), p.now, &o) {
	}
	for now := p.now; now < a.c.Deadline(); now = now.Add(time.Millisecond) {
		var ev Event
		a.c.Expire(a.env(), now, &ev)
		if ev.What != 0 || a.c.Next(a.env(), now, &o) {
			t.Fatalf("%v before the deadline: %+v", a.c.Deadline().Sub(now), ev)
		}
	}
}
