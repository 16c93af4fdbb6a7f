package auto

import "time"

// rng is a splitmix64 generator: eight bytes of state, so that an idle host
// stays small. It decides delays; identifiers do not rest on it alone.
type rng uint64

func (r *rng) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// upTo returns a duration in [0, limit], in whole milliseconds.
func (r *rng) upTo(limit time.Duration) time.Duration {
	return time.Duration(r.next()%uint64(limit/time.Millisecond+1)) * time.Millisecond
}

// about returns d changed by up to a tenth either way (RFC 7559 §2, RAND).
func (r *rng) about(d time.Duration) time.Duration { return d - d/10 + r.upTo(d/5) }
