package linuxlab

import (
	"maps"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/wire"
)

// Query is a query that a test makes up. Versions are counted as IGMP does: that
// of MLD version 1 is 2, that of version 2 is 3.
type Query struct {
	Version  int
	Group    netip.Addr // not valid: a general query
	Sources  []netip.Addr
	MaxResp  time.Duration
	Interval int // seconds between queries, of version 3
}

// Ask sends a query from the host's interface, from an address that is nobody's.
func (h *Host) Ask(t testing.TB, q Query) {
	t.Helper()
	s := h.Sniff(t)
	defer s.Close()
	frame := make([]byte, 200)
	payload := make([]byte, 100)
	hd := wire.IPHeader{TTL: 1}
	if h.Addr.Is4() {
		payload = q.igmp(payload)
		alert := wire.RouterAlert()
		hd.Src, hd.Dst, hd.Proto = h.Addr, netip.MustParseAddr("224.0.0.1"), wire.ProtoIGMP
		if hd.TOS = 0xc0; q.Version > 1 {
			hd.Options = alert[:]
		}
	} else {
		alert := wire.RouterAlert6(0, 0)
		hd.Src, hd.Dst, hd.Proto = netip.MustParseAddr("fe80::ff"), netip.MustParseAddr("ff02::1"), wire.ProtoICMPv6
		hd.Options = alert[:]
		payload = q.mld(payload)
	}
	if q.Group.IsValid() {
		hd.Dst = q.Group
	}
	if h.Addr.Is6() {
		wire.ICMP6(payload).SetChecksum(hd.Src, hd.Dst)
	}
	typ := uint16(wire.EtherTypeIPv4)
	if h.Addr.Is6() {
		typ = wire.EtherTypeIPv6
	}
	wire.PutEther(frame, wire.MulticastMAC(hd.Dst), wire.MAC{2, 0, 0, 0xff, 0, 1}, typ)
	packet := frame[wire.EtherLen:]
	copy(packet[hd.Len():], payload)
	wire.PutIP(packet, &hd, len(payload))
	if _, err := s.Write(frame[:wire.EtherLen+hd.Len()+len(payload)]); err != nil {
		t.Fatal(err)
	}
}

func (q *Query) igmp(b []byte) []byte {
	group := q.Group
	if !group.IsValid() {
		group = netip.IPv4Unspecified()
	}
	code := wire.IGMPEncode(int(q.MaxResp / (100 * time.Millisecond)))
	switch q.Version {
	case 1:
		code = 0
		fallthrough
	case 2:
		wire.PutIGMP(b, wire.IGMPTypeQuery, code, group)
		return b[:wire.IGMPLen]
	}
	return b[:wire.PutIGMPv3Query(b, &wire.IGMPv3QueryHeader{MaxRespCode: code, Group: group, QRV: 2, QQIC: wire.IGMPEncode(q.Interval)}, q.Sources)]
}

func (q *Query) mld(b []byte) []byte {
	group := q.Group
	if !group.IsValid() {
		group = netip.IPv6Unspecified()
	}
	code := wire.MLDEncode(int(q.MaxResp.Milliseconds()))
	if q.Version < 3 {
		wire.PutMLD(b, wire.ICMP6MLDQuery, code, group)
		return b[:wire.MLDLen]
	}
	return b[:wire.PutMLDv2Query(b, &wire.MLDv2QueryHeader{MaxRespCode: code, Group: group, QRV: 2, QQIC: wire.IGMPEncode(q.Interval)}, q.Sources)]
}

// Heard is a message of IGMP or MLD, or one record of a report: who sent it and
// what it says of which group.
type Heard struct {
	From  netip.Addr
	What  string // "v1 query", "v2 report", "leave", "IS_IN", …
	Group netip.Addr
}

// Watch counts what is heard at a host's interface, whoever sends it.
type Watch struct {
	mu   sync.Mutex
	seen map[Heard]int // guarded by mu
}

// Watch begins to watch, until the test ends.
func (h *Host) Watch(t testing.TB) *Watch {
	t.Helper()
	w := &Watch{seen: map[Heard]int{}}
	s := h.Sniff(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			frame, err := s.Next(time.Hour)
			if err != nil {
				return
			}
			w.frame(frame)
		}
	}()
	t.Cleanup(func() { s.Close(); <-done })
	return w
}

// Count returns how often it was heard.
func (w *Watch) Count(from netip.Addr, what string, group netip.Addr) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[Heard{from, what, group}]
}

// All returns a copy of the counts.
func (w *Watch) All() map[Heard]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

func (w *Watch) frame(b []byte) {
	e, fault := wire.ParseEther(b)
	if fault != wire.OK || e.Type() != wire.EtherTypeIPv4 && e.Type() != wire.EtherTypeIPv6 {
		return
	}
	p, fault := wire.ParseIP(e.Payload())
	if fault != wire.OK {
		return
	}
	switch p.Proto() {
	case wire.ProtoIGMP:
		w.igmp(p.Src(), p.Payload())
	case wire.ProtoICMPv6:
		w.mld(p.Src(), p.Payload())
	}
}

func (w *Watch) add(from netip.Addr, what string, group netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[Heard{from, what, group}]++
}

// record counts one of a report (RFC 3376 §4.2.12).
func (w *Watch) record(from netip.Addr, typ uint8, group netip.Addr) {
	names := [...]string{1: "IS_IN", "IS_EX", "TO_IN", "TO_EX", "ALLOW", "BLOCK"}
	if int(typ) < len(names) {
		w.add(from, names[typ], group)
	}
}

func (w *Watch) igmp(from netip.Addr, b []byte) {
	m, fault := wire.ParseIGMP(b)
	if fault != wire.OK {
		return
	}
	switch m.Type() {
	case wire.IGMPTypeQuery:
		w.add(from, [...]string{"bad query", "v1 query", "v2 query", "v3 query"}[m.QueryVersion()], m.Group())
	case wire.IGMPTypeV1Report:
		w.add(from, "v1 report", m.Group())
	case wire.IGMPTypeV2Report:
		w.add(from, "v2 report", m.Group())
	case wire.IGMPTypeV2Leave:
		w.add(from, "leave", m.Group())
	case wire.IGMPTypeV3Report:
		r, fault := wire.ParseIGMPv3Report(b)
		if fault != wire.OK {
			return
		}
		l := r.Records()
		for rec, ok := l.Next(); ok; rec, ok = l.Next() {
			w.record(from, rec.Type(), rec.Group())
		}
	}
}

func (w *Watch) mld(from netip.Addr, b []byte) {
	if len(b) > 0 && b[0] == wire.ICMP6MLDv2Report {
		r, fault := wire.ParseMLDv2Report(b)
		if fault != wire.OK {
			return
		}
		l := r.Records()
		for rec, ok := l.Next(); ok; rec, ok = l.Next() {
			w.record(from, rec.Type(), rec.Group())
		}
		return
	}
	m, fault := wire.ParseMLD(b)
	if fault != wire.OK {
		return
	}
	switch m.Type() {
	case wire.ICMP6MLDQuery:
		w.add(from, [...]string{"bad query", "v2 query", "v3 query"}[m.QueryVersion()], m.Group())
	case wire.ICMP6MLDv1Report:
		w.add(from, "v2 report", m.Group())
	case wire.ICMP6MLDDone:
		w.add(from, "leave", m.Group())
	}
}
