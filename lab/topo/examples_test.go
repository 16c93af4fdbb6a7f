//go:build !novimage

package topo

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed88948545/vimage/internal/vars"
	"github.com/seed88948545/vimage/lab"
)

func examples(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	return files
}

func load(t testing.TB, name string) *File {
	t.Helper()
	r, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := Load(r, name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return f
}

// run builds a file's network, runs it, and returns the report.
func run(t testing.TB, f *File, c lab.Config) *Report {
	t.Helper()
	n, err := Build(f, c)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Run(t.Context(), 0, nil); err != nil {
		t.Fatal(err)
	}
	r := n.Report(c.Seed)
	for _, h := range r.Nodes {
		for name := range h.Counters {
			if !slices.Contains(vars.CounterNames(), name) {
				t.Errorf("%s counts %s, which expectations cannot name", h.Name, name)
			}
		}
	}
	n.Close()
	if p := n.Lab.World.Pool(); p.Buffers != 0 {
		t.Errorf("%d buffers are left", p.Buffers)
	}
	return r
}

func wantPass(t testing.TB, r *Report) {
	t.Helper()
	for _, o := range r.Expectations {
		if !o.OK {
			t.Errorf("line %d: %s: %s: want %s, got %s", o.Line, o.Kind, o.Of, o.Want, o.Got)
		}
	}
	if r.Verdict != Pass && !t.Failed() {
		t.Errorf("verdict %s, though all expectations hold", r.Verdict)
	}
}

// TestExamples runs every example in simulated time with two seeds and in a
// bubble.
func TestExamples(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f := load(t, name)
			for seed := range uint64(2) {
				wantPass(t, run(t, f, lab.Config{Seed: seed, Simulated: true}))
			}
			synctest.Test(t, func(t *testing.T) {
				wantPass(t, run(t, f, lab.Config{Seed: 3}))
			})
		})
	}
}
