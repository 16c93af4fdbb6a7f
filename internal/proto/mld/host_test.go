package mld

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// TestHostSize: an engine with one (S,G) membership, everything reported.
func TestHostSize(t *testing.T) {
	const n = 2000
	tun := Defaults()
	e := Env{&tun, &Stats{}}
	f := gmptest.FilterOf(t, "I{2001:db8::1}")
	hosts := make([]*Host, n)
	out := Out{Buf: make([]byte, 1452)}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range hosts {
		h := NewHost(&tun, uint64(i), false)
		hosts[i] = &h
		h.Change(0, e, gmptest.IP("ff02::1"), mcast.Filter{Mode: mcast.Exclude}, 0)
		h.Change(0, e, gmptest.IP("ff3e::1"), f, 0)
		for h.Deadline() != clock.Never {
			h.Next(h.Deadline(), e, &out)
		}
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes per host with one membership", per)
	if per > 200 {
		t.Errorf("%d bytes per host", per)
	}
	runtime.KeepAlive(hosts)
}

func TestHostDoesNotAllocate(t *testing.T) {
	s := newHostScript(t)
	s.h.Change(0, s.env(), gmptest.IP("ff3e::1"), gmptest.FilterOf(t, "I{2001:db8::1}"), 0)
	s.Run(gmptest.At(5 * time.Second))
	q := query(t, nil, map[string]string{"max": "0s"})
	other := query(t, []string{"ff1e::9999"}, nil)
	n := 0
	e := s.env()
	allocs := testing.AllocsPerRun(100, func() {
		s.h.Input(s.Now, e, &other)
	})
	if allocs > 0 {
		t.Errorf("a foreign query: %v allocations", allocs)
	}
	allocs = testing.AllocsPerRun(100, func() {
		s.h.Input(s.Now, e, &q)
		for s.h.Next(s.Now, e, &s.out) {
			n++
		}
	})
	if allocs > 1 || n == 0 {
		t.Errorf("an answered query: %v allocations, %d answers", allocs, n)
	}
}

// TestInputChecks: what is refused before anybody looks at it.
func TestInputChecks(t *testing.T) {
	good := query(t, nil, nil)
	with := func(p Packet, change func(p *Packet)) Packet {
		p.Payload = append([]byte(nil), p.Payload...)
		change(&p)
		return signed(p)
	}
	badSum := with(good, func(*Packet) {})
	badSum.Payload[3] ^= 1
	trusted := badSum
	trusted.SumOK = true
	v1 := older(wire.ICMP6MLDQuery, time.Second, "::", "ff02::1")
	report := older(wire.ICMP6MLDv1Report, 0, "ff1e::1", "ff1e::1")
	for _, c := range []struct {
		name  string
		p     Packet
		want  Verdict
		count string
	}{
		{"good", good, Accepted, "V2Queries:1"},
		{"good, to our address", with(good, func(p *Packet) { p.Dst = gmptest.IP("fe80::11") }), Accepted, "V2Queries:1"}, // RFC 3810 §5.1.15
		{"short", with(good, func(p *Packet) { p.Payload = p.Payload[:23] }), TooShort, "TooShort:1"},
		{"26 bytes", with(good, func(p *Packet) { p.Payload = p.Payload[:26] }), TooShort, "TooShort:1"},
		{"more sources than bytes", with(good, func(p *Packet) { p.Payload[27] = 1 }), TooShort, "TooShort:1"},
		{"bad checksum", badSum, BadChecksum, "BadSum:1"},
		{"checksum not looked at", trusted, Accepted, "BadSum:0"},
		{"hop limit 2", with(good, func(p *Packet) { p.HopLimit = 2 }), BadHopLimit, "BadHops:1"},
		{"no Router Alert", with(good, func(p *Packet) { p.RouterAlert = false }), NoAlert, "NoAlert:1"},
		{"query from a global address", with(good, func(p *Packet) { p.Src = gmptest.IP("2001:db8::1") }), BadSource, "BadSource:1"},
		{"query from ::", with(good, func(p *Packet) { p.Src = gmptest.IP("::") }), BadSource, "BadSource:1"},
		{"general query about sources", query(t, []string{"{2001:db8::1}"}, nil), BadQuery, "BadQueries:1"},
		{"query about no group", query(t, []string{"2001:db8::1"}, nil), BadQuery, "BadQueries:1"},
		{"query about 257 sources", query(t, []string{"ff1e::1", "{2001:db8::..2001:db8::100}"}, nil), BadQuery, "BadQueries:1"},
		{"version 1", v1, Accepted, "V1Queries:1"},
		{"version 1 to our address", with(v1, func(p *Packet) { p.Dst = gmptest.IP("fe80::11") }), BadQuery, "BadQueries:1"},
		{"version 1 report", report, Accepted, "Reports:1 BadReports:0"},
		{"version 1 report from ::", with(report, func(p *Packet) { p.Src = gmptest.IP("::") }), Accepted, "Reports:1 BadReports:0"},
		{"report from a global address", with(report, func(p *Packet) { p.Src = gmptest.IP("2001:db8::1") }), BadSource, "BadSource:1"},
		{"report to another group", with(report, func(p *Packet) { p.Dst = gmptest.IP("ff1e::2") }), BadReport, "BadReports:1"},
		{"report of no group", older(wire.ICMP6MLDv1Report, 0, "fe80::1", "fe80::1"), BadReport, "BadReports:1"},
		{"own report", with(report, func(p *Packet) { p.Own = true }), Accepted, "Reports:0"},
		{"another message", Packet{Src: gmptest.IP("fe80::1"), Dst: gmptest.IP("ff02::1"), Payload: []byte{135, 0, 0, 0}}, NotMLD, "Received:1"},
		{"nothing", Packet{Src: gmptest.IP("fe80::1"), Dst: gmptest.IP("ff02::1")}, NotMLD, "Received:1"},
	} {
		s := newHostScript(t)
		if got := s.h.Input(0, s.env(), &c.p); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := s.Do("stats"); !strings.Contains(got, c.count) {
			t.Errorf("%s: %s, want %s", c.name, got, c.count)
		}
	}
}

func FuzzHostInput(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, byte(1)) })
	f.Fuzz(func(t *testing.T, b []byte, hops byte) {
		s := newHostScript(t)
		groups := []string{"ff1e::1", "ff1e::2", "ff1e::3"}
		for i, filter := range []string{"I{2001:db8::1}", "E{}", "E{2001:db8::1 2001:db8::2}"} {
			s.h.Change(0, s.env(), gmptest.IP(groups[i]), gmptest.FilterOf(t, filter), 0)
		}
		for _, dst := range append(groups, "ff02::1") {
			p := Packet{Src: gmptest.IP("fe80::9"), Dst: gmptest.IP(dst), HopLimit: hops, RouterAlert: true, Payload: b, SumOK: true}
			s.h.Input(0, s.env(), &p)
		}
		sent := s.Run(gmptest.At(10 * time.Hour)) // an answer may be due after 8387 s
		if s.h.Deadline() != clock.Never {
			t.Errorf("still busy after ten hours, having sent\n%s", sent)
		}
	})
}

