// Package addrsel chooses addresses: which of its own a host sends from, and
// in which order it tries those of a peer. It is pure functions over a policy
// table; it knows no interface, no route and no name server.
//
// Obeyed: RFC 6724 whole (§2.1 policy table, §3 scopes, §5 source, §6
// destinations); RFC 4291 §2.5 and §2.7 and RFC 7346 (scopes); RFC 2365 §8
// (scopes of IPv4 groups); RFC 5014 §3 (a socket may prefer otherwise); RFC
// 8028 §3.1 (rule 5.5).
//
// # How a stack uses it
//
//   - Source: [Policy.For] a destination gives a [Chooser]; the address of
//     greatest [Chooser.Rank] is the source. [Policy.Source] does that for a
//     slice. Neither allocates.
//   - Destinations: fill a slice of [Destination], each with the source that
//     would be used, and sort it by [Policy.Order].
//
// IPv4 addresses are compared as IPv4-mapped ones (§2.1), whichever form they
// come in. Addresses have no zone: scope is the interface index beside them.
//
// # What the caller leaves out
//
// Candidates do not include tentative addresses, nor anycast ones. On a host
// they are those of the outgoing interface (§4 recommends it); a router may
// offer those of all its interfaces.
//
// # Not done
//
// Rule 7 of §6 asks who knows a tunnel: the caller says so ([Tunnel]). The
// policy options of DHCPv6 (RFC 7078) are a caller of [NewPolicy].
package addrsel
