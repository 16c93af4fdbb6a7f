package pkt

import (
	"net/netip"
	"sync/atomic"
)

const (
	// Headroom is what a fresh Buf leaves in front of the frame for headers
	// that are pushed later: the outer headers of two tunnels.
	Headroom = 128
	// Small is the longest frame that fits into a Buf itself.
	Small = smallSize - Headroom
	// Large is the longest frame that fits into a Block: the longest IP packet,
	// which is one of IPv6, with a tagged Ethernet header.
	Large = 40 + 65535 + 18

	smallSize = 1928
)

// Sum says what is known of a packet's transport checksum.
type Sum uint8

// What is known of a transport checksum. The IPv4 header's own is always
// filled in; it is verified where Sum is SumUnknown.
const (
	SumUnknown Sum = iota // came from a real wire: verify it
	SumValid              // filled in and right
	SumPartial            // not filled in; the packet never left this process
)

// GSO says how a super-segment is to be cut.
type GSO uint8

// Kinds of super-segment.
const (
	GSONone GSO = iota
	GSOTCP4
	GSOTCP6
	GSOUDP // UDP_SEGMENT: equal datagrams behind one header
)

// Info is what is inherent in a packet wherever it is: it travels with the
// bytes and is read only while they are shared.
type Info struct {
	Hash    uint32 // symmetric flow hash, 0 until somebody needs it
	GSOSize uint16 // payload bytes per segment when GSO is not GSONone
	GSO     GSO
	Sum     Sum
}

// Meta is what belongs to a packet's way through one stack. It travels beside
// the packet, and in it only while it waits in a queue.
type Meta struct {
	NextHop netip.Addr // instead of the destination, if valid
	IfIndex uint32     // interface it arrived on, or leaves by
	From    uint32     // with WayResolve, interface it arrived on, 0 for one made here
	IfGen   uint32     // that interface's generation: an index may be used again
	FIB     uint32     // table that routes it
	Rule    uint16     // resume filtering after this rule
	Depth   uint8      // tunnels entered so far
	Way     Way
	Shard   uint8  // which handed it over, for WayResolve
	Upper   uint16 // of a fragment that waits: length of the headers before what is in pieces
}

// Way says at which point of a stack a queued packet enters.
type Way uint8

// Entry points of a stack.
const (
	WayIn      Way = iota // a frame from a link
	WayInIP               // a packet without link header, as if received: loopback, decapsulation, reinjection
	WayOutIP              // a packet to be routed and sent, as if local
	WayDeliver            // a packet that is for this stack, whatever its destination, and has passed its filter
	WayResolve            // a packet that waits for the shard which owns the neighbours
	WayReturn             // a packet made here that could not leave: its sender is to be told
)

// Buf is one frame. See the package comment for who may touch it.
type Buf struct {
	next *Buf   // in the one queue or chain that owns it
	blk  *Block // memory of a large frame, or nil
	mem  []byte // inline, or blk's memory
	Meta Meta   // valid while queued

	refs     atomic.Int32
	off, end uint32
	Info

	inline [smallSize]byte
}

// Block is the memory of one large frame. A sender that may have to send its
// bytes again keeps a reference to the Block while Bufs come and go.
type Block struct {
	next *Block
	refs atomic.Int32
	mem  [Headroom + Large]byte
}

// Bytes returns the frame.
func (b *Buf) Bytes() []byte { return b.mem[b.off:b.end] }

// Len returns the length of the frame in bytes.
func (b *Buf) Len() int { return int(b.end - b.off) }

// Head returns how many bytes Push can still give.
func (b *Buf) Head() int { return int(b.off) }

// Room returns how many bytes Extend can still give.
func (b *Buf) Room() int { return len(b.mem) - int(b.end) }

// Push makes the frame n bytes longer at its front and returns it. It panics
// where Head() < n. The new bytes are undefined.
func (b *Buf) Push(n int) []byte {
	b.off -= uint32(n)
	return b.mem[b.off:b.end]
}

// Pull makes the frame n bytes shorter at its front.
func (b *Buf) Pull(n int) {
	if n > b.Len() {
		panic("pkt: Pull beyond the frame")
	}
	b.off += uint32(n)
}

// Extend makes the frame n bytes longer at its end and returns the new bytes,
// which are undefined. It panics where Room() < n.
func (b *Buf) Extend(n int) []byte {
	s := b.mem[b.end : int(b.end)+n]
	b.end += uint32(n)
	return s
}

// Trim cuts the frame to its first n bytes.
func (b *Buf) Trim(n int) {
	if n > b.Len() {
		panic("pkt: Trim beyond the frame")
	}
	b.end = b.off + uint32(n)
}

// Large tells whether b's frame lies in a Block.
func (b *Buf) Large() bool { return b.blk != nil }

// Mem returns how much memory b keeps, in bytes.
func (b *Buf) Mem() int {
	if b.blk != nil {
		return 2048 + len(b.mem)
	}
	return 2048
}

// Shared tells whether somebody else holds b's bytes too.
func (b *Buf) Shared() bool { return b.refs.Load() > 1 || b.blk != nil && b.blk.refs.Load() > 1 }

// Lent tells whether somebody else holds b itself. Where nobody does, its headers
// may be written even if its payload is shared: who keeps a Block for sending its
// payload again looks at nothing before that.
func (b *Buf) Lent() bool { return b.refs.Load() > 1 }

// Fits tells whether b's memory has n bytes from off.
func (b *Buf) Fits(off, n int) bool { return off+n <= len(b.mem) }

// Retain adds n references: n more calls of Cache.Free will be made.
func (b *Buf) Retain(n int) { b.refs.Add(int32(n)) }

// Offset returns where in b's memory s begins, which must be a part of
// Bytes that was only cut at its end by length, not by capacity.
func (b *Buf) Offset(s []byte) int { return cap(b.mem) - cap(s) }

// Slice returns n bytes of b's memory from off: what Offset has found before.
func (b *Buf) Slice(off, n int) []byte { return b.mem[off : off+n] }
