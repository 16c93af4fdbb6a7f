package bridge

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// Bridge is a switch. Ports are small numbers that its owner chooses.
type Bridge struct {
	ports table.Pieces[port]
	all   []int32 // attached ports
	macs  macTable
	v4    side[[4]byte]
	v6    side[[16]byte]
	one   [1]int32

	from    Source
	unknown []int32 // ports with PortOptions.FloodUnknown
	reports []int32 // with FloodReports
}

type port struct {
	gen uint32   // counts attachments: what was learned before is void
	all int32    // 1 + place in Bridge.all, 0 if not attached
	odd *oddPort // nil: a port like all
}

// oddPort is what few ports have of their own.
type oddPort struct {
	opt     PortOptions
	refused uint64 // records of reports that a limit refused
}

// make returns what the port has of its own, made if need be.
func (p *port) make() *oddPort {
	if p.odd == nil {
		p.odd = new(oddPort)
	}
	return p.odd
}

// options returns the port's options.
func (p *port) options() (o PortOptions) {
	if p.odd != nil {
		o = p.odd.opt
	}
	return o
}

// New returns a switch without ports.
func New(seed table.Seed) *Bridge {
	b := &Bridge{macs: macTable{seed: seed, due: clock.Never}}
	b.v4.init(seed)
	b.v6.init(seed)
	return b
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
	BadIP                    // an IPv4 or IPv6 header that nobody must believe
	BadIGMP                  // IGMP that nobody must believe
	BadMLD                   // MLD that nobody must believe
	NoPort                   // from a port that is not attached
)

var verdictNames = [...]string{
	Unicast: "unicast", Local: "local", Flood: "flood", Members: "members", Unknown: "unknown group",
	ToRouters: "to routers", Reserved: "reserved", BadIP: "bad ip", BadIGMP: "bad igmp", BadMLD: "bad mld", NoPort: "no port",
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
	p := b.ports.Need(n)
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
	p := b.ports.At(n)
	b.Configure(n, PortOptions{})
	p.odd = nil
	b.v4.dropPort(n)
	b.v6.dropPort(n)
	b.all = take(b.all, p.all-1, func(moved, to int32) { b.ports.At(moved).all = to + 1 })
	p.all = 0
	p.gen++
}

// Len returns the number of attached ports.
func (b *Bridge) Len() int { return len(b.all) }

func (b *Bridge) attached(n int32) bool {
	return n >= 0 && int(n) < b.ports.Len() && b.ports.At(n).all > 0
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

// Deadline returns when Next will have something to do.
func (b *Bridge) Deadline() clock.Time {
	return min(b.v4.deadline(), b.v6.deadline(), b.macs.due)
}

// Expire lets ages run out, for a switch that asks nothing; others pull Next.
func (b *Bridge) Expire(now clock.Time, e Env) {
	b.v4.expire(now)
	b.v6.expire(now)
	b.macs.expire(now, e.T)
}

// Lookup returns the port where the address was seen, false if that is not
// known.
func (b *Bridge) Lookup(now clock.Time, a wire.MAC, t *Tunables) (int32, bool) {
	m := b.macs.get(a)
	if m == nil || m.seen.Add(age(t)) <= now || b.ports.At(m.port).gen != m.gen {
		return 0, false
	}
	return m.port, true
}

// Groups returns what is known of a port's groups, sorted, IPv4 first.
func (b *Bridge) Groups(now clock.Time, n int32) []gmp.GroupState {
	return append(b.v4.db.State(now, n), b.v6.db.State(now, n)...)
}
