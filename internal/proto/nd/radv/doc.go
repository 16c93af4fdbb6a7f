// Package radv is the router's side of IPv6 router discovery on one interface:
// it advertises what its configuration says, answers solicitations, takes its
// leave, and watches whether other routers say the same.
//
// Obeyed: RFC 4861 §6.1.1 and §6.2 (solicitations, advertisements, their
// intervals and limits), RFC 4191 §2 (preference, routes), RFC 8106 §5 (DNS),
// RFC 8319 (lifetimes up to 65,535 s), RFC 7772 §5.1 (unicast answers), RFC 6980
// (fragments).
//
// # How a stack drives a Router
//
//   - [Router.Bind] it, then [Router.Start] once the interface has a link-local
//     address and forwards; [Router.Stop] when it ceases to.
//   - On a router solicitation or another's advertisement whose checksum is
//     right and that wire has parsed: fill a [Message] and call [Router.Input].
//   - After any of these, and at Deadline's moment, pull [Router.Next] until it
//     returns false, and write each message with [Router.AppendAdvert].
//
// # Not done
//
// Lifetimes that count down to a moment (RFC 4861 §6.2.1); configurations whose
// message does not fit the least MTU are refused, not cut into several;
// withdrawing what a new configuration leaves out is up to whoever changes it
// (Start first with lifetimes of zero); mobile IP's options.
package radv
