package gmp

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Wants tells whether datagrams of the source are forwarded to the group
// (RFC 3376 §6.3): in EXCLUDE mode all are but those of listed sources without
// time left, in INCLUDE mode those of listed sources with time left. A source
// that is not valid stands for any.
func (g *GroupState) Wants(source netip.Addr) bool {
	wanted := g.Mode == mcast.Exclude
	for _, s := range g.Sources {
		switch {
		case s.Source == source:
			return s.Left > 0
		case !source.IsValid() && s.Left > 0:
			wanted = true
		}
	}
	return wanted
}
