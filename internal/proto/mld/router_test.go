package mld

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
)

// TestRFC3810Section7_4Tables does every row of both tables.
func TestRFC3810Section7_4Tables(t *testing.T) {
	gmptest.Tables(t, func() *gmptest.RouterScript { return &newRouterScript(t).RouterScript },
		gmptest.IP("ff1e::1"), gmptest.IP("2001:db8::"))
}

// BenchmarkReportRefresh: what each further receiver of one (S,G) costs.
func BenchmarkReportRefresh(b *testing.B) {
	s := newRouterScript(b)
	s.Run(gmptest.At(time.Second))
	p := report([]string{"IS_IN", "ff3e::1", "{2001:db8::1}"})
	p.SumOK = true
	e := s.env()
	b.ReportAllocs()
	for b.Loop() {
		s.Now++
		s.r.Input(s.Now, e, &p)
	}
}

func TestRefreshDoesNotAllocate(t *testing.T) {
	s := newRouterScript(t)
	s.Run(gmptest.At(time.Second))
	p := report([]string{"IS_IN", "ff3e::1", "{2001:db8::1}"})
	e := s.env()
	s.r.Input(s.Now, e, &p)
	wake := s.r.Deadline()
	if n := testing.AllocsPerRun(1000, func() {
		s.Now += 1000
		s.r.Input(s.Now, e, &p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s.r.Deadline() != wake {
		t.Error("a refresh touched the queue")
	}
}

func FuzzRouterInput(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b, uint16(100)) })
	f.Fuzz(func(t *testing.T, b []byte, ms uint16) {
		s := newRouterScript(t)
		s.Do("report IS_IN ff1e::1 {2001:db8::1 2001:db8::2} TO_EX ff1e::2 {2001:db8::1} ALLOW ff3e::1 {2001:db8::1}")
		for _, dst := range []string{"ff02::1", "ff1e::1"} {
			p := Packet{Src: gmptest.IP("fe80::1"), Dst: gmptest.IP(dst), HopLimit: 1, RouterAlert: true, Payload: b, SumOK: true}
			s.r.Input(s.Now, s.env(), &p)
			s.Run(s.Now.Add(time.Duration(ms) * time.Millisecond))
		}
		end := s.Now.Add(150 * time.Hour) // the query may come from a querier of 7 times 31744 s
		for s.r.Deadline() <= end {
			s.Now = max(s.Now, s.r.Deadline())
			for s.r.Next(s.Now, s.env(), &s.out) {
			}
			var ev Event
			for s.r.NextEvent(&ev) {
			}
		}
		if n := len(s.r.State(s.Now)); n != 0 {
			t.Errorf("%d groups left after days of silence:\n%s", n, s.RouterScript.State())
		}
	})
}
