package igmp

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
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
	MaxGroups          int32 `sysctl:"net.inet.igmp.router.max_groups,min=0,max=16777216" desc:"groups per interface"`
	MaxSources         int32 `sysctl:"net.inet.igmp.router.max_sources,min=0,max=65535" desc:"sources per group"`
}

// RouterDefaults returns the tunables a world starts with.
func RouterDefaults() RouterTunables {
	return RouterTunables{Robustness: 2, QueryInterval: 125, QueryResponse: 100, LastMemberInterval: 10,
		MaxGroups: 65536, MaxSources: 1024}
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

// Router asks, on one interface, who listens to what, and remembers the
// answers. Of several routers the one with the lowest address asks.
type Router struct {
	db         Database   // its one port is 0
	self       addr       // the interface's address
	querier    addr       // the other one that asks
	otherUntil clock.Time // Other Querier Present (RFC 3376 §8.5)
	generalAt  clock.Time
	otherQuery time.Duration // the other's query interval, 0 if unknown
	otherRV    uint8         // and robustness
	startup    uint8         // startup queries still to be sent
}

// NewRouter returns the engine of an interface with the address, which starts
// as the querier. Without events NextEvent has nothing to tell.
func NewRouter(now clock.Time, t *RouterTunables, self netip.Addr, events bool) *Router {
	r := &Router{db: Database{Quiet: !events}, self: addrOf(self), generalAt: now, otherUntil: -clock.Never}
	r.startup = uint8(count(t.StartupCount, t))
	return r
}

func count(n int32, t *RouterTunables) int32 {
	if n == 0 {
		return max(t.Robustness, 1)
	}
	return n
}

// variables are the tunables as times, with the querier's in place of ours while
// another router asks (RFC 3376 §4.1.6, §4.1.7).
type variables struct {
	query, response, lastMember time.Duration
	robustness, lastCount       uint8
}

func (r *Router) variables(now clock.Time, t *RouterTunables) variables {
	const tenth = 100 * time.Millisecond
	v := variables{
		query:    time.Duration(t.QueryInterval) * time.Second,
		response: time.Duration(t.QueryResponse) * tenth, lastMember: time.Duration(t.LastMemberInterval) * tenth,
		robustness: uint8(t.Robustness), lastCount: uint8(count(t.LastMemberCount, t)),
	}
	if !r.Querier(now) {
		if r.otherQuery != 0 {
			v.query = r.otherQuery
		}
		if r.otherRV != 0 {
			v.robustness = r.otherRV
		}
	}
	return v
}

func (v *variables) lastMemberTime() time.Duration { return time.Duration(v.lastCount) * v.lastMember }

// member is the Group Membership Interval (RFC 3376 §8.4).
func (v *variables) member() time.Duration {
	return time.Duration(v.robustness)*v.query + v.response
}

func (r *Router) rules(now clock.Time, t *RouterTunables, v *variables) Rules {
	rules := Rules{Member: v.member(), LastMember: v.lastMemberTime(), Count: v.lastCount,
		MaxGroups: t.MaxGroups, MaxSources: t.MaxSources, Leave: LeaveWait}
	if r.Querier(now) {
		rules.Leave = LeaveQuery
	}
	return rules
}

// Querier reports whether this router is the one that asks.
func (r *Router) Querier(now clock.Time) bool { return now >= r.otherUntil }

// QuerierAddr returns the address of the router that asks.
func (r *Router) QuerierAddr(now clock.Time) netip.Addr {
	if r.Querier(now) {
		return r.self.netip()
	}
	return r.querier.netip()
}

// Forwards reports whether datagrams of the source to the group are wanted on
// the interface.
func (r *Router) Forwards(group, src netip.Addr) bool {
	g := r.db.Lookup(0, group.As4())
	return g != nil && g.Forwards(src.As4())
}

// State returns what is known of the interface's groups, sorted.
func (r *Router) State(now clock.Time) []GroupState { return r.db.State(now, 0) }

// NextEvent returns the next change of what is to be forwarded, until there is
// none: to be pulled after every Input and after Next said no.
func (r *Router) NextEvent(e *Event) bool { return r.db.NextEvent(e) }

// Deadline returns when Next will have something to do.
func (r *Router) Deadline() clock.Time {
	return min(r.db.Deadline(), r.generalAt)
}

// Next writes the next query that is due into out.Buf; false if none is. It also
// lets timers run out, so pull it at every deadline.
func (r *Router) Next(now clock.Time, e RouterEnv, out *Out) bool {
	v := r.variables(now, e.T)
	for r.db.heap.deadline() <= now {
		g := r.db.heap.top()
		if !r.db.expire(now, g) {
			continue
		}
		n := 0
		if r.Querier(now) {
			n = g.nextAsk(now, &v, out.Buf)
		} else {
			g.asks = nil
		}
		g.wake = g.earliest()
		r.db.heap.fix(g)
		if n > 0 {
			r.send(e, out, n, g.at.netip())
			return true
		}
	}
	if r.generalAt > now {
		return false
	}
	if r.startup > 0 {
		r.startup--
	}
	r.generalAt = now.Add(v.query)
	if r.startup > 0 {
		r.generalAt = now.Add(v.query / 4) // RFC 3376 §8.6
	}
	h := wire.IGMPv3QueryHeader{MaxRespCode: wire.IGMPEncode(int(e.T.QueryResponse)), Group: netip.IPv4Unspecified(),
		QRV: v.robustness, QQIC: wire.IGMPEncode(int(e.T.QueryInterval))}
	r.send(e, out, wire.PutIGMPv3Query(out.Buf, &h, nil), allSystems())
	return true
}

func (r *Router) send(e RouterEnv, out *Out, n int, to netip.Addr) {
	out.N, out.Dst, out.TOS, out.RouterAlert = n, to, precedence, true
	e.S.Sent++
}

// Input takes a message that the interface received. Hosts' reports and other
// routers' queries both go here.
func (r *Router) Input(now clock.Time, e RouterEnv, p *Packet) Verdict {
	e.S.Received++
	m, verdict := Check(p)
	if verdict == Accepted {
		v := r.variables(now, e.T)
		switch m.Type() {
		case wire.IGMPTypeQuery:
			verdict = r.query(now, e, p, m, &v)
		case wire.IGMPTypeV1Report, wire.IGMPTypeV2Report, wire.IGMPTypeV2Leave, wire.IGMPTypeV3Report:
			e.S.count(m.Type())
			verdict = r.report(now, e, p, m, &v)
		}
	}
	if verdict != Accepted {
		e.S.Bad++
	}
	return verdict
}

func (r *Router) report(now clock.Time, e RouterEnv, p *Packet, m wire.IGMP, v *variables) Verdict {
	report, verdict := ParseReport(p, m)
	rules := r.rules(now, e.T, v)
	for rec, ok := report.Next(); ok; rec, ok = report.Next() {
		if !r.db.Apply(now, 0, &rules, rec) {
			e.S.Refused++
		}
	}
	return verdict
}

// query takes another router's query: RFC 3376 §6.6.1, §6.6.2.
func (r *Router) query(now clock.Time, e RouterEnv, p *Packet, m wire.IGMP, v *variables) Verdict {
	q, fault := wire.ParseIGMPv3Query(m)
	if m.QueryVersion() == 3 && fault != wire.OK || m.QueryVersion() == 0 {
		return TooShort
	}
	e.S.Queries++
	src := addrOf(p.Src)
	if src == (addr{}) || r.self != (addr{}) && r.self.compare(src) <= 0 {
		return Accepted // we ask, or it is a switch without an address (RFC 4541 §2.1.1)
	}
	if r.Querier(now) || src.compare(r.querier) <= 0 {
		r.querier = src
		r.otherQuery, r.otherRV = 0, 0
		if fault == wire.OK {
			r.otherQuery, r.otherRV = time.Duration(q.QQI())*time.Second, q.QRV()
		}
		r.otherUntil = now.Add(v.otherPresent(r, e.T))
		r.generalAt = r.otherUntil // its silence makes us ask
		r.startup = 0
	}
	if fault == wire.OK {
		limit := time.Duration(q.MaxResp()) * 100 * time.Millisecond * time.Duration(v.lastCount)
		r.db.Query(now, 0, q, limit)
	}
	return Accepted
}

// otherPresent is the Other Querier Present Interval (RFC 3376 §8.5).
func (v *variables) otherPresent(r *Router, t *RouterTunables) time.Duration {
	query, rv := v.query, v.robustness
	if r.otherQuery != 0 {
		query = r.otherQuery
	}
	if r.otherRV != 0 {
		rv = r.otherRV
	}
	return time.Duration(rv)*query + time.Duration(t.QueryResponse)*100*time.Millisecond/2
}