// BenchmarkJoinLeave: a join and a leave, both reported in full, among few and
// among many groups.
func BenchmarkJoinLeave(b *testing.B) {
	for _, groups := range []int{0, 1000} {
		for _, filter := range []string{"E{}", "I{2001:db8::1}"} {
			b.Run(fmt.Sprintf("%s/%d", filter, groups), func(b *testing.B) {
				s := newHostScript(b)
				for i := range groups {
					s.h.Change(0, s.env(), netip.AddrFrom16([16]byte{0xff, 0x1e, 14: byte(i >> 8), 15: byte(i)}), mcast.Filter{Mode: mcast.Exclude}, 0)
				}
				s.Run(gmptest.At(time.Hour))
				joinLeave(b, s, gmptest.IP("ff3e::1"), gmptest.FilterOf(b, filter))
			})
		}
	}
}

func joinLeave(b *testing.B, s *hostScript, group netip.Addr, f mcast.Filter) {
	e, now, sent := s.env(), s.Now, 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		s.h.Change(now, e, group, f, 0)
		for s.h.Deadline() <= now && s.h.Next(now, e, &s.out) {
			sent++
		}
		s.h.Change(now, e, group, mcast.Filter{}, 0)
		for s.h.Deadline() <= now && s.h.Next(now, e, &s.out) {
			sent++
		}
	}
	if sent < 2*b.N {
		b.Errorf("%d messages for %d pairs", sent, b.N)
	}
}
