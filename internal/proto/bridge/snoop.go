package bridge

import (
	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/igmp"
	"github.com/seed88948545/vimage/internal/proto/mld"
	"github.com/seed88948545/vimage/internal/wire"
)

// snoop takes an IGMP message.
func (b *Bridge) snoop(now clock.Time, e Env, ip wire.IPv4, d *Decision) {
	p := igmp.Packet{Src: ip.Src(), Dst: ip.Dst(), TTL: ip.TTL(), SumOK: e.SumOK, Payload: ip.Payload()}
	if ip.IsFragment() || !understood(p.Payload) { // RFC 4541 §2.1.1, 3
		b.flood(d)
		return
	}
	m, v := igmp.Check(&p)
	if v == igmp.Accepted {
		switch m.Type() {
		case wire.IGMPTypeQuery:
			v = b.query(now, e, &p, m, d)
		case wire.IGMPTypeDVMRP, igmpMRDAdvert:
			if isRouter4(p.Dst, m) {
				b.v4.heardRouter(now, d.In, e.T)
			}
			b.flood(d)
		default:
			v = b.report(now, e, &p, m, d)
		}
	}
	if v != igmp.Accepted {
		e.S.BadIGMP++
		d.Verdict = BadIGMP
	}
}

// understood tells whether an IGMP message is of a type that a switch looks
// into; of others it believes nothing beyond the network's header.
func understood(m []byte) bool {
	if len(m) == 0 {
		return true // so far as to see that it is bad
	}
	switch m[0] {
	case wire.IGMPTypeQuery, wire.IGMPTypeDVMRP, igmpMRDAdvert,
		wire.IGMPTypeV1Report, wire.IGMPTypeV2Report, wire.IGMPTypeV2Leave, wire.IGMPTypeV3Report:
		return true
	}
	return false
}

// report notes what the port's hosts want, and shows it to routers only: other
// hosts would suppress theirs (RFC 4541 §2.1.1, 1).
func (b *Bridge) report(now clock.Time, e Env, p *igmp.Packet, m wire.IGMP, d *Decision) igmp.Verdict {
	e.S.Reports++
	list, v := igmp.ParseReport(p, m)
	if v == igmp.Accepted {
		for rec, ok := list.Next(); ok; rec, ok = list.Next() {
			noted(b, now, e, &b.v4, d.In, rec)
		}
		b.v4.toRouters(ToRouters, b.reports, d)
		b.withhold(d)
	}
	return v
}

// query goes everywhere. It tells where a router is, unless its source is
// 0.0.0.0, which is another switch's (RFC 4541 §2.1.1, 1b); a specific one tells
// by when those who still listen will have said so.
func (b *Bridge) query(now clock.Time, e Env, p *igmp.Packet, m wire.IGMP, d *Decision) igmp.Verdict {
	q, v := igmp.ParseQuery(m)
	if v == igmp.Accepted {
		e.S.Queries++
		if !p.Src.IsUnspecified() {
			b.v4.heard(now, d.In, &q, e.T)
			b.v4.elect(now, p.Src.As4(), e.T)
		}
		b.v4.lower(now, &q, e.T)
		b.flood(d)
	}
	return v
}

// snoop6 takes an MLD message (RFC 4541 §3). Reports from no address count: it is
// what hosts send that have none yet (RFC 3590 §4).
func (b *Bridge) snoop6(now clock.Time, e Env, p *mld.Packet, d *Decision) {
	m, v := mld.Check(p)
	if v == mld.BadSource && p.Src.IsUnspecified() { // a query, not a router's (RFC 4541 §3)
		e.S.Queries++
		b.flood(d)
		return
	}
	if v == mld.Accepted {
		if m.Type() == wire.ICMP6MLDQuery {
			v = b.query6(now, e, p, m, d)
		} else {
			v = b.report6(now, e, p, m, d)
		}
	}
	if v != mld.Accepted {
		e.S.BadMLD++
		d.Verdict = BadMLD
	}
}

func (b *Bridge) report6(now clock.Time, e Env, p *mld.Packet, m wire.ICMP6, d *Decision) mld.Verdict {
	e.S.Reports++
	list, v := mld.ParseReport(p, m)
	if v == mld.Accepted {
		for rec, ok := list.Next(); ok; rec, ok = list.Next() {
			noted(b, now, e, &b.v6, d.In, rec)
		}
		b.v6.toRouters(ToRouters, b.reports, d)
		b.withhold(d)
	}
	return v
}

func (b *Bridge) query6(now clock.Time, e Env, p *mld.Packet, m wire.ICMP6, d *Decision) mld.Verdict {
	q, v := mld.ParseQuery(p, m)
	if v == mld.Accepted {
		e.S.Queries++
		b.v6.heard(now, d.In, &q, e.T)
		b.v6.elect(now, p.Src.As16(), e.T)
		b.v6.lower(now, &q, e.T)
		b.flood(d)
	}
	return v
}

func noted[A gmp.Address](b *Bridge, now clock.Time, e Env, s *side[A], n int32, rec gmp.Record[A]) {
	p := b.ports.At(n)
	o := p.options()
	if !s.note(now, e, n, &o, rec) {
		p.make().refused++
		e.S.NotRecorded++
	}
}
