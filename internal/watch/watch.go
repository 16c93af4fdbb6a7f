package watch

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Config limits what a Watcher keeps; 0 is the default.
type Config struct {
	MaxHosts       int // 100,000
	MaxMemberships int // of all hosts: 500,000
	MaxSources     int // in the filters of all memberships: 2,000,000
	MaxChannels    int // pairs of source and group that data was seen of: 100,000
	MaxAnomalies   int // kinds of them per host and group: 10,000
	MaxEvents      int // that wait for Next: 100,000

	Records bool // tell of every record, whether it changes anything or not
}

func (c *Config) fill() {
	for _, v := range []struct {
		p *int
		n int
	}{
		{&c.MaxHosts, 100_000}, {&c.MaxMemberships, 500_000}, {&c.MaxSources, 2_000_000},
		{&c.MaxChannels, 100_000}, {&c.MaxAnomalies, 10_000}, {&c.MaxEvents, 100_000},
	} {
		if *v.p <= 0 {
			*v.p = v.n
		}
	}
}

// Counts is what a Watcher has seen, and what it had no room for.
type Counts struct {
	Frames    uint64 `json:"frames"`
	Queries   uint64 `json:"queries"`
	Reports   uint64 `json:"reports"` // messages of any version
	Leaves    uint64 `json:"leaves"`  // of IGMPv2 and MLDv1
	Data      uint64 `json:"data"`    // datagrams to groups
	Malformed uint64 `json:"malformed"`
	Other     uint64 `json:"other"` // messages of IGMP that are about something else
	Cut       uint64 `json:"cut"`   // frames of which the capture has a part that does not suffice

	Refused Refused `json:"refused"`
}

// Refused counts what was not kept because a limit of the Config was reached.
type Refused struct {
	Hosts       uint64 `json:"hosts"`
	Memberships uint64 `json:"memberships"`
	Sources     uint64 `json:"sources"`
	Channels    uint64 `json:"channels"`
	Queries     uint64 `json:"queries"` // whose answers were not waited for
	Anomalies   uint64 `json:"anomalies"`
	Events      uint64 `json:"events"`
}

// Watcher watches one segment. It is used by one goroutine at a time.
type Watcher struct {
	cfg    Config
	count  Counts
	began  int64 // time of the first frame, or what Begin said
	now    int64
	ever   bool // began is set
	events []Event
	told   int // events that Next has given

	hosts     map[hostKey]*host
	byMAC     map[macKey]*host // the first of each hardware address and family
	hostList  []*host          // in order of appearance
	groups    map[groupKey]*group
	groupList []*group
	members   int // memberships there are
	sources   int // sources they list
	sweep     int64

	queriers []*querier
	asked    []asked

	channels    map[channelKey]*channel
	channelList []*channel

	anomalies   map[anomalyKey]*Anomaly
	anomalyList []*Anomaly
}

// New returns a Watcher that has seen nothing.
func New(c Config) *Watcher {
	c.fill()
	return &Watcher{
		cfg: c, hosts: make(map[hostKey]*host), byMAC: make(map[macKey]*host), groups: make(map[groupKey]*group),
		channels: make(map[channelKey]*channel), anomalies: make(map[anomalyKey]*Anomaly),
	}
}

// Begin says when the watch begins, where that is not the first frame's time.
func (w *Watcher) Begin(at int64) {
	if !w.ever {
		w.began, w.now, w.ever = at, at, true
	}
}

