package mld

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// RouterTunables are the router's variables (RFC 3810 §9).
type RouterTunables struct {
	Robustness           int32 `sysctl:"net.inet6.mld.router.robustness,min=1,max=7" desc:"losses in a row that do no harm, plus one"`
	QueryInterval        int32 `sysctl:"net.inet6.mld.router.query_interval,min=1,max=31744" desc:"seconds between general queries"`
	QueryResponse        int32 `sysctl:"net.inet6.mld.router.query_response,min=1,max=8387584" desc:"milliseconds for the answers to a general query"`
	LastListenerInterval int32 `sysctl:"net.inet6.mld.router.last_listener_interval,min=1,max=8387584" desc:"milliseconds for the answers to a specific query"`
	LastListenerCount    int32 `sysctl:"net.inet6.mld.router.last_listener_count,min=0,max=7" desc:"specific queries before nobody is believed to be left; 0: robustness"`
	StartupCount         int32 `sysctl:"net.inet6.mld.router.startup_count,min=0,max=7" desc:"general queries at the start, a quarter of the interval apart; 0: robustness"`
	Version              int32 `sysctl:"net.inet6.mld.router.version,min=1,max=2" desc:"of the queries: that of the oldest router on the link"`
	SSM                  int32 `sysctl:"net.inet6.mld.router.ssm,min=0,max=1" desc:"groups in ff3x::/32 are for source-specific multicast only"`
	MaxGroups            int32 `sysctl:"net.inet6.mld.router.max_groups,min=0,max=16777216" desc:"groups per interface"`
	MaxSources           int32 `sysctl:"net.inet6.mld.router.max_sources,min=0,max=65535" desc:"sources per group"`
}

// RouterDefaults returns the tunables a world starts with.
func RouterDefaults() RouterTunables {
	return RouterTunables{Robustness: 2, QueryInterval: 125, QueryResponse: 10000, LastListenerInterval: 1000,
		Version: 2, SSM: 1, MaxGroups: 65536, MaxSources: 1024}
}

// RouterStats counts what a stack's routers heard and sent.
type RouterStats struct {
	Received     uint64 `stat:"mld.router.received"`
	Bad          uint64 `stat:"mld.router.bad"`
	Queries      uint64 `stat:"mld.router.queries"`
	Reports      uint64 `stat:"mld.router.reports"`
	OlderReports uint64 `stat:"mld.router.olderreports"`
	Dones        uint64 `stat:"mld.router.dones"`
	Refused      uint64 `stat:"mld.router.refused"`
	NotSSM       uint64 `stat:"mld.router.notssm"`
	OtherVersion uint64 `stat:"mld.router.otherversion"`
	Sent         uint64 `stat:"mld.router.sent"`
}

