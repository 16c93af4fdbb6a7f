package link

import (
	"math/bits"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
)

// flight is a frame under way.
type flight struct {
	b   *pkt.Buf
	due clock.Time
	seq uint64 // its number among the frames that set off
	pos uint64 // decides between frames due at the same moment
}

// flights is a heap of frames: the first is the next to arrive.
type flights struct {
	heap   []flight
	pushed uint64
}

func (f *flight) before(g *flight) bool {
	return f.due < g.due || f.due == g.due && f.pos < g.pos
}

func (q *flights) len() int { return len(q.heap) }

// first returns when the next frame arrives. There must be one.
func (q *flights) first() clock.Time { return q.heap[0].due }

func (q *flights) push(f flight) {
	q.pushed++
	f.pos = q.pushed
	h := append(q.heap, f)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].before(&f) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = f
	q.heap = h
}

func (q *flights) pop() flight {
	h := q.heap
	top, n := h[0], len(h)-1
	f := h[n]
	h[n] = flight{}
	h = h[:n]
	i := 0
	for {
		c := 2*i + 1
		if c >= n {
			break
		}
		if c+1 < n && h[c+1].before(&h[c]) {
			c++
		}
		if f.before(&h[c]) {
			break
		}
		h[i] = h[c]
		i = c
	}
	if n > 0 {
		h[i] = f
	}
	q.heap = h
	return top
}

// splitMix is a SplitMix64 generator: a word of state, every seed good.
type splitMix uint64

func (s *splitMix) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	x := uint64(*s)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hit is true with the probability p, and draws nothing where p is 0.
func (s *splitMix) hit(p float64) bool {
	return p > 0 && float64(s.next()>>11)*0x1p-53 < p
}

// below returns a number of 0 to n-1.
func (s *splitMix) below(n uint64) uint64 {
	hi, _ := bits.Mul64(s.next(), n)
	return hi
}
