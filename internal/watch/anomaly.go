package watch

import (
	"net/netip"
	"strconv"

	"github.com/seed88948545/vimage/internal/wire"
)

// What an Anomaly may be.
const (
	BadTTL          = "ttl"             // time to live or hop limit is not 1
	NoAlert         = "no-router-alert" // without the Router Alert option
	WrongDst        = "destination"     // sent to another address than such a message is
	WrongMAC        = "mac"             // sent to another hardware address than the group's
	WrongSource     = "source"          // MLD from an address that is not link-local
	UnknownRecord   = "record"          // of a type that is not defined
	SeveralQueriers = "several-queriers"
	QuerierVersions = "querier-versions"
	NoAnswer        = "no-answer" // a member was asked and said nothing
	RanOut          = "expired"   // a membership was not reported for its interval
)

// Anomaly is something strange, of one host and perhaps one group.
type Anomaly struct {
	What   string     `json:"what"`
	VLAN   uint16     `json:"vlan,omitempty"`
	Host   netip.Addr `json:"host,omitzero"`
	MAC    string     `json:"mac,omitempty"`
	Group  netip.Addr `json:"group,omitzero"`
	Times  uint64     `json:"times"`
	First  float64    `json:"first"` // when it was seen first, and last
	Last   float64    `json:"last"`
	Reason string     `json:"reason"` // of the first time
}

type anomalyKey struct {
	what        string
	vlan        uint16
	host, group netip.Addr
}

// strange notes an anomaly, and tells of it if it is the first of its kind.
func (w *Watcher) strange(vlan uint16, host netip.Addr, mac wire.MAC, group netip.Addr, what, reason string) {
	k := anomalyKey{what, vlan, host, group}
	if a := w.anomalies[k]; a != nil {
		a.Times++
		a.Last = w.seconds(w.now)
		return
	}
	if len(w.anomalies) >= w.cfg.MaxAnomalies {
		w.count.Refused.Anomalies++
		return
	}
	a := &Anomaly{What: what, VLAN: vlan, Host: host, MAC: macText(mac), Group: group, Times: 1, First: w.seconds(w.now), Last: w.seconds(w.now), Reason: reason}
	w.anomalies[k] = a
	w.anomalyList = append(w.anomalyList, a)
	w.tell(Event{Kind: Strange, VLAN: vlan, Host: host, MAC: a.MAC, Group: group, What: what, Reason: reason})
}

// malformed tells of a message that cannot be read.
func (w *Watcher) malformed(p *packet, why string) {
	e := Event{Kind: Malformed, VLAN: p.vlan, Host: p.src, MAC: macText(p.frame.src), Protocol: "IGMP", Reason: why}
	if p.six {
		e.Protocol = "MLD"
	}
	w.tell(e)
}

// header compares a message's headers with what the RFCs say of them.
func (w *Watcher) header(p *packet, m *message) {
	odd := func(what, reason string) {
		w.strange(p.vlan, p.src, p.frame.src, netip.Addr{}, what, protocol(m.six, m.version)+" "+m.kind.String()+" "+reason)
	}
	if p.ttl != 1 {
		odd(BadTTL, "with a TTL of "+decimal(int(p.ttl))+" (RFC 3376 §4, RFC 3810 §5: 1)")
	}
	if !p.alert && (m.six || m.version > 1) {
		odd(NoAlert, "without the Router Alert option (RFC 2113, RFC 2711)")
	}
	if m.six && !p.src.IsLinkLocalUnicast() && !(p.src.IsUnspecified() && m.kind != query) {
		odd(WrongSource, "from "+p.src.String()+", which is not link-local (RFC 3810 §5)")
	}
	if want, ok := m.destination(p.dst); !ok {
		odd(WrongDst, "to "+p.dst.String()+", not to "+want.String())
	}
	if p.hasDst && p.dst.IsMulticast() && p.frame.dst != wire.MulticastMAC(p.dst) {
		odd(WrongMAC, "to "+p.frame.dst.String()+", not to "+wire.MulticastMAC(p.dst).String())
	}
}

// destination returns where such a message goes, and whether dst is that. A
// leave may also go to the group (RFC 2236 §9).
func (m *message) destination(dst netip.Addr) (want netip.Addr, ok bool) {
	switch {
	case m.kind == query && m.group.IsValid():
		want = m.group
	case m.kind == query:
		want = well(m.six, 1)
	case m.kind == leave:
		want = well(m.six, 2)
		return want, dst == want || dst == m.records[0].group
	case !m.older() && m.six:
		want = well(true, 0x16)
	case !m.older():
		want = well(false, 22)
	default:
		want = m.records[0].group
	}
	return want, dst == want
}

// well is 224.0.0.n or ff02::n.
func well(six bool, n byte) netip.Addr {
	if six {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: n})
	}
	return netip.AddrFrom4([4]byte{224, 0, 0, n})
}

// String names the kind as reasons do.
func (k kind) String() string {
	switch k {
	case query:
		return "query"
	case report:
		return "report"
	case leave:
		return "leave"
	}
	return "message"
}

func decimal(n int) string { return strconv.Itoa(n) }
