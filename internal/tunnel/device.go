package tunnel

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed88948545/vimage/internal/ifnet"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/tunnel"
	"github.com/seed88948545/vimage/internal/usrreq"
	"github.com/seed88948545/vimage/internal/vnet"
	"github.com/seed88948545/vimage/internal/wire"
	"github.com/seed88948545/vimage/link"
)

// Device is a tunnel: the link of an interface, and an end in a stack's network. What
// enters by the interface comes out at the other end's, by way of that network.
type Device struct {
	side
	queue netisr.Queue // of what enters and what leaves
	ethr  bool
	kind  tunnel.Kind
	end   atomic.Pointer[end] // nil: nothing goes through

	mu sync.Mutex // taken like a stack's control lock, after that: one change at a time

	room sync.Mutex // a leaf: guards the engine of end
}

// end is one configuration of the outer side. Only what is behind a pointer changes.
type end struct {
	*tunnel.Tunnel
	st      *vnet.Stack
	fib     uint32
	check   bool   // outer sources by reverse path
	out     uint32 // interface of a group; 0: none
	outGen  uint32
	holders []usrreq.Sock // of the port, of the group
}

var _ link.Port = (*Device)(nil)

// Config says how a tunnel is made.
type Config struct {
	tunnel.Config
	FIB         int    // table that routes outer packets
	CheckSource bool   // take outer packets only by the interface that leads to their source in that table
	Interface   uint32 // that leads to Remote where that is a group; 0: that of its route
}

// maxMTU is the greatest MTU of a tunnel: an outer packet must be one.
const maxMTU = 65535 - 128

// New returns a tunnel that leads nowhere yet.
func New(k tunnel.Kind) *Device {
	d := &Device{ethr: k.Ethernet(), kind: k}
	d.props = link.Props{MTU: maxMTU, Bare: !d.ethr}
	d.queue.Init(d)
	return d
}

// Kind returns what the tunnel puts into what.
func (d *Device) Kind() tunnel.Kind { return d.kind }

// Put implements link.Port, and takes what has come for the end: both wait in one
// queue, so that one Runner at a time is at work here.
func (d *Device) Put(r *netisr.Runner, b *pkt.Buf) {
	b.Meta.Way = pkt.WayOutIP
	d.put(r, b)
}

func (d *Device) put(r *netisr.Runner, b *pkt.Buf) {
	if !d.queue.Put(r, b) {
		d.lost.Add(1)
		r.Cache.Free(b)
	}
}

// arrivals is the end as the path finds it.
type arrivals Device

// Put takes an outer packet.
func (a *arrivals) Put(r *netisr.Runner, b *pkt.Buf) { (*Device)(a).put(r, b) }

// Detach implements link.Port. The interface leaves its stack, and the tunnel is not
// configured any more: Configure does so anew in the stack where it comes to.
func (d *Device) Detach() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unconfigure()
	d.detach()
}

// Drain implements netisr.Node.
func (d *Device) Drain(r *netisr.Runner, in *pkt.Batch) {
	e := d.end.Load()
	for b := in.Pop(); b != nil; b = in.Pop() {
		switch {
		case e == nil:
			d.lose(r, b, pkt.NoPeer)
		case b.Meta.Way == pkt.WayOutIP:
			d.enter(r, e, b)
		default:
			d.leave(r, e, b)
		}
	}
}

// enter takes a packet or frame from the interface and sends it through the tunnel.
func (d *Device) enter(r *netisr.Runner, e *end, b *pkt.Buf) {
	if int32(b.Meta.Depth) >= e.st.View().V().Tunnel.MaxNesting {
		d.lose(r, b, pkt.Nested)
		return
	}
	switch {
	case b.GSO == pkt.GSONone:
		d.enterOne(r, e, d.complete(r, b))
	case d.ethr:
		d.parts(r, b, link.CutFrame, func(c *pkt.Buf) { d.enterOne(r, e, c) })
	default:
		d.parts(r, b, link.CutPacket, func(c *pkt.Buf) { d.enterOne(r, e, c) })
	}
}

