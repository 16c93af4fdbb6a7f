package tcp

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/tcp/loss"
)

// Env is what a connection borrows for one call.
type Env struct {
	T *Tunables
	S *Stats
	L loss.Env    // what the sender borrows
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

// challengeWindow is how long Challenges counts.
const challengeWindow = clock.Time(time.Second)

// allow tells whether one more challenge ACK may be sent, and counts it.
func (k *Challenges) allow(now clock.Time, limit int32) bool {
	if limit == 0 {
		return true
	}
	if now-k.since >= challengeWindow {
		k.since, k.sent = now, 0
	}
	k.sent++
	return k.sent <= limit
}
