package gmptest

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
)

// step is what a captured host's applications did.
type step struct {
	at            time.Duration
	group, filter string
}

// Frame is a captured message.
type Frame struct {
	At   time.Duration
	Mine bool   // the captured host sent it
	Text string // as Host.Next writes it
	Hear func(now clock.Time, h Host)
	Note func(now clock.Time, r Router)
}

// capture is a capture file and what is known about it.
type capture struct {
	file    string
	version int32
	steps   []step
	split   bool // lists may be split otherwise
}

// paragraphs returns the lines of a text file's paragraphs, without comments.
func paragraphs(t testing.TB, file string) (list [][]string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Split(strings.TrimSpace(string(b)), "\n\n") {
		var lines []string
		for line := range strings.Lines(p) {
			if line = strings.TrimSpace(line); line[0] != '#' {
				lines = append(lines, line)
			}
		}
		if lines != nil {
			list = append(list, lines)
		}
	}
	return list
}

// captures reads cases.txt, which says what the applications of the captured
// hosts did.
func captures(t testing.TB, folder string) (list []capture) {
	for _, p := range paragraphs(t, folder+"/cases.txt") {
		w, o := words(p[0])
		version, err := strconv.Atoi(o["version"])
		if err != nil {
			t.Fatal(p[0])
		}
		c := capture{file: w[0], version: int32(version), split: len(w) > 1}
		for _, line := range p[1:] {
			ms, rest, _ := strings.Cut(line, " ")
			group, filter, _ := strings.Cut(rest, " ")
			n, err := strconv.Atoi(ms)
			if err != nil {
				t.Fatal(line)
			}
			c.steps = append(c.steps, step{time.Duration(n) * time.Millisecond, group, filter})
		}
		list = append(list, c)
	}
	return list
}

// difference is one thing that this engine sends otherwise than the captured
// host: "" stands for nothing.
type difference struct{ why, theirs, ours string }

// differences reads differences.txt: the name of a capture, the reason, the
// other's message behind "-", ours behind "+".
func differences(t testing.TB, folder string) map[string][]difference {
	all := map[string][]difference{}
	for _, p := range paragraphs(t, folder+"/differences.txt") {
		d := difference{why: p[1]}
		for _, line := range p[2:] {
			switch line[0] {
			case '-':
				d.theirs = strings.TrimSpace(line[1:])
			case '+':
				d.ours = strings.TrimSpace(line[1:])
			default:
				t.Fatal(line)
			}
		}
		if !strings.Contains(d.why, "RFC ") && !strings.Contains(d.why, "The capture ends") {
			t.Errorf("%s: a difference without a paragraph that justifies it: %q", p[0], d.why)
		}
		all[p[0]] = append(all[p[0]], d)
	}
	return all
}

// Compare replays, for every capture in the folder, what the applications of the
// captured host did (cases.txt) and the queries it heard, and compares what is
// sent: all state changes in their order, all answers in theirs, but for what
// differences.txt says. Times are random on both sides, and with some of 50 seeds
// they must have come out alike.
func Compare(t *testing.T, folder string, frames func(t testing.TB, file string) []Frame,
	fresh func(t testing.TB, version int32, seed uint64) Host) {
	known := differences(t, folder)
	cases := captures(t, folder)
	if files, _ := filepath.Glob(folder + "/*.pcap"); len(files) != len(cases) {
		t.Errorf("%d captures, %d cases", len(files), len(cases))
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			heard := frames(t, folder+"/"+c.file+".pcap")
			var theirs []string
			for _, f := range heard {
				if f.Mine {
					theirs = append(theirs, sorted(f.Text))
				}
			}
			diff := "never the same"
			for seed := uint64(0); seed < 50 && diff != ""; seed++ {
				ours := replay(t, fresh(t, c.version, seed), heard, c.steps)
				diff = c.compare(t, ours, theirs, known[c.file])
			}
			if diff != "" {
				t.Error(diff)
			}
		})
		delete(known, c.file)
	}
	for name := range known {
		t.Errorf("differences in %s, which is no capture", name)
	}
}

// compare returns what differs beyond what is known to. Versions 1 and 2 repeat
// at random moments: of those, only what is sent at all is compared.
func (c *capture) compare(t *testing.T, got, want []string, known []difference) (diff string) {
	for _, d := range known {
		if isQuery(d.theirs + d.ours) {
			continue
		}
		if want, diff = differ(t, want, got, d); diff != "" {
			return diff
		}
	}
	if c.split {
		got, want = pairs(got), pairs(want)
	}
	if slices.ContainsFunc(want, func(m string) bool { return m[0] == 'v' }) {
		slices.Sort(got)
		got, want = slices.Compact(got), slices.Clone(want)
		slices.Sort(want)
		want = slices.Compact(want)
	}
	for _, kind := range []string{"answers", "changes"} {
		if g, w := only(got, kind), only(want, kind); !slices.Equal(g, w) {
			return kind + " sent:\n" + strings.Join(g, "\n") + "\nthe captured host sent:\n" + strings.Join(w, "\n")
		}
	}
	return ""
}

