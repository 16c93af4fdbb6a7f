package bridge

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/table"
	"github.com/seed88948545/vimage/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// script is a switch and the time. Station n sits at port n.
type script struct {
	t     testing.TB
	b     *Bridge
	tun   Tunables
	stats Stats
	now   clock.Time
	d     Decision
	opt   PortOptions
	start clock.Time // of the command
	buf   [1514]byte
}

func newScript(t testing.TB, ports int) *script {
	s := &script{t: t, b: New(table.Seed{}), tun: Defaults()}
	for n := range ports {
		s.b.AddPort(int32(n))
	}
	return s
}

func (s *script) env() Env { return Env{T: &s.tun, S: &s.stats} }

func (s *script) input(n int, f wire.Ether) string {
	asked := s.pull()
	s.b.Input(s.now, s.env(), int32(n), f, &s.d)
	out := fmt.Sprintf("%v %v", s.d.Verdict, targets(s.t, &s.d))
	if s.d.Withheld > 0 {
		out += fmt.Sprintf(", %d withheld", s.d.Withheld)
	}
	return asked + out + "\n" + s.pull()
}

// pull returns what the switch has to say.
func (s *script) pull() (text string) {
	o := Out{Buf: s.buf[:]}
	for s.b.Deadline() <= s.now && s.b.Next(s.now, s.env(), &o) {
		text += fmt.Sprintf("%v asks %v: %s\n", s.now.Sub(s.start).Round(time.Millisecond), o.Ports, asked(s.t, o.Buf[:o.N]))
	}
	return text
}

func (s *script) run(d time.Duration) (text string) {
	until := s.now.Add(d)
	s.start = s.now
	for s.b.Deadline() <= until {
		s.now = max(s.now, s.b.Deadline())
		text += s.pull()
	}
	s.now, s.start = until, until
	return text
}

// do runs "PORT VERB …" or a command without a port.
func (s *script) do(cmd string) string {
	w := strings.Fields(cmd)
	switch w[0] {
	case "switch":
		*s = *newScript(s.t, number(w[1]))
		return ""
	case "set":
		for name, v := range map[string]*int32{"snooping": &s.tun.Snooping, "flood": &s.tun.FloodUnknown,
			"fastleave": &s.tun.FastLeave, "maxaddr": &s.tun.MaxAddr, "maxgroups": &s.tun.MaxGroups,
			"interval": &s.tun.QueryInterval, "memberage": &s.tun.MemberAge, "routerage": &s.tun.RouterAge} {
			if name == w[1] {
				*v = int32(number(w[2]))
			}
		}
		return ""
	case "run":
		d, err := time.ParseDuration(w[1])
		if err != nil {
			s.t.Fatal(err)
		}
		return s.run(d)
	case "drop":
		s.b.DropPort(int32(number(w[1])))
		return ""
	case "add":
		s.b.AddPort(int32(number(w[1])))
		return ""
	case "router":
		s.port(w[1]).Router = map[string]RouterMode{"on": RouterAlways, "off": RouterLearn, "never": RouterNever}[w[2]]
		s.configure(w[1])
		return ""
	case "port": // N OPTION VALUE
		o := s.port(w[1])
		switch on := number(w[3]); w[2] {
		case "fastleave":
			o.FastLeave = on != 0
		case "unknown":
			o.FloodUnknown = on != 0
		case "reports":
			o.FloodReports = on != 0
		case "maxgroups":
			o.MaxGroups = int32(on)
		case "maxsources":
			o.MaxSources = int32(on)
		default:
			s.t.Fatalf("unknown option %q", w)
		}
		s.configure(w[1])
		return ""
	case "querier": // on or off, its addresses
		from := Source{MAC: hostMAC(0xaa), IPv4: ip(w[2]), IPv6: ip(w[3])}
		s.b.SetQuerier(s.now, w[1] == "on", from)
		return s.pull()
	case "refresh":
		s.b.Refresh(s.now)
		return s.pull()
	case "plug": // PORT, as its owner does with a new one
		s.b.AddPort(int32(number(w[1])))
		s.b.RefreshPort(s.now, int32(number(w[1])))
		return s.pull()
	case "refused":
		return fmt.Sprintf("%d refused\n", s.b.Refused(int32(number(w[1]))))
	case "routers":
		return fmt.Sprintf("routers %v\n", routers(s))
	case "groups":
		if text := sum(s.b.Groups(s.now, int32(number(w[1])))); text != "" {
			return text + "\n"
		}
		return "none\n"
	case "stats":
		return fmt.Sprintf("%+v\n", s.stats)
	}
	return s.station(number(w[0]), w)
}

// port returns a port's options, configure makes them hold.
func (s *script) port(n string) *PortOptions {
	s.opt = s.b.ports.At(int32(number(n))).options()
	return &s.opt
}

func (s *script) configure(n string) { s.b.Configure(int32(number(n)), s.opt) }

