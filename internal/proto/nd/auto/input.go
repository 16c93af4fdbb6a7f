package auto

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// Message is a received router advertisement: what wire has parsed (type, code,
// length and the lengths of its options are right) and what the packet around
// it said.
type Message struct {
	RA         wire.RouterAdvert
	Src        netip.Addr
	HopLimit   uint8
	Fragmented bool // it came in fragments

	// LinkAddr is filled in by Input: the link address that the router says it
	// has, for the neighbour table (RFC 4861 §6.3.4), if HasLinkAddr.
	LinkAddr    wire.MAC
	HasLinkAddr bool
}

// Verdict is what Input thinks of a message.
type Verdict uint8

// The verdicts. All but Accepted say why the message was dropped; it is
// counted.
const (
	Accepted    Verdict = iota
	Ignored             // the interface does not listen to routers
	BadSource           // not from a link-local address of another node
	BadHopLimit         // not 255: it may have crossed a router
	Fragment            // neighbour discovery never fragments (RFC 6980 §5)
)

var verdictNames = [...]string{
	Accepted: "accepted", Ignored: "ignored", BadSource: "bad source", BadHopLimit: "bad hop limit", Fragment: "fragment",
}

// String names the verdict.
func (v Verdict) String() string { return verdictNames[v] }

const (
	minMTU   = 1280      // RFC 8200 §5
	maxTimer = 3_600_000 // milliseconds, RFC 4861 §6.2.1
)

// check judges what is around a message (RFC 4861 §6.1.2).
func (h *Host) check(m *Message) Verdict {
	switch {
	case !h.running || !h.link.AcceptRA:
		h.stats.Ignored++
		return Ignored
	case m.Fragmented:
		h.stats.Fragments++
		return Fragment
	case m.HopLimit != 255:
		h.stats.BadHopLimit++
		return BadHopLimit
	case !m.Src.Is6() || !m.Src.IsLinkLocalUnicast() || h.own(m.Src.As16()):
		h.stats.BadSource++
		return BadSource
	}
	return Accepted
}

// Input takes a router advertisement.
func (h *Host) Input(now clock.Time, m *Message) Verdict {
	if h == nil {
		return Ignored
	}
	if v := h.check(m); v != Accepted {
		return v
	}
	h.stats.Received++
	h.sweep(now)
	m.LinkAddr, m.HasLinkAddr = m.RA.Options().LinkAddr(wire.NDSourceLinkAddr)
	hdr := m.RA.Header()
	h.parameters(&hdr)
	r := h.inputRouter(now, m, &hdr)
	opts := m.RA.Options()
	for o, ok := opts.Next(); ok; o, ok = opts.Next() {
		h.option(now, r, o)
	}
	// RFC 7559 §2: done once there is a default router. RFC 4861 §6.3.7: but one
	// solicitation is sent in any case, its answer may say more.
	if h.solicits > 0 && h.defaultRouter(now) >= 0 {
		h.solicitAt = clock.Never
	}
	h.dirty = true
	return Accepted
}

// parameters takes the link's parameters from the header (RFC 4861 §6.3.4).
func (h *Host) parameters(hdr *wire.RAHeader) {
	var dhcp uint8
	if hdr.Managed {
		dhcp |= DHCPAddresses
	}
	if hdr.Other {
		dhcp |= DHCPOther
	}
	h.set8(doDHCP, &h.dhcp, dhcp)
	if hdr.HopLimit != 0 && h.inRange(uint32(hdr.HopLimit), uint32(h.tun.MinHopLimit), 255) {
		h.set8(doHopLimit, &h.hopLimit, hdr.HopLimit)
	}
	if hdr.Reachable != 0 && h.inRange(hdr.Reachable, 1, maxTimer) {
		h.set(doReachable, &h.reachable, hdr.Reachable)
	}
	// Deviation: RFC 4861 sets no limit to the retransmission timer; beyond an
	// hour nothing would ever be found unreachable.
	if hdr.Retrans != 0 && h.inRange(hdr.Retrans, 1, maxTimer) {
		h.set(doRetrans, &h.retrans, hdr.Retrans)
	}
}

func (h *Host) inRange(v, lo, hi uint32) bool {
	if v < lo || v > hi {
		h.stats.BadValues++
		return false
	}
	return true
}

// option takes one option of an advertisement by router r (-1: not kept) but
// for routes, which inputRouter has taken.
func (h *Host) option(now clock.Time, r int, o wire.NDOption) {
	switch o.Type() {
	case wire.NDPrefixInfo:
		if p, ok := o.Prefix(); ok {
			h.inputPrefix(now, r, &p)
		}
	case wire.NDMTU:
		// RFC 4861 §6.3.4: between the least of IPv6 and the link's own.
		if mtu, ok := o.MTU(); ok && h.inRange(mtu, minMTU, h.link.MTU) {
			h.set(doMTU, &h.mtu, mtu)
		}
	case wire.NDRDNSS:
		if seconds, servers, ok := o.RDNSS(); ok {
			h.inputServers(now, lifetime(now, seconds), servers)
		}
	case wire.NDDNSSL:
		if seconds, domains, ok := o.DNSSL(); ok {
			h.inputDomains(now, lifetime(now, seconds), domains)
		}
	}
}
