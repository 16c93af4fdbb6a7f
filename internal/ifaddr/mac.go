package ifaddr

import "github.com/seed88948545/vimage/internal/wire"

// MACs gives out locally administered hardware addresses.
type MACs struct {
	World [2]byte // tells worlds apart
	n     uint32
}

// Next returns an address that was not given out before.
func (m *MACs) Next() wire.MAC {
	m.n++
	return wire.MAC{0x02, m.World[0], m.World[1], byte(m.n >> 16), byte(m.n >> 8), byte(m.n)}
}

// SplitMix is SplitMix64, by which seeds are spread: a word of state, every one
// good.
func SplitMix(state *uint64) uint64 {
	*state += 0x9e3779b97f4a7c15
	x := *state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
