package watch

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Report is what is known at a moment: the tables.
type Report struct {
	Seconds     float64      `json:"seconds"` // since the beginning
	Counts      Counts       `json:"counts"`
	Memberships []Membership `json:"memberships"` // by VLAN, group and host
	Groups      []Group      `json:"groups"`
	Queriers    []Querier    `json:"queriers"`
	Data        []Channel    `json:"data"`
	Unserved    []Unserved   `json:"unserved"`
	Anomalies   []Anomaly    `json:"anomalies"` // in order of appearance
}

// Membership is one host's of one group.
type Membership struct {
	VLAN     uint16       `json:"vlan,omitempty"`
	Host     netip.Addr   `json:"host"`
	MAC      string       `json:"mac,omitempty"`
	Group    netip.Addr   `json:"group"`
	Protocol string       `json:"protocol"`
	Mode     string       `json:"mode"`
	Sources  []netip.Addr `json:"sources"`
	Since    float64      `json:"since"`
	Last     float64      `json:"last"` // when it was last reported
}

// Group is the total of a group's members.
type Group struct {
	VLAN    uint16     `json:"vlan,omitempty"`
	Group   netip.Addr `json:"group"`
	Hosts   int        `json:"hosts"`
	Include int        `json:"include"` // of these
	Exclude int        `json:"exclude"`
	Sources int        `json:"sources"` // that any of them lists
	Most    int        `json:"most"`    // hosts at a time
	Packets uint64     `json:"packets"` // of data, since it first had a member
}

// Querier is somebody who asks.
type Querier struct {
	VLAN       uint16     `json:"vlan,omitempty"`
	Host       netip.Addr `json:"host"`
	MAC        string     `json:"mac,omitempty"`
	Protocol   string     `json:"protocol"`
	Elected    bool       `json:"elected"`
	General    uint64     `json:"general"`
	Specific   uint64     `json:"specific"`
	Robustness int        `json:"robustness"` // said, or the RFC's
	Interval   float64    `json:"interval_s"`
	MaxResp    float64    `json:"max_response_s"`
	First      float64    `json:"first"`
}

// Channel is the data of one source to one group.
type Channel struct {
	VLAN      uint16     `json:"vlan,omitempty"`
	Source    netip.Addr `json:"source"`
	Group     netip.Addr `json:"group"`
	Packets   uint64     `json:"packets"`
	Bytes     uint64     `json:"bytes"`
	First     float64    `json:"first"`
	Last      float64    `json:"last"`
	Listeners int        `json:"listeners"` // that want it now
	Most      int        `json:"most"`      // that wanted a packet of it
	Nobody    uint64     `json:"nobody"`    // packets that nobody wanted
	Local     bool       `json:"local"`     // never leaves its link: needs no listener
}

// Unserved is what is or was wanted and has not been seen.
type Unserved struct {
	VLAN   uint16     `json:"vlan,omitempty"`
	Source netip.Addr `json:"source,omitzero"` // zero: any
	Group  netip.Addr `json:"group"`
	Hosts  int        `json:"hosts"` // that want it now
}

// Report returns the tables as they are at a time.
func (w *Watcher) Report(at int64) *Report {
	w.Advance(at)
	r := &Report{
		Seconds: w.seconds(w.now), Counts: w.count, Memberships: []Membership{}, Groups: []Group{},
		Queriers: []Querier{}, Data: []Channel{}, Unserved: []Unserved{}, Anomalies: []Anomaly{},
	}
	groups := slices.Clone(w.groupList)
	slices.SortFunc(groups, func(a, b *group) int { return cmp.Or(cmp.Compare(a.vlan, b.vlan), a.addr.Compare(b.addr)) })
	for _, g := range groups {
		w.group(r, g)
	}
	w.channelsInto(r)
	slices.SortFunc(r.Unserved, func(a, b Unserved) int {
		return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), a.Group.Compare(b.Group), a.Source.Compare(b.Source))
	})
	for _, q := range w.queriers {
		robustness, interval, response := q.times()
		r.Queriers = append(r.Queriers, Querier{
			VLAN: q.vlan, Host: q.addr, MAC: macText(q.mac), Protocol: protocol(q.six, q.version), Elected: w.elected(q.vlan, q.six) == q,
			General: q.general, Specific: q.specific, Robustness: robustness, Interval: interval.Seconds(), MaxResp: response.Seconds(), First: w.seconds(q.first),
		})
	}
	for _, a := range w.anomalyList {
		r.Anomalies = append(r.Anomalies, *a)
	}
	return r
}

// group adds a group's members and its total.
func (w *Watcher) group(r *Report, g *group) {
	total := Group{VLAN: g.vlan, Group: g.addr, Hosts: len(g.members), Sources: len(g.listed), Most: g.peak, Packets: g.packets}
	members := slices.Clone(g.members)
	slices.SortFunc(members, func(a, b *member) int {
		return cmp.Or(a.host.ip.Compare(b.host.ip), slices.Compare(a.host.mac[:], b.host.mac[:]))
	})
	for _, m := range members {
		r.Memberships = append(r.Memberships, Membership{
			VLAN: g.vlan, Host: m.host.ip, MAC: macText(m.host.mac), Group: g.addr, Protocol: protocol(m.host.six, m.version),
			Mode: m.filter.Mode.String(), Sources: append([]netip.Addr{}, m.filter.Sources...), Since: w.seconds(m.since), Last: w.seconds(m.last),
		})
		if m.filter.Mode == mcast.Exclude {
			total.Exclude++
		} else {
			total.Include++
		}
	}
	r.Groups = append(r.Groups, total)
	if local(g.addr) {
		return
	}
	if g.anyone > 0 && g.packets == 0 {
		r.Unserved = append(r.Unserved, Unserved{VLAN: g.vlan, Group: g.addr, Hosts: g.anyone})
	}
	for s, l := range g.listed {
		if c := w.channels[channelKey{g.vlan, s, g.addr}]; l.include > 0 && (c == nil || c.packets == 0) {
			r.Unserved = append(r.Unserved, Unserved{VLAN: g.vlan, Source: s, Group: g.addr, Hosts: l.include})
		}
	}
}

// channelsInto adds the data, and what was wanted once and never came.
func (w *Watcher) channelsInto(r *Report) {
	for _, c := range w.channelList {
		now := 0
		g := w.groups[groupKey{c.vlan, c.group}]
		if g != nil {
			now = g.wanted(c.source)
		}
		if c.packets > 0 {
			r.Data = append(r.Data, Channel{
				VLAN: c.vlan, Source: c.source, Group: c.group, Packets: c.packets, Bytes: c.bytes, First: w.seconds(c.first), Last: w.seconds(c.last),
				Listeners: now, Most: c.most, Nobody: c.nobody, Local: local(c.group),
			})
			continue
		}
		again := c.source.IsValid() && g.listed[c.source] != nil && g.listed[c.source].include > 0 || !c.source.IsValid() && (g.anyone > 0 || g.packets > 0)
		if !again && !local(c.group) {
			r.Unserved = append(r.Unserved, Unserved{VLAN: c.vlan, Source: c.source, Group: c.group})
		}
	}
	slices.SortFunc(r.Data, func(a, b Channel) int {
		return cmp.Or(cmp.Compare(a.VLAN, b.VLAN), a.Group.Compare(b.Group), a.Source.Compare(b.Source))
	})
}
