// Package reass puts fragmented IPv4 and IPv6 datagrams together again. It
// decides over offsets and time; the packets themselves it only holds.
//
// Obeyed: RFC 791 §3.2 (the procedure, with the list of fragments instead of a
// bit map), RFC 792 (time exceeded only if the first fragment came), RFC 1122
// §3.3.2 (a fixed time-out, not the fragment's TTL), RFC 3168 §5.3 (congestion
// marks), RFC 5722 and RFC 8200 §4.5 (overlap gives the whole datagram up; 60
// seconds), RFC 6946 (atomic fragments).
//
// # How a stack drives a Table
//
// [Table.Input] takes a fragment: it is Held, Refused (still the caller's), or
// it was the last one missing: Complete, and the datagram's pieces come back in
// order. Packets that the table gives up, now or because time has passed, come
// out of [Table.Next]; pull it after every Input and at [Table.Deadline]. The
// table looks into no packet, so joining the pieces, and the checks that
// need the first fragment's content (RFC 7112), are the caller's.
//
// Work per fragment is constant when fragments arrive in order, and at most
// linear in the fragments of its datagram, whose number is limited; work per
// expired datagram is constant. The zero Table owns no memory; one that is empty
// again keeps the descriptor of one datagram for the next.
//
// # Deviations
//
//   - IPv4 overlap gives the datagram up as in IPv6. RFC 791 lets the later
//     fragment win, which is how filters are deceived (RFC 1858).
//   - Sixty-four fragments per datagram instead of FreeBSD's sixteen for IPv4:
//     65,507 bytes of UDP over Ethernet need 45.
//
// # Not done
//
// Comparing the bytes of duplicates: equal place and length is what makes one.
// Limits per source address.
package reass
