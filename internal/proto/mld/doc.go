// Package mld speaks Multicast Listener Discovery, version 2 (RFC 3810, since
// 2025 RFC 9777): Host reports what an interface listens to, Router asks and
// remembers. The engines are those of package gmp, which IGMP shares; here are
// the messages, the checks of what is received, the tunables and the statistics.
//
// Both are pure: they are told the time, are handed messages, and are asked for
// messages until there is none. What they borrow for one call, the tunables and
// the statistics of the stack, comes in an Env. Whoever sends a message puts the
// IPv6 header before it, with hop limit 1 and a hop-by-hop header with the Router
// Alert option of value 0, and the checksum into it (RFC 3810 §5).
//
// Host: RFC 3810 §6 entirely; §8.2 (queriers of version 1); RFC 2710 (version 1,
// where that is set); RFC 3590 (reports before there is an address). Router: RFC
// 3810 §7; §8.3 (routers and hosts of version 1); RFC 4604 §3 (source-specific
// groups).
//
// Not done: RFC 5790 (lightweight MLDv2), RFC 4286 (Multicast Router Discovery).
package mld
