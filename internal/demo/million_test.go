//go:build !novimage

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// TestMillion makes a few, both ways: at rest they have no timer, each has reported
// twice, and those that are pinged answer.
func TestMillion(t *testing.T) {
	for _, sockets := range []bool{false, true} {
		const n = 2000
		r, err := RunMillion(context.Background(), Million{N: n, Pings: 20, Sockets: sockets, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if r.Stacks != n || r.Timers > 1 || r.Reports != 2*n || r.MaxRSS == 0 || r.BytesEach == 0 {
			t.Errorf("sockets %v: %+v", sockets, r)
		}
		if r.Ping.Max == 0 { // how quick they are depends on who else is running
			t.Errorf("nobody answered: %+v", r)
		}
	}
}

func TestMillionInterrupted(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	c := Million{N: 100_000, Progress: func(string, int, int) { cancel(cause) }}
	if _, err := RunMillion(ctx, c); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
}

func TestMillionChecks(t *testing.T) {
	_, err := RunMillion(context.Background(), Million{N: 0, Pings: -1})
	for _, word := range []string{"n 0", "pings -1"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("no %q in %v", word, err)
		}
	}
}

// TestMillionJSON: the fields that others read.
func TestMillionJSON(t *testing.T) {
	doc, err := json.Marshal(&MillionResult{})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"stacks", "create_s", "bytes_each", "max_rss_bytes", "heap_bytes", "ping_ok", "gogc", "gomemlimit", "verdict"} {
		if _, ok := m[name]; !ok {
			t.Errorf("no field %q in %s", name, doc)
		}
	}
}
