//go:build !novimage

package topo

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed88948545/vimage/lab"
)

var update = flag.Bool("update", false, "rewrite testdata/bad/*.txt")

// TestMistakes: files full of mistakes are refused with all of them, as the
// .txt beside each says; lines marked BAD are named, and no others.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(strings.NewReader(string(src)), filepath.Base(name))
			var bad *Mistakes
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want mistakes", err)
			}
			if strings.Contains(string(src), "# BAD") {
				wantLines(t, string(src), bad)
			}
			golden := strings.TrimSuffix(name, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func wantLines(t *testing.T, src string, bad *Mistakes) {
	t.Helper()
	var marked, named []int
	for i, line := range strings.Split(src, "\n") {
		if strings.HasSuffix(line, "# BAD") {
			marked = append(marked, i+1)
		}
	}
	for _, m := range bad.List {
		named = append(named, m.Line)
	}
	named = slices.Compact(named)
	for _, l := range marked {
		if !slices.Contains(named, l) {
			t.Errorf("line %d is marked, no mistake names it", l)
		}
	}
	for _, m := range bad.List {
		if !slices.Contains(marked, m.Line) {
			t.Errorf("line %d is not marked: %s", m.Line, m.Text)
		}
	}
}

// FuzzLoad: whatever is read, it is refused with lines, or can be built.
func FuzzLoad(f *testing.F) {
	names, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(names, examples(f)...) {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src))
	}
	f.Fuzz(func(t *testing.T, src string) {
		file, err := Load(strings.NewReader(src), "x")
		if err != nil {
			var bad *Mistakes
			if !errors.As(err, &bad) || len(bad.List) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			lines := 2
			for _, c := range src {
				if strings.ContainsRune("\n\r\u0085\u2028\u2029", c) { // YAML's line ends
					lines++
				}
			}
			for _, m := range bad.List {
				if m.Line < 1 || m.Line > lines || m.Text == "" {
					t.Errorf("mistake %+v of a file of %d lines", m, lines)
				}
			}
			return
		}
		for _, n := range file.nodes {
			if n.fibs > 64 {
				return // right, and slow
			}
		}
		n, err := Build(file, lab.Config{Simulated: true})
		if err != nil {
			t.Fatalf("Load takes it, Build does not: %v", err)
		}
		n.Check()
		n.Close()
	})
}
