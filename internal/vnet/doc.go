// Package vnet is one virtual network stack: the path a packet walks through
// the protocol rooms, and the state that belongs to one stack.
//
// The path reads one immutable View, which it loads once per batch, and writes
// one shard, which it holds the lock of. It is a line of plain function calls:
//
//	in   Iface.Put ▸ shard.Drain ▸ inEther ▸ inIPv4 ▸ filter ▸ deliver ▸ inUDP ▸ Sock.enqueue
//	                                                      └▸ forward ▸ send ▸ …
//	out  Sock.Output ▸ outIPv4 ▸ send ▸ filter ▸ resolve ▸ outEther ▸ Port.Put
//
// What the path meets is changed by package control, through the functions of
// config.go. What users of sockets ask for comes through package usrreq; what
// they see without a stack is package socket.
//
// A function that takes a *pkt.Buf owns it; it passes it on or gives it to
// drop, the only place where a packet is lost. A function that borrows one
// says so.
//
// # Locks
//
// Stack.ctl (control) before shard.mu before one leaf: a socket's, a queue's,
// a clock's or a pool's; never two leaves at once. No stack runs and no user
// code is called under a shard's lock or a leaf. shard 0 owns what all flows
// share (neighbours, memberships, bound sockets): its lock serialises their
// changes, and readers in other shards use lock-free tables.
package vnet
