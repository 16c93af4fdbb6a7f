// Package icmp is the control message protocol: what to do about a received
// message, whether an error may be sent about a received packet, and how many
// of either per second. It keeps nothing but what was sent in the last second,
// so it has no timer and nothing to pull.
//
// Obeyed: RFC 792; RFC 1122 §3.2.2 (what must not cause an error, echo,
// time stamps) and §4.2.3.9 (hard and soft errors); RFC 1812 §4.3.2 (length
// and precedence of errors, rate); RFC 1191 (path MTU); RFC 4884 §5.5 (by the
// wire package); RFC 5927 (what a transport needs to doubt an error); RFC 6633
// (source quench is ignored). For IPv6: RFC 4443 whole; RFC 8201 §4 (path MTU);
// RFC 9293 §3.9.2.2 (hard and soft errors); RFC 8883 and RFC 7112 (codes); RFC
// 3542 §3.2 (raw sockets see all).
//
// # How a stack drives an Engine
//
//   - A received message: fill a [Received], call [Engine.Input]. The [Answer]
//     says to build a reply in the packet's own memory ([Answer.Put]), to pass a
//     [Report] to the transport whose packet is quoted, to consider a redirect,
//     or to drop. Apart from that, Answer.Raw says whether raw sockets get a copy.
//   - A packet that cannot be delivered: fill a [Cause], ask [Engine.Error] how
//     long the message would be, and write it with [Cause.Put] behind an IPv4
//     header with [ErrorTOS].
//   - Whoever sends resets for closed ports asks [Engine.Allow].
//
// ICMPv6 is an [Engine6], driven alike: [Received6], [Answer.Put6]. Neighbor
// discovery and MLD never come here. A [Kind], a [Report] and a [Cause] are of
// both families: whoever loses a packet names one kind, and asks the engine of
// the packet's family. An ICMPv6 message's checksum is the caller's to fill in,
// once its source is known.
//
// # Not done
//
// Address masks and router discovery (raw sockets see them), building
// redirects, reversing source routes in replies, traceroute (RFC 1393); node
// information (RFC 4620); sending the extension that tells how long headers may
// be (RFC 8883 §3).
package icmp
