package vimage

import (
	"net"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/control"
	"github.com/seed88948545/vimage/internal/jail"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// SetQuerier makes the interface a multicast router's, which asks the hosts of its
// link what they listen to, or a host's again: by IGMPv3 while it has an IPv4
// address, by MLDv2 while it has a link-local one of IPv6, be it later. Of several on
// a link, the one with the lowest address asks (RFC 3376 §6.6.2).
func (i *Interface) SetQuerier(on bool) error {
	if err := i.s.may(jail.Mroute, "set querier", i.name); err != nil {
		return err
	}
	return wrapConfig("set querier", i.name, control.SetQuerier(i.s.st, i.index, on))
}

// Querier returns the addresses of the routers that ask on the interface's link, of
// IPv4 and of IPv6, as its own router knows them, be it that itself: invalid where
// SetQuerier was not called, or there is no address in the family.
func (i *Interface) Querier() (four, six netip.Addr) { return control.Queriers(i.s.st, i.index) }

// GroupState is what a multicast router knows of the listeners to a group.
type GroupState struct {
	Group   netip.Addr
	Mode    FilterMode    // Exclude: to any source but those without time left
	Left    time.Duration // until nobody is believed to listen any more, in mode Exclude
	Sources []SourceState // sorted
}

// SourceState is a source of a group. Without time left it is not forwarded.
type SourceState struct {
	Source netip.Addr
	Left   time.Duration
}

// QuerierGroups returns what the interface's router knows of the groups of its link,
// sorted, IPv4's first; none where it is none: see SetQuerier.
func (i *Interface) QuerierGroups() []GroupState {
	known, _ := control.QuerierGroups(i.s.st, i.index)
	all := make([]GroupState, len(known))
	for n, g := range known {
		all[n] = GroupState{Group: g.Group, Mode: FilterMode(g.Mode), Left: g.Left}
		for _, s := range g.Sources {
			all[n].Sources = append(all[n].Sources, SourceState(s))
		}
	}
	return all
}

// MembershipState is what an interface listens to in one family, and how it reports
// that: the content of FreeBSD's ifmcstat. Times are 0 where nothing runs.
type MembershipState struct {
	Protocol      string         // "igmp" or "mld"
	Version       int            // in force
	OwnVersion    int            // without older queriers
	Robustness    int            // how often changes are reported
	QueryInterval time.Duration  // of the querier
	QueryResponse time.Duration  // for the answers to its general queries
	Unsolicited   time.Duration  // within which a change is reported again
	General       time.Duration  // left until a general query is answered
	Older         []OlderQuerier // of older versions, believed to be there
	Silent        bool           // reports nothing
	UseAllow      bool           // joins and leaves of sources are not changes of the filter mode
	Groups        []Membership   // sorted
}

// OlderQuerier is a querier of an older version, and how long it is believed to be
// there (RFC 3376 §8.12).
type OlderQuerier struct {
	Version int
	Left    time.Duration
}

// Membership is a group that an interface listens to, and the merged filter of who
// does (RFC 3376 §3.2).
type Membership struct {
	Group   netip.Addr
	MAC     net.HardwareAddr
	Mode    FilterMode
	Sources []netip.Addr // sorted
	State   string       // "silent", "reporting", "leaving", …
	Left    time.Duration
	Pending int // reports of the last change still to be sent
}

// Memberships returns what the interface listens to and reports, IPv4 first: one
// entry for each family that it speaks.
func (i *Interface) Memberships() []MembershipState {
	var all []MembershipState
	four, six := control.Memberships(i.s.st, i.index)
	if four != nil {
		all = append(all, memberships("igmp", four))
	}
	if six != nil {
		all = append(all, memberships("mld", six))
	}
	return all
}

func memberships(protocol string, s *gmp.HostState) MembershipState {
	m := MembershipState{
		Protocol: protocol, Version: s.Version, OwnVersion: s.Base, Robustness: int(s.Robustness),
		QueryInterval: s.QueryInterval, QueryResponse: s.QueryResponse, Unsolicited: s.Unsolicited,
		General: s.General, Silent: s.Silent, UseAllow: s.UseAllow,
	}
	for _, o := range s.Older {
		m.Older = append(m.Older, OlderQuerier(o))
	}
	for _, g := range s.Groups {
		mac := wire.MulticastMAC(g.Group)
		m.Groups = append(m.Groups, Membership{
			Group: g.Group, MAC: mac[:], Mode: FilterMode(g.Filter.Mode), Sources: g.Filter.Sources,
			State: g.State.String(), Left: g.Left, Pending: g.Pending,
		})
	}
	return m
}
