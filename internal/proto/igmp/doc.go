// Package igmp speaks the Internet Group Management Protocol, version 3 (RFC
// 3376): Host reports what an interface listens to, Router asks and remembers.
// The engines are those of package gmp, which MLD shares; here are the messages,
// the checks of what is received, the tunables and the statistics.
//
// Both are pure: they are told the time, are handed messages, and are asked for
// messages until there is none. What they borrow for one call, the tunables and
// the statistics of the stack, comes in an Env.
//
// Host: RFC 3376 §5 entirely; §7.2 (queriers of version 1 and 2). Router: RFC
// 3376 §6 entirely, as a version 3 querier; §7.3 (hosts of version 1 and 2).
//
// Not done: a querier that itself speaks version 1 or 2 (§7.3.1), RFC 5790
// (lightweight IGMPv3).
package igmp