func (d *Device) enterOne(r *netisr.Runner, e *end, b *pkt.Buf) {
	var o tunnel.Out
	d.room.Lock()
	why := e.Encap(r.Now(), b.Bytes(), &e.st.View().V().Tunnel, &o)
	d.room.Unlock()
	if why != tunnel.NotDropped {
		d.lose(r, b, reason(why))
		return
	}
	b = withHead(r, b, o.Len())
	b.Info = pkt.Info{Sum: pkt.SumValid}
	if !o.Put(b.Push(o.Len())) {
		b.Sum = pkt.SumPartial
	}
	m := pkt.Meta{FIB: e.fib, Depth: b.Meta.Depth + 1, Way: pkt.WayOutIP}
	if o.Dst().IsMulticast() {
		m.IfIndex, m.IfGen = e.out, e.outGen
	}
	b.Meta = m
	e.st.Enqueue(r, b)
}

// withHead takes a packet and returns one with n bytes in front that may be written.
func withHead(r *netisr.Runner, b *pkt.Buf, n int) *pkt.Buf {
	if b.Head() >= n+wire.EtherLen+wire.VLANLen {
		return b
	}
	c := r.Cache.Get(b.Len())
	copy(c.Extend(b.Len()), b.Bytes())
	c.Info, c.Meta = b.Info, b.Meta
	r.Cache.Free(b)
	return c
}

// leave takes an outer packet and gives what is in it to the interface.
func (d *Device) leave(r *netisr.Runner, e *end, b *pkt.Buf) {
	outer, f := wire.ParseIP(b.Bytes())
	if f != wire.OK {
		d.lose(r, b, pkt.BadHeader)
		return
	}
	v := e.st.View()
	if e.check && !e.reverse(v, outer, b.Meta.IfIndex) {
		d.lose(r, b, pkt.BadSource)
		return
	}
	var in tunnel.In
	d.room.Lock()
	why := e.Decap(r.Now(), outer, &v.V().Tunnel, b.Sum == pkt.SumUnknown, &in)
	d.room.Unlock()
	if why != tunnel.NotDropped {
		d.lose(r, b, reason(why))
		return
	}
	b = r.Cache.UnshareHeader(b)
	b.Pull(in.Off)
	b.Trim(in.Len)
	in.Mark(b.Bytes(), d.ethr)
	b.Info = pkt.Info{} // of the inner checksums nothing is known
	d.give(r, b)
}

// reverse tells whether an outer packet came by the interface that leads to its source
// (FIB rule 6c).
func (e *end) reverse(v *ifnet.View, outer wire.Packet, arrival uint32) bool {
	var h ifnet.Hop
	return v.Route(e.fib, outer.Src(), arrival, nil, &h) == pkt.NoReason && h.Out.Index == arrival
}

// reason says why a packet was refused in terms of all packets.
func reason(why tunnel.Drop) pkt.Reason {
	switch why {
	case tunnel.Unsupported:
		return pkt.UnknownProtocol
	case tunnel.Looped:
		return pkt.Nested
	case tunnel.BadChecksum:
		return pkt.BadTransportSum
	case tunnel.Late, tunnel.Congested:
		return pkt.Refused
	}
	return pkt.BadTunnel
}

// Configured returns the outer side's configuration, and what was counted since it
// was made; false where there is none.
func (d *Device) Configured() (c Config, s tunnel.Stats, ok bool) {
	e := d.end.Load()
	if e == nil {
		return c, s, false
	}
	d.room.Lock()
	s = e.Stats()
	d.room.Unlock()
	return Config{e.Config, int(e.fib), e.check, e.out}, s, true
}

// MACs returns behind which ends addresses were seen, in no order.
func (d *Device) MACs() []tunnel.MAC {
	e := d.end.Load()
	if e == nil {
		return nil
	}
	now := e.st.World().Clock().Now()
	d.room.Lock()
	defer d.room.Unlock()
	return e.AppendMACs(nil, now)
}

// SetFIB has another table route the outer packets (SIOCSTUNFIB). EINVAL where the
// stack has no such table, ENXIO where the tunnel is not configured.
func (d *Device) SetFIB(fib int) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.end.Load()
	switch {
	case e == nil:
		return syscall.ENXIO
	case fib < 0 || fib >= e.st.FIBs():
		return syscall.EINVAL
	}
	next := *e
	next.fib = uint32(fib)
	d.end.Store(&next)
	return 0
}