// replay runs a host through the steps and through what the captured host heard.
// What is done before the capture begins is not part of the result.
func replay(t *testing.T, h Host, frames []Frame, steps []step) []string {
	var got []string
	want := map[string]bool{}
	run := func(until clock.Time) {
		for h.Deadline() <= until {
			now := h.Deadline()
			for m, ok := h.Next(now); ok; m, ok = h.Next(now) {
				if now >= 0 {
					got = append(got, sorted(m))
				}
			}
		}
	}
	for len(frames) > 0 || len(steps) > 0 {
		if len(frames) == 0 || len(steps) > 0 && steps[0].at <= frames[0].At {
			now := At(steps[0].at)
			run(now - 1)
			f := FilterOf(t, steps[0].filter)
			h.Change(now, IP(steps[0].group), f, 0)
			want[steps[0].group] = !f.Nothing()
			steps = steps[1:]
			continue
		}
		if f := frames[0]; !f.Mine {
			run(At(f.At))
			f.Hear(At(f.At), h)
		}
		frames = frames[1:]
	}
	run(At(time.Minute))
	left := 0
	for _, on := range want {
		if on {
			left++
		}
	}
	if n := len(h.State(At(time.Minute)).Groups); n != left || h.Deadline() != clock.Never {
		t.Errorf("an idle host keeps %d groups of %d, deadline %v", n, left, h.Deadline())
	}
	return got
}

// differ applies one documented difference to what the captured host sent: the
// last occurrence of an answer is the one that differs, every one of a change.
func differ(t *testing.T, want, got []string, d difference) ([]string, string) {
	i := len(want)
	if d.theirs != "" {
		for i = len(want) - 1; i >= 0 && want[i] != d.theirs; i-- {
		}
		if i < 0 {
			t.Fatalf("the captured host did not send %q", d.theirs)
		}
	}
	want = slices.Clone(want)
	switch {
	case d.ours == "":
		return slices.Delete(want, i, i+1), ""
	case !slices.Contains(got, d.ours):
		return want, "not sent: " + d.ours
	case d.theirs == "":
		return append(want, d.ours), ""
	}
	for j := range want {
		if j == i || want[j] == d.theirs && !strings.HasPrefix(d.theirs, "IS_") {
			want[j] = d.ours
		}
	}
	return want, ""
}

// sorted brings the records of a message into one order: RFC 3376 has none.
func sorted(message string) string {
	records := strings.Split(message, ", ")
	slices.Sort(records)
	return strings.Join(records, ", ")
}

func only(list []string, kind string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		return strings.HasPrefix(s, "IS_") != (kind == "answers")
	})
}

func isQuery(m string) bool { return strings.Contains(m, "query ") }

// CompareQueriers has a router hear what the captured hosts reported to another
// querier, and compares what the two ask: which queries there are, not how often
// and when, nor with which S flag, because those follow from random times.
func CompareQueriers(t *testing.T, folder string, frames func(t testing.TB, file string) []Frame,
	fresh func(t testing.TB, version int) *RouterScript) {
	known := differences(t, folder)
	for _, c := range captures(t, folder) {
		if !strings.Contains(c.file, "_querier_") {
			continue
		}
		t.Run(c.file, func(t *testing.T) {
			heard := frames(t, folder+"/"+c.file+".pcap")
			var ours, theirs []string
			version := 0 // ours is asked to speak the version of theirs
			for _, f := range heard {
				if isQuery(f.Text) {
					fmt.Sscanf(f.Text, "v%d ", &version)
					theirs = append(theirs, plainQuery(f.Text))
				}
			}
			s := fresh(t, version)
			note := func(sent string) {
				for line := range strings.Lines(sent) {
					if _, m, _ := strings.Cut(strings.TrimSpace(line), " "); isQuery(m) {
						ours = append(ours, plainQuery(m))
					}
				}
			}
			for _, f := range heard {
				note(s.Run(At(f.At)))
				if f.Mine {
					f.Note(At(f.At), s.R)
				}
			}
			note(s.Run(s.Now.Add(3 * time.Second)))
			for _, d := range known[c.file] {
				switch {
				case !isQuery(d.theirs + d.ours):
				case d.theirs != "" && !slices.Contains(theirs, d.theirs) || d.ours != "" && !slices.Contains(ours, d.ours):
					t.Errorf("no such difference: %+v", d)
				default:
					theirs = slices.DeleteFunc(theirs, func(m string) bool { return m == d.theirs })
					ours = slices.DeleteFunc(ours, func(m string) bool { return m == d.ours })
				}
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			if o, th := slices.Compact(ours), slices.Compact(theirs); !slices.Equal(o, th) {
				t.Errorf("asked:\n%s\nthe captured querier asked:\n%s", strings.Join(o, "\n"), strings.Join(th, "\n"))
			}
		})
	}
}

func plainQuery(m string) string { return strings.Replace(m, " S ", " ", 1) }

// pairs lists which sources of which groups are spoken of, how often.
func pairs(messages []string) (list []string) {
	for _, m := range messages {
		for _, rec := range strings.Split(m, ", ") {
			w := strings.Fields(rec)
			for _, s := range w[2:] {
				list = append(list, w[0]+" "+w[1]+" "+strings.Trim(s, "{}"))
			}
		}
	}
	slices.Sort(list)
	return list
}

// Capture calls visit with every frame of a capture file and when it was seen.
func Capture(t testing.TB, file string, visit func(at time.Duration, ethernet []byte)) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != 0xa1b2c3d4 {
		t.Fatalf("%s: not a capture", file)
	}
	for b = b[24:]; len(b) > 0; {
		at := time.Duration(le.Uint32(b))*time.Second + time.Duration(le.Uint32(b[4:]))*time.Microsecond
		end := 16 + int(le.Uint32(b[8:]))
		visit(at, b[16:end])
		b = b[end:]
	}
}
