package syn

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

const (
	// firstTimeout is what the first SYN-ACK waits for its answer (RFC 6298 §2.1);
	// each further one waits twice as long (§5.5), up to maxTimeout.
	firstTimeout = time.Second
	maxTimeout   = 64 * time.Second
	// levels is how many different numbers of repetitions there can be.
	levels = 13
)

// entry is a request whose SYN-ACK is on its way: a connection in SYN-RECEIVED.
type entry[L comparable] struct {
	key        Key
	older      *entry[L] // in the order of arrival
	newer      *entry[L]
	sooner     *entry[L] // in the order of due, among those of one level
	later      *entry[L]
	listener   L
	due        clock.Time // of the next SYN-ACK, or of the end
	sent       clock.Time // the first SYN-ACK
	challenge  clock.Time // before this none more
	iss, irs   wire.Seq
	tsOffset   uint32
	tsRecent   uint32
	fib        uint32
	window     uint16 // offered
	offeredMSS uint16
	agreed     agreed
	level      uint8 // how often the SYN-ACK has been sent again
}

// Key returns what the entry is found by.
func (r *entry[L]) Key() Key { return r.key }

// fifo is a list of entries of one level: they wait equally long, so the order
// in which they came is that of their times.
type fifo[L comparable] struct{ first, last *entry[L] }

func (f *fifo[L]) push(r *entry[L]) {
	r.sooner, r.later = f.last, nil
	if f.last == nil {
		f.first = r
	} else {
		f.last.later = r
	}
	f.last = r
}

func (f *fifo[L]) remove(r *entry[L]) {
	if r.sooner == nil {
		f.first = r.later
	} else {
		r.sooner.later = r.later
	}
	if r.later == nil {
		f.last = r.sooner
	} else {
		r.later.sooner = r.sooner
	}
}

// maxFree is how many unused entries an empty cache keeps.
const maxFree = 16

func (c *Cache[L]) hash(key Key) uint32 {
	return c.seed.Pair(key.Local.Addr(), key.Remote.Addr(), table.Ports(key.Local.Port(), key.Remote.Port(), 0))
}

func (c *Cache[L]) find(key Key) *entry[L] { return c.index.Get(c.hash(key), key) }

// insert adds an entry, whose SYN-ACK leaves now.
func (c *Cache[L]) insert(e *Env, now clock.Time, key Key) *entry[L] {
	for c.oldest != nil && c.index.Len() >= int(e.T.CacheLimit) {
		e.S.CacheOverflow++
		c.remove(c.oldest)
	}
	r := c.free
	if r == nil {
		r = &entry[L]{}
	} else {
		c.free = r.newer
		c.spare--
		*r = entry[L]{}
	}
	r.key, r.sent = key, now
	c.index.Put(c.hash(key), r)
	if r.older = c.newest; r.older == nil {
		c.oldest = r
	} else {
		r.older.newer = r
	}
	c.newest = r
	c.wait(now, r)
	e.S.Added++
	return r
}

// wait lets r, which is on no timer list, wait for the answer to a SYN-ACK.
func (c *Cache[L]) wait(now clock.Time, r *entry[L]) {
	r.due = now.Add(min(firstTimeout<<r.level, maxTimeout))
	c.timers[r.level].push(r)
}

func (c *Cache[L]) remove(r *entry[L]) {
	c.index.Delete(c.hash(r.key), r.key)
	c.timers[r.level].remove(r)
	if r.older == nil {
		c.oldest = r.newer
	} else {
		r.older.newer = r.newer
	}
	if r.newer == nil {
		c.newest = r.older
	} else {
		r.newer.older = r.older
	}
	var none L
	r.listener, r.older = none, nil
	r.newer, c.free = c.free, r
	c.spare++
	if c.oldest == nil && c.spare > maxFree {
		c.free, c.spare = nil, 0
	}
}

// next returns the entry whose time comes first, nil if there is none.
func (c *Cache[L]) next() *entry[L] {
	var best *entry[L]
	if c.oldest == nil {
		return nil
	}
	for i := range c.timers {
		if r := c.timers[i].first; r != nil && (best == nil || r.due < best.due) {
			best = r
		}
	}
	return best
}
