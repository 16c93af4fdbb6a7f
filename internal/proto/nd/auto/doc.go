// Package auto is the host's side of IPv6 router discovery and address
// autoconfiguration on one interface: it solicits routers, reads their
// advertisements and says which addresses, routes and link parameters follow
// from them and for how long.
//
// Obeyed: RFC 4861 §6.1.2 and §6.3 (advertisements, default routers), RFC 4862
// §5.3 and §5.5 (addresses and their lifetimes), RFC 7217 (stable, opaque
// identifiers), RFC 8981 (temporary addresses), RFC 4191 (preferences and more
// specific routes, type C host), RFC 7559 (solicitations with back-off), RFC
// 8106 (DNS), RFC 8028 §3.3 (who announced an address's prefix), RFC 6980
// (fragments), RFC 5942 (an address makes no route), RFC 5453 (reserved
// identifiers).
//
// # How a stack drives a Host
//
//   - [Host.Bind] it, then [Host.Start] when the interface comes up,
//     [Host.Solicit] when it was attached to a link anew, [Host.SetLink] when
//     its settings change, [Host.Stop] when it goes down.
//   - On a router advertisement whose checksum is right and that wire has
//     parsed: fill a [Message] and call [Host.Input]. What the router's link
//     address is comes back in it, for the neighbour table.
//   - What duplicate address detection and neighbour unreachability detection
//     find out is told by Ready, Duplicate, RouterLost, RouterFound and
//     RouterResigned.
//   - After any of these, and at Deadline's moment, pull [Host.Next] until it
//     returns false.
//
// Next speaks of changes of state, never of refreshed lifetimes: on a quiet
// link an advertisement costs its reading. Lifetimes as they stand are read by
// the Append methods. The host keeps every lifetime itself, so that the stack
// needs no timer for what it was told to add: it is told to delete.
//
// # Sizes
//
// Everything an advertisement can make the host keep has a limit (see
// [Tunables]). What is new when a limit is reached is refused and counted; what
// is there stays.
//
// # Not done
//
// Probing routers that were lost but are preferred (RFC 4191 §3.2: they are
// taken back when they advertise with a link address, or when RouterFound says
// so); prefixes that no reachable router announces are not marked detached;
// authenticated advertisements (RFC 3971); DHCPv6 (the flags are handed on);
// identifiers of other lengths than 64 bits; PREF64 and captive portals.
package auto
