// Package wire turns bytes into values and values into bytes, one file per
// protocol. It keeps no state and knows no time.
//
// A view (Ether, IPv4, UDP, …) is a byte slice that its Parse function has
// checked once. Parse makes sure that every fixed field and every length the
// header declares lies inside the slice, so that an accessor can never fail
// and never has to test again: holding a view is the proof. Parse does not
// judge meaning (addresses, checksums): that is asked of the view.
//
// Parse functions return a Fault instead of an error, because they run for
// every packet and a Fault is one byte that costs nothing to make or compare.
// Put functions write a header into a slice the caller has sized; they panic
// on a slice that is too short, which is a programming error, never input.
package wire
