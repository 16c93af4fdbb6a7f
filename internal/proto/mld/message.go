package mld

import (
	"net/netip"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/wire"
)

// HopLimit is the hop limit of every MLD message (RFC 3810 §5).
const HopLimit = 1

type addr = [16]byte

// The engines' types, for sixteen bytes of address.
type (
	Database    = gmp.Database[addr]
	Event       = gmp.Event[addr]
	Group       = gmp.Group[addr]
	Query       = gmp.Query[addr]
	Record      = gmp.Record[addr]
	Rules       = gmp.Rules
	GroupState  = gmp.GroupState
	HostState   = gmp.HostState
	HostGroup   = gmp.HostGroup
	SourceState = gmp.SourceState
)

// Packet is a received MLD message and what the IPv6 headers said.
type Packet struct {
	Src, Dst    netip.Addr
	HopLimit    uint8
	RouterAlert bool   // the option was there, with value 0
	Own         bool   // Src is an address of this interface
	SumOK       bool   // the checksum needs no look: it never left the process
	Payload     []byte // from the ICMPv6 header on, to the end of the packet
}

// Out is one message to send, from the interface's link-local address, or from
// :: while it has none (RFC 3590 §4).
type Out struct {
	Buf []byte     // the caller's, as long as a message may be: the MTU less 48
	N   int        // bytes of the message in Buf; the checksum is still zero
	Dst netip.Addr // the group to send to
}

// Verdict says what became of a message.
type Verdict uint8

const (
	Accepted    Verdict = iota // to be handed to raw sockets too
	TooShort                   // less than its version needs, or than it declares
	BadChecksum                //
	BadHopLimit                // not 1: it came through a router
	NoAlert                    // without the Router Alert option
	BadSource                  // neither link-local nor, for a report, ::
	BadQuery                   // about something that no query is about, or to where none goes
	BadReport                  // about a group that is none, or not its destination
	NotMLD                     // another ICMPv6 message
)

var verdictNames = [...]string{
	Accepted: "accepted", TooShort: "too short", BadChecksum: "bad checksum", BadHopLimit: "bad hop limit",
	NoAlert: "no router alert", BadSource: "bad source", BadQuery: "bad query", BadReport: "bad report", NotMLD: "not mld",
}

// String names the verdict as counters and traces show it.
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return "unknown verdict"
}

// IsMLD reports whether an ICMPv6 message is MLD's, by its type.
func IsMLD(message []byte) bool {
	if len(message) == 0 {
		return false
	}
	switch message[0] {
	case wire.ICMP6MLDQuery, wire.ICMP6MLDv1Report, wire.ICMP6MLDDone, wire.ICMP6MLDv2Report:
		return true
	}
	return false
}

// Check does what every receiver of MLD does first: length, checksum, hop limit,
// Router Alert, source (RFC 3810 §6.2, §7.4, §7.6).
func Check(p *Packet) (wire.ICMP6, Verdict) {
	if !IsMLD(p.Payload) {
		return nil, NotMLD
	}
	m, fault := wire.ParseICMP6(p.Payload)
	switch {
	case fault != wire.OK || m.Type() != wire.ICMP6MLDv2Report && len(m) < wire.MLDLen:
		return nil, TooShort
	case !p.SumOK && !m.ChecksumOK(p.Src, p.Dst):
		return nil, BadChecksum
	case p.HopLimit != HopLimit:
		return nil, BadHopLimit
	case !p.RouterAlert:
		return nil, NoAlert
	}
	if p.Src.Is6() && p.Src.IsLinkLocalUnicast() {
		return m, Accepted
	}
	// RFC 3590 §4: a report may come before there is an address.
	if p.Src == netip.IPv6Unspecified() && m.Type() != wire.ICMP6MLDQuery {
		return m, Accepted
	}
	return nil, BadSource
}

// AllNodes returns ff02::1, which everybody listens to and nobody reports.
func AllNodes() [16]byte { return addr{0xff, 2, 15: 1} }

// Reported tells whether anybody ever reports the group: a group of more than one
// node, and not that of all (RFC 3810 §6).
func Reported(group [16]byte) bool {
	return group[0] == 0xff && group[1]&15 > 1 && group != AllNodes()
}

// maxQuery bounds the sources that a query may be about.
const maxQuery = 256

// ParseQuery reads a query that Check accepted.
func ParseQuery(p *Packet, message wire.ICMP6) (Query, Verdict) {
	m := wire.MLD(message)
	q := Query{Version: 2, Group: m.Group().As16(), MaxResp: time.Duration(m.MaxRespCode()) * time.Millisecond}
	switch m.QueryVersion() {
	case 0: // RFC 3810 §8.1
		return q, TooShort
	case 1: // RFC 2710 §3.7
		if q.IsGeneral() && p.Dst.As16() != AllNodes() {
			return q, BadQuery
		}
	case 2:
		v2, fault := wire.ParseMLDv2Query(m)
		if fault != wire.OK {
			return q, TooShort
		}
		q.Version, q.MaxResp = 3, time.Duration(v2.MaxResp())*time.Millisecond
		q.Interval = time.Duration(v2.QQI()) * time.Second
		q.Robustness, q.Suppress = v2.QRV(), v2.S()
		q.Sources = gmp.Sources[addr](v2[wire.MLDv2QueryLen : wire.MLDv2QueryLen+16*v2.NumSources()])
	}
	if q.IsGeneral() && len(q.Sources) > 0 || !q.IsGeneral() && q.Group[0] != 0xff || q.Sources.Len() > maxQuery {
		return q, BadQuery
	}
	return q, Accepted
}

// Report is a checked report or done message.
type Report struct {
	list wire.MLDv2Records
	one  Record // of version 1
}

// ParseReport reads a message that Check accepted and that is a report or a done
// message.
func ParseReport(p *Packet, m wire.ICMP6) (Report, Verdict) {
	if m.Type() == wire.ICMP6MLDv2Report {
		v2, fault := wire.ParseMLDv2Report(m)
		if fault != wire.OK {
			return Report{}, TooShort
		}
		return Report{list: v2.Records()}, Accepted
	}
	group := wire.MLD(m).Group()
	if !group.IsMulticast() || m.Type() == wire.ICMP6MLDv1Report && p.Dst != group {
		return Report{}, BadReport
	}
	// RFC 3810 §8.3.2 translates.
	r := Record{Group: group.As16(), Type: wire.IGMPIsEx, Version: 2}
	if m.Type() == wire.ICMP6MLDDone {
		r.Type, r.Version = wire.IGMPToIn, 0
	}
	return Report{one: r}, Accepted
}

// Next takes the next record that matters. Unknown types do not (RFC 3810
// §5.2.12), nor do groups that nobody must report.
func (r *Report) Next() (Record, bool) {
	if one := r.one; one.Type != 0 {
		r.one.Type = 0
		return one, Reported(one.Group)
	}
	for rec, ok := r.list.Next(); ok; rec, ok = r.list.Next() {
		group := rec.Group().As16()
		if rec.Type() >= wire.IGMPIsIn && rec.Type() <= wire.IGMPBlock && Reported(group) {
			sources := gmp.Sources[addr](rec[wire.MLDv2RecordLen : wire.MLDv2RecordLen+16*rec.NumSources()])
			return Record{Sources: sources, Group: group, Type: rec.Type(), Version: 3}, true
		}
	}
	return Record{}, false
}
