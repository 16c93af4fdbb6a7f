package fib

import "net/netip"

// Ahead is the routes of the packets of one batch, looked up together before the
// first is forwarded: in a table too large for the processor's caches the memory
// accesses of all then overlap. It is a hint: a packet whose FIB or destination
// turns out to be another is looked up by itself. A nil *Ahead is empty.
type Ahead[A any] struct {
	n      int
	fib    uint32
	flags  Flags // of all routes, as their bits: reading them is what matters
	bits   int
	dst    [AheadMost]netip.Addr
	routes [AheadMost]*Route[A]
}

// AheadMost is the number of packets in a batch at most.
const AheadMost = 64

// Begin forgets the last batch; the next is routed by this FIB.
func (a *Ahead[A]) Begin(fib uint32) { a.n, a.fib = 0, fib }

// Add appends the destination of the batch's next packet, invalid if it has none,
// and tells whether there is room for another.
func (a *Ahead[A]) Add(dst netip.Addr) bool {
	a.dst[a.n] = dst
	a.n++
	return a.n < AheadMost
}

// Lookup looks all of them up.
func (a *Ahead[A]) Lookup(s *Set[A]) {
	s.LookupBatch(int(a.fib), a.dst[:a.n], a.routes[:a.n])
	for _, rt := range a.routes[:a.n] {
		if rt != nil { // fetch what forwarding will read, for all at once
			a.flags |= rt.Flags
			a.bits |= rt.Prefix.Bits()
		}
	}
}

// Route returns the route found for the packet nth of the batch, if it was for dst
// in that FIB.
func (a *Ahead[A]) Route(nth int, fib uint32, dst netip.Addr) (*Route[A], bool) {
	if a == nil || nth >= a.n || a.dst[nth] != dst || a.fib != fib {
		return nil, false
	}
	return a.routes[nth], true
}
