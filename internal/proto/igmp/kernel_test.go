package igmp

import (
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
	s1, s2, s3 = "10.9.0.101", "10.9.0.102", "10.9.0.103"
)

// kernelCases names, for every capture of a Linux host, what its applications
// did, and every message in which this engine differs, with the reason.
var kernelCases = []struct {
	file    string
	version int32
	steps   []step
	differs [][2]string // Linux, here; "" for nothing
}{
	{"igmp3_asm_join_leave", 3, []step{{0, "239.1.1.1", "E{}"}, {2508, "239.1.1.1", "none"}}, nil},
	{"igmp3_ssm_join_leave", 3, []step{{0, "232.1.1.1", "I{" + s1 + "}"}, {2528, "232.1.1.1", "none"}}, nil},
	{"igmp3_ssm_allow_block", 3, []step{
		{0, "232.1.1.2", "I{" + s1 + "}"}, {2000, "232.1.1.2", "I{" + s1 + " " + s2 + "}"},
		{4004, "232.1.1.2", "I{" + s1 + " " + s2 + " " + s3 + "}"}, {6064, "232.1.1.2", "I{" + s1 + " " + s3 + "}"},
		{8068, "232.1.1.2", "none"}}, nil},
	{"igmp3_exclude_block_unblock", 3, []step{
		{0, "239.1.1.3", "E{}"}, {2008, "239.1.1.3", "E{" + s1 + "}"}, {4008, "239.1.1.3", "E{" + s1 + " " + s2 + "}"},
		{6012, "239.1.1.3", "E{" + s2 + "}"}, {8016, "239.1.1.3", "none"}}, nil},
	{"igmp3_msfilter_transitions", 3, []step{
		{0, "239.1.1.4", "I{" + s1 + " " + s2 + "}"}, {2004, "239.1.1.4", "I{" + s2 + " " + s3 + "}"},
		{4004, "239.1.1.4", "E{10.9.0.104}"}, {6000, "239.1.1.4", "E{10.9.0.104 10.9.0.105}"},
		{8000, "239.1.1.4", "I{" + s1 + "}"}, {10004, "239.1.1.4", "I{}"}}, nil},
	{"igmp3_two_sockets_merge", 3, []step{
		{0, "239.1.1.5", "I{" + s1 + " " + s2 + "}"}, {2000, "239.1.1.5", "E{" + s3 + "}"},
		{4004, "239.1.1.5", "E{" + s2 + " " + s3 + "}"}, {6004, "239.1.1.5", "none"}}, nil},
	{"igmp3_many_sources_split", 3, []step{
		{0, "239.1.1.6", "I{10.20.0.1..10.20.0.200 10.20.1.1..10.20.1.200}"}, {2500, "239.1.1.6", "none"}},
		// Which sources a split record starts with is free (RFC 3376 §4.2.16):
		// here it is always the lowest address.
		[][2]string{
			{"BLOCK 239.1.1.6 {365 sources 10.20.0.36..10.20.1.200}", "BLOCK 239.1.1.6 {365 sources 10.20.0.1..10.20.1.165}"},
			{"BLOCK 239.1.1.6 {35 sources 10.20.0.1..10.20.0.35}", "BLOCK 239.1.1.6 {35 sources 10.20.1.166..10.20.1.200}"},
		}},
	{"igmp3_many_groups", 3, append(manyGroups(0, "E{}"), manyGroups(2504, "none")...), nil},
	{"igmp3_general_query_crafted_answered", 3, twoGroups(9012), nil},
	{"igmp3_group_and_source_query_crafted_answered", 3, twoGroups(9000),
		// RFC 3376 §5.2: EXCLUDE(A) asked for B answers IS_IN(B-A), not its
		// whole state.
		[][2]string{{"IS_EX 239.1.1.1 {" + s3 + "}", "IS_IN 239.1.1.1 {10.9.0.150}"}}},
	{"igmp3_malformed_queries_crafted", 3, twoGroups(9000),
		// RFC 3376 §4: IGMP is sent with TTL 1, so what arrives with 2 is not
		// from this link.
		[][2]string{{"IS_EX 239.1.1.1 {" + s3 + "}, IS_IN 232.1.1.1 {" + s1 + "}", ""}}},
	{"igmp3_querier_general_and_group_source", 3, []step{
		{84, "232.1.1.1", "I{" + s1 + " " + s2 + "}"}, {6088, "232.1.1.1", "I{" + s1 + "}"}, {11088, "232.1.1.1", "none"}}, nil},
	{"igmp3_querier_group_specific", 3, []step{{0, "239.1.1.1", "E{}"}, {6000, "239.1.1.1", "none"}}, nil},
	{"igmp2_join_leave", 2, []step{{0, "239.1.1.1", "E{}"}, {2506, "239.1.1.1", "none"}}, nil},
	{"igmp2_querier_compat", 2, []step{{0, "239.1.1.1", "E{}"}, {0, "232.1.1.1", "I{" + s1 + "}"},
		{7991, "239.1.1.1", "none"}, {10992, "232.1.1.1", "none"}}, nil},
	{"igmp2_query_crafted_answered", 3, twoGroups(8985), nil},
	{"igmp1_join_leave", 1, []step{{0, "239.1.1.1", "E{}"}, {2500, "239.1.1.1", "none"}}, nil},
	// The capture ends before the second group's delay does.
	{"igmp1_query_crafted_answered", 3, twoGroups(20000), [][2]string{{"", "v1 report 232.1.1.1"}}},
}

