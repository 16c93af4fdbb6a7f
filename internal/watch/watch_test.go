package watch

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/link/pcapng"
)

var update = flag.Bool("update", false, "rewrite testdata")

// watchFile is what comes of a capture: every event, then the tables.
func watchFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	w := New(Config{})
	r := pcapng.NewReader(bytes.NewReader(b))
	var f pcapng.Frame
	var out strings.Builder
	pull := func() {
		var e Event
		for w.Next(&e) {
			out.WriteString(e.String() + "\n")
		}
	}
	for {
		if err := r.Next(&f); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		w.Frame(f.Time, f.LinkType, f.Data, f.Len)
		pull()
	}
	report := w.Report(f.Time)
	pull()
	out.WriteString("\n")
	if err := report.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
	return out.String()
}

// TestCaptures watches what Linux hosts, and a Linux bridge as querier, have sent.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) < 29 {
		t.Fatalf("%v: %d captures", err, len(files))
	}
	for _, name := range files {
		golden := strings.TrimSuffix(name, ".pcap") + ".txt"
		got := watchFile(t, name)
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
