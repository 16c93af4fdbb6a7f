package arp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// RFC 5227 §1.1.
const (
	probeWait         = time.Second      // longest initial random delay
	probeNum          = 3                // probes
	probeMin          = time.Second      // between probes, at least
	probeMax          = 2 * time.Second  // between probes, at most
	announceWait      = 2 * time.Second  // after the last probe
	announceNum       = 2                // announcements
	announceInterval  = 2 * time.Second  // between announcements
	maxConflicts      = 10               // conflicts before slowing down
	rateLimitInterval = 60 * time.Second // between attempts when slowed down
	defendInterval    = 10 * time.Second // between defences
)

// ProbeState is where a Prober stands.
type ProbeState uint8

// The states.
const (
	Idle       ProbeState = iota // Start was not called, or the last attempt failed
	Probing                      // asking whether anybody has the address
	Announcing                   // claimed; the address may be used (RFC 5227 §2.3)
	Defending                    // claimed and announced
)

// ProbeEvent is the outcome of an attempt.
type ProbeEvent uint8

// The events.
const (
	Claimed    ProbeEvent = iota + 1 // nobody has the address: it may be used from now on
	Conflicted                       // somebody has it or wants it: Start with another
	Defended                         // a later user was told off by an announcement
	Lost                             // a second conflict within ten seconds: stop using the address
)

var probeEventNames = [...]string{Claimed: "claimed", Conflicted: "conflict", Defended: "defended", Lost: "lost"}

// String names the event.
func (e ProbeEvent) String() string { return probeEventNames[e] }

// ProbeOut is what a Prober hands out: an event, or else a message to send.
type ProbeOut struct {
	Event   ProbeEvent // 0: Message is set
	IP      netip.Addr
	MAC     wire.MAC // who else uses the address; with Conflicted, Defended and Lost
	Message Message
}

// Prober claims an IPv4 address as RFC 5227 wants it: three probes, two
// announcements, then one defence per ten seconds (§2.4 (b)). It is
// independent of Table: a stack that wants detection runs one per address and
// adds the address to the table once it is Claimed.
type Prober struct {
	ip         netip.Addr
	mac, rival wire.MAC
	random     uint64
	state      ProbeState
	event      ProbeEvent // waits for Next
	announce   bool       // an announcement outside the series waits for Next
	sent       int        // probes, then announcements
	conflicts  int
	when       clock.Time // of the next step
	earliest   clock.Time // of the next attempt, once slowed down
	defended   clock.Time // last conflict while Defending
	clashed    bool       // defended is set
}

// NewProber returns a Prober whose random delays follow from seed: hosts that
// start together must have different seeds.
func NewProber(seed uint64) Prober { return Prober{random: seed, when: clock.Never} }

// State tells where the attempt stands.
func (p *Prober) State() ProbeState { return p.state }

// Start begins to claim ip for mac. Whatever went on before is forgotten, but
// not the number of conflicts: after ten of them attempts are a minute apart
// (RFC 5227 §2.1.1).
func (p *Prober) Start(now clock.Time, ip netip.Addr, mac wire.MAC) {
	p.Stop()
	p.ip, p.mac, p.state = ip, mac, Probing
	p.when = now.Add(p.between(0, probeWait))
	if p.conflicts >= maxConflicts {
		p.when = max(p.when, p.earliest)
	}
	p.earliest = p.when.Add(rateLimitInterval)
}

// Stop gives the address up.
func (p *Prober) Stop() {
	p.state, p.event, p.announce, p.clashed, p.sent, p.when = Idle, 0, false, false, 0, clock.Never
}

// Input looks at a received packet.
func (p *Prober) Input(now clock.Time, a wire.ARP) {
	if p.state == Idle || a.SenderMAC() == p.mac {
		return
	}
	uses := a.SenderIP() == p.ip
	wants := a.Op() == wire.ARPRequest && a.SenderIP().IsUnspecified() && a.TargetIP() == p.ip
	switch {
	case p.state == Probing && (uses || wants): // RFC 5227 §2.1.1
		p.fail(Conflicted, a)
		p.conflicts++
	case p.state != Probing && uses && p.clashed && now.Sub(p.defended) < defendInterval: // RFC 5227 §2.4 (b)
		p.fail(Lost, a)
	case p.state != Probing && uses:
		p.event, p.rival, p.announce = Defended, a.SenderMAC(), true
		p.defended, p.clashed = now, true
	}
}

// fail ends the attempt, with event e for the caller.
func (p *Prober) fail(e ProbeEvent, a wire.ARP) {
	p.Stop()
	p.event, p.rival = e, a.SenderMAC()
}

// Next hands out the next event or message, false if there is none now.
func (p *Prober) Next(now clock.Time, out *ProbeOut) bool {
	switch {
	case p.event != 0:
		*out = ProbeOut{Event: p.event, IP: p.ip}
		if p.event != Claimed {
			out.MAC = p.rival
		}
		p.event = 0
	case p.announce:
		p.announce = false
		*out = ProbeOut{IP: p.ip, Message: p.message(p.ip)}
	case now < p.when || p.state == Idle:
		return false
	case p.state == Probing && p.sent == probeNum:
		p.state, p.sent = Announcing, 0
		*out = ProbeOut{Event: Claimed, IP: p.ip}
	case p.state == Probing:
		p.sent++
		*out = ProbeOut{IP: p.ip, Message: p.message(netip.IPv4Unspecified())}
		p.when = now.Add(announceWait)
		if p.sent < probeNum {
			p.when = now.Add(p.between(probeMin, probeMax))
		}
	default:
		p.sent++
		*out = ProbeOut{IP: p.ip, Message: p.message(p.ip)}
		p.when = now.Add(announceInterval)
		if p.sent == announceNum {
			p.state, p.when = Defending, clock.Never
		}
	}
	return true
}

// Deadline returns when Next will have more to say, or clock.Never.
func (p *Prober) Deadline() clock.Time {
	if p.state == Idle {
		return clock.Never
	}
	return p.when
}

// message builds a probe (sender 0.0.0.0, RFC 5227 §2.1.1) or an announcement.
func (p *Prober) message(sender netip.Addr) Message {
	return Message{Dst: wire.BroadcastMAC(), Op: wire.ARPRequest, SenderMAC: p.mac, SenderIP: sender, TargetIP: p.ip}
}

// between returns a random duration from lo to hi (splitmix64).
func (p *Prober) between(lo, hi time.Duration) time.Duration {
	p.random += 0x9e3779b97f4a7c15
	z := p.random
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return lo + time.Duration((z^z>>31)%uint64(hi-lo+1))
}
