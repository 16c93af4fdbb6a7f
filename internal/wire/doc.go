// Package wire turns bytes into values and values into bytes, one file per
// protocol. It keeps no state and knows no time.
//
// A view (Ether, IPv4, UDP, …) is a byte slice that its Parse function has
// checked once. Parse makes sure that every fixed field and every length the
// header declares lies inside the slice, so that an accessor can never fail
// and never has to test again: holding a view is the proof. Parse does not
// judge meaning (addresses, checksums): that is asked of the view.
//
// Parse functions return a Fault instead of an error, because they run for
// every packet and a Fault is one byte that costs nothing to make or compare.
// Put functions write a header into a slice the caller has sized; they panic
// on a slice that is too short, and on lengths that the format cannot say, which
// is a programming error, never input.
//
// A Packet is a checked packet of either family together with the place where
// its upper layer begins, so that what is the same for both need not ask.
//
// Here so far: Ethernet and IEEE 802.1Q; ARP (RFC 826) for IPv4 over Ethernet;
// IPv4 (RFC 791) with its options, of which only Router Alert (RFC 2113) has a
// meaning here; ICMP (RFC 792) with the next hop's MTU (RFC 1191) and the length
// of a quoted packet (RFC 4884), but not the extensions behind it; IGMP versions
// 1, 2 and 3 (RFC 1112, RFC 2236, RFC 3376); IPv6 (RFC 8200) without jumbograms
// (RFC 2675), its extension headers with Router Alert (RFC 2711) and with limits
// (RFC 8504 §5.3, RFC 8883), but no routing type (RFC 5095) and no IPsec; ICMPv6
// (RFC 4443); neighbor discovery (RFC 4861) with the options of RFC 4191, RFC
// 7527 and RFC 8106, but no cryptography (RFC 3971); MLD versions 1 and 2 (RFC
// 2710, RFC 3810); UDP (RFC 768) and TCP (RFC 9293, with the options of RFC
// 2018, RFC 7323 and RFC 7413) over both families; checksums (RFC 1071, RFC
// 1624).
package wire
