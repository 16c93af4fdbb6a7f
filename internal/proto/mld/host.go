package mld

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// Host reports the memberships of one interface. A Host without reportable
// groups holds nothing but itself; a group takes 80 bytes while nothing is to
// be sent.
type Host struct{ engine gmp.Host[addr] }

// Versions as package gmp counts them.
const (
	v1 = 2
	v2 = 3
)

// responseInterval is the Query Response Interval of a querier that does not say
// (RFC 3810 §9.3).
const responseInterval = 10 * time.Second

// NewHost returns the engine of an interface. The seed decides the random
// delays. A silent interface (loopback, or without multicast) never sends.
func NewHost(t *Tunables, seed uint64, silent bool) Host {
	version := uint8(v2)
	if t.DefaultVersion < 2 || t.V2Enable == 0 {
		version = v1
	}
	return Host{gmp.NewHost[addr](version, seed, silent)}
}

func (t *Tunables) rules() gmp.HostRules {
	return gmp.HostRules{
		Unsolicited: time.Duration(t.Unsolicited) * time.Second, SourceDelay: time.Duration(t.SourceDelay) * time.Second,
		Robustness: uint8(t.Robustness), V2: t.V1Enable != 0, ModeChange: t.UseAllow == 0,
	}
}

// Version returns the version in force, 1 or 2: the interface's own, or that of
// the oldest querier lately heard (RFC 3810 §8.2.1).
func (h *Host) Version(now clock.Time, t *Tunables) int {
	r := t.rules()
	return h.engine.Version(now, &r) - 1
}

// State returns what there is to know: the content of ifmcstat, versions counted
// as MLD does. It changes nothing.
func (h *Host) State(now clock.Time, t *Tunables) HostState {
	r := t.rules()
	s := h.engine.State(now, &r)
	s.Version--
	s.Base--
	for i := range s.Older {
		s.Older[i].Version--
	}
	return s
}

// Groups returns the number of groups that are, or are about to be, reported.
func (h *Host) Groups() int { return h.engine.Groups() }

// Deadline returns when Next will have something to say, clock.Never if not
// before the next Input or Change.
func (h *Host) Deadline() clock.Time { return h.engine.Deadline() }

// Change tells the engine what the interface now wants of a group: the New
// filter of a mcast transaction. The first report is due at a random moment
// within the delay, at once if that is 0; an address that many nodes configure
// at the same moment joins its solicited-node group with up to a second (RFC 4862
// §5.4.2). The filter's list must not be written to afterwards.
func (h *Host) Change(now clock.Time, e Env, to netip.Addr, f mcast.Filter, delay time.Duration) {
	if a := to.As16(); Reported(a) && !h.engine.Silent() {
		r := e.T.rules()
		h.engine.Change(now, &r, a, f, delay)
	}
}

// Announce reports all groups as if they had just been joined, because the
// interface came up, was plugged into another link, or has got a link-local
// address: reports from :: meant nothing to routers (RFC 3810 §5.2.13).
func (h *Host) Announce(now clock.Time, e Env) {
	r := e.T.rules()
	h.engine.Announce(now, &r)
}

// Next writes the next message that is due into out.Buf; false if none is.
func (h *Host) Next(now clock.Time, e Env, out *Out) bool {
	r, m := e.T.rules(), gmp.Message[addr]{Buf: out.Buf}
	if !h.engine.Next(now, &r, &m) {
		return false
	}
	e.S.Sent++
	group := netip.AddrFrom16(m.Group)
	switch m.Kind {
	case gmp.Report:
		wire.PutMLDv2Report(m.Buf[:m.N], m.Records)
		out.N, out.Dst = m.N, netip.AddrFrom16(addr{0xff, 2, 15: 0x16}) // RFC 3810 §5.2.14
		return true
	case gmp.Leave:
		// RFC 2710 §5. Deviation: FreeBSD 14.0 sends it to the group.
		wire.PutMLD(out.Buf, wire.ICMP6MLDDone, 0, group)
		out.Dst = netip.IPv6LinkLocalAllRouters()
	case gmp.OlderReport:
		wire.PutMLD(out.Buf, wire.ICMP6MLDv1Report, 0, group)
		out.Dst = group
	}
	out.N = wire.MLDLen
	return true
}

// Input takes a message that the interface received.
func (h *Host) Input(now clock.Time, e Env, p *Packet) Verdict {
	e.S.Received++
	m, v := Check(p)
	if v == Accepted {
		r := e.T.rules()
		switch m.Type() {
		case wire.ICMP6MLDQuery:
			v = h.query(now, e.S, &r, p, m)
		case wire.ICMP6MLDv1Report:
			v = h.olderReport(now, e.S, &r, p, m)
		case wire.ICMP6MLDv2Report:
			e.S.Reports++
		}
	}
	e.S.refuse(v)
	return v
}

func (h *Host) query(now clock.Time, s *Stats, r *gmp.HostRules, p *Packet, m wire.ICMP6) Verdict {
	q, v := ParseQuery(p, m)
	if v == TooShort {
		return v
	}
	switch {
	case q.Version == v1:
		s.V1Queries++
	default:
		s.V2Queries++
	}
	if v != Accepted {
		return v
	}
	switch {
	case q.IsGeneral():
		s.General++
	case q.Sources.Len() == 0:
		s.Group++
	default:
		s.GroupSource++
	}
	if q.Version == v2 && h.engine.Base() == v1 {
		// Who speaks version 1 only reads what that has of a query (RFC 3810 §5.1.3).
		q.Version, q.MaxResp = v1, time.Duration(wire.MLD(m).MaxRespCode())*time.Millisecond
		h.engine.QueryOlder(now, r, &q)
		return v
	}
	switch {
	case q.Version == v2:
		if !h.engine.Query(now, r, &q) {
			s.DroppedSource++
		}
	case r.V2:
		if !q.IsGeneral() && !h.engine.Silent() { // RFC 3810 §8.2.1: heard of by any query
			heard := q
			heard.MaxResp = responseInterval // not that of a specific query (§9.12)
			h.engine.HeardOlder(now, r, &heard)
		}
		h.engine.QueryOlder(now, r, &q)
	}
	return v
}

// olderReport takes somebody else's version 1 report.
func (h *Host) olderReport(now clock.Time, s *Stats, r *gmp.HostRules, p *Packet, m wire.ICMP6) Verdict {
	if p.Own {
		return Accepted
	}
	s.Reports++
	group := wire.MLD(m).Group()
	if !group.IsMulticast() || group != p.Dst {
		return BadReport
	}
	if p.Src.IsUnspecified() { // routers did not hear it (RFC 3590 §4), so it speaks for nobody
		return Accepted
	}
	if r.V2 && h.engine.ReportOlder(now, r, group.As16()) {
		s.OurReports++
	}
	return Accepted
}
