package gmptest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Router is a router of either protocol, with what it borrows.
type Router interface {
	// Reset makes a new engine by the tunables, of an interface with the address.
	Reset(now clock.Time, self netip.Addr)
	// Input makes a message of the words and hands it over.
	Input(now clock.Time, list []string, options map[string]string) (verdict string, accepted bool)
	// Next returns the next query as text, its envelope checked.
	Next(now clock.Time) (text string, ok bool)
	// NextEvent returns the next change of what is forwarded.
	NextEvent() (what string, group, source netip.Addr, ok bool)
	Deadline() clock.Time
	QuerierAddr(now clock.Time) netip.Addr
	State(now clock.Time) []gmp.GroupState
	Tunables() any
	Stats() any
}

// RouterScript is a Router and the time.
type RouterScript struct {
	T   testing.TB
	R   Router
	Now clock.Time
}

// Do does a command of a transcript and returns its output.
//
//	router ADDRESS [tunable=N]…   begins anew
//	set tunable=N…                from now on
//	run D                         lets time pass
//	state, stats
//
// Everything else is a message to receive.
func (s *RouterScript) Do(cmd string) string {
	list, o := words(cmd)
	switch list[0] {
	case "router":
		tune(s.T, s.R.Tunables(), o)
		s.R.Reset(s.Now, IP(list[1]))
		return s.Run(s.Now)
	case "set":
		tune(s.T, s.R.Tunables(), o)
	case "run":
		return s.Run(s.Now.Add(Duration(s.T, list[1])))
	case "state":
		return s.State()
	case "stats":
		return fmt.Sprintf("%+v\n", s.R.Stats())
	default:
		if v, ok := s.R.Input(s.Now, list, o); !ok {
			return v + "\n"
		}
		return s.events() + s.Run(s.Now)
	}
	return ""
}

// State writes what the router knows.
func (s *RouterScript) State() string {
	var b strings.Builder
	fmt.Fprintf(&b, "querier %v\n", s.R.QuerierAddr(s.Now))
	for _, g := range s.R.State(s.Now) {
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

func (s *RouterScript) events() string {
	var b strings.Builder
	for what, group, source, ok := s.R.NextEvent(); ok; what, group, source, ok = s.R.NextEvent() {
		fmt.Fprintf(&b, "%8.3fs %v %v", s.Now.Sub(0).Seconds(), what, group)
		if !source.IsUnspecified() {
			fmt.Fprintf(&b, " %v", source)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Run pulls everything that is due until then.
func (s *RouterScript) Run(until clock.Time) string {
	s.T.Helper()
	var b strings.Builder
	for rounds := 0; s.R.Deadline() <= until; rounds++ {
		if rounds > 100000 {
			s.T.Fatalf("no progress at %v", s.Now.Sub(0))
		}
		s.Now = max(s.Now, s.R.Deadline())
		for m, ok := s.R.Next(s.Now); ok; m, ok = s.R.Next(s.Now) {
			fmt.Fprintf(&b, "%8.3fs %s\n", s.Now.Sub(0).Seconds(), m)
		}
		b.WriteString(s.events())
	}
	s.Now = until
	return b.String()
}

// Row is a row of the tables of RFC 3376 §6.4 (RFC 3810 §7.4). States are
// written INCLUDE(A) = I{a b}, EXCLUDE(X,Y) = E{x}{y}; sources are digits.
type Row struct{ Have, Record, Want, Asks string }

// Rows are all rows of both tables, and what they do to no state at all. Timers
// are told apart by moving the clock: old ones are at 100 s, new ones at 260 s,
// those asked about at 2 s.
func Rows() []Row {
	return []Row{
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
		{"E{1}{2}", "IS_EX {}", "E{} 260", ""},
		{"E{1}{2}", "TO_EX {}", "E{} 260", ""},
		{"none", "IS_IN {1}", "I{1=260}", ""},
		{"none", "IS_IN {}", "none", ""},
		{"none", "IS_EX {1}", "E{1=0} 260", ""},
		{"none", "ALLOW {1}", "I{1=260}", ""},
		{"none", "BLOCK {1}", "none", ""},
		{"none", "TO_IN {}", "none", ""},
		{"none", "TO_IN {1}", "I{1=260}", ""},
		{"none", "TO_EX {1}", "E{1=0} 260", ""},
	}
}

// Tables does every row with a router that has just been made: source n is the
// n-th after base.
func Tables(t *testing.T, fresh func() *RouterScript, group, base netip.Addr) {
	for _, c := range Rows() {
		t.Run(c.Have+" "+c.Record, func(t *testing.T) {
			s := fresh()
			s.Run(At(10 * time.Second))
			number, named := map[netip.Addr]int{}, map[string]string{}
			for n, a := 1, base.Next(); n < 10; n, a = n+1, a.Next() {
				number[a], named[fmt.Sprint(n)] = n, a.String()
			}
			long := func(digits string) string {
				var list []string
				for _, d := range strings.Fields(strings.Trim(digits, "{}")) {
					list = append(list, named[d])
				}
				return "{" + strings.Join(list, " ") + "}"
			}
			prepare(s, c.Have, group.String(), long)
			s.Run(s.Now.Add(160 * time.Second)) // timers of 260 s have 100 left
			typ, list, _ := strings.Cut(c.Record, " ")
			sent := s.Do("report " + typ + " " + group.String() + " " + long(list))
			if got := brief(s, number); got != c.Want {
				t.Errorf("now %s, want %s", got, c.Want)
			}
			if got := asks(sent, number); got != c.Asks {
				t.Errorf("asked %q, want %q", got, c.Asks)
			}
		})
	}
}

// prepare brings the group into the state.
func prepare(s *RouterScript, have, group string, long func(string) string) {
	switch {
	case have == "none":
	case have[0] == 'I':
		s.Do("report IS_IN " + group + " " + long(have[1:]))
	default:
		x, y, _ := strings.Cut(have[1:], "}{")
		s.Do("report IS_EX " + group + " " + long("{"+y))
		s.Do("report IS_IN " + group + " " + long(x+"}"))
	}
}

func brief(s *RouterScript, number map[netip.Addr]int) string {
	state := s.R.State(s.Now)
	if len(state) == 0 {
		return "none"
	}
	g := state[0]
	var list []string
	for _, src := range g.Sources {
		list = append(list, fmt.Sprintf("%d=%d", number[src.Source], src.Left/time.Second))
	}
	b := g.Mode.String()[:1] + "{" + strings.Join(list, " ") + "}"
	if g.Mode == mcast.Exclude {
		b += fmt.Sprintf(" %d", g.Left/time.Second)
	}
	return b
}

func asks(sent string, number map[netip.Addr]int) string {
	var list []string
	for line := range strings.Lines(sent) {
		_, set, ofSources := strings.Cut(line, "{")
		switch {
		case !strings.Contains(line, "query"):
		case ofSources:
			set, _, _ = strings.Cut(set, "}")
			var digits []string
			for _, a := range Addrs(set) {
				digits = append(digits, fmt.Sprint(number[a]))
			}
			list = append(list, "{"+strings.Join(digits, " ")+"}")
		default:
			list = append(list, "G")
		}
	}
	return strings.Join(list, " ")
}