// routers returns the router ports of either family, sorted.
func routers(s *script) []int32 {
	list := []int32{}
	for _, r := range s.b.RouterPorts(s.now) {
		list = append(list, r.Port)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// station has station n send a frame.
func (s *script) station(n int, w []string) string {
	rest := func(i int) string { return strings.Join(w[min(i, len(w)):], " ") }
	switch w[1] {
	case "to": // unicast to a station's address
		b := make([]byte, 60)
		wire.PutEther(b, hostMAC(number(w[2])), hostMAC(n), 0x88b5)
		return s.input(n, b)
	case "mac":
		b := make([]byte, 60)
		var m wire.MAC
		fmt.Sscanf(w[2], "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5])
		wire.PutEther(b, m, hostMAC(n), 0x88b5)
		return s.input(n, b)
	case "data":
		return s.input(n, udp(n, w[2], w[3]))
	case "tagged":
		return s.input(n, tagged(udp(n, w[2], w[3]), 5))
	case "query":
		group := "0.0.0.0"
		if len(w) > 3 {
			group = w[3]
		}
		return s.input(n, queryOf(n, w[2], group, rest(4), false))
	case "squery":
		return s.input(n, queryOf(n, w[2], w[3], rest(4), true))
	case "v2report":
		return s.input(n, v2Of(n, wire.IGMPTypeV2Report, w[2], w[2]))
	case "leave":
		return s.input(n, v2Of(n, wire.IGMPTypeV2Leave, w[2], "224.0.0.2"))
	case "6":
		return s.station6(n, w[1:])
	}
	if f := router4(n, w); f != nil {
		return s.input(n, f)
	}
	if f := odd4(n, w); f != nil {
		return s.input(n, f)
	}
	if types[w[1]] == 0 {
		s.t.Fatalf("unknown command %q", w)
	}
	return s.input(n, reportOf(n, w[1], w[2], rest(3)))
}

// station6 has station n send a frame of IPv6: "N 6 VERB …". SRC is an address or
// "me".
func (s *script) station6(n int, w []string) string {
	rest := func(i int) string { return strings.Join(w[min(i, len(w)):], " ") }
	from := func(word string) netip.Addr {
		if word == "me" {
			return linkLocal(n)
		}
		return ip(word)
	}
	switch w[1] {
	case "data":
		return s.input(n, udp6(n, w[2], w[3]))
	case "tagged":
		return s.input(n, tagged6(udp6(n, w[2], w[3])))
	case "solicit":
		return s.input(n, solicit(n, from(w[2])))
	case "query":
		group := "::"
		if len(w) > 3 {
			group = w[3]
		}
		return s.input(n, query6(n, from(w[2]), group, rest(4)))
	case "v1query":
		return s.input(n, v1Of6(n, wire.ICMP6MLDQuery, w[2], "ff02::1"))
	case "v1report":
		return s.input(n, v1Of6(n, wire.ICMP6MLDv1Report, w[2], w[2]))
	case "done":
		return s.input(n, v1Of6(n, wire.ICMP6MLDDone, w[2], "ff02::2"))
	case "from": // SRC TYPE GROUP SOURCES: a report from an address
		return s.input(n, report6(n, ip(w[2]), w[3], w[4], rest(5)))
	case "bad":
		return s.input(n, badMLD(n, w[2]))
	case "pim":
		return s.input(n, pim6(n, rest(2) == "bad"))
	case "advert":
		return s.input(n, v1Of6(n, icmp6MRDAdvert, "::", "ff02::6a"))
	case "damaged": // what IPv6 has instead of a checksum: the version and the length
		f := udp6(n, w[2], w[3])
		f[wire.EtherLen+4]++
		return s.input(n, f)
	}
	return s.input(n, report6(n, linkLocal(n), w[1], w[2], rest(3)))
}

// badMLD spoils a good report.
func badMLD(n int, how string) wire.Ether {
	f := report6(n, linkLocal(n), "TO_EX", "ff1e::99", "")
	switch p := f[wire.EtherLen:]; how {
	case "checksum":
		p[wire.IPv6Len+8+2]++
	case "hops":
		p[7]++
	case "alert": // another router alert's value, RSVP
		p[wire.IPv6Len+5] = 1
	case "records":
		p[wire.IPv6Len+8+7]++
		wire.ICMP6(p[wire.IPv6Len+8:]).SetChecksum(linkLocal(n), ip("ff02::16"))
	case "length": // a message of four bytes
		p[5] = 12
		return f[:wire.EtherLen+wire.IPv6Len+12]
	}
	return f
}

func number(s string) (n int) {
	fmt.Sscan(s, &n)
	return n
}

func TestTranscripts(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no transcripts")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(t, 5)
			var got []string
			for _, p := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
				commands, _, _ := strings.Cut(p, "\n----")
				output := ""
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
						output += s.do(line)
						checkLists(t, s.b)
					}
				}
				got = append(got, commands+"\n----\n"+output)
			}
			all := strings.Join(got, "\n")
			if *update {
				if err := os.WriteFile(file, []byte(all), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if all != string(b) {
				t.Errorf("%s does not say what happens (-update rewrites it); now:\n%s", file, all)
			}
		})
	}
}
