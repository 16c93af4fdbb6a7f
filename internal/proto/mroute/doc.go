// Package mroute decides where a multicast router sends the packets of others:
// by static routes for a source, or any, to a group or a prefix of groups; to
// whoever the queriers of its interfaces know to listen (RFC 3376 §6.3, RFC 3810
// §7.3); and as a proxy, which asks upstream for what is wanted downstream (RFC
// 4605).
//
// One writer at a time changes a Table. Lookup may be called at any time by
// anyone, takes no lock and allocates nothing: what it reads are small values that
// are replaced, one for each group and source. A change costs what it changes,
// whatever else is there, and a packet leaves nothing behind: there is no cache of
// flows that must be cleared, or that a stranger could fill.
//
// Family-blind: addresses are of IPv4 or IPv6, without zone. Interfaces are known
// by index.
//
// Not done: protocols between routers (PIM), scopes other than the link's (zones
// and their borders are the packet filter's).
package mroute
