package watch

import (
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// querier is who asks.
type querier struct {
	vlan        uint16
	six         bool
	addr        netip.Addr
	mac         wire.MAC
	version     int
	first, last int64 // of its general queries; first is of any
	general     uint64
	specific    uint64
	robustness  uint8 // the last it said; 0: nothing
	interval    time.Duration
	maxResp     time.Duration // of its last general query
}

// asked is a query whose answers are waited for.
type asked struct {
	vlan    uint16
	six     bool
	group   netip.Addr // not valid: all
	sources []netip.Addr
	from    netip.Addr
	at, due int64
}

const (
	maxQueriers = 1000
	maxAsked    = 256
	// grace is what an answer may be late by: a host, and what captures it, are
	// not always prompt.
	grace = 500 * time.Millisecond

	// What RFC 3376 §8 has where no querier says otherwise.
	defaultRobustness = 2
	defaultInterval   = 125 * time.Second
	defaultResponse   = 10 * time.Second
)

// about tells whether the query is about a group.
func (a *asked) about(g netip.Addr) bool { return !a.group.IsValid() || a.group == g }

// concerns tells whether a member has to answer (RFC 3376 §5.2).
func (a *asked) concerns(m *member) bool {
	switch {
	case a.vlan != m.host.vlan || a.six != m.host.six || !a.about(m.group.addr) || m.since >= a.at:
		return false
	case len(a.sources) == 0 || m.version < 3 && !a.six || m.version < 2:
		return true
	case m.filter.Mode == mcast.Include:
		return overlap(m.filter.Sources, a.sources)
	}
	_, wanted := differ(a.sources, m.filter.Sources)
	return len(wanted) > 0
}

// query takes a query.
func (w *Watcher) query(p *packet, m *message) {
	q := w.querierOf(p)
	if q != nil {
		w.asks(q, m)
	}
	w.tell(Event{
		Kind: Asked, VLAN: p.vlan, Host: p.src, MAC: macText(p.frame.src), Protocol: protocol(m.six, m.version), Group: m.group,
		Query: &Question{
			General: !m.group.IsValid(), Sources: m.sources, MaxResp: m.maxResp.Seconds(),
			Robustness: m.robustness, Interval: m.interval.Seconds(), Suppress: m.suppress,
		},
	})
	if len(w.asked) >= maxAsked {
		w.count.Refused.Queries++
		return
	}
	w.asked = append(w.asked, asked{
		vlan: p.vlan, six: m.six, group: m.group, sources: mcast.Sorted(m.sources), from: p.src,
		at: w.now, due: w.now + int64(m.maxResp+grace),
	})
}

func (w *Watcher) querierOf(p *packet) *querier {
	i := slices.IndexFunc(w.queriers, func(q *querier) bool { return q.vlan == p.vlan && q.addr == p.src && q.six == p.six })
	if i >= 0 {
		return w.queriers[i]
	}
	if len(w.queriers) >= maxQueriers {
		w.count.Refused.Queries++
		return nil
	}
	q := &querier{vlan: p.vlan, six: p.six, addr: p.src, mac: p.frame.src, first: w.now}
	w.queriers = append(w.queriers, q)
	return q
}

// asks notes what a querier asks, and finds what is wrong with that.
func (w *Watcher) asks(q *querier, m *message) {
	q.version = m.version
	if m.robustness > 0 {
		q.robustness = m.robustness
	}
	if m.interval > 0 {
		q.interval = m.interval
	}
	if m.group.IsValid() {
		q.specific++
		return
	}
	for _, o := range w.queriers {
		if o == q || o.vlan != q.vlan || o.six != q.six || o.general == 0 || w.now-o.last > int64(o.present()) {
			continue
		}
		if o.version != m.version {
			w.strange(q.vlan, q.addr, q.mac, netip.Addr{}, QuerierVersions, protocol(q.six, m.version)+", and "+o.addr.String()+" asks in "+protocol(o.six, o.version)+" (RFC 3376 §7.3.1: all routers use the lowest)")
		}
		if !o.addr.IsUnspecified() && !q.addr.IsUnspecified() && o.addr.Less(q.addr) {
			w.strange(q.vlan, q.addr, q.mac, netip.Addr{}, SeveralQueriers, "asks although "+o.addr.String()+" does, whose address is lower (RFC 3376 §6.6.2)")
		}
	}
	q.general++
	q.last, q.maxResp = w.now, m.maxResp
}

// times returns what the querier says, or what holds if it does not.
func (q *querier) times() (robustness int, interval, response time.Duration) {
	robustness, interval, response = defaultRobustness, defaultInterval, defaultResponse
	if q.robustness > 0 {
		robustness = int(q.robustness)
	}
	if q.interval > 0 {
		interval = q.interval
	}
	if q.general > 0 && q.maxResp > 0 {
		response = q.maxResp
	}
	return robustness, interval, response
}

// present is the Other Querier Present Interval (RFC 3376 §8.5).
func (q *querier) present() time.Duration {
	r, i, m := q.times()
	return time.Duration(r)*i + m/2
}

// elected returns who is the querier: of those heard of lately the one of the
// lowest address (RFC 3376 §6.6.2); one without an address is a switch, which
// only counts where there is no router (RFC 4541 §2.1.1). nil if there is none.
func (w *Watcher) elected(vlan uint16, six bool) (best *querier) {
	for _, q := range w.queriers {
		if q.vlan != vlan || q.six != six || q.general == 0 || w.now-q.last > int64(q.present()) {
			continue
		}
		if best == nil || best.addr.IsUnspecified() || !q.addr.IsUnspecified() && q.addr.Less(best.addr) {
			best = q
		}
	}
	return best
}

// overdue looks at the queries whose answers had time until now.
func (w *Watcher) overdue() {
	for i := 0; i < len(w.asked); {
		a := w.asked[i]
		if a.due > w.now {
			i++
			continue
		}
		w.asked = slices.Delete(w.asked, i, i+1)
		for _, h := range w.hostList {
			if h.vlan == a.vlan && h.six == a.six {
				w.silent(h, &a)
			}
		}
	}
}

// silent finds the memberships of a host that it has not reported since a query.
func (w *Watcher) silent(h *host, a *asked) {
	check := func(m *member) {
		if !a.concerns(m) || m.last >= a.at || m.group.older >= a.at {
			return
		}
		w.strange(h.vlan, h.ip, h.mac, m.group.addr, NoAnswer, "was asked by "+a.from.String()+" at "+strconv.FormatFloat(w.seconds(a.at), 'f', 6, 64)+" and did not answer in time")
	}
	if a.group.IsValid() {
		if m := h.groups[a.group]; m != nil {
			check(m)
		}
		return
	}
	for _, m := range h.sorted() {
		check(m)
	}
}

// sorted returns a host's memberships by group.
func (h *host) sorted() []*member {
	all := make([]*member, 0, len(h.groups))
	for _, m := range h.groups {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *member) int { return a.group.addr.Compare(b.group.addr) })
	return all
}

// expire ends the memberships that nobody has reported for a Group Membership
// Interval (RFC 3376 §8.4) although somebody asks. Where nobody does, nobody
// reports, and they stay.
func (w *Watcher) expire() {
	if len(w.queriers) == 0 {
		return
	}
	for _, h := range w.hostList {
		q := w.elected(h.vlan, h.six)
		if q == nil || len(h.groups) == 0 {
			continue
		}
		r, interval, response := q.times()
		limit := int64(time.Duration(r)*interval + response)
		for _, m := range h.sorted() {
			last := m.last
			if m.version < 3 && !h.six || m.version < 2 {
				last = max(last, m.group.older) // another's report was as good
			}
			if w.now-last <= limit || q.last <= last {
				continue
			}
			w.leave(m)
			w.tellMember(Expired, m, nil, nil)
			w.strange(h.vlan, h.ip, h.mac, m.group.addr, RanOut, "was not reported for "+time.Duration(limit).String()+", the membership interval")
		}
	}
}
