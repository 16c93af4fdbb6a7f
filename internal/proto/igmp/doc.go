// Package igmp speaks the Internet Group Management Protocol, version 3 (RFC
// 3376): Host reports what an interface listens to, Router asks and remembers.
// The engines are those of package gmp, which MLD shares; here are the messages,
// the checks of what is received, the tunables and the statistics.
//
// Both are pure: they are told the time, are handed messages, and are asked for
// messages until there is none. What they borrow for one call, the tunables and
// the statistics of the stack, comes in an Env.
//
// Host: RFC 3376 §5 entirely; §7.2 (queriers of version 1 and 2); RFC 1112 and
// 2236, where one of these is set. Router: RFC 3376 §6 entirely; §7.3 (routers and
// hosts of version 1 and 2); RFC 4604 §3 (source-specific groups).
//
// Not done: RFC 5790 (lightweight IGMPv3).
package igmp
