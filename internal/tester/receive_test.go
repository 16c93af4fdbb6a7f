//go:build !novimage

package tester

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func small() Receive {
	return Receive{
		Hosts: 30, Groups: MustGroups("232.1.1.1+3"), Seed: 1, Virtual: true, Bystanders: 5,
		Traffic: Traffic{Senders: 2, Rate: 20},
	}
}

func run(t *testing.T, c Receive) *Result {
	t.Helper()
	r, err := RunReceive(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReceivePasses runs the tester in simulated and in real time.
func TestReceivePasses(t *testing.T) {
	for _, virtual := range []bool{true, false} {
		c := small()
		if c.Virtual = virtual; !virtual {
			c.Schedule, c.For = Schedule{{Do: Join}, {Do: Leave, At: 300 * time.Millisecond}}, 400*time.Millisecond
		}
		r := run(t, c)
		if r.Verdict != Pass || r.Joins != 90 || r.Joined != 90 {
			t.Errorf("virtual %v: %+v", virtual, r)
		}
	}
}

// TestReceiveIPv6: as with IPv4.
func TestReceiveIPv6(t *testing.T) {
	for _, mode := range []Mode{Include, Exclude} {
		c := small()
		c.Mode, c.Groups = mode, MustGroups("ff1e::1+3")
		r := run(t, c)
		if r.Verdict != Pass || r.Joined != 90 || r.Stopped.Switch == 0 || r.Stopped.Socket == 0 || r.LeaveDelay.Max > 2000 {
			t.Errorf("%v: %+v", mode, r)
		}
	}
}

// TestBreaksShow turns one part off after the other: each makes its own figure
// non-zero, the others stay, and the verdict is FAIL.
func TestBreaksShow(t *testing.T) {
	for _, broken := range Breaks() {
		for i, groups := range []string{"239.1.1.1+3", "239.1.1.1+3", "ff1e::1+3", "ff1e::1+3"} {
			c, mode := small(), Include+Mode(i%2)
			c.Break, c.Mode, c.Groups = broken, mode, MustGroups(groups)
			r := run(t, c)
			figures := map[string]uint64{
				"source-filter": r.WrongSource, "snooping": r.Leaked,
				"report": uint64(r.Joins - r.Joined), "link": r.Lost,
			}
			if r.Verdict != Fail || figures[broken] == 0 {
				t.Errorf("%s, %v: verdict %s, figure %d: %+v", broken, mode, r.Verdict, figures[broken], r)
			}
			if broken != "snooping" && r.Leaked != 0 || broken != "source-filter" && r.WrongSource != 0 {
				t.Errorf("%s, %v: another part's figure is not zero: %+v", broken, mode, r)
			}
		}
	}
}

// TestDelaysAreExact: in simulated time, with a datagram of the group every 50 ms
// and steps between two of them, every delay is known.
func TestDelaysAreExact(t *testing.T) {
	c := Receive{
		Hosts: 2, Groups: MustGroups("232.1.1.1"), Seed: 1, Virtual: true, FastLeave: true,
		Traffic:  Traffic{Senders: 1, Rate: 20}, // slots of 25 ms, with the impostor's
		Schedule: Schedule{{Do: Join, At: 60 * time.Millisecond}, {Do: Leave, At: 260 * time.Millisecond}},
	}
	r := run(t, c)
	near := func(ms, want float64) bool { return ms > want-0.01 && ms < want+0.01 }
	if !near(r.JoinDelay.P50, 40) || !near(r.JoinDelay.Max, 40) || r.LeaveDelay.Max != 0 || r.Expected != 2*4 || r.Delivered != 8 {
		t.Errorf("%+v", r)
	}
	c.FastLeave = false // the switch stops two seconds after the querier has asked (RFC 3376 §8.8)
	r = run(t, c)
	if !near(r.LeaveDelay.Max, 1990) || r.AfterLeave != 2*40 || r.Verdict != Pass {
		t.Errorf("%+v", r)
	}
}

// TestZap: each host has two groups at once for as long as the switch takes to
// forget the old one.
func TestZap(t *testing.T) {
	c := small()
	c.Schedule = ZapSchedule(3 * time.Second)
	r := run(t, c)
	if r.Verdict != Pass || r.Zap.Count != 150 || r.Zap.Failed != 0 || r.Zap.Overlap.Count != 150 || r.Joins != 180 {
		t.Errorf("%+v", r)
	}
	if r.Zap.First.Max > 51 || r.Zap.Last.Max > 2000 || r.Zap.Last.P50 < 1900 {
		t.Errorf("%+v", r.Zap)
	}
	c.FastLeave = true
	if r := run(t, c); r.Zap.Overlap.Count != 0 || r.Zap.Last.Max != 0 || r.Zap.Failed != 0 {
		t.Errorf("with fast leave: %+v", r.Zap)
	}
}

// TestFilterChanges: who excludes the sender for a while gets nothing meanwhile, and
// nothing from a wrong source.
func TestFilterChanges(t *testing.T) {
	c := small()
	c.Mode, c.Groups, c.Senders = Exclude, MustGroups("239.1.1.1"), 1
	var err error
	if c.Schedule, err = ParseSchedule("join@0s filter@1s mode=exclude source=10.0.0.2 filter@2s mode=include source=10.0.0.3"); err != nil {
		t.Fatal(err)
	}
	c.For = 3 * time.Second
	r := run(t, c)
	if r.Verdict != Pass || len(r.Flows) != 2 {
		t.Errorf("%+v", r)
	}
	// the sender for the first second, then the impostor as long as it lasts
	for i, most := range []uint64{21 * 30, 41 * 30} {
		if f := r.Flows[i]; f.Delivered > most || f.Delivered < most-60 {
			t.Errorf("%+v, at most %d", f, most)
		}
	}
}

// TestResultJSON pins the names of the document's fields.
func TestResultJSON(t *testing.T) {
	doc, err := json.Marshal(run(t, small()))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(m))
	want := strings.Fields(`after_leave all_joined_rss_bytes all_joined_s behind_ms bystanders checks delivered duplicates
		elapsed_s expected flows flows_omitted foreign groups held_s hosts join_delay_ms joined joins leaked leave_delay_ms
		loss_percent lost max_rss_bytes mode numbered one_way_delay_ms other_clock ran_s reordered reports resolution_ms
		seed senders sources stopped throughput time verdict where wrong_source zap`)
	if !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

// TestInterrupted: a run that is cancelled returns the cause and a capture that is
// complete.
func TestInterrupted(t *testing.T) {
	cause := errors.New("enough")
	for _, virtual := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(context.Background())
		c := small()
		c.Virtual, c.For = virtual, time.Hour
		var b bytes.Buffer
		c.Capture = &b
		c.Progress = func(stage string, done, of int) {
			if strings.HasPrefix(stage, "joined 90") {
				cancel(cause)
			}
		}
		if _, err := RunReceive(ctx, c); !errors.Is(err, cause) {
			t.Fatalf("error %v", err)
		}
		if !bytes.HasPrefix(b.Bytes(), []byte{0x0a, 0x0d, 0x0d, 0x0a}) || b.Len() < 1000 {
			t.Errorf("capture of %d bytes", b.Len())
		}
	}
}
