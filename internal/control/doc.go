// Package control configures a stack: its interfaces, their addresses, its
// routes and its neighbours. It is what ifconfig, route and arp ask a kernel for.
//
// Package vnet runs packets and knows how to change under them; what a change
// consists of, whether it is allowed, and what else has to follow (the route of
// a subnet comes and goes with an address) is said here. Every function takes
// the stack's control lock, so that one change at a time is made, and is ordered
// such that the path finds nothing that is not there any more.
package control
