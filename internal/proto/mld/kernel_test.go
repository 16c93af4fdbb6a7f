package mld

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed88948545/vimage/internal/clock"
	"github.com/seed88948545/vimage/internal/wire"
)

// step is what the captured host's applications did.
type step struct {
	at            time.Duration
	group, filter string
}

const (
	s1, s2, s3 = "fd09::101", "fd09::102", "fd09::103"
	me         = "fe80::ff:fe00:11"
	mine       = "ff02::1:ff00:11" // its solicited-node group
)

// kernelCases names, for every capture of a Linux host, what its applications
// did, and every message in which this engine differs, with the reason.
var kernelCases = []struct {
	file    string
	version int32
	steps   []step
	differs [][2]string // Linux, here; "" for nothing
	split   bool        // lists are split otherwise: that is free (RFC 3810 §5.2.15)
}{
	{"mld2_asm_join_leave", 2, []step{{0, "ff15::1:1", "E{}"}, {2496, "ff15::1:1", "none"}}, nil, false},
	{"mld2_ssm_join_leave", 2, []step{{0, "ff35::1:1", "I{" + s1 + "}"}, {2496, "ff35::1:1", "none"}}, nil, false},
	{"mld2_ssm_allow_block", 2, []step{
		{0, "ff35::1:2", "I{" + s1 + "}"}, {2000, "ff35::1:2", "I{" + s1 + " " + s2 + "}"},
		{4000, "ff35::1:2", "I{" + s1 + " " + s2 + " " + s3 + "}"}, {6004, "ff35::1:2", "I{" + s1 + " " + s3 + "}"},
		{8000, "ff35::1:2", "none"}}, nil, false},
	{"mld2_exclude_block_unblock", 2, []step{
		{0, "ff15::1:3", "E{}"}, {2000, "ff15::1:3", "E{" + s1 + "}"}, {4000, "ff15::1:3", "E{" + s1 + " " + s2 + "}"},
		{6000, "ff15::1:3", "E{" + s2 + "}"}, {8004, "ff15::1:3", "none"}}, nil, false},
	{"mld2_msfilter_transitions", 2, []step{
		{0, "ff15::1:4", "I{" + s1 + " " + s2 + "}"}, {2004, "ff15::1:4", "I{" + s2 + " " + s3 + "}"},
		{4000, "ff15::1:4", "E{fd09::104}"}, {6004, "ff15::1:4", "E{fd09::104 fd09::105}"},
		{8004, "ff15::1:4", "I{" + s1 + "}"}, {10004, "ff15::1:4", "I{}"}}, nil, false},
	{"mld2_two_sockets_merge", 2, []step{
		{0, "ff15::1:5", "I{" + s1 + " " + s2 + "}"}, {2004, "ff15::1:5", "E{" + s3 + "}"},
		{4004, "ff15::1:5", "E{" + s2 + " " + s3 + "}"}, {6004, "ff15::1:5", "none"}}, nil, false},
	{"mld2_many_sources_split", 2, []step{
		{0, "ff15::1:6", sixty}, {0, "ff15::1:7", sixty}, {0, "ff15::1:8", sixty},
		{2504, "ff15::1:6", "none"}, {2504, "ff15::1:7", "none"}, {2504, "ff15::1:8", "none"}}, nil, true},
	{"mld2_querier_general_and_group_source", 2, []step{{-9000, mine, "E{}"},
		{90, "ff35::1:1", "I{" + s1 + " " + s2 + "}"}, {6121, "ff35::1:1", "I{" + s1 + "}"}, {11124, "ff35::1:1", "none"}}, nil, false},
	// The capture ends before the last query is answered.
	{"mld2_querier_group_specific", 2, []step{{-9000, mine, "E{}"},
		{0, "ff15::1:1", "E{}"}, {5990, "ff15::1:1", "none"}}, [][2]string{{"", "IS_EX " + mine + " {}"}}, false},
	{"mld1_join_done", 1, []step{{0, "ff15::1:1", "E{}"}, {2502, "ff15::1:1", "none"}}, nil, false},
	{"mld1_querier_compat", 1, []step{{-20000, mine, "E{}"}, {0, "ff15::1:1", "E{}"}, {8000, "ff15::1:1", "none"}}, nil, false},
}

// sixty is written in decimal digits, as the capture's addresses are.
var sixty = "I{" + func() (s string) {
	for i := 1; i <= 60; i++ {
		s += fmt.Sprintf(" fd20::%d", i)
	}
	return s
}() + "}"

// The captures in testdata/kernel were made with Linux 6.18 in network namespaces;
// "crafted" ones have queries made by hand and answers by the kernel.

