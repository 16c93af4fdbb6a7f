// Package gmp holds the engines that the group management protocols share:
// IGMP version 3 (RFC 3376) and MLD version 2 (RFC 3810) are one protocol for
// two sizes of address. Host decides what an interface reports and when, Router
// what a router asks, and Database remembers what was reported, for routers and
// for snooping switches (RFC 4541).
//
// The engines are generic in the address and know no message types: packages
// igmp and mld read messages, hand over what they mean, and put the headers on
// what the engines write. The records of both protocols' reports have the same
// layout, so the engines write those and the lists of sources themselves.
//
// Versions are counted as IGMP does: 3 knows sources, 2 and 1 do not. MLD
// version 2 is version 3 here, MLD version 1 is version 2.
//
// Next writes at most a burst of messages before it says no; Deadline then tells
// when the rest may follow. So a host with ten thousand groups answers a query,
// or leaves them all, in slices between which others are served. A Change is
// reported before what waits, and never waits itself if it is pulled by itself.
// Who changes many groups at once should pull once, after the last: then the
// records share messages.
//
// A querier's specific queries are spaced when they are planned: about a group
// there are two per Last Member Query Interval at most, however many leave, and
// about many groups a burst per millisecond (asks.go).
//
// Sections are cited of RFC 3376 only, where RFC 3810 agrees; its sections are:
//
//	RFC 3376   RFC 3810
//	§4.2.12    §5.2.5, §5.2.12   records
//	§4.2.16    §5.2.15           reports that are too long
//	§5.1       §6.1              changes
//	§5.2       §6.2, §6.3        answers
//	§6.2       §7.2              what a router remembers
//	§6.3       §7.3              what it forwards
//	§6.4       §7.4              reports
//	§6.5       §7.2.3, §7.5      timers
//	§6.6       §7.6              queries
//	§7.2       §8.2              older queriers
//	§7.3       §8.3              older hosts
//	§8         §9                timers and their defaults
//
// Not done: RFC 5790 (lightweight IGMPv3 and MLDv2).
package gmp
