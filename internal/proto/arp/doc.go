// Package arp is the address resolution protocol for IPv4 over Ethernet: the
// neighbour table of one interface with its hold queues, ageing, own
// addresses, published entries and gratuitous requests (Table), and an
// optional prober that claims a free address (Prober).
//
// Obeyed: RFC 826 (input in its order: merge first, then look at the opcode),
// RFC 1122 §2.3.2 (flushing out-of-date entries, flood prevention of one
// request per second, saving packets while resolving), RFC 5227 §2.1–§2.4
// (Prober only).
//
// # How a stack drives a Table
//
//   - To send: [Table.Resolve] says Send (with the address), Held (the table
//     took the packet) or Refused (it did not; the error is for the sender).
//   - On a received packet: fill a [Frame] with the checked view and what only
//     the stack knows (routes, CARP, bridge groups), call [Table.Input], send the
//     reply it may ask for, then pull.
//   - After Resolve, Input, Deadline's moment or any control verb: pull
//     [Table.Next] until it returns false. Out comes every request to send,
//     every held packet (to send or to free) and every change of the table.
//   - A stack that keeps a copy of the resolved neighbours needs nothing but the
//     events: Resolved adds or replaces; Expired and Deleted remove.
//     Watch and AskUsed ask that copy whether the neighbour was used; see
//     [OutKind].
//
// Work is O(log n) in the number of entries for whatever a packet or a timer
// does. Order is defined: the order of calls, and for timers that are due at
// the same moment the order in which they were set. The zero Table holds no
// memory, and all verbs that only look accept a nil *Table.
//
// # Not done
//
// Reverse and inverse ARP; hardware other than Ethernet; trailers. Proxying by
// route (net.link.ether.inet.proxyall) needs two route lookups that the caller
// makes; see [Frame]. Log rate limiting is the caller's: Input only says what
// is worth a line ([Note]). Probing is off unless somebody runs a Prober.
package arp
