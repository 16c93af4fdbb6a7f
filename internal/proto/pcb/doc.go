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
// Not done: SO_REUSEPORT_LB; of several equal sockets the last bound receives.
package pcb
