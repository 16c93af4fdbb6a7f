package link

import (
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
)

// Insert puts the fault into a link that is in use, at p: an end of an Epair, or a
// port of a Bridge. near, which is A or B, is then the fault's end at what is attached
// to p. Nothing is lost or overtaken by that, and a link into which nothing is inserted
// costs what it did before. There is no way out again: a Fault whose configurations
// are zero lets everything through. It reports false for other ports, and where there
// is a fault already.
//
// Of what a switch floods only frames that the interface accepts get as far as the
// fault, while one that is joined to the port from the start sees all.
func (f *Fault) Insert(p, near Port) bool {
	in, far := &f.a, &f.b
	if near == Port(far) {
		in, far = far, in
	}
	switch p := p.(type) {
	case *epairEnd:
		return p.splice(in, far) && p.peer.splice(far, in)
	case *bridgePort:
		return p.splice(in, far)
	}
	return false
}

// splice has what comes to e go in at far first, and e's interface be given what
// comes out at near.
func (e *epairEnd) splice(near, far *faultEnd) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fault != nil {
		return false
	}
	if to := e.rx.to.Load(); to != nil {
		near.Attach(*to)
	}
	e.fault = near
	e.rx.set(joint{far})
	return true
}

// splice puts a fault between the interface and the switch.
func (p *bridgePort) splice(near, far *faultEnd) bool {
	p.br.mu.Lock()
	defer p.br.mu.Unlock()
	if p.fault.Load() != nil {
		return false
	}
	if to := p.rx.to.Load(); to != nil {
		near.Attach(*to)
	}
	far.Attach(behind{p})
	p.rx.set(joint{far})
	p.fault.Store(near)
	return true
}

// behind is a port of a switch as the fault before it sees it.
type behind struct{ p *bridgePort }

// Put implements netisr.Sink.
func (x behind) Put(r *netisr.Runner, b *pkt.Buf) { x.p.enter(r, b) }

// Lend implements netisr.Lender: a switch keeps what it is given.
func (behind) Lend(*netisr.Runner, *pkt.Buf) bool { return false }
