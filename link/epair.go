package link

import (
	"sync"

	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Epair is a virtual Ethernet cable: what enters one end leaves at the other,
// in order, at once and uncopied.
type Epair struct{ a, b epairEnd }

type epairEnd struct {
	unfiltered
	rx   rx // what arrives at this end
	peer *epairEnd
	mtu  int

	mu    sync.Mutex // a leaf; guards fault, and rx from being written by two
	fault *faultEnd  // this end of one that was inserted, or nil
}

// NewEpair returns a cable for IP packets of up to mtu bytes; 1500 if it is 0.
func NewEpair(mtu int) *Epair {
	if mtu == 0 {
		mtu = 1500
	}
	e := new(Epair)
	e.a.peer, e.b.peer = &e.b, &e.a
	e.a.mtu, e.b.mtu = mtu, mtu
	return e
}

// A returns one end.
func (e *Epair) A() Port { return &e.a }

// B returns the other end.
func (e *Epair) B() Port { return &e.b }

// Peer returns the other end of the Epair that a Port is an end of, nil where it is none.
func Peer(p Port) Port {
	if e, ok := p.(*epairEnd); ok {
		return e.peer
	}
	return nil
}

// Drops returns how many frames arrived where nothing was attached.
func (e *Epair) Drops() uint64 { return e.a.rx.drops.Load() + e.b.rx.drops.Load() }

// Put implements Port.
func (e *epairEnd) Put(r *netisr.Runner, b *pkt.Buf) { e.peer.rx.put(r, b) }

// Attach implements Port.
func (e *epairEnd) Attach(to netisr.Lender) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != nil {
		e.fault.Attach(to)
		return
	}
	e.rx.set(to)
}

// Detach implements Port.
func (e *epairEnd) Detach() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != nil {
		e.fault.Detach()
		return
	}
	e.rx.clear()
}

// Props implements Port.
func (e *epairEnd) Props() Props { return Props{MTU: e.mtu} }
