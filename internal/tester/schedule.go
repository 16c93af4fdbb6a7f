package tester

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Do is what hosts do in a Step.
type Do uint8

// What hosts do.
const (
	Join   Do = iota + 1 // join groups with the test's filter
	Leave                // leave groups
	Zap                  // leave the group of the moment and join the next, again and again
	Filter               // change the source filter of groups they are members of
)

// String returns the word of ParseSchedule.
func (d Do) String() string {
	if int(d) >= len(doNames) {
		return ""
	}
	return doNames[d]
}

// doNames are the words for a Do.
var doNames = [...]string{Join: "join", Leave: "leave", Zap: "zap", Filter: "filter"}

// Span is a range of numbers from 0, the last included. The zero Span is all
// there are.
type Span struct {
	First, Last int
	Some        bool
}

// String returns "3" or "3-7", nothing for all.
func (s Span) String() string {
	if !s.Some {
		return ""
	}
	if s.First == s.Last {
		return strconv.Itoa(s.First)
	}
	return fmt.Sprintf("%d-%d", s.First, s.Last)
}

// Step is a line of a schedule.
type Step struct {
	Do      Do
	At      time.Duration // of the first host
	Stagger time.Duration // from one host to the next
	Hosts   Span
	Groups  Span
	Own     bool          // of the groups, each host's own: host i's is the i-th, counted round
	Every   time.Duration // Zap: from one change to the next
	Times   int           // Zap: how many changes; 0: until the test ends
	Mode    Mode          // Filter
	Sources []netip.Addr  // Filter
}

// Schedule says who joins and leaves what, and when.
type Schedule []Step

// Mode is that of a source filter (RFC 3678).
type Mode uint8

// Modes.
const (
	Include Mode = iota + 1 // the sources of the list and no others
	Exclude                 // all others; of an empty list: all
)

// String returns "include" or "exclude".
func (m Mode) String() string {
	switch m {
	case Include:
		return "include"
	case Exclude:
		return "exclude"
	}
	return ""
}

// ParseMode reads what String returns.
func ParseMode(text string) (Mode, error) {
	for _, m := range []Mode{Include, Exclude} {
		if text == m.String() {
			return m, nil
		}
	}
	return 0, fmt.Errorf("mode %q: must be include or exclude", text)
}

// String returns what ParseSchedule reads, one step a line.
func (s Schedule) String() string {
	var b strings.Builder
	for _, step := range s {
		fmt.Fprintln(&b, step.String())
	}
	return b.String()
}

// String returns the step as ParseSchedule reads it.
func (s *Step) String() string {
	w := []string{fmt.Sprintf("%v@%v", s.Do, s.At)}
	add := func(is bool, key string, v any) {
		if is {
			w = append(w, fmt.Sprintf("%s=%v", key, v))
		}
	}
	add(s.Stagger != 0, "stagger", s.Stagger)
	add(s.Hosts.Some, "hosts", s.Hosts)
	add(s.Groups.Some, "groups", s.Groups)
	add(s.Own, "groups", "own")
	add(s.Every != 0, "every", s.Every)
	add(s.Times != 0, "times", s.Times)
	add(s.Mode != 0, "mode", s.Mode)
	if len(s.Sources) > 0 {
		var all []string
		for _, a := range s.Sources {
			all = append(all, a.String())
		}
		w = append(w, "source="+strings.Join(all, ","))
	}
	return strings.Join(w, " ")
}
