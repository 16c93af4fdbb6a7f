// Package netisr passes packets from node to node: who runs a stack or a
// switch, when, and in which goroutine. It is named after the kernel's
// dispatcher of that name and has its policies: direct, hybrid, deferred.
//
// A Node has a bounded Queue. A packet is put into the next node's queue while
// the sender's lock is still held, which keeps the order of packets; the node
// is run after that lock is released, by whoever found it at rest, and by one
// Runner at a time. Nodes that are woken while a node runs join the Runner's
// work list, which is worked off in a loop: the call depth is the same on any
// topology, and no node ever runs inside another.
//
// Locks: a Queue's lock is a leaf.
package netisr
