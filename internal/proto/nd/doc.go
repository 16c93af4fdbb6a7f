// Package nd is neighbour discovery for IPv6 over Ethernet, for one interface:
// address resolution with its hold queues, neighbour unreachability detection,
// the interface's own addresses with duplicate address detection, static and
// proxy entries, unsolicited advertisements, and redirects (Table).
//
// Obeyed: RFC 4861 §7 (all of it) and §8 (a host's reception; [PutRedirect]
// writes a router's), RFC 4862 §5.4 (duplicate address detection), RFC 4429
// (optimistic addresses), RFC 7527 (enhanced detection, told from a loop by a
// nonce), RFC 6980 (nothing of this in fragments), RFC 6583 §6.2, §7.1 (limits
// that a scan meets), RFC 9131 (a new address is told to the routers), RFC 5942
// (nothing here decides that an address is on the link: the caller's routes do).
//
// # How a stack drives a Table
//
//   - To send: [Table.Resolve] says Send (with the address), Held (the table
//     took the packet) or Refused (it did not; the error is for the sender).
//   - On a received neighbour solicitation, advertisement or redirect: fill a
//     [Received] with the message and what only the stack knows, call
//     [Table.Input], send the answer it may ask for, then pull. What router
//     solicitations and advertisements tell of their senders goes to
//     [Table.Heard].
//   - [Table.AddAddress] begins to claim an address. It may be used from
//     [AddressReady] on. The solicited-node group is joined before the call.
//   - After Resolve, Input, Deadline's moment or any control verb: pull
//     [Table.Next] until it returns false. Out comes every message to send, every
//     held packet (to send or to free) and every change.
//   - A stack that keeps a copy of the neighbours that may be sent to without
//     asking needs nothing but the events: Resolved adds or replaces, all others
//     remove. A neighbour leaves that copy while its entry is stale, so that the
//     next packet comes to Resolve and starts the clock of RFC 4861 §7.3.3;
//     nobody has to be asked whether a neighbour was used, and a neighbour that
//     nobody sends to costs no timer but the one that ends it in a day.
//
// Held packets come out before the event that lets others send past them.
//
// Work is O(log n) in the number of entries for whatever a packet or a timer
// does; an interface's own addresses are few and gone through one by one. Order
// is defined: the order of calls, and for timers that are due at the same moment
// the order in which they were set. All verbs that only look accept a nil
// *Table.
//
// # What became of RFC 7048
//
// An entry whose probes stay unanswered goes, but the next packet makes a new
// one and asks by multicast, with sixteen packets waiting, so that a neighbour
// that moved or slept is found again. A default router is not taken from
// anybody's list for that: [RouterUnreachable] says that another would be better
// while [RouterLost] says that it is none any more.
//
// # Not done
//
// SEND (RFC 3971); inverse discovery; hardware other than Ethernet; mobility's
// proxying. Router discovery and address configuration are the package auto's
// and radv's. Log rate limiting is the caller's: Input only says what is worth a
// line ([Note]).
package nd
