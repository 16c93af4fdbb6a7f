package nd

import "github.com/seed88948545/vimage/internal/clock"

// heap is a binary heap of the entries whose timer runs, the earliest first.
// Each entry knows its place, so that setting a timer anew is O(log n).
type heap[P any] []*entry[P]

func (h heap[P]) before(i, j int) bool {
	a, b := h[i], h[j]
	return a.when < b.when || a.when == b.when && a.seq < b.seq
}

func (h heap[P]) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = int32(i), int32(j)
}

func (h heap[P]) up(i int) {
	for i > 0 && h.before(i, (i-1)/2) {
		h.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (h heap[P]) down(i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h.before(c+1, c) {
			c++
		}
		if !h.before(c, i) {
			return
		}
		h.swap(i, c)
		i = c
	}
}

// arm sets e's timer to when, or stops it if when is clock.Never.
func (t *Table[P]) arm(e *entry[P], when clock.Time) {
	t.disarm(e)
	if when == clock.Never {
		return
	}
	t.seq++
	e.when, e.seq, e.at = when, t.seq, int32(len(t.timers))
	t.timers = append(t.timers, e)
	t.timers.up(len(t.timers) - 1)
}

// disarm stops e's timer if it runs.
func (t *Table[P]) disarm(e *entry[P]) {
	i, last := int(e.at), len(t.timers)-1
	if i < 0 {
		return
	}
	t.timers.swap(i, last)
	t.timers[last] = nil
	t.timers = t.timers[:last]
	if i < last {
		t.timers.up(i)
		t.timers.down(i)
	}
	e.at = -1
}
