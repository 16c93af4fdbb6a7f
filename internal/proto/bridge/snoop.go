package bridge

import (
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// snoop takes an IGMP message.
func (b *Bridge) snoop(now clock.Time, e Env, in int32, ip wire.IPv4, d *Decision) {
	p := igmp.Packet{Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), Payload: ip.Payload()}
	m, v := igmp.Check(&p)
	if v != igmp.Accepted {
		b.bad(e, d)
		return
	}
	switch m.Type() {
	case wire.IGMPTypeQuery:
		b.query(now, e, in, &p, m, d)
	case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report, wire.IGMPTypeV2Leave, wire.IGMPTypeV3Report:
		b.report(now, e, in, &p, m, d)
	default: // RFC 4541 §2.1.1, 3: what is not understood is flooded
		b.flood(d)
	}
}

func (b *Bridge) bad(e Env, d *Decision) {
	e.S.BadIGMP++
	d.Verdict = BadIGMP
}

// report notes what the port's hosts want, and shows it to routers only: other
// hosts would suppress theirs (RFC 4541 §2.1.1, 1).
func (b *Bridge) report(now clock.Time, e Env, in int32, p *igmp.Packet, m wire.IGMP, d *Decision) {
	e.S.Reports++
	list, v := igmp.ParseReport(p, m)
	if v != igmp.Accepted {
		b.bad(e, d)
		return
	}
	r := igmp.Rules{Member: time.Duration(e.T.MemberAge) * time.Second,
		MaxGroups: e.T.MaxGroups, MaxSources: e.T.MaxSources}
	if e.T.FastLeave != 0 {
		r.Leave = igmp.LeaveNow
	}
	for rec, ok := list.Next(); ok; rec, ok = list.Next() {
		if !b.db.Apply(now, in, &r, rec) {
			e.S.NotRecorded++
		}
		b.follow()
	}
	for r.Leave == igmp.LeaveNow && b.db.Expire(now) {
		b.follow()
	}
	b.toRouters(ToRouters, d)
}

// query goes everywhere. It tells where a router is, unless its source is
// 0.0.0.0, which is another switch's (RFC 4541 §2.1.1, 1b); a specific one tells
// by when those who still listen will have said so.
func (b *Bridge) query(now clock.Time, e Env, in int32, p *igmp.Packet, m wire.IGMP, d *Decision) {
	q, fault := wire.ParseIGMPv3Query(m)
	if m.QueryVersion() == 0 || m.QueryVersion() == 3 && fault != wire.OK {
		b.bad(e, d)
		return
	}
	e.S.Queries++
	if !p.Src.IsUnspecified() {
		b.heardRouter(now, in, e.T)
	}
	if fault == wire.OK && !q.S() && q.Group().IsMulticast() {
		last := time.Duration(q.MaxResp()) * 100 * time.Millisecond * time.Duration(e.T.LastMemberCount)
		b.lower(now, q, last)
	}
	b.flood(d)
}

// lower gives every port's hosts the Last Member Query Time to answer (RFC 3376
// §6.6.1).
func (b *Bridge) lower(now clock.Time, q wire.IGMPv3Query, last time.Duration) {
	for _, n := range b.routers {
		b.db.Query(now, n, q, last)
	}
	g := b.group(q.Group().As4())
	if g == nil {
		return
	}
	for _, n := range g.any {
		b.db.Query(now, n, q, last)
	}
	for _, m := range g.partial {
		b.db.Query(now, m.Port(), q, last)
	}
	for i := range q.NumSources() {
		for _, n := range g.from(q.Source(i).As4()) {
			b.db.Query(now, n, q, last)
		}
	}
}
