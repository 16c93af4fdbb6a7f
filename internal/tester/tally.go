package tester

import (
	"sync"
	"time"
)

// tally collects what many receivers measure.
type tally struct {
	mu     sync.Mutex // a leaf
	joins  int        // memberships that have ended
	joined []int64    // ns from the wish to the first datagram, of those that got one
	left   []int64    // ns from the last leave to the last datagram
	after  uint64
	oneWay *Histogram

	zaps                 int
	first, last, overlap []int64
}

func (t *tally) join(delay int64, came bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.joins++
	if came {
		t.joined = append(t.joined, delay)
	}
}

func (t *tally) leave(delay int64, after uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = append(t.left, delay)
	t.after += after
}

func (t *tally) delay(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oneWay.Add(d)
}

// slowest returns the longest delay until now.
func (t *tally) slowest() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Duration(t.oneWay.highest)
}

// grace returns how long a datagram may be on its way: on a long link or a busy
// machine twice as long as any was. In real time more than usual: what makes
// thousands leave keeps them from what was sent before.
func (t *test) grace() time.Duration {
	usual := grace
	if !t.Virtual {
		usual = lag
	}
	return max(usual, 2*t.tally.slowest())
}

// zap counts a change of group: first is when the first of the new came, 0 for
// never, last when the last of the old did, both from the change on.
func (t *tally) zap(first, last time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.zaps++
	t.last = append(t.last, int64(last))
	if first == 0 {
		return
	}
	t.first = append(t.first, int64(first))
	if last > first {
		t.overlap = append(t.overlap, int64(last-first))
	}
}
