package gmp

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// crowd is a host with very many groups.
type crowd[A Address] struct {
	t     *testing.T
	h     Host[A]
	r     HostRules
	m     Message[A]
	now   clock.Time
	group func(n int) A
	seen  map[A]int // records, or messages of older versions, by group
}

const crowdSize = 10000

func crowd4(n int) [4]byte   { return [4]byte{239, 1, byte(n >> 8), byte(n)} }
func crowd16(n int) [16]byte { return [16]byte{0xff, 0x1e, 14: byte(n >> 8), 15: byte(n)} }

func newCrowd[A Address](t *testing.T, version uint8, group func(n int) A) *crowd[A] {
	c := &crowd[A]{t: t, h: NewHost[A](version, 7, false), group: group, seen: map[A]int{},
		r: HostRules{Unsolicited: time.Second, SourceDelay: -1, Robustness: 2, V1: true, V2: true},
		m: Message[A]{Buf: make([]byte, 1452)}}
	return c
}

func (c *crowd[A]) all(f mcast.Filter) {
	for i := range crowdSize {
		c.h.Change(c.now, &c.r, c.group(i), f, 0)
	}
}

// pull takes what is sent in one go, which must be a burst at most, and after
// which the host must say that it wants to be asked later.
func (c *crowd[A]) pull() (messages int) {
	c.t.Helper()
	for c.h.Next(c.now, &c.r, &c.m) {
		messages++
		if c.m.Kind != Report {
			c.seen[c.m.Group]++
			continue
		}
		for _, r := range records(c.t, &c.m) {
			c.seen[r.Group]++
		}
	}
	if messages > burst {
		c.t.Fatalf("%d messages in one go", messages)
	}
	if c.h.Deadline() <= c.now {
		c.t.Fatalf("asked at %v, the host wants to be asked at %v", c.now.Sub(0), c.h.Deadline().Sub(0))
	}
	return messages
}

// drain pulls until nothing is due before the time, and returns the number of
// messages and of bursts.
func (c *crowd[A]) drain(until clock.Time) (messages, bursts int) {
	c.t.Helper()
	for c.h.Deadline() <= until {
		c.now = max(c.now, c.h.Deadline())
		if n := c.pull(); n > 0 {
			messages, bursts = messages+n, bursts+1
		}
	}
	c.now = until
	return messages, bursts
}

// expect checks that every group was reported so many times.
func (c *crowd[A]) expect(what string, times int) {
	c.t.Helper()
	for i := range crowdSize {
		if n := c.seen[c.group(i)]; n != times {
			c.t.Fatalf("%s: group %d reported %d times, want %d", what, i, n, times)
		}
	}
	clear(c.seen)
}

// interrupt changes another group while the others wait: it must be reported
// at once.
func (c *crowd[A]) interrupt() {
	c.t.Helper()
	c.now = c.now.Add(time.Millisecond)
	if c.h.Deadline() <= c.now {
		c.t.Fatal("nothing is held back")
	}
	for n := range 3 {
		for _, f := range []mcast.Filter{{Mode: mcast.Exclude}, {}} {
			other := c.group(crowdSize + n)
			before := c.seen[other]
			c.h.Change(c.now, &c.r, other, f, 0)
			if sent := c.pull(); c.seen[other] != before+1 || sent > 1 {
				c.t.Fatalf("a change in between: %d messages, %d about it", sent, c.seen[other]-before)
			}
		}
	}
}

// TestBursts: 10,000 groups are reported completely, in slices that leave time
// for others, and leave nothing behind.
func TestBursts(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { bursts(t, crowd4, (1452-8)/8) })
	t.Run("IPv6", func(t *testing.T) { bursts(t, crowd16, (1452-8)/20) })
}

func bursts[A Address](t *testing.T, group func(n int) A, perMessage int) {
	c := newCrowd(t, 3, group)
	need := (crowdSize + perMessage - 1) / perMessage
	slices := (need + burst - 1) / burst
	check := func(what string, messages, bursts int) {
		if messages < need || bursts < slices {
			t.Errorf("%s: %d messages in %d bursts, want %d in %d", what, messages, bursts, need, slices)
		}
	}
	c.all(mcast.Filter{Mode: mcast.Exclude})
	c.pull()
	c.interrupt()
	m, b := c.drain(at(time.Hour))
	check("joins", m, b)
	c.expect("joins", 2)

	c.h.Query(c.now, &c.r, &Query[A]{Version: 3})
	m = c.pull()
	if m != burst {
		t.Errorf("the answer begins with %d messages", m)
	}
	c.interrupt()
	m2, b := c.drain(at(2 * time.Hour))
	check("answer", m+m2, b+1)
	c.expect("answer", 1)
	t.Logf("a query is answered with %d messages in %d bursts", m+m2, b+1)

	c.all(mcast.Filter{}) // a socket is closed
	c.pull()
	c.interrupt()
	m, b = c.drain(at(3 * time.Hour))
	check("leaves", m, b)
	c.expect("leaves", 2)
	if c.h.Groups() != 0 || c.h.Deadline() != clock.Never || c.h.work != nil {
		t.Error("something stayed behind")
	}
}

// TestBurstsOfOlderVersions: the same where every group takes a message.
func TestBurstsOfOlderVersions(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) { burstsOlder(t, crowd4) })
	t.Run("IPv6", func(t *testing.T) { burstsOlder(t, crowd16) })
}

func burstsOlder[A Address](t *testing.T, group func(n int) A) {
	c := newCrowd(t, 2, group)
	c.all(mcast.Filter{Mode: mcast.Exclude})
	c.pull()
	c.interrupt()
	c.drain(at(time.Hour))
	c.expect("joins", 2)
	c.h.QueryOlder(c.now, &c.r, &Query[A]{Version: 2, MaxResp: 10 * time.Second})
	begun, last := c.now, c.now
	for c.h.Deadline() != clock.Never {
		c.now = c.h.Deadline()
		last = c.now
		c.pull()
	}
	c.expect("answers", 1)
	if took := last.Sub(begun); took > 10500*time.Millisecond {
		t.Errorf("answered within %v", took)
	}
	c.all(mcast.Filter{})
	c.pull()
	c.interrupt()
	c.drain(at(2 * time.Hour))
	c.expect("leaves", 1)
}

// TestChangesOneByOne: who changes groups one by one never waits.
func TestChangesOneByOne(t *testing.T) {
	c := newCrowd(t, 3, crowd4)
	for i := range 1000 {
		c.h.Change(c.now, &c.r, c.group(i%10), mcast.Filter{Mode: mcast.Mode(1 + (i/10+1)&1)}, 0)
		if n := c.pull(); n != 1 {
			t.Fatalf("change %d: %d messages", i, n)
		}
		c.now = c.now.Add(time.Microsecond)
	}
}
