package bridge

import (
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Bridge is a switch. Ports are small numbers that its owner chooses.
type Bridge struct {
	ports   []port
	all     []int32 // attached ports
	routers []int32 // those that lead to a router
	macs    macTable
	db      igmp.Database
	groups  table.Table[addr, group, *group]
	wake    clock.Time // not after the first router port runs out
	one     [1]int32
	some    []int32 // ports of the current decision that block some sources
}

type addr = [4]byte

type port struct {
	until    clock.Time // as a router port; Never if configured so
	gen      uint32     // counts attachments: what was learned before is void
	all      int32      // 1 + place in Bridge.all, 0 if not attached
	router   int32      // 1 + place in Bridge.routers
	isStatic bool
}

// New returns a switch without ports.
func New(seed table.Seed) *Bridge {
	return &Bridge{wake: clock.Never, macs: macTable{seed: seed, due: clock.Never}}
}

// Verdict says why a frame goes where it goes.
type Verdict uint8

const (
	Unicast   Verdict = iota // to the one port where the address was seen
	Local                    // that is where it came from: to no port
	Flood                    // everywhere: broadcast, unknown address, or nothing to snoop
	Members                  // multicast: where somebody wants this source, and to routers
	Unknown                  // multicast that nobody reported: to routers
	ToRouters                // a report: to routers
	Reserved                 // 01:80:c2:00:00:00-0f, which no bridge forwards (IEEE 802.1D)
	BadIGMP                  // IGMP that nobody must believe
	NoPort                   // from a port that is not attached
)

var verdictNames = [...]string{
	Unicast: "unicast", Local: "local", Flood: "flood", Members: "members", Unknown: "unknown group",
	ToRouters: "to routers", Reserved: "reserved", BadIGMP: "bad igmp", NoPort: "no port",
}

// String names the verdict as traces show it.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown verdict"
}

// Decision says where a frame goes: to every port in Ports except In. No port
// is in two lists. The lists belong to the Bridge and are valid until its next
// call.
type Decision struct {
	Ports    [4][]int32
	Copies   int // ports that the frame goes to
	Withheld int // ports that flooding would have reached in addition
	In       int32
	Verdict  Verdict
}

// AddPort attaches a port, a number from 0 on; memory is kept up to the highest.
func (b *Bridge) AddPort(n int32) {
	for int(n) >= len(b.ports) {
		b.ports = append(b.ports, port{})
	}
	p := &b.ports[n]
	if p.all == 0 {
		p.gen++
		b.all = append(b.all, n)
		p.all = int32(len(b.all))
	}
}

// DropPort detaches a port. What was learned on it is forgotten.
func (b *Bridge) DropPort(n int32) {
	if !b.attached(n) {
		return
	}
	p := &b.ports[n]
	p.isStatic = false
	b.setRouter(n, false)
	b.db.DropPort(n)
	b.follow()
	b.all = take(b.all, p.all-1, func(moved, to int32) { b.ports[moved].all = to + 1 })
	p.all = 0
	p.gen++
}

// Len returns the number of attached ports.
func (b *Bridge) Len() int { return len(b.all) }

func (b *Bridge) attached(n int32) bool {
	return n >= 0 && int(n) < len(b.ports) && b.ports[n].all > 0
}

// take removes the i-th port of a list by putting the last one in its place.
func take(list []int32, i int32, moved func(port, to int32)) []int32 {
	last := int32(len(list) - 1)
	if i != last {
		list[i] = list[last]
		moved(list[i], i)
	}
	return list[:last]
}

// SetRouterPort declares that a router is behind a port, or not any more.
func (b *Bridge) SetRouterPort(n int32, on bool) {
	if b.attached(n) {
		b.ports[n].isStatic = on
		b.ports[n].until = clock.Never
		b.setRouter(n, on)
	}
}

// RouterPorts returns the router ports, sorted.
func (b *Bridge) RouterPorts() []int32 { return slices.Sorted(slices.Values(b.routers)) }

// heardRouter makes a port a router port because a query came from it (RFC 4541
// §2.1.1, 1a).
func (b *Bridge) heardRouter(now clock.Time, n int32, t *Tunables) {
	p := &b.ports[n]
	if p.isStatic {
		return
	}
	p.until = now.Add(time.Duration(t.RouterAge) * time.Second)
	b.wake = min(b.wake, p.until)
	b.setRouter(n, true)
}

// setRouter moves a port between routers, which get everything, and the others,
// which are in the lists of groups.
func (b *Bridge) setRouter(n int32, on bool) {
	p := &b.ports[n]
	if on == (p.router > 0) {
		return
	}
	if on {
		for g := b.db.First(n); g != nil; g = g.Next() {
			b.unlist(g)
		}
		b.routers = append(b.routers, n)
		p.router = int32(len(b.routers))
		return
	}
	b.routers = take(b.routers, p.router-1, func(moved, to int32) { b.ports[moved].router = to + 1 })
	p.router = 0
	for g := b.db.First(n); g != nil; g = g.Next() {
		b.list(g)
	}
}

// Deadline returns when Expire will have something to do.
func (b *Bridge) Deadline() clock.Time {
	return min(b.wake, b.db.Deadline(), b.macs.due)
}

// Expire lets ages run out.
func (b *Bridge) Expire(now clock.Time, e Env) {
	for b.db.Expire(now) {
		b.follow()
	}
	b.macs.expire(now, e.T)
	if b.wake > now {
		return
	}
	b.wake = clock.Never
	for i := len(b.routers) - 1; i >= 0; i-- {
		n := b.routers[i]
		if until := b.ports[n].until; until > now {
			b.wake = min(b.wake, until)
		} else {
			b.setRouter(n, false)
		}
	}
}

// Lookup returns the port where the address was seen, false if that is not
// known.
func (b *Bridge) Lookup(now clock.Time, a wire.MAC, t *Tunables) (int32, bool) {
	m := b.macs.get(a)
	if m == nil || m.seen.Add(age(t)) <= now || b.ports[m.port].gen != m.gen {
		return 0, false
	}
	return m.port, true
}

// Groups returns what is known of a port's groups, sorted.
func (b *Bridge) Groups(now clock.Time, n int32) []igmp.GroupState { return b.db.State(now, n) }