// Frame takes a frame that was seen at a time. b is what there is of a frame of
// whole bytes; it is borrowed. Pull the events with Next.
func (w *Watcher) Frame(at int64, linkType uint16, b []byte, whole int) {
	w.Begin(at)
	w.Advance(at)
	w.count.Frames++
	f, ip := open(linkType, b)
	if ip == nil {
		return
	}
	p, want, bad := openIP(f, ip)
	if !want {
		return
	}
	if bad == "" && (p.proto != wire.ProtoIGMP || p.six) && (p.proto != wire.ProtoICMPv6 || !p.six) {
		w.data(&p, whole)
		return
	}
	var m message
	if bad == "" {
		m, bad = parse(&p)
	}
	switch {
	case bad != "" && len(b) < whole:
		w.count.Cut++
	case bad != "":
		w.count.Malformed++
		w.malformed(&p, bad)
	case m.kind == other:
		w.count.Other++
	case m.kind == query:
		w.count.Queries++
		w.header(&p, &m)
		w.query(&p, &m)
	default:
		w.count.Reports++
		if m.kind == leave {
			w.count.Reports--
			w.count.Leaves++
		}
		w.header(&p, &m)
		w.report(&p, &m)
	}
}

// Advance says that it is at least so late, and lets what had time until then
// run out.
func (w *Watcher) Advance(at int64) {
	w.Begin(at)
	if at > w.now {
		w.now = at
	}
	w.overdue()
	if w.now >= w.sweep {
		w.expire()
		w.sweep = w.now + int64(time.Second)
	}
}

// Counts returns what was counted so far.
func (w *Watcher) Counts() Counts { return w.count }

// Next returns the oldest event that was not yet pulled; false if there is none.
func (w *Watcher) Next(e *Event) bool {
	if w.told == len(w.events) {
		w.events, w.told = w.events[:0], 0
		return false
	}
	*e = w.events[w.told]
	w.events[w.told] = Event{}
	w.told++
	return true
}

func (w *Watcher) tell(e Event) {
	if len(w.events)-w.told >= w.cfg.MaxEvents {
		w.count.Refused.Events++
		return
	}
	e.Seconds = w.seconds(w.now)
	w.events = append(w.events, e)
}

// seconds is a time as events and tables have it: since the beginning.
func (w *Watcher) seconds(at int64) float64 {
	return float64((at-w.began)/int64(time.Microsecond)) / 1e6
}

// The kinds of Event.
const (
	Joined    = "joined"    // a host has become a member
	Member    = "member"    // a host turns out to be one: it answers a query
	Changed   = "changed"   // a member's filter is another
	Left      = "left"      // a host is a member no longer
	Expired   = "expired"   // a host has not answered for a membership interval
	Recorded  = "record"    // a host has reported: with Config.Records only
	Asked     = "query"     // a query was sent
	Malformed = "malformed" // a message that cannot be read
	Strange   = "anomaly"   // an Anomaly, when it is first seen
)

// Event is something that has happened. Fields that say nothing are zero.
type Event struct {
	Seconds  float64    `json:"t"` // since the beginning
	Kind     string     `json:"event"`
	VLAN     uint16     `json:"vlan,omitempty"`
	Host     netip.Addr `json:"host,omitzero"` // who has sent it; of an expired membership, whose it was
	MAC      string     `json:"mac,omitempty"`
	Protocol string     `json:"protocol,omitempty"` // such as IGMPv3
	Group    netip.Addr `json:"group,omitzero"`

	Mode    string       `json:"mode,omitempty"` // INCLUDE or EXCLUDE, of a member
	Sources []netip.Addr `json:"sources,omitempty"`
	Added   []netip.Addr `json:"added,omitempty"` // of a change within a mode
	Removed []netip.Addr `json:"removed,omitempty"`

	Query  *Question `json:"query,omitempty"`
	What   string    `json:"what,omitempty"` // kind of an anomaly; type of a record: IS_IN to BLOCK, LEAVE, none of an older report
	Reason string    `json:"reason,omitempty"`
}

// Question is what a query says. Of an older version some is not said.
type Question struct {
	General    bool         `json:"general"`
	Sources    []netip.Addr `json:"sources,omitempty"`
	MaxResp    float64      `json:"max_response_s"`
	Robustness uint8        `json:"robustness,omitempty"` // 0: not said
	Interval   float64      `json:"interval_s,omitempty"`
	Suppress   bool         `json:"suppress,omitempty"` // the S flag
}
