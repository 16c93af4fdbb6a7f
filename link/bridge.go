package link

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/netisr"
	"github.com/seed88948545/vimage/internal/pkt"
	"github.com/seed88948545/vimage/internal/proto/bridge"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// BridgeConfig says how a Bridge behaves. The zero value is a switch that
// learns addresses and snoops IGMP and MLD (RFC 4541).
type BridgeConfig struct {
	MTU        int  // 0 means 1500
	NoSnooping bool // multicast floods
	FloodGroup bool // so does multicast that nobody has reported
	FastLeave  bool // a leave counts at once: for ports with one host each
	Hub        bool // everything goes everywhere: no learning, no snooping
	MaxGroups  int  // what hosts at one port may listen to; 0 means 16384 groups,
	MaxSources int  // and 1024 sources for each. What is beyond is counted and not forwarded
	// MemberAge is how long a port listens to what is not reported again, RouterAge
	// how long it leads to a router that is not heard again, in whole seconds. 0
	// means as the querier has it (RFC 3376 §8.4, §8.5): 260 s and 255 s, unless it
	// says otherwise.
	MemberAge, RouterAge time.Duration
	// Querier has the switch ask hosts what they listen to, as long as no router
	// does; nil: it does not. A port that comes up is asked at once.
	Querier *QuerierConfig
	// AskNew has a port that comes up asked at once even so, in the name of the
	// querier as it was last heard, from 0.0.0.0 (RFC 4541 §2.1.1, 4). Those who
	// speak MLD do not answer that (RFC 3810 §5.1.14).
	AskNew bool
}

// Bridge is an Ethernet switch, or a hub. One Runner at a time is in it; it
// shows a frame to all idle receivers uncopied.
type Bridge struct {
	netisr.Queue
	sched *netisr.Sched
	timer clock.Timer
	mtu   int
	hub   bool

	mu      sync.Mutex // a leaf; guards what follows
	engine  *bridge.Bridge
	tun     bridge.Tunables
	stats   bridge.Stats
	cards   bridge.FilterTable // what the interfaces at the ports accept
	ports   []*bridgePort
	free    []int32 // numbers in ports that nobody has
	gen     uint32  // counts AddPort
	wake    clock.Time
	card    uint64 // copies that an interface's filter kept out
	kept    uint64 // copies of multicast data that snooping kept back
	closed  bool
	targets []*bridgePort  // of the frame at hand; the running one's
	asksNew bool           // of a port that comes up
	asks    bool           // what hosts listen to
	source  *bridge.Source // in whose name
}

// bridgeQueue bounds what waits for a switch: all its hosts may answer at once.
const bridgeQueue = 1 << 15

// NewBridge returns a switch without ports.
func NewBridge(s *netisr.Sched, seed table.Seed, c BridgeConfig) *Bridge {
	if c.MTU == 0 {
		c.MTU = 1500
	}
	b := &Bridge{sched: s, mtu: c.MTU, hub: c.Hub, wake: clock.Never}
	b.cards.Seed = seed
	b.engine = bridge.New(seed)
	b.InitLimit(b, bridgeQueue)
	b.timer.F = b
	b.configure(c)
	return b
}

// Configure changes how the switch behaves, but for its MTU and whether it is a hub, which
// stay. What it has learned stays too.
func (b *Bridge) Configure(c BridgeConfig) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Hub = b.hub
	b.configure(c)
}

// configure does what c says. mu is held, or nobody else knows the switch.
func (b *Bridge) configure(c BridgeConfig) {
	b.tun = bridge.Defaults()
	b.tun.Snooping = flag(!c.NoSnooping && !c.Hub)
	b.tun.FloodUnknown = flag(c.FloodGroup)
	b.tun.FastLeave = flag(c.FastLeave)
	if c.MaxGroups > 0 {
		b.tun.MaxGroups = limit(c.MaxGroups)
	}
	if c.MaxSources > 0 {
		b.tun.MaxSources = limit(c.MaxSources)
	}
	b.tun.MemberAge = limit(int(c.MemberAge / time.Second))
	b.tun.RouterAge = limit(int(c.RouterAge / time.Second))
	b.setQuerier(b.cards.Seed, c)
}

func flag(on bool) int32 {
	if on {
		return 1
	}
	return 0
}

func limit(n int) int32 { return int32(min(n, math.MaxInt32)) }