func (s *RouterStats) count(typ uint8) {
	switch typ {
	case wire.ICMP6MLDv2Report:
		s.Reports++
	case wire.ICMP6MLDDone:
		s.Dones++
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
	v := gmp.RouterRules{
		Interval: time.Duration(t.QueryInterval) * time.Second, Response: time.Duration(t.QueryResponse) * time.Millisecond,
		LastMember: time.Duration(t.LastListenerInterval) * time.Millisecond, MaxGroups: t.MaxGroups, MaxSources: t.MaxSources,
		Robustness: uint8(t.Robustness), LastCount: uint8(t.LastListenerCount), Startup: uint8(t.StartupCount),
		Version: v1, SSM: t.SSM != 0,
	}
	if t.Version > 1 {
		v.Version = v2
		return v
	}
	const longest = 65535 * time.Millisecond // RFC 3810 §8.3.1: no code
	v.Response, v.LastMember = min(v.Response, longest), min(v.LastMember, longest)
	return v
}

// Router asks, on one interface, who listens to what, and remembers the
// answers. Of several routers the one with the lowest address asks.
type Router struct{ engine gmp.Router[addr] }

// NewRouter returns the engine of an interface with the link-local address,
// which starts as the querier. Without events NextEvent has nothing to tell.
func NewRouter(now clock.Time, t *RouterTunables, self netip.Addr, events bool) *Router {
	r := t.rules()
	return &Router{gmp.NewRouter(now, &r, self.As16(), events)}
}

// SetSelf gives the router another address, with which it asks as one that has just
// started. What it remembers stays.
func (r *Router) SetSelf(now clock.Time, t *RouterTunables, self netip.Addr) {
	rules := t.rules()
	r.engine.SetSelf(now, &rules, self.As16())
}

// Querier reports whether this router is the one that asks.
func (r *Router) Querier(now clock.Time) bool { return r.engine.Querier(now) }

// QuerierAddr returns the address of the router that asks.
func (r *Router) QuerierAddr(now clock.Time) netip.Addr { return r.engine.QuerierAddr(now) }

// Forwards reports whether datagrams of the source to the group are wanted on
// the interface.
func (r *Router) Forwards(group, src netip.Addr) bool { return r.engine.Forwards(group, src) }

// State returns what is known of the interface's groups, sorted. Groups of the
// link, which no router forwards, are there too: switches rely on somebody
// asking about them.
func (r *Router) State(now clock.Time) []GroupState { return r.engine.State(now) }

// NextEvent returns the next change of what is to be forwarded, until there is
// none: to be pulled after every Input and after Next said no.
func (r *Router) NextEvent(e *Event) bool { return r.engine.NextEvent(e) }

// Deadline returns when Next will have something to do.
func (r *Router) Deadline() clock.Time { return r.engine.Deadline() }

// Next writes the next query that is due into out.Buf; false if none is. It also
// lets timers run out, so pull it at every deadline.
func (r *Router) Next(now clock.Time, e RouterEnv, out *Out) bool {
	longest := min(len(out.Buf), wire.MLDv2QueryLen+16*maxQuery)
	rules, ask := e.T.rules(), gmp.Ask[addr]{Buf: out.Buf[:longest], Head: wire.MLDv2QueryLen}
	if !r.engine.Next(now, &rules, &ask) {
		return false
	}
	e.S.Sent++
	group := netip.AddrFrom16(ask.Group)
	out.Dst = group
	if group.IsUnspecified() { // RFC 3810 §5.1.15
		out.Dst = netip.IPv6LinkLocalAllNodes()
	}
	if ask.Version == v1 {
		wire.PutMLD(out.Buf, wire.ICMP6MLDQuery, uint16(ask.MaxResp/time.Millisecond), group)
		out.N = wire.MLDLen
		return true
	}
	h := wire.MLDv2QueryHeader{MaxRespCode: wire.MLDEncode(int(ask.MaxResp / time.Millisecond)), Group: group,
		S: ask.Suppress, QRV: ask.Robustness, QQIC: wire.IGMPEncode(int(ask.Interval / time.Second))}
	wire.PutMLDv2Query(out.Buf, &h, nil)
	binary.BigEndian.PutUint16(out.Buf[26:], uint16(ask.N/16))
	out.N = wire.MLDv2QueryLen + ask.N
	return true
}

// Input takes a message that the interface received. Hosts' reports and other
// routers' queries both go here.
func (r *Router) Input(now clock.Time, e RouterEnv, p *Packet) Verdict {
	e.S.Received++
	m, verdict := Check(p)
	if verdict == Accepted {
		rules := e.T.rules()
		if m.Type() == wire.ICMP6MLDQuery {
			var q Query
			if q, verdict = ParseQuery(p, m); verdict == Accepted {
				e.S.Queries++
				if q.Version != rules.Version {
					e.S.OtherVersion++
				}
				r.engine.Query(now, &rules, p.Src.As16(), &q)
			}
		} else {
			e.S.count(m.Type())
			verdict = r.report(now, e, &rules, p, m)
		}
	}
	if verdict != Accepted {
		e.S.Bad++
	}
	return verdict
}

func (r *Router) report(now clock.Time, e RouterEnv, rules *gmp.RouterRules, p *Packet, m wire.ICMP6) Verdict {
	if p.Src.IsUnspecified() { // RFC 3810 §5.2.13
		return BadSource
	}
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
