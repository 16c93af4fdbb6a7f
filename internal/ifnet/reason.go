package ifnet

import (
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/reass"
)

// Reass says why a fragment was lost in terms of all packets.
func Reass(r reass.Reason) pkt.Reason {
	switch r {
	case reass.BadLength, reass.TooLong, reass.TooSmall:
		return pkt.BadFragment
	case reass.TimedOut:
		return pkt.ReassTimeout
	case reass.TooMany, reass.Full, reass.Evicted, reass.Cleared:
		return pkt.ReassLimit
	}
	return pkt.ReassOverlap
}
