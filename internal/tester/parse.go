package tester

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSteps is how long a schedule may be.
const maxSteps = 10_000

// ParseSchedule reads a schedule. Its words are separated by blanks or lines;
// what follows # on a line is a comment. A step begins with what and when:
//
//	join@0s stagger=10ms     all hosts join all groups, 10 ms apart
//	leave@10s hosts=0-99     the first hundred leave
//	join@0s groups=own       each host joins one group, the next host the next
//	zap@5s every=2s times=3  each leaves its group and joins the next, 3 times
//	filter@8s mode=exclude source=10.0.0.9,10.0.0.10
//	                         members change their filter (RFC 3678, full state)
//
// and has, as key=value,
//
//	stagger   the time from one host to the next; 0s
//	hosts     a host or a range of them, counted from 0; all
//	groups    likewise, or own; all
//	every     of zap: the time between two changes
//	times     of zap: how many; without it until the test ends
//	mode      of filter: include or exclude
//	source    of filter: the list; without one an empty list
func ParseSchedule(text string) (Schedule, error) {
	var s Schedule
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.Fields(line) {
			key, value, assigns := strings.Cut(word, "=")
			if !assigns {
				step, err := parseStep(word)
				if err != nil {
					return nil, err
				}
				s = append(s, step)
				continue
			}
			if len(s) == 0 {
				return nil, fmt.Errorf("schedule: %q stands before the first step: begin with join@0s", word)
			}
			if err := s[len(s)-1].set(key, value); err != nil {
				return nil, fmt.Errorf("schedule: %s: %w", word, err)
			}
		}
	}
	return s, s.Check()
}

// parseStep reads "join@10s".
func parseStep(word string) (Step, error) {
	name, at, ok := strings.Cut(word, "@")
	for d := Join; d <= Filter; d++ {
		if name == d.String() && ok {
			t, err := parseTime(at)
			if err != nil {
				return Step{}, fmt.Errorf("schedule: %s: %w", word, err)
			}
			return Step{Do: d, At: t}, nil
		}
	}
	return Step{}, fmt.Errorf("schedule: %q: a step is join@TIME, leave@TIME, zap@TIME or filter@TIME, such as join@0s", word)
}

func parseTime(text string) (time.Duration, error) {
	t, err := time.ParseDuration(text)
	if err != nil || t < 0 || t > maxTime {
		return 0, fmt.Errorf("%q: must be a time from 0s to %v, such as 10ms", text, maxTime)
	}
	return t, nil
}

// set gives a step one of its properties.
func (s *Step) set(key, value string) (err error) {
	switch key {
	case "stagger":
		s.Stagger, err = parseTime(value)
	case "every":
		s.Every, err = parseTime(value)
	case "times":
		if s.Times, err = strconv.Atoi(value); err != nil || s.Times < 1 {
			err = errors.New("must be a number from 1 on")
		}
	case "hosts":
		s.Hosts, err = parseSpan(value)
	case "groups":
		if s.Own = value == "own"; !s.Own {
			s.Groups, err = parseSpan(value)
		}
	case "mode":
		s.Mode, err = ParseMode(value)
	case "source":
		s.Sources, err = ParseSources(value)
	default:
		err = fmt.Errorf("no property %q: there are stagger, hosts, groups, every, times, mode and source", key)
	}
	return err
}

func parseSpan(text string) (Span, error) {
	first, last, more := strings.Cut(text, "-")
	if !more {
		last = first
	}
	a, e1 := strconv.ParseUint(first, 10, 31)
	b, e2 := strconv.ParseUint(last, 10, 31)
	if e1 != nil || e2 != nil || a > b {
		return Span{}, errors.New("must be a number or a range, counted from 0, such as 0-99")
	}
	return Span{First: int(a), Last: int(b), Some: true}, nil
}

// ParseSources reads addresses of hosts, separated by commas, and returns them
// sorted.
func ParseSources(text string) (all []netip.Addr, err error) {
	for _, word := range strings.Split(text, ",") {
		a, err := netip.ParseAddr(word)
		if err != nil || a.IsMulticast() || a.IsUnspecified() || a.Is4In6() || a.Zone() != "" {
			return nil, fmt.Errorf("%q: must be the address of a host, such as 10.0.0.9", word)
		}
		all = append(all, a)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// Check returns what is wrong with the schedule by itself, or nil.
func (s Schedule) Check() error {
	if len(s) > maxSteps {
		return fmt.Errorf("schedule: %d steps: at most %d", len(s), maxSteps)
	}
	for i := range s {
		if err := s[i].check(); err != nil {
			return fmt.Errorf("schedule: %v: %w", &s[i], err)
		}
	}
	return nil
}

func (s *Step) check() error {
	switch {
	case s.Do == Zap && s.Every == 0:
		return errors.New("how often? add every=2s")
	case s.Do == Zap && (s.Own || s.Groups.Some):
		return errors.New("hosts zap through all groups: leave groups out")
	case s.Do != Zap && (s.Every != 0 || s.Times != 0):
		return errors.New("every and times go with zap")
	case s.Do == Filter && s.Mode == 0:
		return errors.New("to what? add mode=include or mode=exclude")
	case s.Do == Filter && s.Mode == Include && len(s.Sources) == 0:
		return errors.New("including nothing is to leave: add source=ADDRESS")
	case s.Do != Filter && (s.Mode != 0 || len(s.Sources) > 0):
		return errors.New("mode and source go with filter")
	case s.Own && s.Groups.Some:
		return errors.New("groups is either own or a range")
	}
	return nil
}
