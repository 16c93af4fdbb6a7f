package nd

import "time"

// rng is a SplitMix64 generator: seeded once, the same everywhere.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// within returns a duration from 0 to limit.
func (r *rng) within(limit time.Duration) time.Duration {
	return time.Duration(r.next() % uint64(limit+1))
}
