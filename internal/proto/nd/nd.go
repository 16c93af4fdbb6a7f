package nd

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

// RFC 4861 §10, and what routers may change of it.
const (
	reachableTime    = 30 * time.Second // REACHABLE_TIME
	retransTimer     = time.Second      // RETRANS_TIMER
	maxReachable     = time.Hour        // §6.2.1: AdvReachableTime at most
	minRetrans       = 10 * time.Millisecond
	renewReachable   = 2 * time.Hour // §6.3.2: a new random value every few hours
	maxAnycastDelay  = time.Second   // MAX_ANYCAST_DELAY_TIME
	maxSolicitDelay  = time.Second   // MAX_RTR_SOLICITATION_DELAY
	maxNeighborAdv   = 3             // MAX_NEIGHBOR_ADVERTISEMENT
	advertisePacing  = 10 * time.Millisecond
	maxLateAnswers   = 64
	rememberedNonces = 8
)

// Link is what a table knows of its interface.
type Link struct {
	MAC      wire.MAC
	Up       bool // packets can be sent: own addresses are claimed and announced
	Router   bool // the interface forwards: advertisements say so, redirects are ignored
	Disabled bool // IPv6 is switched off here (IFDISABLED): nothing is sent, asked or heard
	NoNUD    bool // neighbours are not probed
	NoDAD    bool // own addresses are used without asking
	Loops    bool // the interface hears its own multicast (RFC 4862 appendix A)
}

// Table is the neighbour cache of one interface and the addresses it answers
// for. It is generic in the packets P it holds while an address is being
// resolved; it never looks into them.
//
// A Table must be bound to tunables and statistics (Bind) before any verb that
// takes a moment is called. All moments come from one clock and do not go
// backwards. Addresses have no zone.
type Table[P any] struct {
	link  Link
	hash  table.Seed
	rng   rng
	tun   *Tunables
	stats *Stats

	base      time.Duration // BaseReachableTime
	reachable time.Duration // ReachableTime; 0 until it is drawn
	retrans   time.Duration // RetransTimer
	renew     clock.Time    // when reachable is too old

	locals     []address[P]
	index      table.Table[netip.Addr, entry[P], *entry[P]]
	learned    int // entries that count against MaxEntries
	incomplete int // of these, unresolved ones
	late       int // answers that wait for their moment
	seq        uint64
	timers     heap[P]
	head, tail *entry[P] // entries with something for Next, in order

	oldest, youngest *entry[P] // stale entries
}

// New returns a table. All its random delays, nonces and hashes follow from
// seed: hosts of one link need different seeds.
func New[P any](seed uint64) *Table[P] {
	t := &Table[P]{rng: rng(seed), base: reachableTime, retrans: retransTimer}
	t.hash = table.NewSeed(t.rng.next())
	return t
}

// Bind tells the table where its stack's tunables and counters are. It only
// stores the two pointers, so a caller may bind anew whenever either moves.
func (t *Table[P]) Bind(tun *Tunables, stats *Stats) { t.tun, t.stats = tun, stats }

// Verdict is what Resolve decided about a packet.
type Verdict uint8

// The verdicts.
const (
	Send    Verdict = iota // the packet is the caller's to send, to Resolution.MAC
	Held                   // the table has taken the packet
	Refused                // the packet is the caller's to free; Errno says why
)

// Resolution is Resolve's answer.
type Resolution[P any] struct {
	Verdict Verdict
	MAC     wire.MAC // Send: the neighbour's address

	// Errno is for whoever sends the packet; it is 0 unless Refused: ENETDOWN
	// (the interface does no IPv6), ENOBUFS (a limit is reached), EAFNOSUPPORT
	// (not an IPv6 address). Who sends to a neighbour that does not answer
	// hears of it by DropPacket (RFC 4861 §7.2.2).
	Errno syscall.Errno

	Dropped    P    // the oldest held packet, pushed out by this one, to be freed
	HasDropped bool // Dropped is set; it is counted already
}

// Resolve asks for the link address of ip, the next hop of packet p on this
// interface; src is p's source address, or zero; gateway says that ip is a
// router's address and not p's destination. Groups need no table and get their
// address at once. That ip is on the link the caller knows from a route; the
// table makes an entry for whatever it is asked (RFC 5942 §4).
//
// Something may be waiting in Next afterwards, also with Send.
func (t *Table[P]) Resolve(now clock.Time, ip, src netip.Addr, p P, gateway bool) Resolution[P] {
	switch {
	case !ip.Is6() || ip.IsUnspecified():
		return Resolution[P]{Verdict: Refused, Errno: syscall.EAFNOSUPPORT}
	case t.link.Disabled:
		return Resolution[P]{Verdict: Refused, Errno: syscall.ENETDOWN}
	case ip.IsMulticast():
		return Resolution[P]{MAC: wire.MulticastMAC(ip)} // RFC 2464 §7
	}
	e := t.get(ip)
	switch {
	case e == nil && t.mine(ip) != nil:
		return Resolution[P]{MAC: t.link.MAC}
	case e == nil:
		if !t.mayAsk() {
			return Resolution[P]{Verdict: Refused, Errno: syscall.ENOBUFS}
		}
		e = t.insert(ip, Incomplete)
	case e.state == Stale:
		// RFC 4861 §7.3.3: the first packet starts the clock, and goes at once.
		t.setState(e, Delay)
		t.arm(e, now.Add(seconds(t.tun.Delay)))
		t.pend(e, doPublish)
	}
	if src.IsValid() {
		e.src = src
	}
	e.gateway = e.gateway || gateway
	if e.state != Incomplete {
		return Resolution[P]{MAC: e.mac}
	}
	r := t.hold(e, p)
	if e.at < 0 {
		t.ask(now, e)
	}
	return r
}

// mayAsk says that one more unresolved neighbour may be had (RFC 6583 §6.2). It
// counts where not. Those that are there are not touched: they keep their turn.
func (t *Table[P]) mayAsk() bool {
	if t.incomplete >= int(t.tun.MaxIncomplete) {
		t.stats.Incomplete++
		return false
	}
	return t.room()
}

// hold queues p at the unresolved entry e (RFC 4861 §7.2.2: the oldest goes).
func (t *Table[P]) hold(e *entry[P], p P) Resolution[P] {
	r := Resolution[P]{Verdict: Held}
	if n := len(e.held); n > 0 && n >= int(t.tun.MaxHold) {
		r.Dropped, r.HasDropped = e.held[0], true
		copy(e.held, e.held[1:])
		e.held[n-1] = p
		t.stats.Dropped++
	} else {
		e.held = append(e.held, p)
	}
	return r
}

// Confirm is word from above that packets sent to ip lately have arrived, such
// as TCP's forward progress (RFC 4861 §7.3.1). Tunables.MaxHint limits how often
// in a row that takes the place of a probe. An unknown ip is ignored.
func (t *Table[P]) Confirm(now clock.Time, ip netip.Addr) {
	if t == nil || t.tun.MaxHint == 0 {
		return
	}
	e := t.get(ip)
	switch {
	case e == nil || e.state == Incomplete || e.state == Permanent:
	case e.state == Reachable:
		e.hinted = now // looked at when the timer ends
	case e.hints < t.tun.MaxHint:
		e.hints++
		t.reach(now, e)
	}
}

// Deadline returns the next moment at which Next has something to say without
// being provoked, or clock.Never. It does not tell of what waits already.
func (t *Table[P]) Deadline() clock.Time {
	if t == nil || len(t.timers) == 0 {
		return clock.Never
	}
	return t.timers[0].when
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
