package igmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// The engines' types, for four bytes of address.
type (
	Database    = gmp.Database[addr]
	Event       = gmp.Event[addr]
	Group       = gmp.Group[addr]
	Query       = gmp.Query[addr]
	Record      = gmp.Record[addr]
	Rules       = gmp.Rules
	GroupState  = gmp.GroupState
	HostState   = gmp.HostState
	HostGroup   = gmp.HostGroup
	SourceState = gmp.SourceState
)

// responseV1 is the time to answer a version 1 query, which does not say (RFC
// 3376 §8.3).
const responseV1 = 10 * time.Second

// ParseQuery reads a query that Check accepted.
func ParseQuery(m wire.IGMP) (Query, Verdict) {
	q := Query{Version: uint8(m.QueryVersion()), Group: m.Group().As4(), MaxResp: responseV1}
	switch q.Version {
	case 0:
		return q, TooShort
	case 2:
		q.MaxResp = time.Duration(m.MaxRespCode()) * 100 * time.Millisecond
	case 3:
		v3, fault := wire.ParseIGMPv3Query(m)
		if fault != wire.OK {
			return q, TooShort
		}
		q.MaxResp = time.Duration(v3.MaxResp()) * 100 * time.Millisecond
		q.Interval = time.Duration(v3.QQI()) * time.Second
		q.Robustness, q.Suppress = v3.QRV(), v3.S()
		q.Sources = gmp.Sources[addr](v3[wire.IGMPv3QueryLen : wire.IGMPv3QueryLen+4*v3.NumSources()])
	}
	return q, Accepted
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
			sources := gmp.Sources[addr](rec[wire.IGMPv3RecordLen : wire.IGMPv3RecordLen+4*rec.NumSources()])
			return Record{Sources: sources, Group: rec.Group().As4(), Type: rec.Type(), Version: 3}, true
		}
	}
	return Record{}, false
}

func routable(g netip.Addr) bool { return g.IsMulticast() && !g.IsLinkLocalMulticast() }
