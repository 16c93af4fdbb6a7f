package fib

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
)

// Route is one entry of a table. It is immutable once it has been inserted,
// except for what Adj may point to, which belongs to the caller.
//
// A prefix may have several routes, which differ in gateway, interface or metric.
// They are a list by way of Next, the least metric first; those with the least are
// a group that shares the traffic (see Pick), the others wait until these are gone.
// A lookup finds the first.
type Route[A any] struct {
	// What packets need, in one cache line.

	Gateway netip.Addr // next hop, or the zero Addr if the destination is on the link
	Adj     A          // what the stack hangs on a route: its resolved next hop
	Next    *Route[A]  // the next of those with the same prefix; set by the table
	IfIndex uint32     // outgoing interface, 0 if the route has none
	MTU     uint32     // bytes, 0 for the interface's
	Metric  uint32     // the lower, the better
	id      uint32     // of gateway and interface, see Pick
	Flags   Flags

	Prefix netip.Prefix // destination; host bits are cleared on insertion
	Src    netip.Addr   // preferred source address, or the zero Addr
	Expire clock.Time   // when Set.Expire takes the route away, 0 for never
}

// Flags say what a route is for and where it came from.
type Flags uint16

// The route flags, with the letter netstat shows.
const (
	Up        Flags = 1 << iota // U: usable
	Gateway                     // G: the destination is behind Route.Gateway
	Host                        // H: the prefix is one address
	Reject                      // R: discard, and tell the sender
	Dynamic                     // D: made by a redirect
	Modified                    // M: changed by a redirect
	Static                      // S: added by hand
	Proto1                      // 1: for the use of routing protocols
	Proto2                      // 2
	Proto3                      // 3
	Blackhole                   // B: discard in silence
	Broadcast                   // b: a broadcast address
	Local                       // an address of this stack
	Pinned                      // an interface's own: may be deleted, but not changed, and no other has its prefix
)

const flagLetters = "UGHRDMS123Bb"

// String returns the letters of the flags in netstat's order. Local and Pinned
// have none.
func (f Flags) String() string {
	var b [len(flagLetters)]byte
	n := 0
	for i := range flagLetters {
		if f&(1<<i) != 0 {
			b[n] = flagLetters[i]
			n++
		}
	}
	return string(b[:n])
}
