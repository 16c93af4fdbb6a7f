package tcp

import "github.com/seed88948545/vimage/internal/clock"

// Env is what a connection borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
	C *Challenges // the stack's, or the shard's
	// OOO is how many more bytes may be kept out of order: what the stack's
	// limit leaves.
	OOO int
}

// Challenges limits the challenge ACKs of all connections together (RFC 5961
// §7). The zero value is ready for use.
type Challenges struct {
	since clock.Time
	sent  int32
}
