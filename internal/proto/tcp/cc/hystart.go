package cc

import (
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Constants of RFC 9406 §4.3.
const (
	minThresh = 4 * time.Millisecond
	maxThresh = 16 * time.Millisecond
	samples   = 8 // round-trip samples per round
	growthDiv = 4 // of conservative slow start
	cssRounds = 5
)

// hystart finds the end of slow start by rising delay (RFC 9406 §4.2).
type hystart struct {
	end      wire.Seq // of the round: what was sent at its start
	last     uint32   // least round-trip time of the last round, µs; 0 none yet
	cur      uint32   // of this round
	baseline uint32   // of the round that entered conservative slow start, µs; 0 outside of it
	n        uint8    // samples of this round
	rounds   uint8    // of conservative slow start
	on       bool     // a round has begun
	done     bool     // left slow start, for loss or delay: never again
}

// acked takes in an acknowledgement during slow start and returns by how many
// bytes the window may grow for it.
//
// Deviation: RFC 9406 §4.2 counts at most 8 segments of an acknowledgement
// without pacing; see slowStart.
func (h *hystart) acked(w *Window, a *Ack) int {
	if h.done {
		return a.Bytes
	}
	if !h.on {
		h.on, h.end = true, a.Nxt
	}
	if a.RTT > 0 {
		us := uint32(max(a.RTT/time.Microsecond, 1))
		if h.cur == 0 || us < h.cur {
			h.cur = us
		}
		h.n = min(h.n+1, samples)
	}
	h.judge()
	n := a.Bytes
	if h.baseline != 0 {
		n /= growthDiv
	}
	if !a.Una.Less(h.end) {
		h.round(w, a.Nxt)
	}
	return n
}

// judge compares this round with the last one, or with the baseline.
func (h *hystart) judge() {
	if h.n < samples || h.cur == 0 {
		return
	}
	if h.baseline != 0 {
		if h.cur < h.baseline { // it was jitter: back to slow start
			h.baseline, h.rounds = 0, 0
		}
		return
	}
	if h.last == 0 {
		return
	}
	thresh := min(max(h.last/8, uint32(minThresh/time.Microsecond)), uint32(maxThresh/time.Microsecond))
	if h.cur >= h.last+thresh {
		h.baseline, h.rounds = h.cur, 0
	}
}

// round ends a round, and slow start after enough of them.
func (h *hystart) round(w *Window, nxt wire.Seq) {
	h.end, h.last, h.cur, h.n = nxt, h.cur, 0, 0
	if h.baseline == 0 {
		return
	}
	if h.rounds++; h.rounds >= cssRounds {
		w.Ssthresh = w.Cwnd
		h.done = true
	}
}
