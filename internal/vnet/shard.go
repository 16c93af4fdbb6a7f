package vnet

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/ifaddr"
	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/internal/wire"
)

// shard is the part of a stack that one packet at a time passes through. A
// flow always takes the same shard. Shard 0 also owns what all flows share.
type shard struct {
	netisr.Queue
	st    *Stack
	timer clock.Timer // shard 0's only: fires for the whole stack
	id    uint8
	stale bool // a room may have a new deadline; guarded by mu, as is ipID
	ipID  uint16

	handed atomic.Int32            // packets that shard 0 is still to resolve for this one
	posted atomic.Pointer[TCPSock] // see post

	mu    sync.Mutex // guards what follows
	wake  clock.Time // what timer is armed for
	rooms roomSet
	cold  *coldRoom // made when first needed
	hot   vars.Hot
}

// pass is one batch's, or one call's, way through a shard: what is beside the
// packets while they are in the stack.
type pass struct {
	r  *netisr.Runner
	v  *ifnet.View
	m  pkt.Meta    // of the packet at hand
	in *ifnet.Conf // interface it arrived on; nil for a packet made here
	l2 l2dest      // how the link addressed it

	nth  int // of the packet in its batch, for lookahead
	said int // reports and queries sent: see maxGroupBurst
}

// inIndex returns the index of the interface the packet arrived on, 0 for one
// made here.
func (p *pass) inIndex() uint32 {
	if p.in == nil {
		return 0
	}
	return p.in.Index
}

// from returns the interface from whose link the packet at hand has just come.
func (p *pass) from() *ifnet.Conf {
	if p.m.Way != pkt.WayIn {
		return nil
	}
	return p.in
}

// link returns the index of the interface that the packet at hand, which is for
// our address a, came in by; of one that we sent to ourselves, that which has a if
// a is link-local.
func (p *pass) link(a netip.Addr) uint32 {
	if p.in != nil && p.in.Port == nil && ifaddr.IsLinkLocal(a) {
		if l := p.v.Local.Find(a); l != nil {
			return l.Index
		}
	}
	return p.inIndex()
}

// l2dest says to whom a frame was addressed.
type l2dest uint8

const (
	toUs l2dest = iota
	toMany
	toOther
)

// lock locks the shard and gives p the view it holds for.
func (sh *shard) lock(p *pass) {
	sh.mu.Lock()
	p.r.Tick()
	p.v = sh.st.view.Load()
}

// tryLock is lock where nobody else holds it.
func (sh *shard) tryLock(p *pass) bool {
	if !sh.mu.TryLock() {
		return false
	}
	p.r.Tick()
	p.v = sh.st.view.Load()
	return true
}

// unlock does what was posted meanwhile, sends what connections have to send,
// arms the stack's timer if a room has asked for it, and unlocks.
func (sh *shard) unlock(p *pass) {
	for {
		if sh.posted.Load() != nil {
			sh.serve(p)
		}
		if t := sh.rooms.tcp; t != nil && (t.first != nil || t.stale) {
			sh.settleTCP(p)
		}
		if sh.stale {
			sh.rearm(p)
		}
		sh.mu.Unlock()
		// Whoever posted before that and could not lock relies on us.
		if sh.posted.Load() == nil || !sh.tryLock(p) {
			return
		}
	}
}

// release unlocks after a change that no packet made. What was posted is left to
// a timer: the caller may hold the control lock.
func (sh *shard) release() {
	t := sh.rooms.tcp
	sh.mu.Unlock()
	if t != nil && sh.posted.Load() != nil { // without a room nobody can have found us here
		sh.st.world.Clock().Arm(&t.timer.Timer, 0)
	}
}

// Drain implements netisr.Node.
func (sh *shard) Drain(r *netisr.Runner, in *pkt.Batch) {
	p := pass{r: r}
	sh.lock(&p)
	sh.lookAhead(&p, in)
	for b := in.Pop(); b != nil; b = in.Pop() {
		p.m = b.Meta
		sh.enter(&p, b)
		p.nth++
	}
	sh.unlock(&p)
}

// enter takes a packet to where its Meta says it enters the stack.
func (sh *shard) enter(p *pass, b *pkt.Buf) {
	p.in, p.l2 = nil, toUs
	if p.m.Way == pkt.WayResolve {
		defer sh.st.shardAt(int(p.m.Shard)).handed.Add(-1)
	}
	if p.m.IfIndex != 0 {
		if p.in = p.v.Arrival(p.m.IfIndex, p.m.IfGen); p.in == nil {
			sh.drop(p, b, pkt.NoInterface)
			return
		}
	}
	switch p.m.Way {
	case pkt.WayIn:
		sh.inEther(p, b)
	case pkt.WayInIP:
		sh.inIP(p, b)
	case pkt.WayDeliver:
		sh.deliverHere(p, b)
	case pkt.WayOutIP:
		sh.outAgain(p, b)
	case pkt.WayResolve:
		sh.resolveHere(p, b)
	case pkt.WayReturn:
		sh.returned(p, b)
	}
}

// requeue puts a packet that begins with its network header into the stack's
// own queue, to enter it at way. The order of the flow is kept, and no
// function of the path calls itself.
func (sh *shard) requeue(p *pass, b *pkt.Buf, m pkt.Meta, way pkt.Way) {
	m.Way = way
	b.Meta = m
	if !sh.st.shardOf(b.Bytes()).Queue.Put(p.r, b) {
		sh.drop(p, b, pkt.QueueFull)
	}
}

// rare returns the block of rare counters.
func (sh *shard) rare() *vars.Cold {
	if sh.cold == nil {
		sh.cold = new(coldRoom)
	}
	return &sh.cold.Cold
}

// shardAt returns shard i.
func (st *Stack) shardAt(i int) *shard {
	if i == 0 {
		return &st.sh
	}
	return &(*st.more)[i-1]
}

// shardFor returns the shard that a frame from an interface's link belongs to. What
// is not of a flow (ARP, IGMP, ICMP, fragments) goes to shard 0.
func (st *Stack) shardFor(i *ifnet.Iface, b *pkt.Buf) *shard {
	if st.more == nil || i.Port.Props().Bare {
		return st.shardOf(b.Bytes())
	}
	e, f := wire.ParseEther(b.Bytes())
	if f != wire.OK || e.Type() != wire.EtherTypeIPv4 && e.Type() != wire.EtherTypeIPv6 {
		return &st.sh
	}
	return st.shardOf(e.Payload())
}

// shardOf is shardFor of an unchecked packet without link header.
func (st *Stack) shardOf(packet []byte) *shard {
	if st.more == nil {
		return &st.sh
	}
	return st.shardAt(int(wire.FlowHashIP(packet)) % st.Shards())
}
