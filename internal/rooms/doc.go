// Package rooms is what the protocol rooms of one shard keep, each made at its
// first event, with the counters that belong to it: those that know no socket
// and no interface. What interfaces have of rooms is package ifnet's.
//
// It takes no lock: a shard's rooms are guarded by the shard's.
package rooms
