// Package pcb keeps the protocol control blocks of one transport protocol:
// which sockets are bound to which ports, and which of them a packet is for.
// It knows both address families and holds whatever the caller calls a socket.
//
// Reading (Lookup, Port) needs no lock and may happen at any time; changes are
// serialised by the caller. Conflict rules are BSD's: SO_REUSEADDR lets a
// specific and a wildcard address share a port, SO_REUSEPORT two equal ones if
// both set it, and for a multicast address both options mean the latter
// (behaviour: net.inet.ip.portrange.*, RFC 6056 for the choice of ports).
//
// A socket bound to :: receives IPv4 as well unless it is V6Only (RFC 3493 §3.7,
// §5.3). Everywhere IPv4 addresses are IPv4 ones, never IPv4-mapped: the caller
// unmaps what users write. Such a binding conflicts with IPv4 ones as 0.0.0.0
// would. A binding with a Scope is to one interface, as one to a link-local
// address should be (RFC 4007); those to different interfaces never conflict.
//
// A socket whose owner may use some addresses only (a jail) is bound to each of them
// where it asks for any, so that a lookup costs the same and finds it before one that
// is bound to all; it shares the port with that one (behaviour 1.2).
//
// Not done: SO_REUSEPORT_LB; of several equal sockets the last bound receives.
package pcb
