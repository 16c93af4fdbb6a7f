// Package wait keeps connections in TIME-WAIT: the state that remains of one
// after both sides have closed (RFC 9293 §3.6.1), in little memory.
//
// An entry acknowledges the FIN that comes again, and starts its time anew; it
// ignores resets (RFC 1337); and it gives way to a new connection, of the peer's
// (RFC 6191) or of our own making, whose segments cannot be taken for old ones.
//
// The engine is pure: it is told the time and handed segments; what is to be
// answered is in what Input returns.
//
// Not done: PAWS for anything but the FIN: an entry takes no data, so there is
// nothing that an old segment could spoil.
package wait
