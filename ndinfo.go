package vimage

import (
	"time"

	"github.com/seed88948545/vimage/internal/control"
)

// NDInfo is how an interface deals with its IPv6 neighbours (RFC 4861 §6.3.2).
type NDInfo struct {
	BaseReachable time.Duration // of which Reachable is drawn
	Reachable     time.Duration // how long a neighbour is believed to be there; 0 while none was met
	Retrans       time.Duration // between solicitations
	Disabled      bool          // its link-local address is another host's
}

// ND returns how the interface deals with its IPv6 neighbours; ok is false where it
// does not speak IPv6.
func (i *Interface) ND() (n NDInfo, ok bool) {
	c, ok := control.ReadND(i.s.st, i.index)
	return NDInfo(c), ok
}