// TestAgainstLinux replays what the applications of captured Linux hosts did,
// and the queries those heard, and compares what is sent: all state changes in
// their order, all answers in theirs. Times are random on both sides, and with
// some of 50 seeds they must have come out alike.
func TestAgainstLinux(t *testing.T) {
	for _, c := range kernelCases {
		t.Run(c.file, func(t *testing.T) {
			frames := capture(t, "testdata/kernel/"+c.file+".pcap")
			var want []string
			for _, f := range frames {
				if f.pkt.Src == ip(me) {
					want = append(want, sorted(text(f.pkt.Payload)))
				}
			}
			for seed := range uint64(50) {
				got := replay(t, frames, c.steps, c.version, seed)
				linux := want
				for _, d := range c.differs {
					linux = differ(t, linux, got, d)
				}
				if c.split {
					got, linux = pairs(got), pairs(linux)
				}
				diff := compare(got, linux, c.version < 2)
				if diff == "" {
					return
				}
				if seed == 49 {
					t.Error(diff)
				}
			}
		})
	}
}

// replay runs a host through the steps and through what the captured host heard.
func replay(t *testing.T, frames []frame, steps []step, version int32, seed uint64) []string {
	tun := Defaults()
	tun.DefaultVersion = version
	var stats Stats
	e := Env{&tun, &stats}
	h := NewHost(&tun, seed, false)
	out := Out{Buf: make([]byte, 1500-48)}
	var got []string
	left := 0
	if steps[0].group == mine {
		left = 1
	}
	run := func(until clock.Time) {
		for h.Deadline() <= until {
			now := h.Deadline()
			for h.Next(now, e, &out) {
				if now >= at(0) {
					got = append(got, sorted(text(out.Buf[:out.N])))
				}
				checkDst(t, &out)
			}
		}
	}
	for len(frames) > 0 || len(steps) > 0 {
		if len(frames) == 0 || len(steps) > 0 && steps[0].at*time.Millisecond <= frames[0].at {
			now := at(steps[0].at * time.Millisecond)
			run(now - 1)
			h.Change(now, e, ip(steps[0].group), filterOf(t, steps[0].filter), 0)
			steps = steps[1:]
			continue
		}
		if f := frames[0]; f.pkt.Src != ip(me) {
			run(at(f.at))
			h.Input(at(f.at), e, &f.pkt)
		}
		frames = frames[1:]
	}
	run(at(time.Minute))
	if h.Groups() != left || h.Deadline() != clock.Never {
		t.Errorf("an idle host keeps %d groups, deadline %v", h.Groups(), h.Deadline())
	}
	return got
}

// checkDst: RFC 3810 §5.2.14; RFC 2710 §5.
func checkDst(t *testing.T, out *Out) {
	m := out.Buf[:out.N]
	want := ip("ff02::16")
	switch m[0] {
	case wire.ICMP6MLDv1Report:
		want = wire.MLD(m).Group()
	case wire.ICMP6MLDDone:
		want = ip("ff02::2")
	}
	if out.Dst != want {
		t.Errorf("%s to %v", text(m), out.Dst)
	}
}

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

// differ applies one documented difference to what Linux sent.
func differ(t *testing.T, want, got []string, d [2]string) []string {
	i := len(want)
	if d[0] != "" {
		// The last occurrence of an answer is the one that differs, every one
		// of a state change.
		for i = len(want) - 1; i >= 0 && want[i] != d[0]; i-- {
		}
		if i < 0 {
			t.Fatalf("Linux did not send %q", d[0])
		}
	}
	want = slices.Clone(want)
	switch {
	case d[1] == "":
		return slices.Delete(want, i, i+1)
	case !slices.Contains(got, d[1]):
		t.Errorf("%q was not sent", d[1])
	case d[0] == "":
		return append(want, d[1])
	}
	for j := range want {
		if j == i || want[j] == d[0] && strings.HasPrefix(d[0], "BLOCK") {
			want[j] = d[1]
		}
	}
	return want
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

// compare returns what differs. Versions 1 and 2 repeat at random moments: of
// those, only what is sent at all is compared.
func compare(got, want []string, older bool) string {
	if older {
		slices.Sort(got)
		got, want = slices.Compact(got), slices.Clone(want)
		slices.Sort(want)
		want = slices.Compact(want)
	}
	for _, kind := range []string{"answers", "changes"} {
		if g, w := only(got, kind), only(want, kind); !slices.Equal(g, w) {
			return kind + " sent:\n" + strings.Join(g, "\n") + "\nLinux sent:\n" + strings.Join(w, "\n")
		}
	}
	return ""
}
