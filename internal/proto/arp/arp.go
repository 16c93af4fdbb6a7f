package arp

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// requestInterval is the least time between two requests for one neighbour,
// and the pace at which an ageing entry is looked at (RFC 1122 §2.3.2.1: the
// recommended maximum rate is one per second per destination).
const requestInterval = time.Second

// Link is what a table knows of its interface.
type Link struct {
	MAC       wire.MAC
	Up        bool // packets can be sent: own addresses are announced
	NoARP     bool // the interface does not do ARP at all
	StaticARP bool // it answers, but neither asks nor learns
}

// Table is the ARP table of one interface. It is generic in the packets P it
// holds while an address is being resolved; it never looks into them.
//
// The zero Table must be bound to tunables and statistics (Bind) before any
// verb that takes a moment is called. All moments come from one clock and do
// not go backwards.
type Table[P any] struct {
	link    Link
	learned int // entries that count against MaxEntries
	seq     uint64

	tun     *Tunables
	stats   *Stats
	entries map[uint32]*entry[P]
	timers  heap[P]
	locals  []local[P]
	head    *entry[P] // entries with something for Next, in order
	tail    *entry[P]
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

	// Errno is for whoever sends the packet. With Refused it is never 0:
	// EINVAL (the interface does no ARP), ENOBUFS (MaxEntries reached),
	// EAFNOSUPPORT (not an IPv4 address). With Held it is 0 as long as there is
	// hope; once MaxTries requests went unanswered it is EHOSTDOWN, or
	// EHOSTUNREACH if the next hop is a gateway (RFC 1122 §2.4), and the packet
	// is held nevertheless: one more request per second may still succeed.
	Errno syscall.Errno

	Dropped    P    // the oldest held packet, pushed out by this one, to be freed
	HasDropped bool // Dropped is set; it is counted already
}

// Resolve asks for the link address of ip, the next hop of packet p on this
// interface; gateway says that ip is a router's address and not p's
// destination. Broadcast and multicast need no table and get their address at
// once; whether ip is the subnet's broadcast address only the caller knows and
// must have tested before. The caller has also checked that a route of the
// interface's FIB leads to ip over this interface.
//
// A request may be waiting in Next afterwards.
func (t *Table[P]) Resolve(now clock.Time, ip netip.Addr, p P, gateway bool) Resolution[P] {
	if !ip.Is4() {
		return Resolution[P]{Verdict: Refused, Errno: syscall.EAFNOSUPPORT}
	}
	if ip.IsMulticast() {
		return Resolution[P]{MAC: wire.MulticastMAC(ip)} // RFC 1112 §6.4
	}
	k := key(ip)
	if k == 1<<32-1 {
		return Resolution[P]{MAC: wire.BroadcastMAC()}
	}
	e := t.entries[k]
	switch {
	case e != nil && e.state != Incomplete:
		e.used = true
		return Resolution[P]{MAC: e.mac}
	case t.link.NoARP || t.link.StaticARP:
		return Resolution[P]{Verdict: Refused, Errno: syscall.EINVAL}
	case e == nil:
		if t.full() {
			return Resolution[P]{Verdict: Refused, Errno: syscall.ENOBUFS}
		}
		e = t.insert(k, Incomplete)
	}
	return t.hold(now, e, p, gateway)
}

// hold queues p at the unresolved entry e and asks again if a second has
// passed since the last request.
func (t *Table[P]) hold(now clock.Time, e *entry[P], p P, gateway bool) Resolution[P] {
	r := Resolution[P]{Verdict: Held}
	if e.asked >= t.tun.MaxTries {
		r.Errno = syscall.EHOSTDOWN
		if gateway {
			r.Errno = syscall.EHOSTUNREACH
		}
	}
	// RFC 1122 §2.3.2.2 wants at least the latest packet saved.
	if n := len(e.held); n > 0 && n >= int(t.tun.MaxHold) {
		r.Dropped, r.HasDropped = e.held[0], true
		copy(e.held, e.held[1:])
		e.held[n-1] = p
		t.stats.Dropped++
	} else {
		e.held = append(e.held, p)
	}
	if e.asked == 0 || now.Sub(e.sent) >= requestInterval {
		t.request(now, e)
		t.arm(e, now.Add(seconds(t.tun.Wait)))
	}
	return r
}

// request counts one more attempt at e and leaves it to Next.
func (t *Table[P]) request(now clock.Time, e *entry[P]) {
	e.asked++
	e.sent = now
	t.pend(e, doRequest)
}

// Used says that the neighbour ip was sent to since the last Watch for it. It
// answers AskUsed and may be called at any other time; an unknown ip is
// ignored.
func (t *Table[P]) Used(ip netip.Addr) {
	if t == nil || !ip.Is4() {
		return
	}
	if e := t.entries[key(ip)]; e != nil {
		e.used = true
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
