package gmp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// rng is a SplitMix64 generator: seeded once, the same everywhere.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// within returns a moment in (now, now+limit], in whole milliseconds after now;
// now itself if limit is below one.
func (r *rng) within(now clock.Time, limit time.Duration) clock.Time {
	ms := uint64(limit / time.Millisecond)
	if ms == 0 {
		return now
	}
	return now.Add(time.Duration(1+r.next()%ms) * time.Millisecond)
}