// bridgePort is a port of a Bridge. It has its number until Detach.
type bridgePort struct {
	br  *Bridge
	cfg *PortConfig // nil: a port like all
	n   int32
	gen uint32 // tells it from others that had the number
	rx  rx
	in  netisr.Lender // what rx leads to, unless it was attached more than once
	up  bool          // attached; under br.mu, as is in

	fault atomic.Pointer[faultEnd] // that was inserted, the interface's end of it, or nil
}

// owns tells whether p is still a port: only then may it change anything. mu is
// held.
func (b *Bridge) owns(p *bridgePort) bool { return b.ports[p.n] == p }

// AddPort adds a port, which takes part once it is attached. It is released by
// Detach, and a new one for the switch where it is attached again. At most one
// configuration may be given.
func (b *Bridge) AddPort(c ...PortConfig) Port {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &bridgePort{br: b}
	if len(c) > 0 {
		p.cfg = &c[0]
	}
	b.number(p)
	return p
}

// number makes p a port. mu is held.
func (b *Bridge) number(p *bridgePort) {
	b.gen++
	p.gen = b.gen
	if last := len(b.free) - 1; last >= 0 {
		p.n, b.free = b.free[last], b.free[:last]
		b.ports[p.n] = p
		return
	}
	p.n = int32(len(b.ports))
	b.ports = append(b.ports, p)
}

// Put implements Port: a frame from the interface enters the switch.
func (p *bridgePort) Put(r *netisr.Runner, b *pkt.Buf) {
	if f := p.fault.Load(); f != nil {
		f.Put(r, b)
		return
	}
	p.enter(r, b)
}

func (p *bridgePort) enter(r *netisr.Runner, b *pkt.Buf) {
	b.Meta.IfIndex, b.Meta.IfGen = uint32(p.n), p.gen
	if !p.br.Queue.Put(r, b) {
		r.Cache.Free(b)
	}
}

// Attach implements Port.
func (p *bridgePort) Attach(to netisr.Lender) {
	b := p.br
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.owns(p) { // its interface has moved to another stack
		b.number(p)
	}
	switch f := p.fault.Load(); {
	case f != nil:
		f.Attach(to)
	case p.in == nil:
		p.in = to
		p.rx.to.Store(&p.in)
	default:
		p.rx.set(to)
	}
	p.up = true
	b.engine.AddPort(p.n)
	if p.cfg != nil {
		b.engine.Configure(p.n, p.cfg.options())
	}
	if b.asksNew {
		b.engine.RefreshPort(b.sched.Clock().Now(), p.n)
		b.rearm()
	}
}

// Detach implements Port: the port is gone, and so are its frames that wait.
func (p *bridgePort) Detach() {
	b := p.br
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owns(p) {
		if f := p.fault.Load(); f != nil {
			f.Detach()
		} else {
			p.rx.clear()
		}
		p.up = false
		b.engine.DropPort(p.n)
		b.cards.ForgetPort(p.n)
		b.ports[p.n] = nil
		b.free = append(b.free, p.n)
	}
}

// Props implements Port.
func (p *bridgePort) Props() Props { return Props{MTU: p.br.mtu} }

// SetAddr implements Port.
func (p *bridgePort) SetAddr(mac wire.MAC) {
	b := p.br
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.owns(p) {
		return
	}
	b.cards.SetOwn(p.n, mac)
}

// Accept implements Port.
func (p *bridgePort) Accept(mac wire.MAC, on bool) {
	b := p.br
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.owns(p) {
		return
	}
	if on {
		b.cards.Add(p.n, mac)
	} else {
		b.cards.Drop(p.n, mac)
	}
}

// SetPromisc implements Port.
func (p *bridgePort) SetPromisc(on bool) {
	b := p.br
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owns(p) {
		b.cards.SetPromiscuous(p.n, on)
	}
}

// Drain implements netisr.Node.
func (b *Bridge) Drain(r *netisr.Runner, in *pkt.Batch) {
	for f := in.Pop(); f != nil; f = in.Pop() {
		b.forward(r, f)
	}
}

// forward takes a frame and gives it to the ports it is for.
func (b *Bridge) forward(r *netisr.Runner, f *pkt.Buf) {
	e, fault := wire.ParseEther(f.Bytes())
	if fault != wire.OK {
		r.Cache.Free(f)
		return
	}
	b.mu.Lock()
	own := b.own(r, r.Now())
	b.decide(r, f, e)
	targets := b.targets
	b.rearm()
	b.mu.Unlock()
	for _, o := range own {
		give(r, o.b, o.to)
	}
	give(r, f, targets)
}

