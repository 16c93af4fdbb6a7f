package mld

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/mcast"
	"github.com/seed88948545/vimage/internal/wire"
)

// report makes a version 2 report of the words TYPE group {sources}, repeated.
func report(t testing.TB, list []string) Packet {
	b := make([]byte, 4096)
	n, records := wire.MLDv2ReportLen, 0
	for i := 0; i < len(list); i += 3 {
		typ := uint8(99)
		for k, name := range recordNames {
			if name == list[i] {
				typ = k
			}
		}
		n += wire.PutMLDv2Record(b[n:], typ, ip(list[i+1]), addrs(strings.Trim(list[i+2], "{}")))
		records++
	}
	wire.PutMLDv2Report(b[:n], records)
	return signed(Packet{Src: ip("fe80::5"), Dst: ip("ff02::16"), HopLimit: 1, RouterAlert: true, Payload: b[:n]})
}

// routerScript is a Router and the time.
type routerScript struct {
	t     testing.TB
	tun   RouterTunables
	stats RouterStats
	r     *Router
	now   clock.Time
	out   Out
}

func newRouterScript(t testing.TB) *routerScript {
	s := &routerScript{t: t, tun: RouterDefaults(), out: Out{Buf: make([]byte, 1452)}}
	s.r = NewRouter(0, &s.tun, ip("fe80::2"), true)
	return s
}

func (s *routerScript) env() RouterEnv { return RouterEnv{&s.tun, &s.stats} }

func (s *routerScript) do(cmd string) string {
	list, o := words(cmd)
	switch list[0] {
	case "router":
		fmt.Sscan(o["max_groups"], &s.tun.MaxGroups)
		fmt.Sscan(o["max_sources"], &s.tun.MaxSources)
		s.r = NewRouter(s.now, &s.tun, ip(list[1]), true)
		return s.run(s.now)
	case "report":
		p := report(s.t, list[1:])
		return s.input(&p)
	case "v1report":
		p := older(wire.ICMP6MLDv1Report, 0, list[1], list[1])
		return s.input(&p)
	case "done":
		p := older(wire.ICMP6MLDDone, 0, list[1], "ff02::2")
		return s.input(&p)
	case "unknown": // a report from ::
		p := report(s.t, list[1:])
		p.Src = ip("::")
		p = signed(p)
		return s.input(&p)
	case "query":
		p := query(s.t, list[1:], o)
		return s.input(&p)
	case "run":
		return s.run(s.now.Add(duration(s.t, list[1])))
	case "state":
		return s.state()
	case "stats":
		return fmt.Sprintf("%+v\n", s.stats)
	}
	s.t.Fatalf("unknown command %q", cmd)
	return ""
}

func (s *routerScript) state() string {
	var b strings.Builder
	fmt.Fprintf(&b, "querier %v\n", s.r.QuerierAddr(s.now))
	for _, g := range s.r.State(s.now) {
		fmt.Fprintf(&b, "%v %v", g.Group, g.Mode)
		if g.Mode == mcast.Exclude {
			fmt.Fprintf(&b, " %v", g.Left)
		}
		for _, src := range g.Sources {
			fmt.Fprintf(&b, " %v=%v", src.Source, src.Left)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *routerScript) input(p *Packet) string {
	if v := s.r.Input(s.now, s.env(), p); v != Accepted {
		return v.String() + "\n"
	}
	return s.events() + s.run(s.now)
}

func (s *routerScript) events() string {
	var b strings.Builder
	var e Event
	for s.r.NextEvent(&e) {
		fmt.Fprintf(&b, "%8.3fs %v %v", s.now.Sub(0).Seconds(), e.What, netip.AddrFrom16(e.Group))
		if e.Source != [16]byte{} {
			fmt.Fprintf(&b, " %v", netip.AddrFrom16(e.Source))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (s *routerScript) run(until clock.Time) string {
	var b strings.Builder
	for rounds := 0; s.r.Deadline() <= until; rounds++ {
		if rounds > 100000 {
			s.t.Fatalf("no progress at %v", s.now.Sub(0))
		}
		s.now = max(s.now, s.r.Deadline())
		for s.r.Next(s.now, s.env(), &s.out) {
			fmt.Fprintf(&b, "%8.3fs %s\n", s.now.Sub(0).Seconds(), text(s.out.Buf[:s.out.N]))
		}
		b.WriteString(s.events())
	}
	s.now = until
	return b.String()
}

func TestRouterTranscripts(t *testing.T) {
	transcripts(t, "testdata/router/*.txt", func(t *testing.T) func(string) string { return newRouterScript(t).do })
}

// BenchmarkReportRefresh: what each further receiver of one (S,G) costs.
func BenchmarkReportRefresh(b *testing.B) {
	s := newRouterScript(b)
	s.run(at(time.Second))
	p := report(b, []string{"IS_IN", "ff3e::1", "{2001:db8::1}"})
	p.SumOK = true
	e := s.env()
	b.ReportAllocs()
	for b.Loop() {
		s.now++
		s.r.Input(s.now, e, &p)
	}
}

func TestRefreshDoesNotAllocate(t *testing.T) {
	s := newRouterScript(t)
	s.run(at(time.Second))
	p := report(t, []string{"IS_IN", "ff3e::1", "{2001:db8::1}"})
	e := s.env()
	s.r.Input(s.now, e, &p)
	wake := s.r.Deadline()
	if n := testing.AllocsPerRun(1000, func() {
		s.now += 1000
		s.r.Input(s.now, e, &p)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s.r.Deadline() != wake {
		t.Error("a refresh touched the queue")
	}
}

func FuzzRouterInput(f *testing.F) {
	for _, c := range kernelCases {
		for _, fr := range capture(f, "testdata/kernel/"+c.file+".pcap") {
			f.Add(fr.pkt.Payload, uint16(100))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, ms uint16) {
		s := newRouterScript(t)
		s.do("report IS_IN ff1e::1 {2001:db8::1 2001:db8::2} TO_EX ff1e::2 {2001:db8::1} ALLOW ff3e::1 {2001:db8::1}")
		for _, dst := range []string{"ff02::1", "ff1e::1"} {
			p := Packet{Src: ip("fe80::1"), Dst: ip(dst), HopLimit: 1, RouterAlert: true, Payload: b, SumOK: true}
			s.r.Input(s.now, s.env(), &p)
			s.run(s.now.Add(time.Duration(ms) * time.Millisecond))
		}
		s.run(s.now.Add(150 * time.Hour)) // the query may come from a querier of 7 times 31744 s
		if n := len(s.r.State(s.now)); n != 0 {
			t.Errorf("%d groups left after days of silence:\n%s", n, s.state())
		}
	})
}
