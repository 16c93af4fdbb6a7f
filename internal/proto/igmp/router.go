package igmp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// RouterTunables are the router's variables (RFC 3376 §8).
type RouterTunables struct {
	Robustness         int32 `sysctl:"net.inet.igmp.router.robustness,min=1,max=7" desc:"losses in a row that do no harm, plus one"`
	QueryInterval      int32 `sysctl:"net.inet.igmp.router.query_interval,min=1,max=31744" desc:"seconds between general queries"`
	QueryResponse      int32 `sysctl:"net.inet.igmp.router.query_response,min=1,max=31744" desc:"tenths of a second for the answers to a general query"`
	LastMemberInterval int32 `sysctl:"net.inet.igmp.router.last_member_interval,min=1,max=31744" desc:"tenths of a second for the answers to a specific query"`
	LastMemberCount    int32 `sysctl:"net.inet.igmp.router.last_member_count,min=0,max=7" desc:"specific queries before nobody is believed to be left; 0: robustness"`
	StartupCount       int32 `sysctl:"net.inet.igmp.router.startup_count,min=0,max=7" desc:"general queries at the start, a quarter of the interval apart; 0: robustness"`
	Version            int32 `sysctl:"net.inet.igmp.router.version,min=1,max=3" desc:"of the queries: that of the oldest router on the link"`
	SSM                int32 `sysctl:"net.inet.igmp.router.ssm,min=0,max=1" desc:"groups in 232.0.0.0/8 are for source-specific multicast only"`
	MaxGroups          int32 `sysctl:"net.inet.igmp.router.max_groups,min=0,max=16777216" desc:"groups per interface"`
	MaxSources         int32 `sysctl:"net.inet.igmp.router.max_sources,min=0,max=65535" desc:"sources per group"`
}

// RouterDefaults returns the tunables a world starts with.
func RouterDefaults() RouterTunables {
	return RouterTunables{Robustness: 2, QueryInterval: 125, QueryResponse: 100, LastMemberInterval: 10,
		Version: 3, SSM: 1, MaxGroups: 65536, MaxSources: 1024}
}

// RouterStats counts what a stack's routers heard and sent.
type RouterStats struct {
	Received     uint64 `stat:"igmp.router.received"`
	Bad          uint64 `stat:"igmp.router.bad"`
	Queries      uint64 `stat:"igmp.router.queries"`
	Reports      uint64 `stat:"igmp.router.reports"`
	OlderReports uint64 `stat:"igmp.router.olderreports"`
	Leaves       uint64 `stat:"igmp.router.leaves"`
	Refused      uint64 `stat:"igmp.router.refused"`
	NotSSM       uint64 `stat:"igmp.router.notssm"`
	OtherVersion uint64 `stat:"igmp.router.otherversion"`
	Sent         uint64 `stat:"igmp.router.sent"`
}

func (s *RouterStats) count(typ uint8) {
	switch typ {
	case wire.IGMPTypeV3Report:
		s.Reports++
	case wire.IGMPTypeV2Leave:
		s.Leaves++
	default:
		s.OlderReports++
	}
}

// RouterEnv is what a Router borrows for one call.
type RouterEnv struct {
	T *RouterTunables
	S *RouterStats
}

func (t *RouterTunables) rules() gmp.RouterRules {
	const tenth = 100 * time.Millisecond
	v := gmp.RouterRules{
		Interval: time.Duration(t.QueryInterval) * time.Second, Response: time.Duration(t.QueryResponse) * tenth,
		LastMember: time.Duration(t.LastMemberInterval) * tenth, MaxGroups: t.MaxGroups, MaxSources: t.MaxSources,
		Robustness: uint8(t.Robustness), LastCount: uint8(t.LastMemberCount), Startup: uint8(t.StartupCount),
		Version: uint8(t.Version), SSM: t.SSM != 0,
	}
	switch { // RFC 3376 §7.3.1
	case v.Version == 1:
		v.Response = responseV1
	case v.Version == 2:
		v.Response, v.LastMember = min(v.Response, 255*tenth), min(v.LastMember, 255*tenth)
	}
	return v
}

// Router asks, on one interface, who listens to what, and remembers the
// answers. Of several routers the one with the lowest address asks.
type Router struct{ engine gmp.Router[addr] }

// NewRouter returns the engine of an interface with the address, which starts
// as the querier. Without events NextEvent has nothing to tell.
func NewRouter(now clock.Time, t *RouterTunables, self netip.Addr, events bool) *Router {
	r := t.rules()
	return &Router{gmp.NewRouter(now, &r, self.As4(), events)}
}

