// Package event is how those who want to know hear what changes about a network
// stack: interfaces that come, go and are renamed, their addresses and state,
// routes, neighbours. It is what routing sockets and event handlers are to BSD's
// kernel; it knows no stack.
//
// A Hub is one pointer. While nobody has subscribed, Post is one atomic load and
// nothing is kept; what a subscriber has not read yet waits in a queue of his own,
// and what does not fit there is counted, and lost to him alone. Post may be called
// under any lock that is no leaf: it takes the subscriber's, which is one, and runs
// nobody's code.
//
// Departures are told twice: handlers (Hub.Handle) run before anything of the
// interface is taken apart, in the goroutine that removes it and without a lock;
// the queues have the departure before the addresses and routes that end with it.
package event
