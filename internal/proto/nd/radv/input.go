package radv

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Message is a received router solicitation or advertisement: one of RS and RA,
// which wire has parsed, and what the packet around it said.
type Message struct {
	RS         wire.RouterSolicit
	RA         wire.RouterAdvert
	Src        netip.Addr
	HopLimit   uint8
	Fragmented bool // it came in fragments

	// LinkAddr is filled in by Input: the link address that a solicitation's
	// sender says it has, for the neighbour table (RFC 4861 §6.2.6), if
	// HasLinkAddr.
	LinkAddr    wire.MAC
	HasLinkAddr bool
}

// Verdict is what Input thinks of a message.
type Verdict uint8

// The verdicts. Those that drop a message are counted, but for Ignored.
const (
	Accepted     Verdict = iota
	Inconsistent         // another router says otherwise than we do (RFC 4861 §6.2.7): worth a line in a log
	Ignored              // we do not advertise here, or it is our own message
	BadSource            // not the address of a node on the link
	BadHopLimit          // not 255: it may have crossed a router
	Fragment             // neighbour discovery never fragments (RFC 6980 §5)
)

var verdictNames = [...]string{
	Accepted: "accepted", Inconsistent: "inconsistent", Ignored: "ignored", BadSource: "bad source",
	BadHopLimit: "bad hop limit", Fragment: "fragment",
}

// String names the verdict.
func (v Verdict) String() string { return verdictNames[v] }

// Input takes a solicitation or an advertisement.
func (r *Router) Input(now clock.Time, m *Message) Verdict {
	switch {
	case !r.Running() || m.Src == r.link.Addr:
		return Ignored
	case m.Fragmented:
		r.stats.Fragments++
		return Fragment
	case m.HopLimit != 255:
		r.stats.BadHopLimit++
		return BadHopLimit
	case m.RS != nil:
		return r.inputSolicit(now, m)
	}
	return r.inputAdvert(m)
}

// inputSolicit judges a solicitation (RFC 4861 §6.1.1) and arranges for the
// answer (§6.2.6).
func (r *Router) inputSolicit(now clock.Time, m *Message) Verdict {
	m.LinkAddr, m.HasLinkAddr = m.RS.Options().LinkAddr(wire.NDSourceLinkAddr)
	nobody := m.Src.IsUnspecified()
	_, option := m.RS.Options().Find(wire.NDSourceLinkAddr)
	if !m.Src.Is6() || m.Src.IsMulticast() || nobody && option {
		m.HasLinkAddr = false
		r.stats.BadSource++
		return BadSource
	}
	r.stats.Solicits++
	waiting := r.answer != clock.Never
	if r.cfg.Unicast && !nobody && (!waiting || r.target == m.Src) {
		// RFC 7772 §5.1: other hosts are left asleep.
		if !waiting {
			r.target, r.answer = m.Src, now.Add(r.rng.upTo(maxAnswerDelay))
		}
		return Accepted
	}
	if waiting && !r.target.IsValid() {
		return Accepted // it will have its answer with the others
	}
	// A second host is waiting, or one without address: all get one answer.
	at := max(now, r.earliest).Add(r.rng.upTo(maxAnswerDelay))
	if waiting {
		at = max(r.answer, r.earliest)
	}
	r.target, r.answer = netip.Addr{}, at
	return Accepted
}

// inputAdvert compares what another router says with what we say (RFC 4861
// §6.2.7).
func (r *Router) inputAdvert(m *Message) Verdict {
	if !m.Src.Is6() || !m.Src.IsLinkLocalUnicast() {
		r.stats.BadSource++
		return BadSource
	}
	r.stats.Adverts++
	if r.cfg.agrees(m.RA) {
		return Accepted
	}
	r.stats.Inconsistent++
	return Inconsistent
}

// agrees tells whether an advertisement says nothing else than c of what all
// routers on a link should say alike. What one of them leaves open is no
// difference.
func (c *Config) agrees(ra wire.RouterAdvert) bool {
	differ := func(a, b uint32) bool { return a != 0 && b != 0 && a != b }
	h := ra.Header()
	if h.Managed != c.Managed || h.Other != c.Other || differ(uint32(h.HopLimit), uint32(c.HopLimit)) ||
		differ(h.Reachable, c.Reachable) || differ(h.Retrans, c.Retrans) {
		return false
	}
	opts := ra.Options()
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		if mtu, ok := o.MTU(); ok && differ(mtu, c.MTU) {
			return false
		}
		p, ok := o.Prefix()
		for i := 0; ok && i < len(c.Prefixes); i++ {
			own := &c.Prefixes[i]
			if own.Prefix.Masked() == p.Prefix && (own.Valid != p.Valid || own.Preferred != p.Preferred) {
				return false
			}
		}
	}
	return true
}
