// Package icmp is the control message protocol: what to do about a received
// message, whether an error may be sent about a received packet, and how many
// of either per second. It keeps nothing but the counts of the current second,
// so it has no timer and nothing to pull.
//
// Obeyed: RFC 792; RFC 1122 §3.2.2 (what must not cause an error, echo,
// time stamps) and §4.2.3.9 (hard and soft errors); RFC 1812 §4.3.2 (length
// and precedence of errors, rate); RFC 1191 (path MTU); RFC 4884 §5.5 (by the
// wire package); RFC 5927 (what a transport needs to doubt an error); RFC 6633
// (source quench is ignored).
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
// Kinds, reports and errnos are those of both families; the wire form wired up
// here is ICMPv4's. ICMPv6 adds its own Input and Put.
//
// # Not done
//
// Address masks and router discovery (raw sockets see them), building
// redirects, reversing source routes in replies, traceroute (RFC 1393).
package icmp
