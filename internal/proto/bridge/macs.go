package bridge

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// macTable is where addresses were seen. Seeing one again only notes the time;
// its place in the queue is looked after when it comes to the front.
type macTable struct {
	seed        table.Seed
	table       table.Table[wire.MAC, mac, *mac]
	first, last *mac
	due         clock.Time // when the front of the queue may be too old; Never if it is empty
}

type mac struct {
	next  *mac
	seen  clock.Time
	since clock.Time // seen, when it was queued
	port  int32
	gen   uint32
	at    wire.MAC
}

// Key returns what the entry is found by.
func (m *mac) Key() wire.MAC { return m.at }

func (t *macTable) hash(a wire.MAC) uint32 {
	return t.seed.Word(word(a))
}

func (t *macTable) get(a wire.MAC) *mac { return t.table.Get(t.hash(a), a) }

func age(t *Tunables) time.Duration { return time.Duration(t.MaxAge) * time.Second }

// learn notes that the address was seen on a port.
func (b *Bridge) learn(now clock.Time, a wire.MAC, n int32, e Env) {
	if a.IsMulticast() || a.IsZero() {
		return
	}
	t, gen := &b.macs, b.ports.At(n).gen
	m := t.get(a)
	if m == nil {
		if t.table.Len() >= int(e.T.MaxAddr) {
			e.S.NotLearned++
			return
		}
		m = &mac{at: a, since: now, seen: now, port: n, gen: gen}
		t.table.Put(t.hash(a), m)
		t.push(m, e.T)
		e.S.Learned++
		return
	}
	if m.port != n || m.gen != gen {
		m.port, m.gen = n, gen
		e.S.Moved++
	}
	m.seen = now
}

func (t *macTable) push(m *mac, tun *Tunables) {
	if m.next = nil; t.last == nil {
		t.first = m
		t.due = m.since.Add(age(tun))
	} else {
		t.last.next = m
	}
	t.last = m
}

// expire forgets what was not seen for too long. An entry that was gets a new
// place in the queue.
func (t *macTable) expire(now clock.Time, tun *Tunables) {
	for m := t.first; m != nil && m.since.Add(age(tun)) <= now; m = t.first {
		if t.first = m.next; t.first == nil {
			t.last = nil
		}
		if m.seen.Add(age(tun)) <= now {
			t.table.Delete(t.hash(m.at), m.at)
			continue
		}
		m.since = m.seen
		t.push(m, tun)
	}
	t.due = clock.Never
	if t.first != nil {
		t.due = t.first.since.Add(age(tun))
	}
}
