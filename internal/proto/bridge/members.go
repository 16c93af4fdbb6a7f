package bridge

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
)

// Wants tells whether a report has come in at port n, and still holds, that asks
// for the group from the source; from any source where source is not valid.
func (b *Bridge) Wants(now clock.Time, n int32, group, source netip.Addr) bool {
	for _, g := range b.Groups(now, n) {
		if g.Group == group {
			return g.Wants(source)
		}
	}
	return false
}
