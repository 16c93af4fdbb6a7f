// Package ifnet is what packets meet on their way through a stack and seldom
// changes: interfaces with their addresses and neighbours, and where the routes
// lead. It holds no packet and takes no lock; package vnet walks packets through
// it, package control changes it.
//
// All of it hangs on a View, which is immutable: the path loads one per batch.
// What does change under it belongs to somebody: an Iface's protocol rooms to
// shard 0 of its stack, the counters of shard i to shard i, and of a Neighbor
// whatever is atomic to everybody.
package ifnet
