package igmp

import (
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/proto/gmp/gmptest"
)

// TestRFC3376Section6_4Tables does every row of both tables.
func TestRFC3376Section6_4Tables(t *testing.T) {
	gmptest.Tables(t, func() *gmptest.RouterScript { return &newRouterScript(t).RouterScript },
		gmptest.IP("239.1.1.1"), gmptest.IP("10.0.0.0"))
}

// BenchmarkReportRefresh: what each further receiver of one (S,G) costs.
func BenchmarkReportRefresh(b *testing.B) {
	s := newRouterScript(b)
	s.Run(gmptest.At(time.Second))
	p := report([]string{"IS_IN", "232.1.1.1", "{10.0.0.1}"})
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
	p := report([]string{"IS_IN", "232.1.1.1", "{10.0.0.1}"})
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
		s.Do("report IS_IN 239.1.1.1 {10.0.0.1 10.0.0.2} TO_EX 239.1.1.2 {10.0.0.1} ALLOW 232.1.1.1 {10.0.0.1}")
		for _, dst := range []string{"224.0.0.1", "239.1.1.1"} {
			p := Packet{Src: gmptest.IP("10.0.0.1"), Dst: gmptest.IP(dst), TTL: 1, Payload: b, SumOK: true}
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
