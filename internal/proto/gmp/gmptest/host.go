package gmptest

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/proto/gmp"
	"github.com/seed88948545/vimage/internal/proto/mcast"
)

// Host is a host of either protocol, with what it borrows.
type Host interface {
	// Reset makes a new engine by the tunables, on a link of that MTU (0: as it
	// was).
	Reset(silent bool, mtu int)
	Change(now clock.Time, group netip.Addr, f mcast.Filter, delay time.Duration)
	Announce(now clock.Time)
	// Input makes a message of the words and hands it over.
	Input(now clock.Time, list []string, options map[string]string) (verdict string, accepted bool)
	// Next returns the next message as text, its envelope checked.
	Next(now clock.Time) (text string, ok bool)
	Deadline() clock.Time
	State(now clock.Time) gmp.HostState
	Tunables() any
	Stats() any
}

// HostScript is a Host and the time.
type HostScript struct {
	T   testing.TB
	H   Host
	Now clock.Time
}

// Do does a command of a transcript and returns its output.
//
//	host [silent] [mtu=N] [tunable=N]…   begins anew
//	set tunable=N…                       from now on
//	change GROUP FILTER [delay=D]        and send what is due
//	propose GROUP FILTER [delay=D]       without sending
//	announce                             the interface came up
//	run D                                lets time pass
//	state, memberships, stats
//
// Everything else is a message to receive.
func (s *HostScript) Do(cmd string) string {
	list, o := words(cmd)
	switch list[0] {
	case "host":
		mtu, _ := strconv.Atoi(o["mtu"])
		delete(o, "mtu")
		if v, ok := o["version"]; ok {
			delete(o, "version")
			o["default_version"] = v
		}
		tune(s.T, s.H.Tunables(), o)
		s.H.Reset(len(list) > 1, mtu)
	case "set":
		tune(s.T, s.H.Tunables(), o)
	case "change", "propose":
		delay := time.Duration(0)
		if v := o["delay"]; v != "" {
			delay = Duration(s.T, v)
		}
		s.H.Change(s.Now, IP(list[1]), FilterOf(s.T, list[2]), delay)
		if list[0] == "change" {
			return s.Run(s.Now)
		}
	case "announce":
		s.H.Announce(s.Now)
		return s.Run(s.Now)
	case "run":
		return s.Run(s.Now.Add(Duration(s.T, list[1])))
	case "state":
		st := s.H.State(s.Now)
		return fmt.Sprintf("version %d, %d groups, idle %v\n", st.Version, len(st.Groups), s.H.Deadline() == clock.Never)
	case "memberships":
		return memberships(s.H.State(s.Now))
	case "stats":
		return fmt.Sprintf("%+v\n", s.H.Stats())
	default:
		if v, ok := s.H.Input(s.Now, list, o); !ok {
			return v + "\n"
		}
		return s.Run(s.Now)
	}
	return ""
}

func memberships(st gmp.HostState) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version %d rv %d qi %v qri %v uri %v", st.Version, st.Robustness, st.QueryInterval, st.QueryResponse, st.Unsolicited)
	for _, q := range st.Older {
		fmt.Fprintf(&b, " v%dtimer %v", q.Version, q.Left)
	}
	if st.General > 0 {
		fmt.Fprintf(&b, " general %v", st.General)
	}
	if st.Silent {
		b.WriteString(" silent")
	}
	if st.UseAllow {
		b.WriteString(" useallow")
	}
	b.WriteByte('\n')
	for _, g := range st.Groups {
		fmt.Fprintf(&b, "  %v %s %v", g.Group, filterText(g.Filter), g.State)
		if g.Left > 0 {
			fmt.Fprintf(&b, " in %v", g.Left)
		}
		if g.Pending > 0 {
			fmt.Fprintf(&b, ", %d times", g.Pending)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Run pulls everything that is due until then.
func (s *HostScript) Run(until clock.Time) string {
	s.T.Helper()
	var b strings.Builder
	for rounds := 0; s.H.Deadline() <= until; rounds++ {
		if rounds > 1000000 {
			s.T.Fatalf("no progress at %v", s.Now.Sub(0))
		}
		s.Now = max(s.Now, s.H.Deadline())
		for m, ok := s.H.Next(s.Now); ok; m, ok = s.H.Next(s.Now) {
			fmt.Fprintf(&b, "%8.3fs %s\n", s.Now.Sub(0).Seconds(), m)
		}
	}
	s.Now = until
	return b.String()
}