// give hands a frame to ports, and forgets the list.
func give(r *netisr.Runner, f *pkt.Buf, targets []*bridgePort) {
	if len(targets) == 1 {
		p := targets[0]
		targets[0] = nil
		p.rx.put(r, f)
		return
	}
	// One reference for each who looks at it, taken before the first may free it.
	f.Retain(len(targets))
	for i, p := range targets {
		targets[i] = nil
		to := p.rx.to.Load()
		if to != nil && (*to).Lend(r, f) {
			continue
		}
		if to != nil {
			(*to).Put(r, r.Cache.Clone(f))
		}
		r.Cache.Free(f)
	}
	r.Cache.Free(f)
}

// decide fills in targets. mu is held.
func (b *Bridge) decide(r *netisr.Runner, from *pkt.Buf, e wire.Ether) {
	b.targets = b.targets[:0]
	in := int32(from.Meta.IfIndex)
	sender := b.ports[in]
	if b.closed || sender == nil || sender.gen != from.Meta.IfGen || !sender.up {
		return
	}
	if b.hub {
		for _, p := range b.ports {
			if p != nil && p.up && p != sender {
				b.targets = append(b.targets, p)
			}
		}
		return
	}
	var d bridge.Decision
	b.engine.Input(r.Now(), bridge.Env{T: &b.tun, S: &b.stats, SumOK: from.Sum != pkt.SumUnknown}, in, e, &d)
	if d.Verdict == bridge.Members || d.Verdict == bridge.Unknown {
		b.kept += uint64(d.Withheld)
	}
	if d.Verdict == bridge.Flood && !e.Dst().IsBroadcast() {
		b.toCards(in, e.Dst(), d.Copies)
	} else {
		for _, list := range d.Ports {
			b.add(in, list)
		}
	}
}

// rearm sets the timer to when the switch has something to do. mu is held.
func (b *Bridge) rearm() {
	if at := b.engine.Deadline(); at != b.wake && !b.closed {
		b.wake = at
		b.sched.Clock().Arm(&b.timer, at)
	}
}

// toCards aims a flooded frame at the interfaces that will accept it: to tell
// the others would cost more and change nothing.
func (b *Bridge) toCards(in int32, mac wire.MAC, copies int) {
	accepting, promiscuous := b.cards.Ports(mac)
	b.add(in, accepting)
	b.add(in, promiscuous)
	b.card += uint64(copies - len(b.targets))
}

func (b *Bridge) add(in int32, list []int32) {
	for _, n := range list {
		if p := b.ports[n]; n != in && p != nil && p.up {
			b.targets = append(b.targets, p)
		}
	}
}

// Fire implements clock.Firer: something the switch knows has grown old, or it has
// something to say.
func (b *Bridge) Fire(now clock.Time) {
	r := b.sched.Carry()
	r.At(now)
	b.mu.Lock()
	b.wake = stale
	own := b.own(r, now)
	b.rearm()
	b.mu.Unlock()
	for _, o := range own {
		give(r, o.b, o.to)
	}
	r.Done()
}

// Close takes the switch out of service: frames that arrive are dropped, and no
// timer is left.
func (b *Bridge) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.sched.Clock().Disarm(&b.timer)
}

// SetSnooping switches IGMP and MLD snooping on or off.
func (b *Bridge) SetSnooping(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tun.Snooping = flag(on)
}

// BridgeStats is what a switch has counted.
type BridgeStats struct {
	bridge.Stats
	Card      uint64 // flooded copies that an interface's own filter kept out
	KeptBack  uint64 // copies of multicast data that snooping kept back
	QueueFull uint64 // frames lost because too many waited
}

// Stats returns a copy of the counters.
func (b *Bridge) Stats() BridgeStats {
	full := b.Queue.Stats().Drops
	b.mu.Lock()
	defer b.mu.Unlock()
	return BridgeStats{b.stats, b.card, b.kept, full}
}

// Join connects two ports of links with each other: a hub to a switch, a switch
// to a fault.
func Join(a, b Port) {
	a.SetPromisc(true)
	b.SetPromisc(true)
	a.Attach(joint{b})
	b.Attach(joint{a})
}

// joint receives at one port what it puts into another.
type joint struct{ to Port }

// Put implements netisr.Sink.
func (j joint) Put(r *netisr.Runner, b *pkt.Buf) { j.to.Put(r, b) }

// Lend implements netisr.Lender: a link keeps what it is given.
func (j joint) Lend(*netisr.Runner, *pkt.Buf) bool { return false }