// SetSelf gives the router another address, with which it asks as one that has just
// started. What it remembers stays.
func (r *Router) SetSelf(now clock.Time, t *RouterTunables, self netip.Addr) {
	rules := t.rules()
	r.engine.SetSelf(now, &rules, self.As4())
}

// Querier reports whether this router is the one that asks.
func (r *Router) Querier(now clock.Time) bool { return r.engine.Querier(now) }

// QuerierAddr returns the address of the router that asks.
func (r *Router) QuerierAddr(now clock.Time) netip.Addr { return r.engine.QuerierAddr(now) }

// Forwards reports whether datagrams of the source to the group are wanted on
// the interface.
func (r *Router) Forwards(group, src netip.Addr) bool { return r.engine.Forwards(group, src) }

// State returns what is known of the interface's groups, sorted.
func (r *Router) State(now clock.Time) []GroupState { return r.engine.State(now) }

// NextEvent returns the next change of what is to be forwarded, until there is
// none: to be pulled after every Input and after Next said no.
func (r *Router) NextEvent(e *Event) bool { return r.engine.NextEvent(e) }

// Deadline returns when Next will have something to do.
func (r *Router) Deadline() clock.Time { return r.engine.Deadline() }

// Next writes the next query that is due into out.Buf; false if none is. It also
// lets timers run out, so pull it at every deadline.
func (r *Router) Next(now clock.Time, e RouterEnv, out *Out) bool {
	rules, ask := e.T.rules(), gmp.Ask[addr]{Buf: out.Buf, Head: wire.IGMPv3QueryLen}
	if !r.engine.Next(now, &rules, &ask) {
		return false
	}
	e.S.Sent++
	group := netip.AddrFrom4(ask.Group)
	out.Dst, out.RouterAlert = group, ask.Version > 1
	if group.IsUnspecified() {
		out.Dst = allSystems()
	}
	if ask.Version < 3 { // RFC 3376 §7.3.1
		code := uint8(ask.MaxResp / (100 * time.Millisecond))
		if ask.Version == 1 {
			code = 0
		}
		wire.PutIGMP(out.Buf, wire.IGMPTypeQuery, code, group)
		out.N, out.TOS = wire.IGMPLen, 0
		return true
	}
	h := wire.IGMPv3QueryHeader{MaxRespCode: wire.IGMPEncode(int(ask.MaxResp / (100 * time.Millisecond))), Group: group,
		S: ask.Suppress, QRV: ask.Robustness, QQIC: wire.IGMPEncode(int(ask.Interval / time.Second))}
	wire.PutIGMPv3Query(out.Buf, &h, nil)
	if ask.N > 0 {
		binary.BigEndian.PutUint16(out.Buf[10:], uint16(ask.N/4))
		sum(out.Buf[:wire.IGMPv3QueryLen+ask.N])
	}
	out.N, out.TOS = wire.IGMPv3QueryLen+ask.N, precedence
	return true
}

// sum fills in the checksum of a message.
func sum(b []byte) {
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint16(b[2:], wire.Checksum(b))
}

// Input takes a message that the interface received. Hosts' reports and other
// routers' queries both go here.
func (r *Router) Input(now clock.Time, e RouterEnv, p *Packet) Verdict {
	e.S.Received++
	m, verdict := Check(p)
	if verdict == Accepted {
		rules := e.T.rules()
		switch m.Type() {
		case wire.IGMPTypeQuery:
			var q Query
			if q, verdict = ParseQuery(m); verdict == Accepted {
				e.S.Queries++
				if q.Version != rules.Version {
					e.S.OtherVersion++
				}
				r.engine.Query(now, &rules, p.Src.As4(), &q)
			}
		case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report, wire.IGMPTypeV2Leave, wire.IGMPTypeV3Report:
			e.S.count(m.Type())
			verdict = r.report(now, e, &rules, p, m)
		}
	}
	if verdict != Accepted {
		e.S.Bad++
	}
	return verdict
}

func (r *Router) report(now clock.Time, e RouterEnv, rules *gmp.RouterRules, p *Packet, m wire.IGMP) Verdict {
	report, verdict := ParseReport(p, m)
	for rec, ok := report.Next(); ok; rec, ok = report.Next() {
		if r.engine.Ignores(rules, &rec) {
			e.S.NotSSM++
		} else if !r.engine.Apply(now, rules, rec) {
			e.S.Refused++
		}
	}
	return verdict
}
