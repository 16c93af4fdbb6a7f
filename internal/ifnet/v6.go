package ifnet

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/proto/nd"
	"github.com/seed88948545/vimage/internal/proto/nd/auto"
	"github.com/seed88948545/vimage/internal/proto/nd/radv"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// V6 is what the rooms of IPv6 keep for an interface. It is shard 0's.
type V6 struct {
	ND    *nd.Table[*pkt.Buf]
	MLD   mld.Host
	Query *mld.Router  // while the interface is a multicast router's
	Auto  *auto.Host   // nil unless the interface configures itself
	Radv  *radv.Router // nil unless it advertises
	// Advert is what Radv advertises once there is an address to do so from.
	Advert *radv.Config
	// Disabled says that the link-local address is another's (RFC 4862 §5.4.5).
	Disabled bool

	redirects []Redirect // not yet acted upon
}

// Bind gives the rooms the stack's page and counters.
func (v *V6) Bind(t *vars.Tunables, s *vars.Six) {
	v.ND.Bind(&t.ND, &s.ND)
	if v.Auto != nil {
		if s.Auto == nil {
			s.Auto = new(auto.Stats)
		}
		v.Auto.Bind(&t.Auto, s.Auto)
	}
	if v.Query != nil && s.Query == nil {
		s.Query = new(mld.RouterStats)
	}
	if v.Radv != nil {
		if s.Radv == nil {
			s.Radv = new(radv.Stats)
		}
		v.Radv.Bind(s.Radv)
	}
}

// Redirect is what a router has said about a destination.
type Redirect struct {
	Dst, Next netip.Addr // Next is Dst if that is on the link
}

// maxRedirects is how many redirects may wait to be acted upon.
const maxRedirects = 64

// Redirect keeps a redirect to be acted upon; false where too many wait.
func (v *V6) Redirect(r Redirect) bool {
	if len(v.redirects) == maxRedirects {
		return false
	}
	v.redirects = append(v.redirects, r)
	return true
}

// Redirects returns what Redirect has kept, once.
func (v *V6) Redirects() []Redirect {
	all := v.redirects
	v.redirects = nil
	return all
}

// InputRA takes a router advertisement; pieces says that it came in fragments. It
// tells whether it was good for something, and whether the interface's
// configuration has changed with it.
func (v *V6) InputRA(now clock.Time, m wire.ICMP6, ip wire.Packet, sumOK, pieces bool) (ok, changed bool) {
	ra, f := wire.ParseRouterAdvert(m)
	if f != wire.OK || !sumOK {
		return false, false
	}
	if v.Auto != nil {
		msg := auto.Message{RA: ra, Src: ip.Src(), HopLimit: ip.TTL(), Fragmented: pieces}
		if changed = v.Auto.Input(now, &msg) == auto.Accepted; changed {
			v.ND.Heard(now, msg.Src, msg.LinkAddr, nd.RouterRole)
		}
	}
	if v.Radv == nil {
		return changed, changed
	}
	msg := radv.Message{RA: ra, Src: ip.Src(), HopLimit: ip.TTL(), Fragmented: pieces}
	verdict := v.Radv.Input(now, &msg)
	return changed || verdict == radv.Accepted || verdict == radv.Inconsistent, changed
}

// InputRS takes a router solicitation and tells whether it was good for something.
func (v *V6) InputRS(now clock.Time, m wire.ICMP6, ip wire.Packet, sumOK, pieces bool) bool {
	rs, f := wire.ParseRouterSolicit(m)
	if f != wire.OK || !sumOK || v.Radv == nil {
		return false
	}
	msg := radv.Message{RS: rs, Src: ip.Src(), HopLimit: ip.TTL(), Fragmented: pieces}
	if v.Radv.Input(now, &msg) != radv.Accepted {
		return false
	}
	if msg.HasLinkAddr {
		v.ND.Heard(now, msg.Src, msg.LinkAddr, nd.HostRole)
	}
	return true
}