func twoGroups(leave time.Duration) []step {
	return []step{{0, "232.1.1.1", "I{" + s1 + "}"}, {0, "239.1.1.1", "E{" + s3 + "}"},
		{leave, "232.1.1.1", "none"}, {leave, "239.1.1.1", "none"}}
}

func manyGroups(at time.Duration, filter string) []step {
	var list []step
	for a := ip("239.2.0.1"); a != ip("239.2.0.21"); a = a.Next() {
		list = append(list, step{at, a.String(), filter})
	}
	return list
}

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
				if f.pkt.Src == ip("10.9.0.11") {
					want = append(want, sorted(text(f.pkt.Payload)))
				}
			}
			for seed := range uint64(50) {
				got := replay(t, frames, c.steps, c.version, seed)
				linux := want
				for _, d := range c.differs {
					linux = differ(t, linux, got, d)
				}
				diff := compare(got, linux, c.version < 3 || c.file[:5] != "igmp3")
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
	out := Out{Buf: make([]byte, 1500-24)}
	var got []string
	run := func(until clock.Time) {
		for h.Deadline() <= until {
			now := h.Deadline()
			for h.Next(now, e, &out) {
				got = append(got, sorted(text(out.Buf[:out.N])))
				checkEnvelope(t, &out)
			}
		}
	}
	for len(frames) > 0 || len(steps) > 0 {
		if len(frames) == 0 || len(steps) > 0 && steps[0].at*time.Millisecond <= frames[0].at {
			now := at(steps[0].at * time.Millisecond)
			run(now - 1)
			h.Change(now, e, ip(steps[0].group), filterOf(t, steps[0].filter))
			steps = steps[1:]
			continue
		}
		if f := frames[0]; f.pkt.Src != ip("10.9.0.11") {
			run(at(f.at))
			h.Input(at(f.at), e, &f.pkt)
		}
		frames = frames[1:]
	}
	run(at(time.Minute))
	if h.Groups() != 0 || h.Deadline() != clock.Never {
		t.Errorf("an idle host keeps %d groups, deadline %v", h.Groups(), h.Deadline())
	}
	return got
}

// checkEnvelope: RFC 3376 §4, §4.2.14; RFC 2236 §3, §9.
func checkEnvelope(t *testing.T, out *Out) {
	m := wire.IGMP(out.Buf[:out.N])
	want := Out{Dst: ip("224.0.0.22"), TOS: 0xc0, RouterAlert: true}
	switch m.Type() {
	case wire.IGMPTypeV1Report:
		want = Out{Dst: m.Group()}
	case wire.IGMPTypeV2Report:
		want = Out{Dst: m.Group(), RouterAlert: true}
	case wire.IGMPTypeV2Leave:
		want = Out{Dst: ip("224.0.0.2"), RouterAlert: true}
	}
	if out.Dst != want.Dst || out.TOS != want.TOS || out.RouterAlert != want.RouterAlert {
		t.Errorf("%s to %v, TOS %#x, Router Alert %v", text(m), out.Dst, out.TOS, out.RouterAlert)
	}
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
