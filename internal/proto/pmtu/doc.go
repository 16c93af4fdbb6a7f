// Package pmtu remembers what packet too big messages said of the paths to
// destinations, for whatever does not do so itself, as TCP does: datagrams are then
// cut where they are made, and those that must not be cut are refused.
//
// Obeyed: RFC 8201 §4 (an estimate is only ever lowered, and never below 1,280
// bytes), §5.2 (estimates are kept by destination), §5.3 (they age: after a while
// the path is tried anew); RFC 5927 §7 as far as it can be done without a
// connection, which is the caller's: he lets pass only messages about packets that
// this stack can have sent.
//
// # How a stack uses it
//
// One caller at a time calls [Table.TooBig]; anybody may call [Table.MTU]
// meanwhile, without a lock. An estimate ends when it is looked at
// after its time: the table has no timer. A full one forgets what ends first.
//
// A destination has one estimate whatever table routes packets to it: who reads a
// packet too big cannot know which that was. A path that takes more is used less
// well, never wrongly.
//
// # Not done
//
// Estimates by flow label (RFC 8201 §5.2), probing (RFC 4821, RFC 8899), IPv4:
// what is too long for its path is cut there.
package pmtu
