// Package fib holds the routing tables of a network stack: many tables (FIBs)
// chosen by number, each for IPv4 and IPv6, looked up by longest prefix match
// (RFC 1812 §5.2.4.3, RFC 4632 §5.1) without a lock while one writer changes them.
//
// A Set is the tables of one stack: each FIB's own routes over one table of those
// that all share, the interfaces'. So an address costs the same with 1 FIB or
// 65,536, and an empty FIB costs nothing. A FIB that hides a shared route gets a
// copy without it, kept up to date by the writer: lookups test nothing.
//
// A prefix may have several routes: those of the least metric share its traffic by
// flow (RFC 2991), the others wait. Routes may expire; the room says when and is
// told the time.
//
// A Table has two forms per family. Up to 64 prefixes it is an immutable array,
// longest prefix first, rebuilt for each change. Above, a table of package bart
// is the truth, which only the writer sees, and readers use what is compiled
// from it:
//
//   - IPv4: DIR-16-8-8. An array of 256 words, one for each value of a byte, names
//     the routes of a first byte, of the first two, three, four, as far as there are
//     longer ones. Prefixes are pushed down to the words of the level they end in,
//     and no farther, so that a change rewrites at most 256 words whatever is below:
//     a /1 costs no more than a /25. A reader takes the lowest level that has a
//     route, two to four loads, and that route's place in memory follows from the
//     word. What a change gives up may be used again at once: a reader that a change
//     has overtaken looks again.
//   - IPv6: a hash table by the first 32 bits of an address, whose cells hold the
//     routes of 28 bits and more that are there, up to 32. What they do not know
//     is asked of an immutable bart table behind an atomic pointer, each change a
//     new one that shares with the old what did not change (bart's
//     InsertPersist). A transaction that changes much copies once and then works
//     in place. A change replaces the cells it covers, at most 16.
//
// Readers may keep a route they have found for as long as they like; the garbage
// collector knows when it can go. In the big form of IPv4 it goes with the 63 others
// of its slab: a slab half of whose routes have gone is emptied, four routes with
// every change, hence no change has to wait for a clearing up.
//
// Tried and given up: pushing down from level to level (half a table rewritten for a
// /1, 26 ms), with compaction (50 ms); nodes compressed by bit maps (a sixth of the
// memory, but each of its three dependent loads misses the cache at random: 1.8
// times as slow); numbers that name a pointer to the route (one more such load).
//
// What things cost: see BenchmarkLookup and BenchmarkChange, and bench.
//
// A change is seen by each lookup as done or not done, and changes in the order in
// which they are made. A transaction on a big table is seen route by route, on a
// small one all at once.
//
// Addresses come without zone (a zone is ignored), and an IPv4-mapped IPv6
// address is an IPv6 address. The table holds routes and judges none: it finds
// rejecting and black-hole routes like others, and does not test whether an
// interface is up.
//
// Not done: masks that are not prefixes, lookup by source address or type of
// service. The room keeps no statistics: lookups run without a lock, so what they
// find is counted by who asks.
package fib
