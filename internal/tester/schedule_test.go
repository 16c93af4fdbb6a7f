//go:build !novimage

package tester

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseSchedule(t *testing.T) {
	s, err := ParseSchedule(`
		join@0s stagger=10ms hosts=0-9 groups=own  # ten of them
		zap@5s every=2s times=3
		filter@8s hosts=3
		  mode=exclude source=10.0.0.10,10.0.0.9,10.0.0.10
		leave@1m groups=1-2`)
	want := `join@0s stagger=10ms hosts=0-9 groups=own
zap@5s every=2s times=3
filter@8s hosts=3 mode=exclude source=10.0.0.9,10.0.0.10
leave@1m0s groups=1-2
`
	if err != nil || s.String() != want {
		t.Errorf("%v\n%v", s, err)
	}
}

func TestScheduleMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"join":                          `"join": a step is join@TIME`,
		"join@":                         "must be a time",
		"join@-1s":                      "must be a time",
		"join@25h":                      "must be a time",
		"wait@1s":                       "a step is",
		"hosts=1":                       "before the first step",
		"join@0s hosts=3-1":             "a range, counted from 0",
		"join@0s hosts=-1":              "a range",
		"join@0s every=1s":              "go with zap",
		"join@0s mode=include":          "go with filter",
		"zap@1s":                        "add every=2s",
		"zap@1s every=1s groups=own":    "leave groups out",
		"zap@1s every=1s times=0":       "a number from 1 on",
		"filter@1s":                     "add mode=include",
		"filter@1s mode=include":        "add source=ADDRESS",
		"filter@1s mode=some":           "include or exclude",
		"filter@1s mode=exclude source": "a step is",
		"filter@1s mode=exclude source=232.1.1.1": "address of a host",
		"join@0s colour=red":                      "there are stagger",
	} {
		if _, err := ParseSchedule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, and not %q", text, err, want)
		}
	}
	if _, err := ParseSchedule(strings.Repeat("join@0s ", maxSteps+1)); err == nil {
		t.Error("a schedule of any length is taken")
	}
}

// TestScheduleLength: the end is seen, of zaps a few rounds where no number is given.
func TestScheduleLength(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"join@0s":                       time.Second,
		"join@0s leave@3s":              6 * time.Second,
		"join@1s stagger=10ms":          time.Second + 990*time.Millisecond + time.Second,
		"join@1s stagger=10ms hosts=5":  2 * time.Second,
		"join@0s zap@2s every=2s":       13 * time.Second,
		"zap@2s every=2s times=100":     203 * time.Second,
		"join@23h stagger=1h leave@23h": maxTime,
	} {
		s, err := ParseSchedule(text)
		if got := s.length(100); err != nil || got != want {
			t.Errorf("%s: %v, want %v (%v)", text, got, want, err)
		}
	}
}

// FuzzParseSchedule: what is taken is read back as it was written.
func FuzzParseSchedule(f *testing.F) {
	for _, s := range []string{"join@0s", "join@0s stagger=10ms leave@10s", "zap@5s every=2s times=3", "filter@8s mode=exclude source=10.0.0.9,::1",
		"join@0s groups=own # x\nleave@1h2m3.5s hosts=1-2 groups=0", "join@0s groups=1 groups=own"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil || len(s) == 0 {
			return
		}
		again, err := ParseSchedule(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is\n%v and that is\n%v%v", text, s, again, err)
		}
		if d := s.length(1000); d <= 0 || d > maxTime {
			t.Fatalf("%q takes %v", text, d)
		}
	})
}
