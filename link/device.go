// Package link holds what a stack's interface sends to and receives from.
//
// A Device is the lower half of an interface: something with a real wire
// behind it, or anything a user cares to write. It moves raw Ethernet frames
// in batches. Devices that need one operating system or a dependency live in
// packages below this one.
//
// The in-process links of this package (Epair, Bridge, Fault, Capture) are
// Ports instead: they hand buffers over without copying them. A Wire makes a
// Port out of a Device.
package link

import "net"

// Device moves Ethernet frames, without frame check sequence, between a stack
// and what lies outside the process.
//
// One goroutine calls Read and one, possibly another, calls Write. Close may
// be called from any; it makes both return an error that is net.ErrClosed.
type Device interface {
	// Info returns what never changes about the device.
	Info() Info
	// Read blocks until at least one frame has come, stores frame i in
	// frames[i] and its length and state in meta[i], and returns how many came.
	// Both slices have the same length; each frames[i] has room for
	// Info().MaxFrame bytes. After an error that is not net.ErrClosed it may be
	// called again.
	Read(frames [][]byte, meta []Meta) (n int, err error)
	// Write sends frames[i] as meta[i] says and returns how many it took. It
	// borrows the frames until it returns.
	Write(frames [][]byte, meta []Meta) (n int, err error)
	// Close releases the device.
	Close() error
}

// Info describes a Device.
type Info struct {
	Name     string
	MTU      int              // longest IP packet, in bytes
	MaxFrame int              // longest frame Read returns: more than MTU+18 if it yields super-segments
	MAC      net.HardwareAddr // address it suggests for the interface, or nil
	Sum      bool             // completes partial checksums on Write
	GSO      bool             // takes super-segments on Write
	Link     LinkState
}

// LinkState says what a Device knows of its carrier.
type LinkState uint8

// Carrier states.
const (
	LinkUnknown LinkState = iota
	LinkUp
	LinkDown
)

// Meta is the state of one frame at the edge of a Device.
type Meta struct {
	Len  int // length of the frame in bytes
	Sum  Sum
	GSO  GSO
	Size uint16 // payload bytes per segment, where GSO is not GSONone
	// SumStart and SumOffset say, for SumPartial, where summing begins in the
	// frame and where, counted from there, the sum is stored.
	SumStart, SumOffset uint16
	HeaderLen           uint16 // bytes of link, network and transport header, for a super-segment
}

// Sum says what is known of a frame's transport checksum.
type Sum uint8

// States of a transport checksum.
const (
	SumNone    Sum = iota // on Read: not verified; on Write: complete as it stands
	SumValid              // on Read: verified by the device
	SumPartial            // the pseudo-header is summed, the rest is not
)

// GSO says what kind of super-segment a frame is.
type GSO uint8

// Kinds of super-segment.
const (
	GSONone GSO = iota
	GSOTCP4
	GSOTCP6
	GSOUDP
)
