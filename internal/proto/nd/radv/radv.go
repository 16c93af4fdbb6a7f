package radv

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// RFC 4861 §10.
const (
	initialInterval = 16 * time.Second       // MAX_INITIAL_RTR_ADVERT_INTERVAL
	initialAdverts  = 3                      // MAX_INITIAL_RTR_ADVERTISEMENTS
	minDelay        = 3 * time.Second        // MIN_DELAY_BETWEEN_RAS
	maxAnswerDelay  = 500 * time.Millisecond // MAX_RA_DELAY_TIME
)

// Link is what a router knows of its interface.
type Link struct {
	MAC  wire.MAC
	Addr netip.Addr // its link-local address, without zone
}

// Router advertises on one interface. It must be bound to statistics (Bind)
// before any verb that takes a moment is called. All moments come from one
// clock and do not go backwards. A nil *Router advertises nothing.
type Router struct {
	stats *Stats
	cfg   *Config
	link  Link
	rng   rng

	periodic clock.Time // the next unsolicited advertisement
	answer   clock.Time // the next answer
	target   netip.Addr // who alone gets it; invalid: everybody
	earliest clock.Time // the next to everybody may not be sent before
	initial  uint8      // sent since Start, up to initialAdverts
	running  bool
	final    bool // the last one waits for Next
}

// NewRouter returns a router that is not started. Its random intervals follow
// from seed: routers that start together must have different ones.
func NewRouter(seed uint64) Router {
	return Router{rng: rng(seed), periodic: clock.Never, answer: clock.Never}
}

// Bind tells the router where its stack's counters are. It only stores the
// pointer, so a caller may bind anew whenever it moves.
func (r *Router) Bind(stats *Stats) { r.stats = stats }

// Start begins to advertise cfg, which must not be changed while the router
// has it. A router that runs goes over to the new configuration and advertises
// it as often as if it had just begun (RFC 4861 §6.2.4). The error is a
// *ConfigError; nothing has changed then.
func (r *Router) Start(now clock.Time, cfg *Config, link Link) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	r.cfg, r.link, r.running, r.final, r.initial = cfg, link, true, false, 0
	r.periodic = max(now.Add(r.rng.upTo(maxAnswerDelay)), r.earliest)
	r.answer = clock.Never
	return nil
}

// Stop ceases to advertise: Next hands out one last advertisement, by which
// hosts learn that we are no router any more (RFC 4861 §6.2.5).
func (r *Router) Stop(now clock.Time) {
	r.final = r.running
	r.running, r.periodic, r.answer = false, clock.Never, clock.Never
}

// Running tells whether the router advertises.
func (r *Router) Running() bool { return r != nil && r.running }

// Out is an advertisement to send, with hop limit 255.
type Out struct {
	Src, Dst netip.Addr
	Final    bool // nothing leads through us any more
}

// Next hands out the next advertisement that is due. It returns false, and
// leaves out alone, when there is none at this moment.
func (r *Router) Next(now clock.Time, out *Out) bool {
	switch {
	case r == nil:
		return false
	// Deviation: RFC 4861 §6.2.6 wants three seconds since the one before, but
	// an interface that goes away cannot wait.
	case r.final:
		r.final = false
		*out = Out{Dst: allNodes(), Final: true}
		r.earliest = now.Add(minDelay)
	case now >= r.answer && r.target.IsValid():
		*out = Out{Dst: r.target}
		r.answer = clock.Never
		r.stats.Unicast++
	case now >= min(r.periodic, r.answer):
		*out = Out{Dst: allNodes()}
		r.advertised(now)
	default:
		return false
	}
	out.Src = r.link.Addr
	r.stats.Sent++
	return true
}

// advertised arranges for the next advertisement to everybody: whoever waits
// for an answer has had it (RFC 4861 §6.2.4, §6.2.6).
func (r *Router) advertised(now clock.Time) {
	lo, hi := time.Duration(r.cfg.MinInterval)*time.Second, time.Duration(r.cfg.MaxInterval)*time.Second
	wait := lo + r.rng.upTo(hi-lo)
	if r.initial < initialAdverts {
		r.initial++
		if r.initial < initialAdverts {
			wait = min(wait, initialInterval)
		}
	}
	r.periodic, r.answer, r.earliest = now.Add(wait), clock.Never, now.Add(minDelay)
}

// Deadline returns the next moment at which Next has something to say without
// being provoked, or clock.Never. It does not tell of what waits already.
func (r *Router) Deadline() clock.Time {
	if r == nil {
		return clock.Never
	}
	return min(r.periodic, r.answer)
}

// AppendAdvert appends the message that out asks for, from the ICMPv6 header
// on. The checksum is left to the caller.
func (r *Router) AppendAdvert(b []byte, out *Out) []byte {
	return r.cfg.appendTo(b, r.link.MAC, out.Final)
}

func allNodes() netip.Addr { return netip.IPv6LinkLocalAllNodes() }

// rng is a splitmix64 generator: eight bytes of state.
type rng uint64

// upTo returns a duration in [0, limit], in whole milliseconds.
func (r *rng) upTo(limit time.Duration) time.Duration {
	*r += 0x9e3779b97f4a7c15
	x := uint64(*r)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return time.Duration(x%uint64(limit/time.Millisecond+1)) * time.Millisecond
}
