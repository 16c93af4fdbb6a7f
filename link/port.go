package link

import (
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/wire"
)

// Port is one end of an in-process link, as the interface plugged into it
// sees it. It hands packets over without copying them and cannot be
// implemented outside this module: see Device for that.
type Port interface {
	// Put sends b into the link.
	netisr.Sink
	// Attach says where what arrives at this end goes to.
	Attach(rx netisr.Lender)
	// Detach ends that: what arrives from then on is dropped.
	Detach()
	// Props returns what the interface must know about the link.
	Props() Props
	// Accept says that the interface wants frames to the group address mac as
	// well, or no longer. Calls come in pairs. A link with two ends need not care.
	Accept(mac wire.MAC, on bool)
	// SetAddr says which hardware address the interface has.
	SetAddr(mac wire.MAC)
	// SetPromisc says that the interface wants every frame, or no longer.
	SetPromisc(on bool)
}

// Props describes an in-process link.
type Props struct {
	MTU  int
	MAC  wire.MAC // address suggested for the interface, or zero
	Raw  bool     // checksums must be complete: bytes leave the process or may be damaged
	Bare bool     // no link header: what enters and leaves are IP packets, for the one peer there is
}

// rx is the receiving side of a port.
type rx struct {
	to    atomic.Pointer[netisr.Lender]
	drops atomic.Uint64
}

func (x *rx) set(l netisr.Lender) { x.to.Store(&l) }
func (x *rx) clear()              { x.to.Store(nil) }

// put delivers b, or drops it where nobody is attached.
func (x *rx) put(r *netisr.Runner, b *pkt.Buf) {
	if to := x.to.Load(); to != nil {
		(*to).Put(r, b)
		return
	}
	x.drops.Add(1)
	r.Cache.Free(b)
}

// unfiltered is what a Port that shows everything to its interface embeds.
type unfiltered struct{}

// Accept implements Port.
func (unfiltered) Accept(wire.MAC, bool) {}

// SetAddr implements Port.
func (unfiltered) SetAddr(wire.MAC) {}

// SetPromisc implements Port.
func (unfiltered) SetPromisc(bool) {}
