package roster

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/wire"
)

// Random is a source of random numbers for many at once: SplitMix64, a word of
// state, every seed good.
type Random struct{ state atomic.Uint64 }

// golden is what the generator adds at each step.
const golden = 0x9e3779b97f4a7c15

// Seed says which numbers there will be.
func (r *Random) Seed(seed uint64) { r.state.Store(seed) }

// Rand returns the next number. It may be called from anywhere.
func (r *Random) Rand() uint64 {
	x := r.state.Add(golden)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// MACs gives out locally administered hardware addresses. It takes no lock.
type MACs struct {
	world [2]byte
	given atomic.Uint32
}

// SetWorld says what tells the addresses from those of other worlds. It is called
// before the first is given out.
func (m *MACs) SetWorld(id [2]byte) { m.world = id }

// NewMAC returns an address that was not given out before.
func (m *MACs) NewMAC() wire.MAC {
	n := m.given.Add(1)
	return wire.MAC{0x02, m.world[0], m.world[1], byte(n >> 16), byte(n >> 8), byte(n)}
}
