package igmp

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
	e := Env{&tun, &Stats{}, &Sent{}}
	f := gmptest.FilterOf(t, "I{10.0.0.1}")
	hosts := make([]*Host, n)
	out := Out{Buf: make([]byte, 1476)}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range hosts {
		h := NewHost(&tun, uint64(i), false)
		hosts[i] = &h
		h.Change(0, e, gmptest.IP("224.0.0.1"), mcast.Filter{Mode: mcast.Exclude})
		h.Change(0, e, gmptest.IP("232.1.1.1"), f)
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

func BenchmarkJoinManyGroups(b *testing.B) {
	tun := Defaults()
	e := Env{&tun, &Stats{}, &Sent{}}
	h := NewHost(&tun, 1, false)
	out := Out{Buf: make([]byte, 1476)}
	for i := range b.N {
		now := gmptest.At(time.Duration(i) * time.Millisecond)
		h.Change(now, e, netip.AddrFrom4([4]byte{239, byte(i >> 16), byte(i >> 8), byte(i)}), mcast.Filter{Mode: mcast.Exclude})
		for h.Next(now, e, &out) {
		}
	}
}

func TestHostDoesNotAllocate(t *testing.T) {
	s := newHostScript(t)
	s.h.Change(0, s.env(), gmptest.IP("232.1.1.1"), gmptest.FilterOf(t, "I{10.0.0.1}"))
	s.Run(gmptest.At(5 * time.Second))
	q := query(t, nil, map[string]string{"max": "0s"})
	other := query(t, []string{"239.9.9.9"}, nil)
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
	short := Packet{Src: good.Src, Dst: good.Dst, TTL: 1, Payload: good.Payload[:7]}
	ten := older(wire.IGMPTypeQuery, 0, "0.0.0.0", "224.0.0.1")
	ten.Payload = append(ten.Payload, 0, 0)
	badSum := good
	badSum.Payload = append([]byte(nil), good.Payload...)
	badSum.Payload[3] ^= 1
	trusted := badSum
	trusted.SumOK = true
	ttl := good
	ttl.TTL = 2
	dvmrp := older(wire.IGMPTypeDVMRP, 1, "0.0.0.0", "224.0.0.4")
	dvmrp.TTL = 5
	unknown := older(0x42, 0, "0.0.0.0", "224.0.0.1")
	lies := query(t, []string{"232.1.1.1", "{10.0.0.1}"}, nil)
	lies.Payload[11]++ // one source more than there is
	lies.SumOK = true
	wrongDst := older(wire.IGMPTypeV2Report, 0, "239.1.1.1", "239.1.1.2")
	noGroup := older(wire.IGMPTypeV2Report, 0, "10.0.0.1", "10.0.0.1")
	own := older(wire.IGMPTypeV2Report, 0, "239.1.1.1", "239.1.1.2")
	own.Own = true
	for _, c := range []struct {
		name  string
		p     Packet
		want  Verdict
		count string
	}{
		{"good", good, Accepted, "V3Queries:1"}, {"short", short, TooShort, "TooShort:1"},
		{"ten bytes", ten, TooShort, "TooShort:1"}, {"bad checksum", badSum, BadChecksum, "BadSum:1"},
		{"checksum not looked at", trusted, Accepted, "BadSum:0"}, {"ttl 2", ttl, BadTTL, "BadTTL:1"},
		{"DVMRP may have any ttl", dvmrp, Accepted, "BadTTL:0"}, {"unknown type", unknown, Accepted, "Received:1"},
		{"more sources than bytes", lies, TooShort, "TooShort:1"},
		{"report to another group", wrongDst, BadReport, "BadReports:1"},
		{"report of no group", noGroup, BadReport, "BadReports:1"},
		{"own report", own, Accepted, "Reports:0"},
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
	f.Fuzz(func(t *testing.T, b []byte, ttl byte) {
		s := newHostScript(t)
		for i, filter := range []string{"I{10.0.0.1}", "E{}", "E{10.0.0.1 10.0.0.2}"} {
			s.h.Change(0, s.env(), netip.AddrFrom4([4]byte{239, 1, 1, byte(i + 1)}), gmptest.FilterOf(t, filter))
		}
		p := Packet{Src: gmptest.IP("10.0.0.9"), Dst: gmptest.IP("224.0.0.1"), TTL: ttl, Payload: b, SumOK: true}
		s.h.Input(0, s.env(), &p)
		for _, dst := range []string{"239.1.1.1", "239.1.1.2"} {
			p.Dst = gmptest.IP(dst)
			s.h.Input(0, s.env(), &p)
		}
		sent := s.Run(gmptest.At(time.Hour))
		if s.h.Deadline() != clock.Never {
			t.Errorf("still busy after an hour, having sent\n%s", sent)
		}
	})
}

// BenchmarkJoinLeave: a join and a leave, both reported in full, among few and
// among many groups.
func BenchmarkJoinLeave(b *testing.B) {
	for _, groups := range []int{0, 1000} {
		for _, filter := range []string{"E{}", "I{10.0.0.1}"} {
			b.Run(fmt.Sprintf("%s/%d", filter, groups), func(b *testing.B) {
				s := newHostScript(b)
				for i := range groups {
					s.h.Change(0, s.env(), netip.AddrFrom4([4]byte{239, 2, byte(i >> 8), byte(i)}), mcast.Filter{Mode: mcast.Exclude})
				}
				s.Run(gmptest.At(time.Hour))
				joinLeave(b, s, gmptest.IP("232.1.1.1"), gmptest.FilterOf(b, filter))
			})
		}
	}
}

func joinLeave(b *testing.B, s *hostScript, group netip.Addr, f mcast.Filter) {
	e, now, sent := s.env(), s.Now, 0
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		s.h.Change(now, e, group, f)
		for s.h.Deadline() <= now && s.h.Next(now, e, &s.out) {
			sent++
		}
		s.h.Change(now, e, group, mcast.Filter{})
		for s.h.Deadline() <= now && s.h.Next(now, e, &s.out) {
			sent++
		}
	}
	if sent < 2*b.N {
		b.Errorf("%d messages for %d pairs", sent, b.N)
	}
}

// BenchmarkJoinLeaveMany joins a thousand groups one after the other, and leaves
// them so: what was reported is always still to be reported again.
func BenchmarkJoinLeaveMany(b *testing.B) {
	s := newHostScript(b)
	e, now, sent := s.env(), s.Now, 0
	pull := func() {
		for s.h.Deadline() <= now && s.h.Next(now, e, &s.out) {
			sent++
		}
	}
	group := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{239, 2, byte(i % 1000 >> 8), byte(i % 1000)}) }
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		now = now.Add(time.Microsecond)
		if i%1000 == 0 {
			now = now.Add(10 * time.Second)
			pull()
		}
		f := mcast.Filter{Mode: mcast.Exclude}
		if i/1000%2 == 1 {
			f = mcast.Filter{}
		}
		s.h.Change(now, e, group(i), f)
		pull()
		i++
	}
	if sent < i {
		b.Errorf("%d messages for %d changes", sent, i)
	}
}
