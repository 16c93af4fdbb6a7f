package watch

import (
	"net/netip"
	"slices"
	"time"

	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

type hostKey struct {
	vlan uint16
	mac  wire.MAC
	ip   netip.Addr
}

// macKey finds a host whose address is not known yet, or does not stand in a
// report.
type macKey struct {
	vlan uint16
	mac  wire.MAC
	six  bool
}

// host is somebody who has reported.
type host struct {
	hostKey
	six     bool
	version int // of its last report
	groups  map[netip.Addr]*member
}

type groupKey struct {
	vlan uint16
	addr netip.Addr
}

// group is what all hosts together want of a group.
type group struct {
	groupKey
	members []*member
	anyone  int                   // members in EXCLUDE mode
	listed  map[netip.Addr]*names // how many of them name a source
	older   int64                 // when an older version's report was last heard: it speaks for others
	peak    int                   // the most members there were
	packets uint64                // data to it
}

// names is how many members include a source, and how many exclude it.
type names struct{ include, exclude int }

// wanted is how many members want a source's datagrams.
func (g *group) wanted(source netip.Addr) int {
	n := g.anyone
	if l := g.listed[source]; l != nil {
		n += l.include - l.exclude
	}
	return n
}

// member is a host's membership.
type member struct {
	host    *host
	group   *group
	at      int // in group.members
	filter  mcast.Filter
	version int
	since   int64
	last    int64 // when it was last reported
	typ     uint8 // of the last record
}

// splitTime is how soon after one record a second, of the same group and type
// but with other sources, is the rest of a list that was too long for one
// message (RFC 3376 §4.2.16).
const splitTime = int64(time.Second)

// hostOf finds who has sent a report; nil if there is no room.
func (w *Watcher) hostOf(p *packet) *host {
	k := hostKey{p.vlan, p.frame.src, p.src}
	if h := w.hosts[k]; h != nil {
		return h
	}
	mk := macKey{p.vlan, p.frame.src, p.six}
	if h := w.byMAC[mk]; h != nil && !k.mac.IsZero() {
		if p.src.IsUnspecified() {
			return h // RFC 3376 §4.2.13, RFC 3590: before it has an address, or while it has none
		}
		if h.ip.IsUnspecified() {
			delete(w.hosts, h.hostKey)
			h.ip = p.src
			w.hosts[h.hostKey] = h
			return h
		}
	}
	if len(w.hosts) >= w.cfg.MaxHosts {
		w.count.Refused.Hosts++
		return nil
	}
	h := &host{hostKey: k, six: p.six, groups: make(map[netip.Addr]*member)}
	w.hosts[k] = h
	w.hostList = append(w.hostList, h)
	if w.byMAC[mk] == nil {
		w.byMAC[mk] = h
	}
	return h
}

// report takes a report or a leave.
func (w *Watcher) report(p *packet, m *message) {
	h := w.hostOf(p)
	if h == nil {
		return
	}
	h.version = m.version
	for i := range m.records {
		r := &m.records[i]
		if r.typ > wire.IGMPBlock || r.typ == 0 && !m.older() {
			w.strange(p.vlan, h.ip, h.mac, r.group, UnknownRecord, "a record of type "+decimal(int(r.typ))+" (RFC 3376 §4.2.12: to be ignored)")
			continue
		}
		if w.cfg.Records {
			w.tellRecord(h, m, r)
		}
		w.record(h, m, r)
	}
}

func (w *Watcher) tellRecord(h *host, m *message, r *record) {
	e := Event{Kind: Recorded, VLAN: h.vlan, Host: h.ip, MAC: macText(h.mac), Protocol: protocol(h.six, m.version), Group: r.group, Sources: r.sources, What: recordNames[r.typ]}
	if m.kind == leave {
		e.What = "LEAVE"
	}
	w.tell(e)
}

// record applies one record.
func (w *Watcher) record(h *host, m *message, r *record) {
	mb := h.groups[r.group]
	var was mcast.Filter
	if mb != nil {
		was = mb.filter
	}
	now := applied(was, mb, m, r, w.now)
	if mb != nil && r.typ == wire.IGMPIsIn && w.partial(h, r) {
		now = confirmed(was, r)
	}
	if m.kind == report && m.older() {
		if g := w.groups[groupKey{h.vlan, r.group}]; g != nil {
			g.older = w.now
		}
	}
	switch {
	case mb == nil && now.Nothing():
		return // it has left before we came, or repeats that it has
	case mb == nil:
		if mb = w.enter(h, r.group, now); mb == nil {
			return
		}
		kind := Joined
		if w.answers(h, m, r) {
			kind = Member
		}
		mb.version = m.version
		w.tellMember(kind, mb, nil, nil)
	case now.Nothing():
		w.leave(mb)
		mb.version = m.version
		w.tellMember(Left, mb, nil, nil)
		return
	case !now.Equal(was):
		if !w.resize(mb, now) {
			return
		}
		mb.version = m.version
		var added, removed []netip.Addr
		if was.Mode == now.Mode {
			added, removed = differ(was.Sources, now.Sources)
		}
		w.tellMember(Changed, mb, added, removed)
	}
	mb.version, mb.last, mb.typ = m.version, w.now, r.typ
	if m.kind == report && m.older() {
		mb.group.older = w.now
	}
}

// answers tells whether a record that shows a membership for the first time
// shows one that there was before: it says what is, not what changes, or it is
// of a version that knows no difference and somebody has asked.
func (w *Watcher) answers(h *host, m *message, r *record) bool {
	if r.typ != 0 {
		return r.typ == wire.IGMPIsIn || r.typ == wire.IGMPIsEx
	}
	return slices.ContainsFunc(w.asked, func(a asked) bool { return a.vlan == h.vlan && a.six == h.six && a.about(r.group) })
}

// applied is the filter after a record (RFC 3376 §5.1, from the host's side).
func applied(was mcast.Filter, mb *member, m *message, r *record, now int64) mcast.Filter {
	switch {
	case m.kind == leave:
		return mcast.Filter{}
	case r.typ == 0:
		return mcast.Filter{Mode: mcast.Exclude}
	}
	list := mcast.Sorted(r.sources)
	include := was.Mode != mcast.Exclude
	switch r.typ {
	case wire.IGMPIsEx, wire.IGMPToEx:
		return mcast.Filter{Mode: mcast.Exclude, Sources: list}
	case wire.IGMPIsIn, wire.IGMPToIn:
		rest := mb != nil && include && mb.typ == r.typ && now-mb.last < splitTime && len(list) > 0 && !overlap(was.Sources, list)
		if rest {
			list = join(was.Sources, list)
		}
		return mcast.Filter{Mode: mcast.Include, Sources: list}
	}
	if (r.typ == wire.IGMPAllow) == include {
		list = join(was.Sources, list)
	} else {
		list, _ = differ(list, was.Sources) // was without list
	}
	if include {
		return mcast.Filter{Mode: mcast.Include, Sources: list}
	}
	return mcast.Filter{Mode: mcast.Exclude, Sources: list}
}

// partial tells whether a record answers a query about sources: then it lists those
// of them that are wanted, and says nothing of others, nor of the mode (RFC 3376
// §5.2).
func (w *Watcher) partial(h *host, r *record) bool {
	var about []netip.Addr
	for _, a := range w.asked {
		if a.vlan == h.vlan && a.six == h.six && a.group == r.group {
			about = join(about, a.sources)
		}
	}
	if len(about) == 0 {
		return false
	}
	more, _ := differ(about, mcast.Sorted(r.sources))
	return len(more) == 0
}

// confirmed is the filter of a host that wants these sources, too.
func confirmed(was mcast.Filter, r *record) mcast.Filter {
	list := mcast.Sorted(r.sources)
	if was.Mode == mcast.Exclude {
		list, _ = differ(list, was.Sources)
	} else {
		list = join(was.Sources, list)
	}
	return mcast.Filter{Mode: was.Mode, Sources: list}
}

// join is the union of sorted lists.
func join(a, b []netip.Addr) (all []netip.Addr) {
	mcast.Walk(a, b, func(s netip.Addr, _, _ bool) { all = append(all, s) })
	return all
}

// differ is what b has and a has not, and what a has and b has not.
func differ(a, b []netip.Addr) (added, removed []netip.Addr) {
	mcast.Walk(a, b, func(s netip.Addr, inA, inB bool) {
		switch {
		case !inA:
			added = append(added, s)
		case !inB:
			removed = append(removed, s)
		}
	})
	return added, removed
}

func overlap(a, b []netip.Addr) (yes bool) {
	mcast.Walk(a, b, func(_ netip.Addr, inA, inB bool) { yes = yes || inA && inB })
	return yes
}

// groupOf returns what is kept of a group.
func (w *Watcher) groupOf(vlan uint16, addr netip.Addr) *group {
	k := groupKey{vlan, addr}
	g := w.groups[k]
	if g == nil {
		g = &group{groupKey: k, listed: make(map[netip.Addr]*names)}
		w.groups[k] = g
		w.groupList = append(w.groupList, g)
	}
	return g
}

// enter makes a membership; nil if there is no room.
func (w *Watcher) enter(h *host, addr netip.Addr, f mcast.Filter) *member {
	if w.members >= w.cfg.MaxMemberships || len(w.groups) >= w.cfg.MaxMemberships && w.groups[groupKey{h.vlan, addr}] == nil {
		w.count.Refused.Memberships++
		return nil
	}
	if w.sources+len(f.Sources) > w.cfg.MaxSources {
		w.count.Refused.Sources++
		return nil
	}
	g := w.groupOf(h.vlan, addr)
	mb := &member{host: h, group: g, at: len(g.members), filter: f, since: w.now, last: w.now}
	g.members = append(g.members, mb)
	g.peak = max(g.peak, len(g.members))
	h.groups[addr] = mb
	w.members++
	w.tally(g, f, 1)
	return mb
}

// leave ends a membership.
func (w *Watcher) leave(mb *member) {
	g := mb.group
	w.tally(g, mb.filter, -1)
	end := len(g.members) - 1
	g.members[mb.at] = g.members[end]
	g.members[mb.at].at = mb.at
	g.members[end] = nil
	g.members = g.members[:end]
	delete(mb.host.groups, g.addr)
	w.members--
}

// resize gives a membership another filter; false if there is no room.
func (w *Watcher) resize(mb *member, f mcast.Filter) bool {
	if w.sources-len(mb.filter.Sources)+len(f.Sources) > w.cfg.MaxSources {
		w.count.Refused.Sources++
		return false
	}
	w.tally(mb.group, f, 1)
	w.tally(mb.group, mb.filter, -1)
	mb.filter = f
	return true
}

// tally adds a filter to what a group's members want, or takes it away. What
// nobody wants any more and never came is noted.
func (w *Watcher) tally(g *group, f mcast.Filter, by int) {
	w.sources += by * len(f.Sources)
	if f.Mode == mcast.Exclude {
		if g.anyone += by; g.anyone == 0 {
			w.missedBy(g, netip.Addr{})
		}
	}
	for _, s := range f.Sources {
		l := g.listed[s]
		if l == nil {
			l = new(names)
			g.listed[s] = l
		}
		if f.Mode == mcast.Exclude {
			l.exclude += by
		} else if l.include += by; l.include == 0 {
			w.missedBy(g, s)
		}
		if l.include == 0 && l.exclude == 0 {
			delete(g.listed, s)
		}
	}
}

func (w *Watcher) tellMember(kind string, mb *member, added, removed []netip.Addr) {
	h := mb.host
	e := Event{Kind: kind, VLAN: h.vlan, Host: h.ip, MAC: macText(h.mac), Protocol: protocol(h.six, mb.version), Group: mb.group.addr, Added: added, Removed: removed}
	if kind != Left && kind != Expired {
		e.Mode, e.Sources = mb.filter.Mode.String(), mb.filter.Sources
	}
	w.tell(e)
}

func macText(m wire.MAC) string {
	if m.IsZero() {
		return ""
	}
	return m.String()
}
