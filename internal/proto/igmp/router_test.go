package igmp

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

// report makes a version 3 report of the words TYPE group {sources}, repeated.
func report(t testing.TB, list []string) Packet {
	b := make([]byte, 4096)
	n, records := wire.IGMPv3ReportLen, 0
	for i := 0; i < len(list); i += 3 {
		typ := uint8(99)
		for k, name := range recordNames {
			if name == list[i] {
				typ = k
			}
		}
		n += wire.PutIGMPv3Record(b[n:], typ, ip(list[i+1]), addrs(strings.Trim(list[i+2], "{}")))
		records++
	}
	wire.PutIGMPv3Report(b[:n], records)
	return Packet{Src: ip("10.0.0.5"), Dst: ip("224.0.0.22"), TTL: 1, RouterAlert: true, Payload: b[:n]}
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
	s := &routerScript{t: t, tun: RouterDefaults(), out: Out{Buf: make([]byte, 1476)}}
	s.r = NewRouter(0, &s.tun, ip("10.0.0.2"), true)
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
		p := older(wire.IGMPTypeV1Report, 0, list[1], list[1])
		return s.input(&p)
	case "v2report":
		p := older(wire.IGMPTypeV2Report, 0, list[1], list[1])
		return s.input(&p)
	case "leave":
		p := older(wire.IGMPTypeV2Leave, 0, list[1], "224.0.0.2")
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
		fmt.Fprintf(&b, "%8.3fs %v %v", s.now.Sub(0).Seconds(), e.What, netip.AddrFrom4(e.Group))
		if e.Source != [4]byte{} {
			fmt.Fprintf(&b, " %v", netip.AddrFrom4(e.Source))
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

// TestRFC3376Section6_4Tables does every row of both tables. States are written
// INCLUDE(A) = I{a b}, EXCLUDE(X,Y) = E{x}{y}; timers are told apart by moving
// the clock: old ones are at 100 s, new ones at GMI = 260 s.
func TestRFC3376Section6_4Tables(t *testing.T) {
	for _, c := range []struct{ have, rec, want, asks string }{
		{"I{1 2}", "IS_IN {2 3}", "I{1=100 2=260 3=260}", ""},
		{"I{1 2}", "IS_EX {2 3}", "E{2=100 3=0} 260", ""},
		{"E{1}{2}", "IS_IN {1 2 3}", "E{1=260 2=260 3=260} 100", ""},
		{"E{1 4}{2 5}", "IS_EX {1 2 3}", "E{1=100 2=0 3=260} 260", ""},
		{"I{1 2}", "ALLOW {2 3}", "I{1=100 2=260 3=260}", ""},
		{"I{1 2}", "BLOCK {2 3}", "I{1=100 2=2}", "{2}"},
		{"I{1 2}", "TO_EX {2 3}", "E{2=2 3=0} 260", "{2}"},
		{"I{1 2}", "TO_IN {2 3}", "I{1=2 2=260 3=260}", "{1}"},
		{"I{1 2}", "TO_IN {}", "I{1=2 2=2}", "{1 2}"},
		{"E{1}{2}", "ALLOW {1 2 3}", "E{1=260 2=260 3=260} 100", ""},
		{"E{1}{2}", "BLOCK {1 2 3}", "E{1=2 2=0 3=2} 100", "{1 3}"},
		{"E{1 4}{2 5}", "TO_EX {1 2 3}", "E{1=2 2=0 3=2} 260", "{1 3}"},
		{"E{1 4}{2 5}", "TO_IN {1 2 3}", "E{1=260 2=260 3=260 4=2 5=0} 2", "G {4}"},
		{"E{}{}", "TO_IN {}", "E{} 2", "G"},
		{"none", "IS_IN {1}", "I{1=260}", ""},
		{"none", "BLOCK {1}", "none", ""},
		{"none", "TO_IN {}", "none", ""},
		{"none", "TO_EX {1}", "E{1=0} 260", ""},
	} {
		t.Run(c.have+" "+c.rec, func(t *testing.T) {
			s := newRouterScript(t)
			s.run(at(10 * time.Second))
			prepare(s, c.have)
			s.run(s.now.Add(160 * time.Second)) // timers of 260 s have 100 left
			s.out.N = 0
			list := strings.SplitN(c.rec, " ", 2)
			sent := s.do("report " + list[0] + " 239.1.1.1 " + long(list[1]))
			if got := brief(s); got != c.want {
				t.Errorf("now %s, want %s", got, c.want)
			}
			var asks []string
			for line := range strings.Lines(sent) {
				switch {
				case !strings.Contains(line, "query"):
				case strings.Contains(line, "{"):
					asks = append(asks, strings.ReplaceAll(line[strings.Index(line, "{"):strings.Index(line, "}")+1], "10.0.0.", ""))
				default:
					asks = append(asks, "G")
				}
			}
			if got := strings.Join(asks, " "); got != c.asks {
				t.Errorf("asked %q, want %q", got, c.asks)
			}
		})
	}
}

func long(s string) string {
	for i := range 10 {
		s = strings.NewReplacer(fmt.Sprintf("{%d", i), fmt.Sprintf("{10.0.0.%d", i), fmt.Sprintf(" %d", i), fmt.Sprintf(" 10.0.0.%d", i)).Replace(s)
	}
	return s
}

// prepare brings the group into the state.
func prepare(s *routerScript, have string) {
	switch {
	case have == "none":
	case have[0] == 'I':
		s.do("report IS_IN 239.1.1.1 " + long(have[1:]))
	default:
		x, y, _ := strings.Cut(have[1:], "}{")
		s.do("report IS_EX 239.1.1.1 " + long("{"+y))
		s.do("report IS_IN 239.1.1.1 " + long(x+"}"))
	}
}

func brief(s *routerScript) string {
	state := s.r.State(s.now)
	if len(state) == 0 {
		return "none"
	}
	g := state[0]
	var list []string
	for _, src := range g.Sources {
		list = append(list, fmt.Sprintf("%d=%d", src.Source.As4()[3], src.Left/time.Second))
	}
	b := g.Mode.String()[:1] + "{" + strings.Join(list, " ") + "}"
	if g.Mode == mcast.Exclude {
		b += fmt.Sprintf(" %d", g.Left/time.Second)
	}
	return b
}

// BenchmarkReportRefresh: what each further receiver of one (S,G) costs.
func BenchmarkReportRefresh(b *testing.B) {
	s := newRouterScript(b)
	s.run(at(time.Second))
	p := report(b, []string{"IS_IN", "232.1.1.1", "{10.0.0.1}"})
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
	p := report(t, []string{"IS_IN", "232.1.1.1", "{10.0.0.1}"})
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
		s.do("report IS_IN 239.1.1.1 {10.0.0.1 10.0.0.2} TO_EX 239.1.1.2 {10.0.0.1} ALLOW 232.1.1.1 {10.0.0.1}")
		for _, dst := range []string{"224.0.0.1", "239.1.1.1"} {
			p := Packet{Src: ip("10.0.0.1"), Dst: ip(dst), TTL: 1, Payload: b, SumOK: true}
			s.r.Input(s.now, s.env(), &p)
			s.run(s.now.Add(time.Duration(ms) * time.Millisecond))
		}
		s.run(s.now.Add(150 * time.Hour)) // the query may come from a querier of 7 times 31744 s
		if n := len(s.r.State(s.now)); n != 0 {
			t.Errorf("%d groups left after days of silence:\n%s", n, s.state())
		}
	})
}
