package igmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// Packet is a received IGMP message and what the IP header said.
type Packet struct {
	Src, Dst    netip.Addr
	TTL         uint8
	RouterAlert bool   // the option was there
	Own         bool   // Src is an address of this interface
	SumOK       bool   // the checksum needs no look: it never left the process
	Payload     []byte // the whole IP payload
}

// Verdict says what became of a message.
type Verdict uint8

const (
	Accepted    Verdict = iota // to be handed to raw sockets too
	TooShort                   // less than its version needs, or than it declares
	BadChecksum                //
	BadTTL                     // not 1: it came through a router (RFC 3376 §4)
	BadQuery                   // query to an address that such a query never goes to
	BadReport                  // report about a group that is none, or not its destination
)

var verdictNames = [...]string{
	Accepted: "accepted", TooShort: "too short", BadChecksum: "bad checksum",
	BadTTL: "bad ttl", BadQuery: "bad query", BadReport: "bad report",
}

// String names the verdict as counters and traces show it.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown verdict"
}

// Check does what every receiver of IGMP does first: length, checksum, TTL.
func Check(p *Packet) (wire.IGMP, Verdict) {
	m, fault := wire.ParseIGMP(p.Payload)
	switch {
	case fault != wire.OK:
		return nil, TooShort
	case !p.SumOK && !m.ChecksumOK():
		return nil, BadChecksum
	case p.TTL != TTL && m.Type() != wire.IGMPTypeDVMRP:
		return nil, BadTTL
	}
	return m, Accepted
}

// Input takes a message that the interface received.
func (h *Host) Input(now clock.Time, e Env, p *Packet) Verdict {
	e.S.Received++
	m, v := Check(p)
	switch v {
	case TooShort:
		e.S.TooShort++
		return v
	case BadChecksum:
		e.S.BadSum++
		return v
	case BadTTL:
		e.S.BadTTL++
		return v
	}
	r := e.T.rules()
	switch m.Type() {
	case wire.IGMPTypeQuery:
		return h.query(now, e.S, &r, p, m)
	case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report:
		return h.olderReport(now, e.S, &r, p, m)
	case wire.IGMPTypeV3Report:
		e.S.Reports++
		if !p.RouterAlert {
			e.S.NoAlert++
		}
	}
	return v
}

func (h *Host) query(now clock.Time, s *Stats, r *gmp.HostRules, p *Packet, m wire.IGMP) Verdict {
	q, v := ParseQuery(m)
	if v != Accepted {
		s.TooShort++
		return v
	}
	if q.Version < 3 {
		s.V1V2Queries++
	} else {
		s.V3Queries++
	}
	if !plausible(&q, p) {
		s.BadQueries++
		return BadQuery
	}
	switch {
	case q.IsGeneral():
		s.General++
	case q.Sources.Len() == 0:
		s.Group++
	default:
		s.GroupSource++
	}
	if base := uint8(h.engine.Base()); base < q.Version {
		// Who speaks an older version reads of a query what that has (RFC 2236
		// §2.5, RFC 1112 appendix I).
		q.Version, q.MaxResp = base, responseV1
		if base == 2 {
			q.MaxResp = time.Duration(m.MaxRespCode()) * 100 * time.Millisecond
		}
	}
	switch {
	case q.Version < 3:
		h.engine.QueryOlder(now, r, &q)
	case !h.engine.Query(now, r, &q):
		s.DroppedSource++
	}
	return Accepted
}

// plausible: a general query goes to all hosts and is about no sources; only
// version 1 has no other.
func plausible(q *gmp.Query[addr], p *Packet) bool {
	if q.IsGeneral() {
		return p.Dst == allSystems() && q.Sources.Len() == 0
	}
	return q.Version > 1 && netip.AddrFrom4(q.Group).IsMulticast()
}

func allSystems() netip.Addr { return netip.AddrFrom4(addr{224, 0, 0, 1}) }

// olderReport takes somebody else's version 1 or 2 report.
func (h *Host) olderReport(now clock.Time, s *Stats, r *gmp.HostRules, p *Packet, m wire.IGMP) Verdict {
	if p.Own {
		return Accepted
	}
	s.Reports++
	if !m.Group().IsMulticast() || m.Group() != p.Dst {
		s.BadReports++
		return BadReport
	}
	if m.Type() == wire.IGMPTypeV1Report && !r.V1 || m.Type() == wire.IGMPTypeV2Report && !r.V2 {
		return Accepted
	}
	if h.engine.ReportOlder(now, r, m.Group().As4()) {
		s.OurReports++
	}
	return Accepted
}
