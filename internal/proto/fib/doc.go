// Package fib holds the routing tables of a network stack: many tables (FIBs)
// chosen by number, each for IPv4 and IPv6, looked up by longest prefix match
// (RFC 1812 §5.2.4.3, RFC 4632 §5.1) without a lock while one writer changes them.
//
// A Table has two forms per family. Up to 64 routes it is an immutable array,
// longest prefix first, rebuilt for each change. Above, a table of package bart
// is the truth, which only the writer sees, and readers use what is compiled
// from it:
//
//   - IPv4: DIR-16-8-8. 65,536 words stand for the first two bytes of an
//     address; a word names a route, or a chunk of 256 words for the next byte.
//     Prefixes are pushed down to the leaves, so a lookup is one to three words.
//     A change rewrites, one atomic store each, the words its prefix covers
//     where no longer prefix does; the default route is a slot of its own that
//     any word may fall back to, so changing it writes one word. The dearest
//     change is therefore a /1 over a full table: it reads half of it.
//   - IPv6: a hash table by the first 32 bits of an address, whose cells hold the
//     routes of 28 bits and more that are there, up to 32. What they do not know
//     is asked of an immutable bart table behind an atomic pointer, each change a
//     new one that shares with the old what did not change (bart's
//     InsertPersist). A transaction that changes much copies once and then works
//     in place. A change replaces the cells it covers, at most 16.
//
// Nothing that a reader can still reach is ever used again: within one compiled
// table chunks stay where they are and the slot of a deleted route stays empty.
// Chunks that have become pointless and slots that have been left are counted,
// and when they outweigh the living ones the writer copies these to a new
// compiled table. Readers of the old one keep it, unchanged, until they are done,
// and the garbage collector knows when that is; no reader has to be counted.
//
// What changes cost, measured over 1,000,000 routes of the Internet's lengths: a
// default route 0.2 µs, a /16 or longer 0.5 to 1 µs, a /8 0.1 ms, a /1 23 ms; a
// compaction 90 ms, at most once in half a million deletions; loading them all
// 1 s. Readers wait for none of these. A lookup takes 4 ns of 10 routes, 10 to
// 90 ns of a million, 6 to 35 ns in a batch; see BenchmarkLookup.
//
// A change is seen by each lookup as done or not done. A transaction on a big
// table is seen route by route, on a small one all at once.
//
// Addresses come without zone (a zone is ignored), and an IPv4-mapped IPv6
// address is an IPv6 address. The table holds routes and judges none: it finds
// rejecting and black-hole routes like others, and does not test whether an
// interface is up.
//
// Not done: multipath, route metrics, masks that are not prefixes, lookup by
// source address or type of service. The room keeps no statistics: lookups run
// without a lock, so what they find is counted by who asks.
package fib
