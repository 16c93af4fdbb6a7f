package auto

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
)

// OutKind says what an Out carries.
type OutKind uint8

// What Next hands out.
const (
	SendRS        OutKind = iota // a solicitation is to be sent from Src to ff02::2; see AppendSolicit
	AddAddress                   // Address is to be added, tentative or, if it says so, optimistic
	ChangeAddress                // Address has become deprecated, or preferred again
	DelAddress                   // Address is to be deleted
	AddRoute                     // Route is to be added
	ChangeRoute                  // the route to Route.Dst now goes to Route.Router
	DelRoute                     // the route to Route.Dst is to be deleted
	SetMTU                       // Value is the link's MTU in bytes; 0 is the interface's own
	SetHopLimit                  // Value is the hop limit to send with; 0 is the stack's default
	SetReachable                 // Value is the base reachable time, milliseconds; 0 is the default
	SetRetrans                   // Value is the time between solicitations, milliseconds; 0 is the default
	SetDHCP                      // Value is DHCPAddresses | DHCPOther: what the last advertisement leaves to DHCPv6
	DNSChanged                   // the servers or the search list changed: see AppendServers, AppendDomains
)

// The bits of SetDHCP's Value (RFC 4861 §4.2).
const (
	DHCPAddresses = 1 << iota // the flag M
	DHCPOther                 // the flag O
)

var outKindNames = [...]string{
	SendRS: "rs", AddAddress: "add address", ChangeAddress: "change address", DelAddress: "delete address",
	AddRoute: "add route", ChangeRoute: "change route", DelRoute: "delete route",
	SetMTU: "mtu", SetHopLimit: "hop limit", SetReachable: "reachable time", SetRetrans: "retrans timer",
	SetDHCP: "dhcp", DNSChanged: "dns changed",
}

// String names the kind.
func (k OutKind) String() string { return outKindNames[k] }

// Out is one thing that Next hands out. Kind says which fields mean anything.
type Out struct {
	Kind    OutKind
	Value   uint32
	Src     netip.Addr // the link-local address, or :: while none is ready
	Address Address
	Route   Route
}

// Origin says how an address came to be.
type Origin uint8

// The origins.
const (
	LinkLocal Origin = iota // formed without any router (RFC 4862 §5.3)
	Prefix                  // formed from an advertised prefix (RFC 4862 §5.5)
	Temporary               // formed from one for a while (RFC 8981)
)

var originNames = [...]string{LinkLocal: "link-local", Prefix: "autoconf", Temporary: "temporary"}

// String names the origin as ifconfig does.
func (o Origin) String() string { return originNames[o] }

// Address is an address that a host has formed. It is on no subnet by itself:
// what is on the link, routes say (RFC 5942 §4).
type Address struct {
	Prefix     netip.Prefix // the address with the length of its prefix, 64
	Origin     Origin
	Optimistic bool       // it may be used with care before it is ready (RFC 4429)
	Deprecated bool       // no new connection should use it (RFC 4862 §5.5.4)
	Ready      bool       // duplicate address detection is over
	Duplicate  bool       // somebody else's; it stays unused until it goes
	Preferred  clock.Time // deprecated from then on, or clock.Never
	Valid      clock.Time // deleted then, or clock.Never
}

// Route is a route that a host has learned.
type Route struct {
	Dst        netip.Prefix // ::/0 is the default route
	Router     netip.Addr   // link-local address of the next hop; invalid: Dst is on the link
	Preference int8         // of the router: 1 high, 0 medium, -1 low (RFC 4191 §2.1)
	Expire     clock.Time   // deleted then unless it is refreshed, or clock.Never
}
