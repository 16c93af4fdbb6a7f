package igmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// Versions 1 and 2 know groups, not sources: RFC 1112 appendix I, RFC 2236.
const (
	unsolicitedV2 = 10 * time.Second // RFC 2236 §8.10
	responseV1    = 10 * time.Second // RFC 3376 §8.3
	queryInterval = 125              // seconds, RFC 3376 §8.2
)

// adapt notices that the version in force has changed; then all pending answers
// and retransmissions are cancelled (RFC 3376 §7.2.1).
func (h *Host) adapt(now clock.Time, t *Tunables) {
	v := uint8(h.Version(now, t))
	if v == h.version {
		return
	}
	h.version = v
	for g := h.first; g != nil; {
		next := g.next
		h.drop(g)
		if g.filter().Nothing() {
			h.remove(g)
		}
		g = next
	}
	h.work = nil
}

// changeOlder reports a join at once and once more (RFC 2236 §3), a leave if we
// reported last; a change of sources is nobody's business.
func (h *Host) changeOlder(now clock.Time, g *group, old mcast.Filter, t *Tunables) {
	is := !g.filter().Nothing()
	if is != old.Nothing() {
		return
	}
	p := h.plan(g)
	p.reportAt, p.answerAt, p.modeLeft = now, clock.Never, h.rv(t)
	if !is && (h.version == 1 || !g.reporter) {
		p.reportAt = clock.Never
	}
	h.settle(g)
	h.rest()
}

// queryOlder takes a query of version 1 or 2.
func (h *Host) queryOlder(now clock.Time, e Env, p *Packet, m wire.IGMP) Verdict {
	g, general := addrOf(m.Group()), m.Group().IsUnspecified()
	v1 := m.QueryVersion() == 1
	if general {
		e.S.General++
	} else {
		e.S.Group++
	}
	if (general || v1) && p.Dst != allSystems() || v1 && !general || !general && !m.Group().IsMulticast() {
		e.S.BadQueries++
		return BadQuery
	}
	limit := responseV1
	if !v1 {
		limit = time.Duration(m.MaxRespCode()) * 100 * time.Millisecond
	}
	if h.silent || v1 && e.T.V1Enable == 0 || !v1 && e.T.V2Enable == 0 {
		return Accepted
	}
	if !general {
		switch known := h.find(g); {
		case known == nil || known.filter().Nothing() || h.version == 1:
		case h.version == 2:
			h.answerOlder(now, known, limit)
		default: // only general queries change the version (RFC 3376 §7.2.1)
			h.answerGroup(now, e, known, nil, limit)
		}
		return Accepted
	}
	h.heardOlder(now, e, v1, limit)
	if h.version > 2 || !v1 && h.version == 1 {
		return Accepted
	}
	for known := h.first; known != nil; known = known.next {
		h.answerOlder(now, known, limit)
	}
	return Accepted
}

// heardOlder starts the Older Version Querier Present timer: Robustness times
// the query interval, and one query response interval (RFC 3376 §8.12).
func (h *Host) heardOlder(now clock.Time, e Env, v1 bool, limit time.Duration) {
	interval := time.Duration(h.queryTime)
	if interval == 0 {
		interval = queryInterval
	}
	until := now.Add(time.Duration(h.rv(e.T))*interval*time.Second + limit)
	if v1 {
		h.v1 = until
	} else {
		h.v2 = until
	}
	h.adapt(now, e.T)
}

// answerOlder starts the group's delay timer, unless it fires soon enough
// already (RFC 2236 §3).
func (h *Host) answerOlder(now clock.Time, g *group, limit time.Duration) {
	if g.filter().Nothing() {
		return
	}
	p := h.plan(g)
	if p.answerAt > now.Add(limit) {
		p.answerAt = h.rng.within(now, limit)
	}
	h.settle(g)
}

// olderReport takes somebody else's version 1 or 2 report, which makes ours
// superfluous while those versions are in force (RFC 2236 §3). In version 3 it
// does not (RFC 3376 §7.2.2) unless legacysupp is set.
func (h *Host) olderReport(e Env, p *Packet, m wire.IGMP) Verdict {
	if p.Own {
		return Accepted
	}
	e.S.Reports++
	if !m.Group().IsMulticast() || m.Group() != p.Dst {
		e.S.BadReports++
		return BadReport
	}
	if m.Type() == wire.IGMPTypeV1Report && e.T.V1Enable == 0 ||
		m.Type() == wire.IGMPTypeV2Report && e.T.V2Enable == 0 {
		return Accepted
	}
	g := h.find(addrOf(m.Group()))
	if g == nil || g.filter().Nothing() {
		return Accepted
	}
	e.S.OurReports++
	if h.version < 3 {
		g.reporter = false
		h.drop(g)
	} else if g.todo != nil && e.T.LegacySupp != 0 {
		g.todo.answerAt, g.todo.asked = clock.Never, nil
		h.settle(g)
	}
	return Accepted
}

// nextOlder writes the next message of version 1 or 2.
func (h *Host) nextOlder(now clock.Time, e Env, out *Out) bool {
	g := h.work.heap.top()
	if g == nil || g.due() > now {
		h.rest()
		return false
	}
	typ, to := wire.IGMPTypeV2Report, g.at.netip()
	switch {
	case g.filter().Nothing(): // RFC 2236 §6
		typ, to = wire.IGMPTypeV2Leave, netip.AddrFrom4([4]byte{224, 0, 0, 2})
	case h.version == 1:
		typ = wire.IGMPTypeV1Report
	}
	wire.PutIGMP(out.Buf, typ, 0, g.at.netip())
	out.N, out.Dst, out.TOS = wire.IGMPLen, to, 0
	out.RouterAlert = e.T.RouterAlert != 0 && h.version > 1
	e.S.Sent++
	p := g.todo
	if p.modeLeft > 0 {
		p.modeLeft--
	}
	g.reporter = true
	p.reportAt, p.answerAt = clock.Never, clock.Never
	if p.modeLeft > 0 && typ != wire.IGMPTypeV2Leave {
		p.answerAt = h.rng.within(now, unsolicitedV2)
	}
	h.settle(g)
	h.rest()
	return true
}
