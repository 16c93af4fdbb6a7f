package igmp

import (
	"net/netip"

	"github.com/seed88948545/vimage/internal/wire"
)

// Record is one group's part of a report of any version.
type Record struct {
	Sources wire.IGMPv3Record // nil: none
	Group   [4]byte
	Type    uint8 // wire.IGMPIsIn to IGMPBlock
	Version uint8 // of the host that reported: 1, 2, 3; 0 for a leave
}

// Report is a checked report or leave.
type Report struct {
	list wire.IGMPv3Records
	one  Record // of version 1 and 2
}

// ParseReport reads a message that Check accepted and that is a report or a
// leave.
func ParseReport(p *Packet, m wire.IGMP) (Report, Verdict) {
	if m.Type() == wire.IGMPTypeV3Report {
		v3, fault := wire.ParseIGMPv3Report(m)
		if fault != wire.OK {
			return Report{}, TooShort
		}
		return Report{list: v3.Records()}, Accepted
	}
	if !m.Group().IsMulticast() || m.Type() != wire.IGMPTypeV2Leave && p.Dst != m.Group() {
		return Report{}, BadReport
	}
	// RFC 3376 §7.3.2 translates.
	r := Record{Group: m.Group().As4(), Type: wire.IGMPIsEx, Version: 2}
	switch m.Type() {
	case wire.IGMPTypeV1Report:
		r.Version = 1
	case wire.IGMPTypeV2Leave:
		r.Type, r.Version = wire.IGMPToIn, 0
	}
	return Report{one: r}, Accepted
}

// Next takes the next record that matters. Unknown types do not (RFC 3376
// §4.2.12), nor do groups of 224.0.0.0/24: they are never routed, and a switch
// sends them everywhere (RFC 4541 §2.1.2).
func (r *Report) Next() (Record, bool) {
	if one := r.one; one.Type != 0 {
		r.one.Type = 0
		return one, routable(netip.AddrFrom4(one.Group))
	}
	for rec, ok := r.list.Next(); ok; rec, ok = r.list.Next() {
		if rec.Type() >= wire.IGMPIsIn && rec.Type() <= wire.IGMPBlock && routable(rec.Group()) {
			return Record{Sources: rec, Group: rec.Group().As4(), Type: rec.Type(), Version: 3}, true
		}
	}
	return Record{}, false
}

func routable(g netip.Addr) bool { return g.IsMulticast() && !g.IsLinkLocalMulticast() }
