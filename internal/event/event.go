package event

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Kind says what has happened.
type Kind uint8

// The kinds (behaviour 3.4). Which fields of an Event mean anything is said of
// each; IfIndex and Name are set in all that are about an interface.
const (
	Arrival    Kind = iota // an interface has come; it has no address that was told yet
	Departure              // an interface is about to go; it still has all it had
	Renamed                // it was called Old
	LinkAddr               // its hardware address is MAC
	MTU                    // its MTU has changed
	LinkUp                 // its link has a carrier
	LinkDown               // its link has none
	Up                     // it was brought up
	Down                   // it was brought down
	AddrAdd                // it has the address Prefix; one of IPv6 may still be tentative
	AddrDel                // it no longer has the address Prefix
	AddrChange             // the state of the address Prefix has changed

	RouteAdd    // table FIB has a route to Prefix, by Gateway or the interface
	RouteDel    // table FIB no longer has it
	RouteChange // table FIB has another route to Prefix instead

	NeighResolved // a neighbour, Prefix, is at MAC: for the first time, or again after it moved
	NeighTimedOut // nobody answered for Prefix; it never was at any address
	NeighExpired  // Prefix was at MAC, but does not answer, or was not used for long
	NeighDeleted  // Prefix was taken out by hand, or with the address or interface it was reached by

	Kinds = iota // how many there are
)

var names = [Kinds]string{
	Arrival: "arrival", Departure: "departure", Renamed: "rename", LinkAddr: "lladdr", MTU: "mtu",
	LinkUp: "link up", LinkDown: "link down", Up: "up", Down: "down",
	AddrAdd: "address add", AddrDel: "address delete", AddrChange: "address change",
	RouteAdd: "route add", RouteDel: "route delete", RouteChange: "route change",
	NeighResolved: "neighbour resolved", NeighTimedOut: "neighbour timed out",
	NeighExpired: "neighbour expired", NeighDeleted: "neighbour deleted",
}

// String names the kind.
func (k Kind) String() string {
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// AllFIBs is the FIB of an event that is about no table, or about all.
const AllFIBs = -1

// Event is one thing that has happened. It is a value: whoever has it may keep it.
type Event struct {
	Kind    Kind
	IfIndex uint32 // 0: about no interface
	FIB     int32  // of a route; else AllFIBs, or the table an address's route is in
	Name    string // the interface's
	Old     string // its name before
	Prefix  netip.Prefix
	Gateway netip.Addr
	MAC     wire.MAC

	At     clock.Time // when; set by Post
	Missed uint64     // events that the subscriber lost just before this one; set by Post
}

// Filter says which events a subscriber wants. The zero value is not all: see All.
type Filter struct {
	Kinds   uint32 // bit per Kind
	IfIndex uint32 // 0: any
	FIB     int32  // AllFIBs: any
}

// All lets every event pass.
const All = 1<<Kinds - 1

func (f *Filter) wants(e *Event) bool {
	return f.Kinds>>e.Kind&1 != 0 &&
		(f.IfIndex == 0 || f.IfIndex == e.IfIndex) &&
		(f.FIB == AllFIBs || e.FIB == AllFIBs || f.FIB == e.FIB)
}
