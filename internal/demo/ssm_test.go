//go:build !novimage

package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func small() SSM {
	return SSM{Receivers: 60, Groups: 3, Sources: 2, Packets: 5, Seed: 1, Virtual: true}
}

func run(t *testing.T, c SSM) *Result {
	t.Helper()
	r, err := RunSSM(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSSMPasses runs the demonstration in simulated and in real time.
func TestSSMPasses(t *testing.T) {
	for _, virtual := range []bool{true, false} {
		c := small()
		c.Virtual = virtual
		r := run(t, c)
		if r.Verdict != Pass || r.Joined != 60 || r.Expected != 300 || r.Delivered != 300 {
			t.Errorf("virtual %v: %+v", virtual, r)
		}
		// What was unwanted was there, and ended somewhere: the test could fail.
		if r.Stopped.Switch == 0 || r.Stopped.Socket == 0 || r.Reports == 0 {
			t.Errorf("virtual %v: nothing unwanted was about: %+v", virtual, r)
		}
	}
}

// TestBreaksShow turns one part off after the other: each makes its own figure
// non-zero, the others stay, and the verdict is FAIL.
func TestBreaksShow(t *testing.T) {
	for _, broken := range Breaks() {
		t.Run(broken, func(t *testing.T) {
			c := small()
			c.Break = broken
			r := run(t, c)
			figures := map[string]uint64{
				"source-filter": r.WrongSource, "snooping": r.Leaked,
				"report": uint64(r.Receivers - r.Joined), "link": r.Expected - r.Delivered,
			}
			if r.Verdict != Fail || figures[broken] == 0 {
				t.Errorf("verdict %s, figure %d: %+v", r.Verdict, figures[broken], r)
			}
			if broken != "snooping" && r.Leaked != 0 || broken != "source-filter" && r.WrongSource != 0 {
				t.Errorf("another part's figure is not zero: %+v", r)
			}
			if !strings.HasSuffix(r.Line(), "FAIL") {
				t.Error(r.Line())
			}
		})
	}
}

// TestVirtualRepeats: the same seed writes the same capture, another seed not.
func TestVirtualRepeats(t *testing.T) {
	capture := func(seed uint64) []byte {
		c := small()
		c.Seed = seed
		var b bytes.Buffer
		c.Capture = &b
		run(t, c)
		return b.Bytes()
	}
	a, b, other := capture(7), capture(7), capture(8)
	if len(a) < 10000 || !bytes.Equal(a, b) {
		t.Errorf("two runs with one seed wrote %d and %d bytes that differ", len(a), len(b))
	}
	if bytes.Equal(a, other) {
		t.Error("the seed makes no difference")
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
	for _, name := range []string{"receivers", "joined", "join_delay_ms", "expected", "delivered", "wrong_source", "leaked", "stopped", "reports", "elapsed_s", "max_rss_bytes", "verdict"} {
		if _, ok := m[name]; !ok {
			t.Errorf("no field %q in %s", name, doc)
		}
	}
	if len(m) != 12 {
		t.Errorf("%d fields: %s", len(m), doc)
	}
}

func TestCheckNamesEveryMistake(t *testing.T) {
	c := SSM{Receivers: 0, Groups: 0, Sources: 0, Packets: 0, Break: "cable"}
	err := c.Check()
	for _, word := range []string{"receivers 0", "groups 0", "sources 0", "packets 0", `"cable"`, "source-filter"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %v", word, err)
		}
	}
	w := WireSSM{Port: 70000}
	for _, word := range []string{"receivers", "packets", "source", "group", "port 70000", "net", "for"} {
		if err := w.Check(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %v", word, err)
		}
	}
}

// TestInterrupted: a run that is cancelled returns the cause and a capture that
// is complete.
func TestInterrupted(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	c := small()
	var b bytes.Buffer
	c.Capture = &b
	c.Progress = func(stage string, done, of int) {
		if stage == "joining" {
			cancel(cause)
		}
	}
	if _, err := RunSSM(ctx, c); !errors.Is(err, cause) {
		t.Fatalf("error %v", err)
	}
	if !bytes.HasPrefix(b.Bytes(), []byte{0x0a, 0x0d, 0x0d, 0x0a}) || b.Len() < 1000 {
		t.Errorf("capture of %d bytes", b.Len())
	}
}
